"""Chips on disk: an image and a mask per chip, each a GeoTIFF that keeps its place, bands and nodata."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geofoundry.core.errors import Fault, GeofoundryError
from geofoundry.geo.colors import Color
from geofoundry.geo.grid import Grid


def write_image_chip(path: Path, scene: DatasetReader, window: Window) -> None:
    """Write a window of a scene with all its bands, its nodata, band names, scales, units and tags."""
    options = {
        "count": scene.count,
        "dtype": scene.dtypes[0],
        "nodata": scene.nodata,
        # Band by band, so that a model that wants three of thirteen bands reads three.
        "interleave": "band",
        "predictor": 3 if np.dtype(scene.dtypes[0]).kind == "f" else 2,
    }
    pixels = scene.read(window=window)
    profile = _profile(Grid.of(scene).of_window(window)) | options
    with _replacing(path) as part, rasterio.open(part, "w", **profile) as chip:
        chip.write(pixels)
        for number, name in enumerate(scene.descriptions, start=1):
            if name:
                chip.set_band_description(number, name)
        chip.scales, chip.offsets, chip.units = scene.scales, scene.offsets, scene.units
        chip.update_tags(**scene.tags())


def write_mask_chip(
    path: Path, labels: np.ndarray, grid: Grid, ignore_index: int, palette: Mapping[int, Color]
) -> None:
    """Write class ids as uint8 with a color table; the ignore index is nodata."""
    with (
        _replacing(path) as part,
        rasterio.open(part, "w", **_profile(grid), count=1, dtype="uint8", nodata=ignore_index) as chip,
    ):
        chip.write(labels, 1)
        chip.set_band_description(1, "class")
        chip.write_colormap(1, {class_id: (*color, 255) for class_id, color in palette.items()})


def _profile(grid: Grid) -> dict[str, Any]:
    profile: dict[str, Any] = {"driver": "GTiff", "height": grid.height, "width": grid.width, "compress": "deflate"}
    if grid.crs is not None:
        profile |= {"crs": grid.crs, "transform": grid.transform}
    return profile


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block ends well.

    Unlike `core.files.atomic_path` it doesn't wait for the disk: a chip that a power cut loses is made again, and
    thousands of chips would wait long.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            yield part
        part.replace(path)
    except (RasterioError, OSError) as error:
        fault = Fault("a chip can't be written", str(path), str(error), mend="free space or choose another folder")
        raise GeofoundryError(fault) from error
    finally:
        part.unlink(missing_ok=True)
