"""Small labelled rasters with known pixels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin

BANDS = ("BLUE", "GREEN", "RED", "NIR")


def write_raster(
    path: Path,
    values: np.ndarray,
    *,
    descriptions: Sequence[str | None] | None = None,
    nodata: float | None = None,
    crs: str | None = "EPSG:32633",
    origin: tuple[float, float] = (500_000, 4_000_000),
    pixel: float = 10,
    **profile: object,
) -> Path:
    """Write (bands, height, width), or (height, width), as a GeoTIFF."""
    values = values if values.ndim == 3 else values[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {} if crs is None else {"crs": crs, "transform": from_origin(*origin, pixel, pixel)}
    count, height, width = values.shape
    shape = {"count": count, "height": height, "width": width, "dtype": values.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", nodata=nodata, **shape, **place, **profile) as file:
            file.write(values)
            if descriptions is not None:
                file.descriptions = tuple(descriptions)
    return path


def write_chips(
    root: Path,
    count: int = 8,
    *,
    size: tuple[int, int] = (16, 16),
    classes: int = 3,
    dtype: str = "uint16",
    seed: int = 0,
    **options: object,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Write `images/chipN.tif` and `masks/chipN.tif` side by side on the ground, and return their pixels."""
    rng = np.random.default_rng(seed)
    written = []
    for number in range(count):
        image = rng.integers(1, 5000, (len(BANDS), *size))
        image = (image / 5000 if dtype.startswith("float") else image).astype(dtype)
        mask = rng.integers(0, classes, size).astype("uint8")
        origin = (500_000 + number * size[1] * 10, 4_000_000)
        name = f"chip{number}.tif"
        write_raster(root / "images" / name, image, descriptions=BANDS, origin=origin, **options)
        write_raster(root / "masks" / name, mask, origin=origin, **{k: v for k, v in options.items() if k == "crs"})
        written.append((image, mask))
    return written
