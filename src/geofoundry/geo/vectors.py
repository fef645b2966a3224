"""Label polygons in GeoJSON, GeoPackage and their like: read, checked, brought onto a raster's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.features import rasterize

from geofoundry.core.errors import DataError, Fault
from geofoundry.core.optional import require
from geofoundry.geo.footprints import grid_footprint, reproject_geometries
from geofoundry.geo.grid import Grid

VECTOR_SUFFIXES = frozenset({".gpkg", ".geojson", ".json", ".shp", ".fgb"})
DENSIFY_PX = 16  # edges longer than this get more vertices before they are bent by a reprojection


@dataclass(frozen=True, slots=True)
class LabelPolygons:
    """Polygons of one file, each with a class.

    `geometries` holds shapely polygons, `class_ids` their classes, `feature_ids` what the file calls them.
    `class_names` names every class by id, also those without a polygon here.
    """

    geometries: np.ndarray
    class_ids: np.ndarray
    feature_ids: np.ndarray
    class_names: dict[int, str]
    crs: CRS | None
    source: str

    def __len__(self) -> int:
        return len(self.geometries)

    def select(self, chosen: np.ndarray) -> LabelPolygons:
        """Return the polygons at these indices, or where this mask is true."""
        return replace(
            self,
            geometries=self.geometries[chosen],
            class_ids=self.class_ids[chosen],
            feature_ids=self.feature_ids[chosen],
        )

    def onto(self, grid: Grid) -> LabelPolygons:
        """Return the polygons that touch a grid, in the grid's CRS; none when nothing touches it.

        Long edges are given more vertices first, so that an edge that is straight in the file's CRS stays where it
        was. When neither side has a CRS, coordinates are taken as they are.

        Raises:
            DataError: when only one side has a CRS.
        """
        if (self.crs is None) != (grid.crs is None):
            raise DataError(_one_crs_missing(self, grid))
        footprint = grid_footprint(grid, self.crs)
        shapely = require("shapely", "vector", purpose="reading label polygons")
        touching = self.select(shapely.intersects(self.geometries, footprint))
        if self.crs is None or self.crs == grid.crs or not len(touching):
            return replace(touching, crs=grid.crs)
        pixel = np.sqrt(footprint.area / (grid.height * grid.width))
        dense = shapely.segmentize(touching.geometries, max(DENSIFY_PX * pixel, 1e-12))
        return replace(touching, geometries=reproject_geometries(dense, self.crs, grid.crs), crs=grid.crs)


def _one_crs_missing(polygons: LabelPolygons, grid: Grid) -> Fault:
    lacks_file = polygons.crs is None
    return Fault(
        what="polygons can't be placed on the image",
        where=polygons.source,
        got="polygons without a CRS" if lacks_file else "an image without a CRS",
        expected=f"the CRS {grid.crs or polygons.crs} or another known one",
        mend="declare it: `ogr2ogr -a_srs EPSG:... out.gpkg in.gpkg`"
        if lacks_file
        else "`rio edit-info --crs EPSG:... image.tif`",
    )


def no_overlap_fault(polygons: LabelPolygons, grid: Grid, where: str) -> Fault:
    """Say that polygons and image lie in different places, and where each lies."""
    shapely = require("shapely", "vector", purpose="reading label polygons")
    footprint = grid_footprint(grid, polygons.crs)
    swapped = shapely.transform(polygons.geometries, lambda xy: xy[:, ::-1])
    is_swapped = bool(shapely.intersects(swapped, footprint).any())
    return Fault(
        what="no polygon lies on the image",
        where=where,
        got=f"polygons of {polygons.source} within {_bounds(shapely.total_bounds(polygons.geometries))}",
        expected=f"something within {_bounds(footprint.bounds)} ({polygons.crs or 'no CRS'})",
        mend="the polygons' coordinates look swapped (latitude first): exchange x and y"
        if is_swapped
        else "check that image and polygons belong together, and that both declare the right CRS",
    )


def _bounds(bounds: Sequence[float]) -> str:
    left, bottom, right, top = (f"{value:.7g}" for value in bounds)
    return f"x {left} to {right}, y {bottom} to {top}"


@dataclass(frozen=True, slots=True)
class RasterizedLabels:
    """Polygons as pixels.

    `labels` is uint8 (H, W). `conflict_px` counts pixels that polygons of different classes claim; they are
    unlabelled. `seen` tells for each polygon whether it holds the center of any pixel.
    """

    labels: np.ndarray
    conflict_px: int
    seen: np.ndarray


def rasterize_labels(polygons: LabelPolygons, grid: Grid, *, ignore_index: int = 255) -> RasterizedLabels:
    """Give each pixel the class of the polygon that its center lies in, and `ignore_index` where there is none.

    The polygons must be in the grid's CRS (see `LabelPolygons.onto`).
    """
    shape = (grid.height, grid.width)
    if not len(polygons):
        return RasterizedLabels(np.full(shape, ignore_index, np.uint8), 0, np.zeros(0, bool))
    # Later shapes overwrite earlier ones: drawn by rising class the highest class wins, by falling class the lowest.
    # Where the two agree nobody else claims the pixel.
    order = np.argsort(polygons.class_ids, kind="stable")
    highest = _burn_numbers(polygons.geometries, order, grid)
    lowest = _burn_numbers(polygons.geometries, order[::-1], grid)
    class_of_number = np.concatenate([[ignore_index], polygons.class_ids]).astype(np.uint8)
    labels = class_of_number[highest]
    in_conflict = labels != class_of_number[lowest]
    labels[in_conflict] = ignore_index
    seen = np.zeros(len(polygons) + 1, bool)
    seen[np.unique(highest)] = True
    seen[np.unique(lowest)] = True
    return RasterizedLabels(labels, int(in_conflict.sum()), seen[1:])


def _burn_numbers(geometries: np.ndarray, order: np.ndarray, grid: Grid) -> np.ndarray:
    """Return int32 (H, W): 1 + the index of the polygon drawn last over each pixel center, 0 for none."""
    shapes: list[Any] = [(geometries[index], int(index) + 1) for index in order]
    return rasterize(shapes, out_shape=(grid.height, grid.width), transform=grid.transform, fill=0, dtype="int32")


def is_vector_file(path: str | Path) -> bool:
    """Tell by its suffix whether a file holds polygons rather than pixels."""
    return Path(path).suffix.lower() in VECTOR_SUFFIXES
