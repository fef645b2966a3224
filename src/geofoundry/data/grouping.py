"""Groups of chips or windows that a split must keep together: spatial blocks, scenes, polygons."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from geofoundry.core.errors import ConfigError, DataError, Fault
from geofoundry.core.optional import require
from geofoundry.data.overlaps import LONLAT, METERS_PER_DEGREE, units_per_meter
from geofoundry.data.split_items import SplitItem
from geofoundry.geo.footprints import grid_footprint
from geofoundry.geo.vectors import LabelPolygons

# What is left of `landsat5_r0c0`, `tile_256_512` or `scene_17` when the place within the scene is cut off.
SCENE_PATTERN = r"(.+?)[_-](?:r\d+[_-]?c\d+|\d+[_-]\d+|\d+)"
ENOUGH_BLOCKS = 30  # the block size is chosen as large as leaves so many
MAX_SIDES = 64


@dataclass(frozen=True, slots=True)
class Grouping:
    """A group number for each item, and in words how they were made."""

    group: np.ndarray
    method: str

    @property
    def count(self) -> int:
        """The number of groups."""
        return int(self.group.max()) + 1 if len(self.group) else 0


def group_by_scene(items: Sequence[SplitItem], pattern: str | None = None) -> Grouping:
    """Group the items of one scene.

    The scene is what `pattern` finds in the key (its first group, if it has one). Without a pattern it is the raster
    file of windows, the folder when keys lie in several, else the key without its trailing place
    (`landsat5` of `landsat5_r0c0`).

    Raises:
        ConfigError: when the pattern is no regular expression or doesn't match a key.
    """
    if pattern is not None:
        return _numbered(_matches(items, pattern), f"scenes by the pattern {pattern!r} in the key")
    files = [str(item.image) for item in items]
    if len(set(files)) < len(files):
        return _numbered(files, "scenes by raster file")
    folders = [str(PurePosixPath(item.key).parent) for item in items]
    if len(set(folders)) > 1:
        return _numbered(folders, "scenes by folder")
    found = [re.fullmatch(SCENE_PATTERN, item.key) for item in items]
    names = [match.group(1) if match else item.key for match, item in zip(found, items, strict=True)]
    return _numbered(names, "scenes by the key without its trailing row and column")


def _matches(items: Sequence[SplitItem], pattern: str) -> list[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            Fault("a pattern is no regular expression", "scene_pattern", f"{pattern!r}: {error}")
        ) from error
    found = [compiled.search(item.key) for item in items]
    missed = [item.key for item, match in zip(items, found, strict=True) if match is None]
    if missed:
        got = f"{len(missed)} keys without a match, such as {missed[0]!r}"
        raise ConfigError(
            Fault("the scene pattern doesn't fit every key", "scene_pattern", got, f"{pattern!r} in every key")
        )
    return [match.group(1) if compiled.groups else match.group(0) for match in found if match is not None]


def group_by_polygon(items: Sequence[SplitItem], polygons: LabelPolygons) -> Grouping:
    """Group items that share a polygon, also by way of others; an item without any is a group of its own.

    Raises:
        DataError: when items and polygons can't be compared for want of a CRS, or nothing overlaps.
    """
    shapely = require("shapely", "vector", purpose="splitting by polygon")
    outlines = np.array([_outline_like(item, polygons) for item in items])
    item_index, polygon_index = shapely.STRtree(polygons.geometries).query(outlines, predicate="intersects")
    if not len(item_index):
        raise DataError(
            Fault("no polygon lies on any chip or window", polygons.source, mend="check that they belong together")
        )
    first_item: dict[int, int] = {}
    links = [
        (item, first_item.setdefault(polygon, item))
        for item, polygon in zip(item_index.tolist(), polygon_index.tolist(), strict=True)
    ]
    roots = _joined(len(items), links)
    return _numbered(roots, "items that share a polygon, directly or by others")


def merge_groups(grouping: Grouping, pairs: np.ndarray) -> Grouping:
    """Return the grouping with the groups of each pair made one.

    **Shapes**: `pairs` (n, 2) of group numbers.
    """
    links = [(first, second) for first, second in pairs.tolist() if first != second]
    if not links:
        return grouping
    roots = _joined(grouping.count, links)
    merged = _numbered([roots[number] for number in grouping.group.tolist()], "")
    return Grouping(merged.group, f"{grouping.method}, merged to {merged.count} where they overlap")


def _joined(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """Return, for each of `count` things, one that stands for all that links join it to, directly or by others."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in links:
        parent[root(first)] = root(second)
    return [root(index) for index in range(count)]


def _outline_like(item: SplitItem, polygons: LabelPolygons) -> object:
    if (polygons.crs is None) != (item.grid.crs is None):
        got = "polygons without a CRS" if polygons.crs is None else "images without a CRS"
        raise DataError(Fault("polygons can't be placed on the images", polygons.source, got, "a CRS on both sides"))
    return grid_footprint(item.grid, polygons.crs)


def group_by_block(
    items: Sequence[SplitItem], block_size_m: float | None = None, block_size_px: int | None = None
) -> Grouping:
    """Group items whose centers lie in the same square block on the ground.

    Without a size it is the largest whole number of chip sides that leaves 30 blocks, at least one side. Windows of
    rasters without CRS get blocks of pixels within their file.

    Raises:
        ConfigError: when both sizes are given, one isn't positive, or meters are asked for without a CRS.
        DataError: when it isn't known where the items lie.
    """
    _check_block_size(items, block_size_m, block_size_px)
    on_ground = all(item.has_place for item in items)
    unit = "m" if on_ground else "px"
    sides = [_side_m(item) if on_ground else float(max(item.grid.shape)) for item in items]
    if block_size_m is not None:
        size = block_size_m
    elif block_size_px is not None:
        size = block_size_px * (
            max(side / max(item.grid.shape) for side, item in zip(sides, items, strict=True)) if on_ground else 1
        )
    else:
        size = _largest_useful(items, max(sides), on_ground)
    return _numbered(_blocks(items, size, on_ground), f"blocks of {size:.6g} {unit}")


def _check_block_size(items: Sequence[SplitItem], size_m: float | None, size_px: int | None) -> None:
    placeless = [item for item in items if not item.has_place]
    faults = []
    if size_m is not None and size_px is not None:
        faults.append(
            Fault("the block size is given twice", got=f"{size_m} m and {size_px} px", expected="one of the two")
        )
    if any(size is not None and not 0 < size < math.inf for size in (size_m, size_px)):
        faults.append(Fault("a block size must be positive", got=str(size_m if size_m is not None else size_px)))
    if placeless and size_m is not None:
        got = f"{placeless[0].image} has no CRS"
        faults.append(Fault("blocks in meters need images with a CRS", got=got, mend="give the block size in pixels"))
    if faults:
        raise ConfigError(faults)
    mixed = 0 < len(placeless) < len(items)
    files = {str(item.image) for item in items}
    if mixed or (placeless and len(files) == len(items) > 1):
        raise DataError(
            Fault(
                what="where the images lie isn't known, so blocks can't be made",
                where=str(placeless[0].image),
                got=f"no CRS in {len(placeless)} of {len(items)}",
                expected="images with CRS and transform, or windows of larger rasters",
                mend="split by scene (--by scene), with --scene-pattern if the keys tell which chips belong together",
            )
        )


def _side_m(item: SplitItem) -> float:
    """Return the longer side of an item on the ground, in meters."""
    left, bottom, right, top = item.grid.bounds
    per_x, per_y = units_per_meter(item.grid.crs, (bottom + top) / 2)
    return max((right - left) / per_x, (top - bottom) / per_y)


def _largest_useful(items: Sequence[SplitItem], side: float, on_ground: bool) -> float:
    best = side
    for sides in range(2, MAX_SIDES):
        if len(set(_blocks(items, sides * side, on_ground))) < ENOUGH_BLOCKS:
            break
        best = sides * side
    return best


def _blocks(items: Sequence[SplitItem], size: float, on_ground: bool) -> list[Hashable]:
    if not on_ground:
        return [
            (str(item.image), int((w.row_off + w.height / 2) // size), int((w.col_off + w.width / 2) // size))
            for item, w in ((item, item.window) for item in items)
        ]
    crs = items[0].grid.crs
    if crs is not None and not crs.is_geographic and all(item.grid.crs == crs for item in items):
        return _planar_blocks(np.array([item.grid.bounds for item in items]), size * units_per_meter(crs, 0)[0])
    return _lonlat_blocks(np.array([grid_footprint(item.grid, LONLAT).bounds for item in items]), size)


def _planar_blocks(bounds: np.ndarray, size: float) -> list[Hashable]:
    # Counted from the south-western corner of all items, so that blocks of whole chip sides hold whole chips.
    centers = np.column_stack([bounds[:, 0] + bounds[:, 2], bounds[:, 1] + bounds[:, 3]]) / 2
    cells = np.floor((centers - bounds[:, :2].min(axis=0)) / size).astype(np.int64)
    return [tuple(cell) for cell in cells.tolist()]


def _lonlat_blocks(bounds: np.ndarray, size_m: float) -> list[Hashable]:
    """Return blocks in rows of equal height, whose width in degrees grows with latitude so that meters stay."""
    centers = np.column_stack([bounds[:, 0] + bounds[:, 2], bounds[:, 1] + bounds[:, 3]]) / 2
    west, south = bounds[:, :2].min(axis=0)
    rows = np.floor((centers[:, 1] - south) * METERS_PER_DEGREE / size_m)
    latitude = np.clip(south + (rows + 0.5) * size_m / METERS_PER_DEGREE, -89.9, 89.9)
    cols = np.floor((centers[:, 0] - west) * np.cos(np.radians(latitude)) * METERS_PER_DEGREE / size_m)
    return list(zip(rows.astype(int).tolist(), cols.astype(int).tolist(), strict=True))


def _numbered(names: Sequence[Hashable], method: str) -> Grouping:
    numbers: dict[Hashable, int] = {}
    group = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
    return Grouping(group, f"{len(numbers)} groups: {method}")
