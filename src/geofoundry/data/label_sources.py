"""Where the labels of scenes come from: polygons, or label rasters on any grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from geofoundry.core.errors import DataError, Fault
from geofoundry.core.hashing import sha256_json
from geofoundry.core.optional import require
from geofoundry.data.class_naming import Naming, name_classes
from geofoundry.data.prepare_record import file_state
from geofoundry.data.scan import FileScanner
from geofoundry.geo.reading import RasterHeader, open_raster
from geofoundry.geo.vectors import LabelPolygons, no_overlap_fault, rasterize_labels

MAX_CLASS_ID = 254

WriteLabels = Callable[[np.ndarray, Window], None]


class LabelSource(Protocol):
    """Labels for scenes; `class_names` names every class by id, `remarks` collects what a user should know."""

    class_names: dict[int, str]
    remarks: list[str]

    def identity(self) -> dict[str, Any]:
        """Return as plain data what the labels are made from."""
        ...

    def faults(self, scene: RasterHeader) -> list[Fault]:
        """Return what stands against labelling a scene; severity `warning` when the scene merely has no label."""
        ...

    def write_labels(self, scene: RasterHeader, windows: Iterable[Window], write: WriteLabels) -> None:
        """Hand out the class ids (uint8, the ignore index where unlabelled) of each window of a scene."""
        ...


class PolygonLabels:
    """Labels drawn from polygons, by pixel centers."""

    def __init__(self, polygons: LabelPolygons, ignore_index: int) -> None:
        self.class_names = polygons.class_names
        self.remarks: list[str] = []
        self._polygons = polygons
        self._ignore_index = ignore_index

    def identity(self) -> dict[str, Any]:
        """Return the file's state, the classes, and a hash of each polygon's class."""
        classes = sha256_json(self._polygons.class_ids.tolist())
        return {
            "files": [file_state(Path(self._polygons.source))],
            "names": _plain(self.class_names),
            "classes": classes,
        }

    def faults(self, scene: RasterHeader) -> list[Fault]:
        """Return a fault when the polygons can't be placed on the scene, a warning when none lies on it."""
        try:
            on_scene = self._polygons.onto(scene.grid)
        except DataError as error:
            return list(error.faults)
        if len(on_scene):
            return []
        fault = no_overlap_fault(self._polygons, scene.grid, str(scene.path))
        return [Fault(fault.what, fault.where, fault.got, fault.expected, fault.mend, severity="warning")]

    def write_labels(self, scene: RasterHeader, windows: Iterable[Window], write: WriteLabels) -> None:
        """Hand out the labels window by window; only the polygons near a window are drawn."""
        shapely = require("shapely", "vector", purpose="drawing label polygons")
        polygons = self._polygons.onto(scene.grid)
        tree = shapely.STRtree(polygons.geometries)
        seen = np.zeros(len(polygons), bool)
        conflict_px = 0
        for window in windows:
            grid = scene.grid.of_window(window)
            near = np.sort(tree.query(shapely.polygons(grid.corners())))
            made = rasterize_labels(polygons.select(near), grid, ignore_index=self._ignore_index)
            seen[near] |= made.seen
            conflict_px += made.conflict_px
            write(made.labels, window)
        if conflict_px:
            self.remarks.append(
                f"{scene.path}: polygons of different classes overlap; the {conflict_px} pixels that both claim are "
                "left unlabelled"
            )
        if not seen.all():
            unseen = polygons.feature_ids[~seen]
            self.remarks.append(
                f"{scene.path}: {len(unseen)} polygons hold no pixel center and label nothing (feature "
                f"{', '.join(map(str, unseen[:5]))}{' ...' if len(unseen) > 5 else ''})"
            )


class RasterLabels:
    """Labels from one raster for all scenes, or from one for each scene.

    A raster on another grid is brought onto the scene's by nearest neighbor; where it ends, pixels are unlabelled.
    """

    def __init__(
        self, rasters: Mapping[Path, Path], ignore_index: int, class_names: Mapping[int, str] | None = None
    ) -> None:
        """Take the label raster of every scene, by the scene's path.

        Without `class_names` the classes are the values found, named by `geofoundry.data.class_naming`.

        Raises:
            DataError: when a label can't be read, or its values can't be classes.
        """
        self.remarks: list[str] = []
        self._rasters = dict(rasters)
        self._ignore_index = ignore_index
        scanner = FileScanner()
        paths = list(dict.fromkeys(self._rasters.values()))
        self._headers = scanner.headers(paths)
        summaries = scanner.labels([(path, None) for path in paths if path in self._headers])
        faults = list(scanner.faults)
        found: set[int] = set()
        for path, header in self._headers.items():
            if (path, None) in summaries:
                values = set(summaries[path, None].counts) - {ignore_index, header.nodata[0]}
                faults += _value_faults(path, values, class_names, summaries[path, None].truncated)
                found |= {int(value) for value in values if value == value}
        if faults:
            raise DataError(faults)
        naming = self._naming(found)
        self.class_names = dict(class_names) if class_names else naming.names
        # What a legend beside the labels calls unlabelled is so, whatever the files' nodata tag says.
        self._unlabelled = {ignore_index} if class_names or naming.ignore is None else {ignore_index, naming.ignore}

    def _naming(self, found: set[int]) -> Naming:
        nodata = {header.nodata[0] for header in self._headers.values()}
        return name_classes(found, list(self._headers), nodata.pop() if len(nodata) == 1 else None)

    def identity(self) -> dict[str, Any]:
        """Return the files' states and the classes."""
        return {"files": [file_state(path) for path in self._headers], "names": _plain(self.class_names)}

    def faults(self, scene: RasterHeader) -> list[Fault]:
        """Return a fault when the label can't be brought onto the scene's grid."""
        label = self._headers[self._rasters[scene.path]]
        if scene.grid.is_georeferenced and label.grid.is_georeferenced:
            return []
        difference = scene.grid.difference(label.grid)
        if not difference:
            return []
        expected = "CRS and transform in both, or rasters of the same size"
        return [Fault("a label can't be placed on its scene", str(label.path), f"{difference}; no CRS", expected)]

    def write_labels(self, scene: RasterHeader, windows: Iterable[Window], write: WriteLabels) -> None:
        """Hand out the labels window by window, reprojected where the grids differ."""
        path = self._rasters[scene.path]
        header = self._headers[path]
        difference = scene.grid.difference(header.grid)
        with open_raster(path) as dataset:
            if not difference:
                for window in windows:
                    write(self._encoded(dataset.read(1, window=window), header.nodata[0]), window)
                return
            self.remarks.append(f"{path}: brought onto the grid of {scene.path} by nearest neighbor ({difference})")
            # A value that no label has marks what lies beyond the label raster.
            options = {"crs": scene.grid.crs, "transform": scene.grid.transform, "resampling": Resampling.nearest}
            nodata = header.nodata[0] if header.nodata[0] is not None else self._ignore_index
            with WarpedVRT(
                dataset, height=scene.height, width=scene.width, nodata=nodata, src_nodata=header.nodata[0], **options
            ) as warped:
                for window in windows:
                    write(self._encoded(warped.read(1, window=window), nodata), window)

    def _encoded(self, values: np.ndarray, nodata: float | None) -> np.ndarray:
        unlabelled = np.isin(values, list(self._unlabelled))
        if nodata is not None:
            unlabelled |= np.isnan(values) if nodata != nodata else values == nodata
        return np.where(unlabelled, self._ignore_index, values).astype(np.uint8)


def _plain(class_names: Mapping[int, str]) -> dict[str, str]:
    return {str(class_id): name for class_id, name in class_names.items()}


def _value_faults(
    path: Path, values: set[float], class_names: Mapping[int, str] | None, truncated: bool
) -> list[Fault]:
    if truncated:
        return [Fault("a label raster has more values than there can be classes", str(path), mend="is it an image?")]
    faults = []
    strange = sorted(value for value in values if not (0 <= value <= MAX_CLASS_ID and float(value).is_integer()))
    if strange:
        got = ", ".join(f"{value:g}" for value in strange[:5])
        mend = f"declare {strange[0]:g} as nodata if it means unlabelled" if len(strange) == 1 else ""
        faults.append(Fault("labels are no class ids", str(path), got, f"whole numbers from 0 to {MAX_CLASS_ID}", mend))
    unknown = sorted(values - set(class_names) - set(strange)) if class_names else []
    if unknown:
        got = ", ".join(f"{value:g}" for value in unknown[:5])
        faults.append(Fault("labels outside the classes", str(path), got, str(sorted(class_names or {}))))
    return faults
