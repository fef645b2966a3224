"""Which chips or windows lie on the same ground; splits that share ground are refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rasterio.crs import CRS

from geofoundry.core.errors import Fault, plural
from geofoundry.core.optional import require
from geofoundry.data.split_items import SplitItem
from geofoundry.geo.footprints import grid_footprint

EARTH_RADIUS_M = 6_371_008.8  # mean radius
METERS_PER_DEGREE = math.radians(1) * EARTH_RADIUS_M
LONLAT = CRS.from_epsg(4326)
# Narrower overlaps count as touching edges, in pixels: rounding within one CRS, reprojection between several.
TOLERANCE_PX, REPROJECTED_TOLERANCE_PX = 0.01, 0.1
PURPOSE = "comparing footprints"


def overlapping_pairs(items: Sequence[SplitItem], buffer_m: float = 0.0, buffer_px: float = 0.0) -> np.ndarray:
    """Return the pairs of items that share ground, or lie nearer to each other than a buffer.

    Items with a CRS are compared on the ground, in their common CRS or in longitude and latitude when they have
    several. Items without are compared by pixels within their file; two files never overlap then. Edges that only
    touch don't count.

    **Shapes**: (pairs, 2) of indices, the smaller first, in rising order.
    """
    placed = [index for index, item in enumerate(items) if item.has_place]
    pairs = [_pairs_on_ground(items, placed, buffer_m, buffer_px)] if placed else []
    by_file: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        if not item.has_place:
            by_file.setdefault(str(item.image), []).append(index)
    pairs += [_pairs_in_file(items, indices, buffer_px) for indices in by_file.values() if len(indices) > 1]
    return np.unique(np.concatenate(pairs), axis=0) if pairs else np.empty((0, 2), np.int64)


def find_overlaps(splits: Mapping[str, Sequence[SplitItem]]) -> list[Fault]:
    """Return a fault for every two splits that share keys or ground."""
    owners = [name for name, items in splits.items() for _ in items]
    items = [item for members in splits.values() for item in members]
    index = {name: number for number, name in enumerate(splits)}
    owner = np.array([index[name] for name in owners], dtype=np.int64)
    pairs = overlapping_pairs(items)
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    faults = []
    names = list(splits)
    for first in range(len(names)):
        for second in range(first + 1, len(names)):
            shared = sorted({i.key for i in splits[names[first]]} & {i.key for i in splits[names[second]]})
            if shared:
                faults.append(_shared_keys(names[first], names[second], shared))
            between = pairs[(owner[pairs[:, 0]] == first) & (owner[pairs[:, 1]] == second)]
            examples = [(items[a].key, items[b].key) for a, b in between if items[a].key != items[b].key]
            if examples:
                faults.append(_shared_ground(names[first], names[second], examples))
    return faults


def _shared_keys(first: str, second: str, keys: list[str]) -> Fault:
    return Fault(
        what=f"the splits {first} and {second} share {plural(len(keys), 'key')}",
        where=f"{first}, {second}",
        got=_examples(keys),
        expected="every key in one split",
        mend="make the split anew with `geofoundry data split`",
    )


def _shared_ground(first: str, second: str, examples: list[tuple[str, str]]) -> Fault:
    return Fault(
        what=f"the splits {first} and {second} share ground in {plural(len(examples), 'place')}, so a score on "
        f"{second} would flatter",
        where=f"{first}, {second}",
        got=_examples([f"{a} and {b}" for a, b in examples]),
        expected="splits whose footprints at most touch",
        mend="make an honest split with `geofoundry data split --by block`",
    )


def _examples(texts: list[str]) -> str:
    return ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")


def _pairs_on_ground(items: Sequence[SplitItem], indices: list[int], buffer_m: float, buffer_px: float) -> np.ndarray:
    first = items[indices[0]].grid.crs
    one_crs = all(items[index].grid.crs == first for index in indices)
    target = first if one_crs else LONLAT
    tolerance = TOLERANCE_PX if one_crs else REPROJECTED_TOLERANCE_PX
    shapely = require("shapely", "vector", purpose=PURPOSE)
    plain, grown = [], []
    for index in indices:
        outline = grid_footprint(items[index].grid, target)
        height, width = items[index].grid.shape
        pixel = math.sqrt(outline.area / (height * width))
        plain.append(shapely.buffer(outline, -tolerance * pixel, join_style="mitre"))
        grown.append(_grown(outline, target, buffer_m, buffer_px * pixel) if buffer_m or buffer_px else plain[-1])
    neighbors, owner = np.array(plain), np.arange(len(plain))
    if target is not None and target.is_geographic:
        neighbors, owner = _with_copies(neighbors)
    return _query(np.array(grown), neighbors, np.array(indices), np.array(indices)[owner])


def _with_copies(outlines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the outlines, those near the antimeridian once more a full turn away, and the index of each."""
    shapely = require("shapely", "vector", purpose=PURPOSE)
    west, _, east, _ = shapely.bounds(outlines).T
    copies, owners = [outlines], [np.arange(len(outlines))]
    for turn, near in ((-360.0, east > 179.0), (360.0, west < -179.0)):
        copies.append(shapely.transform(outlines[near], lambda xy, turn=turn: xy + np.array([turn, 0.0])))
        owners.append(np.nonzero(near)[0])
    return np.concatenate(copies), np.concatenate(owners)


def _grown(outline: Any, crs: CRS | None, meters: float, pixels_in_units: float) -> Any:
    """Return the outline with a margin of so many meters, or units of the CRS, around it."""
    shapely = require("shapely", "vector", purpose=PURPOSE)
    units_x, units_y = units_per_meter(crs, outline.centroid.y)
    margin_x, margin_y = meters * units_x + pixels_in_units, meters * units_y + pixels_in_units
    # Stretched so that one margin is right for both axes, then back.
    stretch = np.array([margin_y / margin_x, 1.0])
    wide = shapely.buffer(shapely.transform(outline, lambda xy: xy * stretch), margin_y, join_style="mitre")
    return shapely.transform(wide, lambda xy: xy / stretch)


def units_per_meter(crs: CRS | None, latitude: float) -> tuple[float, float]:
    """Return how many units of a CRS one meter is, along x and y, at a latitude in degrees."""
    if crs is not None and crs.is_geographic:
        cosine = max(math.cos(math.radians(min(abs(latitude), 89.9))), 1e-6)
        return 1 / (METERS_PER_DEGREE * cosine), 1 / METERS_PER_DEGREE
    factor = crs.linear_units_factor[1] if crs is not None else 1.0
    return 1 / factor, 1 / factor


def _pairs_in_file(items: Sequence[SplitItem], indices: list[int], buffer_px: float) -> np.ndarray:
    shapely = require("shapely", "vector", purpose=PURPOSE)
    w = [items[index].window for index in indices]
    left, top = np.array([a.col_off for a in w]), np.array([a.row_off for a in w])
    right, bottom = left + [a.width for a in w], top + [a.height for a in w]
    t, margin = TOLERANCE_PX, max(buffer_px, -TOLERANCE_PX)
    plain = shapely.box(left + t, top + t, right - t, bottom - t)
    grown = shapely.box(left - margin, top - margin, right + margin, bottom + margin) if buffer_px else plain
    return _query(grown, plain, np.array(indices), np.array(indices))


def _query(grown: np.ndarray, plain: np.ndarray, grown_index: np.ndarray, plain_index: np.ndarray) -> np.ndarray:
    shapely = require("shapely", "vector", purpose=PURPOSE)
    found = shapely.STRtree(plain).query(grown, predicate="intersects")
    pairs = np.column_stack([grown_index[found[0]], plain_index[found[1]]])
    return np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
