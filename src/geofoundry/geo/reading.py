"""Open rasters, read their headers and windows of their bands; every failure names the file and the way out."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geofoundry.core.errors import DataError, Fault
from geofoundry.geo.grid import Grid

# GDAL lists a file's whole folder at every open, in search of side files. "TRUE" asks for each side file by name
# instead, "EMPTY_DIR" for none.
_LISTING = "GDAL_DISABLE_READDIR_ON_OPEN"


@dataclass(frozen=True, slots=True)
class RasterHeader:
    """What a raster file says about itself, without a look at its pixels.

    `descriptions` holds the bands' names, empty where the file has none; `nodata` the value that each band
    declares, None where it declares none; `dtypes` NumPy's names.
    """

    path: Path
    grid: Grid
    driver: str
    dtypes: tuple[str, ...]
    descriptions: tuple[str, ...]
    nodata: tuple[float | None, ...]

    @property
    def count(self) -> int:
        """The number of bands."""
        return len(self.dtypes)

    @property
    def height(self) -> int:
        """Rows."""
        return self.grid.height

    @property
    def width(self) -> int:
        """Columns."""
        return self.grid.width

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.grid.shape

    @classmethod
    def of(cls, dataset: DatasetReader, path: str | Path) -> RasterHeader:
        """Return the header of an open dataset."""
        return cls(
            path=Path(path),
            grid=Grid.of(dataset),
            driver=dataset.driver,
            dtypes=tuple(dataset.dtypes),
            descriptions=tuple(description or "" for description in dataset.descriptions),
            nodata=tuple(dataset.nodatavals),
        )


@contextmanager
def open_raster(path: str | Path) -> Iterator[DatasetReader]:
    """Open a raster for reading; failures to open it, and to read it within the block, become data errors.

    Raises:
        DataError: when the file is missing, empty, no raster, or damaged.
    """
    try:
        with rasterio.open(path) as dataset:
            yield dataset
    except (RasterioError, OSError) as error:
        raise DataError(unreadable(path, error)) from error


@contextmanager
def opening(*, side_files: bool = True) -> Iterator[None]:
    """Within the block, open many rasters quickly, and without a warning for each that has no georeference.

    Without `side_files`, what `.aux.xml`, `.tfw` and `.msk` files say is not seen: right for pixels, not for headers.
    The checks of a dataset say once which files have no georeference.
    """
    options = {_LISTING: "TRUE" if side_files else "EMPTY_DIR"}
    with _without_georeference_warning(), rasterio.Env.from_defaults(**options):
        yield


def read_header(path: str | Path) -> RasterHeader:
    """Return a raster's header.

    Raises:
        DataError: when the file is missing, empty, no raster, or damaged.
    """
    with opening(), open_raster(path) as dataset:
        return RasterHeader.of(dataset, path)


def read_window(
    path: str | Path,
    indexes: Sequence[int] | None = None,
    window: Window | None = None,
    *,
    fill: float | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Read a pixel window of some bands, or all of them; only their blocks are decoded.

    `indexes` count from 1, as in rasterio. With `out` the pixels are written there, converted to its dtype.
    With `fill` the window may reach beyond the raster; what lies outside gets that value.

    **Shapes**: (bands, height, width).

    Raises:
        DataError: when the file can't be read, or the window leaves it and no `fill` is given.
    """
    with opening(side_files=False), open_raster(path) as dataset:
        return read_pixels(dataset, indexes, window, fill=fill, out=out)


def read_pixels(
    dataset: DatasetReader,
    indexes: Sequence[int] | None = None,
    window: Window | None = None,
    *,
    fill: float | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Read a window of an open dataset; otherwise as `read_window`."""
    bands = list(indexes) if indexes is not None else list(dataset.indexes)
    if window is None:
        return dataset.read(bands, out=out)
    inside = _clip(window, dataset.height, dataset.width)
    if _area(inside) == _area(window):
        return dataset.read(bands, window=window, out=out)
    if fill is None:
        raise DataError(_outside(dataset, window))
    return _read_beyond(dataset, bands, window, inside, fill, out)


def unreadable(path: str | Path, error: Exception) -> Fault:
    """Return the fault of a file that could not be opened or decoded."""
    file = Path(path)
    reason = str(error.__cause__ or error).strip().splitlines()[0]
    if not file.exists():
        return Fault("the file does not exist", str(path), expected="a raster file", mend="check the path")
    size = file.stat().st_size if file.is_file() else 0
    if file.is_dir():
        what, mend = "a folder, where a raster file is needed", "name the files in it, for example with a glob"
    elif size == 0:
        what, mend = "the file is empty (0 bytes)", "copy or download it again"
    elif isinstance(error, PermissionError):
        what, mend = "the file can't be opened for reading", "change its permissions"
    elif "not recognized" in reason:
        what, mend = "the file is not a raster that GDAL can read", "replace it, or leave it out by a narrower glob"
    else:
        what, mend = "the file is damaged or cut off: its pixels can't be decoded", "copy or download it again"
    return Fault(what, str(path), got=f"{size} bytes; {reason}", expected="a whole raster file", mend=mend)


@contextmanager
def _without_georeference_warning() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        # Warning filters belong to the process; a thread that restores them would undo another's.
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _clip(window: Window, height: int, width: int) -> Window:
    top, left = max(window.row_off, 0), max(window.col_off, 0)
    bottom = min(window.row_off + window.height, height)
    right = min(window.col_off + window.width, width)
    return Window(left, top, max(right - left, 0), max(bottom - top, 0))  # type: ignore[call-arg]


def _area(window: Window) -> int:
    return window.height * window.width


def _read_beyond(
    dataset: DatasetReader, bands: list[int], window: Window, inside: Window, fill: float, out: np.ndarray | None
) -> np.ndarray:
    if out is None:
        dtype = np.result_type(*(dataset.dtypes[band - 1] for band in bands))
        out = np.empty((len(bands), int(window.height), int(window.width)), dtype)
    out[...] = fill
    if _area(inside):
        top, left = int(inside.row_off - window.row_off), int(inside.col_off - window.col_off)
        bottom, right = top + int(inside.height), left + int(inside.width)
        out[:, top:bottom, left:right] = dataset.read(bands, window=inside)
    return out


def _outside(dataset: DatasetReader, window: Window) -> Fault:
    return Fault(
        what="a window reaches beyond its raster",
        where=dataset.name,
        got=f"rows {window.row_off} to {window.row_off + window.height}, "
        f"columns {window.col_off} to {window.col_off + window.width}",
        expected=f"within {dataset.height} rows and {dataset.width} columns",
        mend="correct the window's row, col, height and width",
    )
