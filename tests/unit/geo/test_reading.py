import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from geofoundry.core.errors import DataError
from geofoundry.geo.reading import opening, read_header, read_window

PIXELS = np.arange(3 * 20 * 30, dtype="uint16").reshape(3, 20, 30)


@pytest.fixture
def raster(tmp_path):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint16", "height": 20, "width": 30, "nodata": 9}
    transform = Affine(10, 0, 500000, 0, -10, 5000000)
    with rasterio.open(path, "w", crs="EPSG:32632", transform=transform, compress="deflate", **profile) as file:
        file.write(PIXELS)
        file.descriptions = ("BLUE", None, "RED")
    return path


def test_header(raster):
    header = read_header(raster)
    assert (header.count, header.shape, header.dtypes) == (3, (20, 30), ("uint16",) * 3)
    assert header.descriptions == ("BLUE", "", "RED")
    assert header.nodata == (9, 9, 9)
    assert header.grid.crs.to_epsg() == 32632


def test_windows_of_bands(raster):
    assert np.array_equal(read_window(raster), PIXELS)
    assert np.array_equal(read_window(raster, [3, 1], Window(4, 5, 6, 7)), PIXELS[[2, 0], 5:12, 4:10])
    out = np.empty((1, 2, 2), "float32")
    with opening(side_files=False):
        assert read_window(raster, [2], Window(0, 0, 2, 2), out=out) is out
    assert np.array_equal(out, PIXELS[1:2, :2, :2])


@pytest.mark.parametrize(("col", "row"), [(-2, -3), (28, 18), (28, -1), (100, 100)])
def test_windows_beyond_the_raster_are_filled(raster, col, row):
    padded = np.pad(PIXELS, ((0, 0), (200, 200), (200, 200)), constant_values=7)
    window = read_window(raster, None, Window(col, row, 5, 6), fill=7)
    assert np.array_equal(window, padded[:, 200 + row : 206 + row, 200 + col : 205 + col])


def test_windows_beyond_the_raster_are_refused_without_fill(raster):
    with pytest.raises(DataError, match="20 rows and 30 columns"):
        read_window(raster, None, Window(28, 0, 5, 5))


def test_unreadable_files_say_why(raster, tmp_path):
    empty = tmp_path / "empty.tif"
    empty.touch()
    text = tmp_path / "text.tif"
    text.write_text("hello")
    cut = tmp_path / "cut.tif"
    cut.write_bytes(raster.read_bytes()[: raster.stat().st_size * 2 // 3])
    for path, word in [(empty, "0 bytes"), (text, "not a raster"), (tmp_path / "no.tif", "does not exist")]:
        with pytest.raises(DataError, match=word) as caught:
            read_header(path)
        assert str(path) in str(caught.value)
    with pytest.raises(DataError, match="cut off"):
        read_window(cut)
    with pytest.raises(DataError, match="folder"):
        read_header(tmp_path)


def test_a_file_without_georeference_is_read_without_a_warning(tmp_path):
    path = tmp_path / "plain.tif"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", driver="GTiff", count=1, dtype="uint8", height=4, width=4) as file:
            file.write(np.ones((1, 4, 4), "uint8"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not read_header(path).grid.is_georeferenced


def test_what_side_files_say_is_in_the_header(raster):
    raster.with_suffix(".tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='2'><Description>GREEN</Description></PAMRasterBand></PAMDataset>"
    )
    assert read_header(raster).descriptions[1] == "GREEN"
