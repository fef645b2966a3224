"""Write maps: georeferenced GeoTIFFs, window by window, whole under their final name or not there at all."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.rpc import RPC
from rasterio.windows import Window

from geofoundry.core.errors import DataError, Fault, GeofoundryError
from geofoundry.core.files import atomic_path, require_writable_folder
from geofoundry.geo.grid import Grid
from geofoundry.geo.legend_files import CLASS_NAMES_TAG, write_gdal_names, write_qgis_style
from geofoundry.geo.map_content import ClassMap, ValueMap
from geofoundry.geo.windows import pixel_window

BLOCK_PX = 512
# GDAL keeps blocks in memory until they are full; its own limit, a share of all memory, is far more than that takes.
LEAST_CACHE_BYTES, MOST_CACHE_BYTES = 2**26, 2**30


class MapWriter:
    """Write one map as a Cloud Optimized GeoTIFF, in windows of any size and order, in constant memory.

    Windows go to a tiled scratch file beside the target. `close` turns it into the final file (512-pixel tiles,
    deflate, overviews: the most frequent class, or the mean of values) and renames that into place; leaving a
    `with` block by an error leaves nothing behind. Pixels that no window covers are nodata.

    A class map gets two small files more, because a GeoTIFF has no room for class names: `NAME.tif.aux.xml`, which
    GDAL reads, and `NAME.qml`, the style that QGIS applies on opening. The names stand in the TIFF's tag
    `CLASS_NAMES` as well, as JSON.

    Example:
        >>> with MapWriter("map.tif", grid, ClassMap(["land", "water"])) as writer:
        ...     writer.write(classes, Window(0, 0, 512, 512))
    """

    def __init__(
        self,
        path: str | Path,
        grid: Grid,
        content: ClassMap | ValueMap,
        *,
        gcps: tuple[Sequence[GroundControlPoint], CRS | None] | None = None,
        rpcs: RPC | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Open the scratch file.

        `gcps` and `rpcs` georeference scenes that have no transform; a grid without CRS is kept without.

        Raises:
            ConfigError: when the folder can't be written to.
        """
        self.path = Path(path)
        self.grid = grid
        self.content = content
        self._tags = dict(tags or {})
        self._open = True
        with ExitStack() as opened:
            folder = require_writable_folder(self.path.parent)
            scratch_folder = tempfile.TemporaryDirectory(dir=folder, prefix=f".{self.path.stem}.", suffix=".unfinished")
            opened.enter_context(scratch_folder)
            self._scratch_path = Path(scratch_folder.name) / "scratch.tif"
            # Opened within an environment a dataset holds none of its own, which it would otherwise end when it is
            # closed: then writers and readers could only be closed in the order opposite to opening.
            with _without_georeference_warnings(), rasterio.Env():
                self._scratch = opened.enter_context(self._open_scratch(gcps, rpcs))
            self._opened = opened.pop_all()

    def _open_scratch(self, gcps: Any, rpcs: RPC | None) -> Any:
        profile: dict[str, Any] = {
            "driver": "GTiff",
            "dtype": self.content.dtype,
            "count": len(self.content.band_names),
            "height": self.grid.height,
            "width": self.grid.width,
            "nodata": self.content.nodata,
            "tiled": True,
            "blockxsize": BLOCK_PX,
            "blockysize": BLOCK_PX,
            "compress": "deflate",
            "zlevel": 1,
            "interleave": "band",
            "sparse_ok": True,
            "bigtiff": "IF_SAFER",
        }
        if gcps is None:
            profile["crs"] = self.grid.crs
            if self.grid.crs is not None or not self.grid.transform.is_identity:
                profile["transform"] = self.grid.transform
        scratch = rasterio.open(self._scratch_path, "w", **profile)
        if gcps is not None:
            points, crs = gcps
            scratch.gcps = (list(points), crs)
        if rpcs is not None:
            scratch.rpcs = rpcs
        for number, name in enumerate(self.content.band_names, start=1):
            scratch.set_band_description(number, name)
        tags = dict(self._tags)
        if isinstance(self.content, ClassMap):
            scratch.write_colormap(1, {i: (*color, 255) for i, color in self.content.palette.items()})
            tags[CLASS_NAMES_TAG] = json.dumps({str(i): name for i, name in self.content.class_names.items()})
        scratch.update_tags(**tags)
        return scratch

    def write(self, array: np.ndarray, window: Window | None = None) -> None:
        """Write one window, or the whole map.

        Windows that follow the 512-pixel tiles are the quickest.

        **Shapes**: `array` is (H, W), or (C, H, W) with one plane per band.

        Raises:
            DataError: when the shape isn't the window's, the window leaves the map, or a value is no class.
        """
        if window is None:
            window = pixel_window(0, 0, self.grid.height, self.grid.width)
        planes = array[None] if array.ndim == 2 else array
        self._check_window(planes.shape, window)
        try:
            with self._small_cache():
                self._scratch.write(self.content.pixels(planes), window=window)
        except (RasterioError, OSError) as error:
            raise self._not_written(error) from error

    def _check_window(self, shape: tuple[int, ...], window: Window) -> None:
        expected = (len(self.content.band_names), window.height, window.width)
        faults = []
        if shape != expected:
            faults.append(
                Fault("an array doesn't fit its window", str(self.path), f"shape {shape}", f"shape {expected}")
            )
        if (
            window.row_off < 0
            or window.col_off < 0
            or window.row_off + window.height > self.grid.height
            or window.col_off + window.width > self.grid.width
        ):
            extent = f"within {self.grid.height} rows and {self.grid.width} columns"
            faults.append(Fault("a window leaves the map", str(self.path), str(window), extent))
        if faults:
            raise DataError(faults)

    def close(self) -> Path:
        """Finish the map, put it under its final name, and return that.

        Raises:
            GeofoundryError: when it can't be written, for example because the disk is full.
        """
        if not self._open:
            return self.path
        self._open = False
        with self._opened:
            try:
                with self._small_cache():
                    self._scratch.close()
                    self._write_final()
            except (RasterioError, OSError) as error:
                raise self._not_written(error) from error
        return self.path

    def _small_cache(self) -> rasterio.Env:
        """Let GDAL hold two rows of blocks, so that windows may cross blocks without any being written twice."""
        row_bytes = BLOCK_PX * self.grid.width * np.dtype(self.content.dtype).itemsize * len(self.content.band_names)
        size = min(max(2 * row_bytes, LEAST_CACHE_BYTES), MOST_CACHE_BYTES)
        return rasterio.Env(GDAL_CACHEMAX=size // 2**20)

    def _write_final(self) -> None:
        is_class_map = isinstance(self.content, ClassMap)
        with atomic_path(self.path) as temporary:
            rasterio.shutil.copy(
                self._scratch_path,
                temporary,
                driver="COG",
                compress="DEFLATE",
                # Differences between neighboring class ids carry no meaning and compress worse.
                predictor="NO" if is_class_map else "YES",
                overview_resampling="MODE" if is_class_map else "AVERAGE",
                blocksize=BLOCK_PX,
                bigtiff="IF_SAFER",
                num_threads="ALL_CPUS",
            )
            self._verify(temporary)
            # Before the rename: where the map stands, its names stand too.
            if isinstance(self.content, ClassMap):
                write_gdal_names(self.path, self.content.class_names)
                write_qgis_style(self.path, self.content.class_names, self.content.palette)

    def _verify(self, temporary: Path) -> None:
        """Read the last pixel of every band: GDAL reports a full disk late, and not always by an error."""
        with _without_georeference_warnings(), rasterio.open(temporary) as dataset:
            dataset.read(window=pixel_window(self.grid.height - 1, self.grid.width - 1, 1, 1))

    def abandon(self) -> None:
        """Drop everything that was written; an older map under the final name stays as it was."""
        if self._open:
            self._open = False
            with self._opened, suppress(RasterioError, OSError):
                self._scratch.close()

    def _not_written(self, error: Exception) -> GeofoundryError:
        return GeofoundryError(
            Fault(
                what="a map can't be written",
                where=str(self.path),
                got=str(error.__cause__ or error),
                expected="room for the map and, while it is written, for a second copy",
                mend="free space or choose another output folder",
            )
        )

    def __enter__(self) -> MapWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


@contextmanager
def _without_georeference_warnings() -> Iterator[None]:
    """Silence rasterio about grids without CRS: here they are wanted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
