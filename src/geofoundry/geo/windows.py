"""Pixel windows that cut a raster into squares."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rasterio.windows import Window

from geofoundry.core.errors import ConfigError, DataError, Fault


def pixel_window(row: int, col: int, height: int, width: int) -> Window:
    """Return a rasterio window from its first row and column and its size, in the order that sizes have here."""
    return Window(col_off=col, row_off=row, width=width, height=height)  # type: ignore[call-arg]


def cover(height: int, width: int, size: int, stride: int | None = None) -> list[Window]:
    """Return square windows that cover every pixel of a raster, row by row.

    Windows lie `stride` pixels apart (their own size unless given). The last row and the last column are moved
    back to end with the raster, so that all windows have the same size; there they overlap their neighbors.

    Raises:
        ConfigError: when size or stride is not positive, or the stride would leave gaps.
        DataError: when the raster is smaller than a window.
    """
    stride = size if stride is None else stride
    if size < 1 or not 1 <= stride <= size:
        raise ConfigError(
            Fault(
                what="windows of this size and stride can't cover a raster",
                got=f"size {size}, stride {stride}",
                expected="a size of at least 1 and a stride from 1 to the size",
                mend="a stride equal to the size gives windows that just touch",
            )
        )
    if height < size or width < size:
        raise DataError(
            Fault(
                what="a raster is smaller than the windows to cut it into",
                got=f"{height} rows and {width} columns",
                expected=f"at least {size} rows and columns",
                mend=f"choose windows of at most {min(height, width)} pixels",
            )
        )
    return [
        pixel_window(row, col, size, size)
        for row in _offsets(height, size, stride)
        for col in _offsets(width, size, stride)
    ]


def _offsets(length: int, size: int, stride: int) -> list[int]:
    count = math.ceil((length - size) / stride) + 1
    return [min(index * stride, length - size) for index in range(count)]


def tiles(height: int, width: int, rows: int, cols: int | None = None) -> Iterator[Window]:
    """Yield windows that cover each pixel once, row by row; those at the lower and right edge may be smaller.

    Without `cols` they have the full width.
    """
    cols = cols or width
    for row in range(0, height, rows):
        for col in range(0, width, cols):
            yield pixel_window(row, col, min(rows, height - row), min(cols, width - col))
