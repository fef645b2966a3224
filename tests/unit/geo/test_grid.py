import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from geofoundry.geo.grid import Grid

UTM = CRS.from_epsg(32632)
GRID = Grid(UTM, Affine(10, 0, 500000, 0, -10, 5000000), 20, 30)


def test_bounds_and_pixel_size():
    assert GRID.bounds == (500000, 4999800, 500300, 5000000)
    assert GRID.pixel_size == (10, 10)
    assert GRID.shape == (20, 30)


def test_a_rotated_grid_has_the_box_around_it():
    rotated = Grid(UTM, Affine(0, -2, 0, 2, 0, 0), 5, 10)
    assert rotated.bounds == pytest.approx((-10, 0, 0, 20))


def test_grid_of_a_window():
    window = GRID.of_window(Window(3, 2, 5, 4))
    assert window.shape == (4, 5)
    assert (window.transform.c, window.transform.f) == (500030, 4999980)


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (GRID, ""),
        (Grid(UTM, GRID.transform, 20, 31), "20 x 31"),
        (Grid(CRS.from_epsg(32633), GRID.transform, 20, 30), "EPSG:32633"),
        (Grid(UTM, Affine(10, 0, 500005, 0, -10, 5000000), 20, 30), "0.5 pixels"),
        (Grid(UTM, Affine(10, 0, 500000.01, 0, -10, 5000000), 20, 30), ""),
        (Grid(None, Affine.identity(), 20, 30), ""),
    ],
)
def test_differences_are_said(other, word):
    assert (word in GRID.difference(other)) if word else GRID.difference(other) == ""
