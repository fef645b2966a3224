"""Where the pixels of a raster lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

# Two grids are one when their corners differ by less than this part of a pixel. Writers round transforms.
ALIGNMENT_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Grid:
    """A raster's grid: CRS, transform from (column, row) to (x, y), height and width in pixels.

    `crs` is None and `transform` the identity where the file says nothing.
    """

    crs: CRS | None
    transform: Affine
    height: int
    width: int

    @classmethod
    def of(cls, dataset: Any) -> Grid:
        """Return the grid of an open rasterio dataset."""
        return cls(dataset.crs, dataset.transform, dataset.height, dataset.width)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    @property
    def is_georeferenced(self) -> bool:
        """Whether the grid has a CRS and a transform other than the identity."""
        return self.crs is not None and not self.transform.is_identity

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) in the CRS; of a rotated grid, the box around it."""
        corners = self.corners()
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def pixel_size(self) -> tuple[float, float]:
        """(height, width) of a pixel in units of the CRS."""
        t = self.transform
        return math.hypot(t.b, t.e), math.hypot(t.a, t.d)

    def corners(self) -> list[tuple[float, float]]:
        """Return (x, y) of the top-left, top-right, bottom-right and bottom-left corners."""
        places = ((0, 0), (self.width, 0), (self.width, self.height), (0, self.height))
        return [_place(self.transform, col, row) for col, row in places]

    def of_window(self, window: Window) -> Grid:
        """Return the grid of a pixel window in this grid."""
        t = self.transform
        x, y = _place(t, window.col_off, window.row_off)
        return Grid(self.crs, Affine(t.a, t.b, x, t.d, t.e, y), int(window.height), int(window.width))

    def difference(self, other: Grid) -> str:
        """Say in which way another grid is not this one, or return an empty text.

        Transforms are compared at the corners, within a hundredth of a pixel. A transform or CRS that only one of
        the two has is no difference: files without georeference are compared by size alone.
        """
        if self.shape != other.shape:
            return f"{_size(self)} and {_size(other)} pixels"
        if not (self.is_georeferenced and other.is_georeferenced):
            return ""
        if self.crs != other.crs:
            return f"CRS {_crs_name(self.crs)} and {_crs_name(other.crs)}"
        pixel = max(self.pixel_size)
        pairs = zip(self.corners(), other.corners(), strict=True)
        shift = max(math.hypot(x - other_x, y - other_y) for (x, y), (other_x, other_y) in pairs)
        return f"corners {shift / pixel:.3g} pixels apart" if shift > ALIGNMENT_TOLERANCE * pixel else ""


def _place(t: Affine, col: float, row: float) -> tuple[float, float]:
    return t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f


def _size(grid: Grid) -> str:
    return f"{grid.height} x {grid.width}"


def _crs_name(crs: CRS | None) -> str:
    if crs is None:
        return "none"
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_string()
