import pytest

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.geo.windows import cover, pixel_window, tiles


def test_windows_touch_and_the_last_is_moved_back():
    assert [(w.row_off, w.col_off) for w in cover(100, 250, 100)] == [(0, 0), (0, 100), (0, 150)]
    assert cover(64, 64, 64) == [pixel_window(0, 0, 64, 64)]


@pytest.mark.parametrize(("size", "stride"), [(0, 1), (8, 0), (8, 9), (8, -1)])
def test_impossible_sizes_and_strides_are_refused(size, stride):
    with pytest.raises(ConfigError, match="size"):
        cover(100, 100, size, stride)


def test_raster_smaller_than_a_window_is_refused_with_the_size_that_fits():
    with pytest.raises(DataError, match="at most 60 pixels"):
        cover(60, 300, 64)


def test_tiles_cover_each_pixel_once():
    assert [(w.row_off, w.height, w.width) for w in tiles(10, 7, 4)] == [(0, 4, 7), (4, 4, 7), (8, 2, 7)]
    assert [(w.row_off, w.col_off, w.height, w.width) for w in tiles(5, 5, 4, 3)] == [
        (0, 0, 4, 3),
        (0, 3, 4, 2),
        (4, 0, 1, 3),
        (4, 3, 1, 2),
    ]
