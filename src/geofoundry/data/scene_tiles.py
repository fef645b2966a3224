"""Scenes of any size as tiles of one size, row by row, for mapping them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rasterio.io import DatasetReader
from rasterio.windows import Window
from torch.utils.data import Dataset

from geofoundry.core.errors import ConfigError, DataError, Fault
from geofoundry.data.image_spec import BandPlan, ImageSpec, plan_or_faults
from geofoundry.data.inventory import collapse
from geofoundry.data.sampling import Size
from geofoundry.geo.reading import RasterHeader, open_raster, opening, read_header


class Tile(NamedTuple):
    """The part of a scene that one tile decides: its place there, and where it lies in the tile."""

    row: int
    col: int
    height: int
    width: int
    row_offset: int
    col_offset: int


class SceneTilesDataset(Dataset[dict[str, Any]]):
    """Tiles of scenes, each scene row by row, so that a writer can stream.

    Every tile has the size `tile`; its part to be written is what is left without `halo` pixels on each side, and
    the parts cover each scene once. At the borders of a scene tiles move inwards, so that all of what a model sees
    is real; only scenes smaller than a tile are padded, by reflection. Scenes may differ in size.

    **Raises**: DataError with every scene that can't be read or lacks a band.
    """

    def __init__(self, paths: Sequence[str | Path], image_spec: ImageSpec, *, tile: Size, halo: int = 0) -> None:
        if halo < 0 or min(tile) <= 2 * halo:
            raise ConfigError(
                Fault(
                    what="nothing of a tile is left without its halo",
                    where="predict_halo",
                    got=f"a halo of {halo} pixels on tiles of {tile[0]} x {tile[1]}",
                    expected="a halo of less than half a tile",
                    mend="use larger tiles, or a smaller halo",
                )
            )
        self.image_spec = image_spec
        self.tile = tile
        self.halo = halo
        self.headers, self._plans = _plan_scenes(paths, image_spec)
        self._places = [
            (number, place)
            for number, header in enumerate(self.headers)
            for place in scene_tiles(header.shape, tile, halo)
        ]
        self._open: tuple[int, Any, DatasetReader] | None = None

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return a tile.

        **Shapes**: `image` (C, H, W) float32 in physical values with nodata as NaN, or (T*C, H, W) for several dates;
        `valid` (H, W) bool; `filename` the scene's path; `tile` (6,) int64 as in `Tile`.
        """
        number, place = self._places[index]
        header = self.headers[number]
        window = self._window(place, header.shape)
        image, valid = self.image_spec.read_planned(self._dataset(number), self._plans[number], window)
        missing = [(0, size - length) for size, length in zip(self.tile, image.shape[1:], strict=True)]
        if any(after for _, after in missing):
            image = _reflect(image, missing)
            valid = _reflect(valid, missing)
        return {
            "image": torch.from_numpy(image),
            "valid": torch.from_numpy(valid),
            "filename": str(header.path),
            "tile": torch.tensor(place),
        }

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind; each worker opens its own."""
        return {**self.__dict__, "_open": None}

    def _window(self, place: Tile, shape: Size) -> Window:
        row, col = place.row - place.row_offset, place.col - place.col_offset
        height, width = min(self.tile[0], shape[0]), min(self.tile[1], shape[1])
        return Window(col, row, width, height)  # type: ignore[call-arg]

    def _dataset(self, number: int) -> DatasetReader:
        """Return an open scene; it stays open for its other tiles, whose blocks may be decoded already."""
        if self._open is None or self._open[0] != number:
            if self._open is not None:
                self._open[1].__exit__(None, None, None)
            with opening(side_files=False):
                context = open_raster(self.headers[number].path)
                self._open = (number, context, context.__enter__())
        return self._open[2]


def scene_tiles(shape: Size, tile: Size, halo: int) -> list[Tile]:
    """Return the parts that cover a scene once, row by row, and where each lies in its tile."""
    rows = _spans(shape[0], tile[0], halo)
    cols = _spans(shape[1], tile[1], halo)
    return [
        Tile(row, col, height, width, row_offset, col_offset)
        for row, height, row_offset in rows
        for col, width, col_offset in cols
    ]


def fitting_tile(shapes: Sequence[Size], largest: Size, multiple: int = 32) -> Size:
    """Return a tile size for scenes: `largest`, or less where all scenes are smaller, rounded up to a multiple."""
    sizes = [max(shape[axis] for shape in shapes) for axis in (0, 1)]
    height, width = (min(limit, -(-size // multiple) * multiple) for size, limit in zip(sizes, largest, strict=True))
    return height, width


def _spans(length: int, tile: int, halo: int) -> list[tuple[int, int, int]]:
    """Return (start, length, offset in the tile) of the parts along one axis.

    A tile at the border has no halo there, and writes what would have been in it.
    """
    if length <= tile:
        return [(0, length, 0)]
    spans = []
    start = 0
    while start < length:
        first = min(max(start - halo, 0), length - tile)
        end = length if first + tile >= length else first + tile - halo
        spans.append((start, end - start, start - first))
        start = end
    return spans


def _plan_scenes(paths: Sequence[str | Path], spec: ImageSpec) -> tuple[list[RasterHeader], list[BandPlan]]:
    headers: list[RasterHeader] = []
    plans: list[BandPlan] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            header = read_header(path)
        except DataError as error:
            faults.extend(error.faults)
            continue
        plan, found = plan_or_faults(spec, header)
        faults.extend(found)
        if plan is not None:
            headers.append(header)
            plans.append(plan)
    if faults:
        raise DataError(collapse(faults))
    return headers, plans


def _reflect(array: np.ndarray, missing: Sequence[tuple[int, int]]) -> np.ndarray:
    """Pad the last two axes by reflection, again and again where the scene is narrower than what is missing."""
    widths = [(0, 0)] * (array.ndim - 2) + list(missing)
    return np.pad(array, widths, mode="symmetric" if 1 in array.shape[-2:] else "reflect")
