"""Where a raster lies on the ground: footprints as polygons, in any CRS."""

from __future__ import annotations

from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

from geofoundry.core.optional import require
from geofoundry.geo.grid import Grid

EDGE_POINTS = 21  # points along each edge of a footprint that is reprojected


def grid_footprint(grid: Grid, crs: CRS | None = None) -> Any:
    """Return a grid's outline as a shapely polygon, in `crs` or in its own.

    When it is reprojected, each edge gets enough points to bend as the ground bends. In longitude and latitude an
    outline across the antimeridian runs on beyond 180 degrees.
    """
    shapely = require("shapely", "vector", purpose="comparing footprints")
    if crs is None or grid.crs is None or crs == grid.crs:
        return shapely.polygons(grid.corners())
    steps = np.linspace(0.0, 1.0, EDGE_POINTS)[:-1]
    around = [(steps, 0 * steps), (0 * steps + 1, steps), (1 - steps, 0 * steps + 1), (0 * steps, 1 - steps)]
    cols = np.concatenate([edge[0] for edge in around]) * grid.width
    rows = np.concatenate([edge[1] for edge in around]) * grid.height
    t = grid.transform
    outline = shapely.polygons(np.column_stack([t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f]))
    moved = reproject_geometries(np.array([outline]), grid.crs, crs)[0]
    west, _, east, _ = moved.bounds
    if crs.is_geographic and east - west > 180:
        return shapely.transform(moved, lambda xy: np.column_stack([xy[:, 0] + 360 * (xy[:, 0] < 0), xy[:, 1]]))
    return moved


def reproject_geometries(geometries: np.ndarray, source: CRS, target: CRS) -> np.ndarray:
    """Return shapely geometries with every vertex reprojected, x first."""
    shapely = require("shapely", "vector", purpose="comparing footprints")

    def reproject(points: np.ndarray) -> np.ndarray:
        x, y = transform_points(source, target, points[:, 0], points[:, 1])[:2]
        return np.column_stack([x, y])

    return shapely.transform(geometries, reproject)
