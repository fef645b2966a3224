"""The ground as cells of a quarter of a pixel, and how things are drawn onto it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from geofoundry.data.synthetic.materials import Material
from geofoundry.data.synthetic.noise import Field
from geofoundry.data.synthetic.parcels import Points

CELLS_PER_PIXEL = 4


class Canvas:
    """A `Material` for every cell. Places are in meters from the top-left corner, x to the right and y down.

    `shape` is (height, width) in pixels; `material` is (4 height, 4 width), grassland to begin with.
    """

    def __init__(self, shape: tuple[int, int], pixel_m: float) -> None:
        self.shape = shape
        self.pixel_m = pixel_m
        self.cell_m = pixel_m / CELLS_PER_PIXEL
        cells = (shape[0] * CELLS_PER_PIXEL, shape[1] * CELLS_PER_PIXEL)
        self.material = np.full(cells, Material.GRASS, dtype=np.uint8)

    @property
    def size_m(self) -> tuple[float, float]:
        """(height, width) in meters."""
        return self.shape[0] * self.pixel_m, self.shape[1] * self.pixel_m

    def draw(self, outlines: Iterable[tuple[Points, Material]]) -> None:
        """Fill polygons, later ones over earlier ones."""
        shapes = [(_geometry(outline / self.cell_m), int(material)) for outline, material in outlines]
        if shapes:
            rasterize(shapes, out=self.material, transform=Affine.identity())

    def draw_pattern(self, outline: Points, material: Material, over: Material, pattern: Any) -> None:
        """Set a material where the polygon holds `over` and `pattern(x, y)` is true; x and y are in meters."""
        cells = np.array(self.material.shape[::-1])
        low = np.clip(np.floor(outline.min(axis=0) / self.cell_m).astype(np.int64), 0, cells)
        high = np.clip(np.ceil(outline.max(axis=0) / self.cell_m).astype(np.int64), 0, cells)
        part = self.material[low[1] : high[1], low[0] : high[0]]
        if not part.size:
            return
        row, col = np.indices(part.shape)
        inside = _fill([(outline / self.cell_m - low, 1)], part.shape, 0, "uint8") == 1
        chosen = pattern((col + low[0] + 0.5) * self.cell_m, (row + low[1] + 0.5) * self.cell_m)
        part[inside & chosen & (part == over)] = material

    def number_pixels(self, outlines: Sequence[Points]) -> NDArray[np.int32]:
        """Return, per pixel, the index of the last polygon that holds its center, or -1."""
        if not outlines:
            return np.full(self.shape, -1, dtype=np.int32)
        numbered = [(outline / self.pixel_m, index) for index, outline in enumerate(outlines)]
        return _fill(numbered, self.shape, -1, "int32")

    def at(self, points: Points) -> NDArray[np.uint8]:
        """Return the material at points; beyond the border, that of the nearest cell."""
        row, col = _cells(points / self.cell_m, self.material.shape)
        return self.material[row, col]

    def sample(self, field: Field, points: Points) -> Field:
        """Return the values of a field, one per pixel, at points; beyond the border, the nearest."""
        row, col = _cells(points / self.pixel_m, field.shape)
        return field[row, col]


def _cells(places: Points, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cell = np.floor(places).astype(np.int64)
    return np.clip(cell[:, 1], 0, shape[0] - 1), np.clip(cell[:, 0], 0, shape[1] - 1)


def _fill(outlines: Sequence[tuple[Points, int]], shape: tuple[int, ...], rest: int, dtype: str) -> NDArray[Any]:
    shapes = [(_geometry(outline), value) for outline, value in outlines]
    return rasterize(shapes, out_shape=shape, fill=rest, transform=Affine.identity(), dtype=dtype)


def _geometry(outline: Points) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": [[*outline.tolist(), outline[0].tolist()]]}
