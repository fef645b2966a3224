"""Cut a landscape into parcels: straight cuts, again and again, until each piece has the size of a field.

The first cuts are long and become the roads; their ends on other cuts are the crossings where villages stand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

MEDIAN_PARCEL_M2 = 38_000.0


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut: its two ends in meters, and how many cuts came before it."""

    ends: Points
    depth: int


@dataclass(frozen=True, slots=True)
class Partition:
    """Convex parcels in meters, counter-clockwise or clockwise alike, and the cuts that made them."""

    parcels: list[Points]
    cuts: list[Cut]


def cut_into_parcels(rng: np.random.Generator, width_m: float, height_m: float, margin_m: float = 300.0) -> Partition:
    """Cut a rectangle, larger than the scene by the margin on each side, into parcels of about 4 ha."""
    low_x, high_x, low_y, high_y = -margin_m, width_m + margin_m, -margin_m, height_m + margin_m
    whole = np.array([[low_x, low_y], [high_x, low_y], [high_x, high_y], [low_x, high_y]])
    parcels: list[Points] = []
    cuts: list[Cut] = []
    waiting = [(whole, 0)]
    while waiting:
        polygon, depth = waiting.pop()
        wanted = MEDIAN_PARCEL_M2 * rng.lognormal(0.0, 0.45)
        if area(polygon) < 1.8 * wanted:
            parcels.append(polygon)
            continue
        # Early cuts turn freely, which gives each district its own direction; later ones keep to it.
        tilt = rng.normal(0.0, 0.22 if depth < 4 else 0.05)
        first, second, ends = _cut(polygon, tilt, rng.uniform(0.36, 0.64))
        cuts.append(Cut(ends, depth))
        waiting += [(first, depth + 1), (second, depth + 1)]
    return Partition(parcels, cuts)


def area(polygon: Points) -> float:
    """Return the area of a polygon in square meters."""
    x, y = polygon[:, 0], polygon[:, 1]
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def centroid(polygon: Points) -> Points:
    """Return the mean of the corners, which lies inside a convex polygon."""
    return polygon.mean(axis=0)


def long_axis(polygon: Points) -> float:
    """Return the direction of the longest side, in radians."""
    sides = np.roll(polygon, -1, axis=0) - polygon
    longest = sides[np.hypot(*sides.T).argmax()]
    return float(np.arctan2(longest[1], longest[0]))


def densify(line: Points, step_m: float, *, closed: bool) -> Points:
    """Return the line with points at least every `step_m`; a closed line ends before its first point."""
    following = np.roll(line, -1, axis=0) if closed else line[1:]
    pieces: list[Points] = []
    for start, end in zip(line if closed else line[:-1], following, strict=True):
        count = max(1, int(np.ceil(np.hypot(*(end - start)) / step_m)))
        pieces.append(start + (end - start) * (np.arange(count) / count)[:, None])
    if not closed:
        pieces.append(line[-1:])
    return np.concatenate(pieces)


def thicken(line: Points, width_m: float | NDArray[np.float64]) -> Points:
    """Return the polygon that a line of that width covers. **Shapes:** (N, 2) to (2 N, 2)."""
    along = np.gradient(line, axis=0)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=-1) / length[:, None]
    half = np.broadcast_to(np.asarray(width_m, dtype=np.float64) / 2, len(line))[:, None]
    return np.concatenate([line + half * across, (line - half * across)[::-1]])


def rectangle(center: Points, length_m: float, width_m: float, angle: float) -> Points:
    """Return the corners of a turned rectangle."""
    along = np.array([np.cos(angle), np.sin(angle)]) * length_m / 2
    across = np.array([-np.sin(angle), np.cos(angle)]) * width_m / 2
    return np.stack(
        [center + along + across, center - along + across, center - along - across, center + along - across]
    )


def blob(rng: np.random.Generator, center: Points, radius_m: float, *, rough: float = 0.18, points: int = 72) -> Points:
    """Return a round, irregular outline, like that of a lake or a village."""
    angle = np.linspace(0.0, 2 * np.pi, points, endpoint=False)
    radius = np.ones(points)
    for wave in range(2, 8):
        radius += rough * rng.normal() / wave**0.8 * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    radius = np.maximum(radius, 0.35) * radius_m
    return center + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def _cut(polygon: Points, tilt: float, share: float) -> tuple[Points, Points, Points]:
    """Cut a convex polygon across its longest side; return both pieces and the ends of the cut."""
    along = long_axis(polygon)
    normal = np.array([np.cos(along + tilt), np.sin(along + tilt)])
    reach = polygon @ normal
    signed = reach - (reach.min() + share * (reach.max() - reach.min()))
    first: list[Points] = []
    second: list[Points] = []
    ends: list[Points] = []
    count = len(polygon)
    for index in range(count):
        here, there = signed[index], signed[(index + 1) % count]
        (first if here >= 0 else second).append(polygon[index])
        if (here >= 0) != (there >= 0):
            crossing = polygon[index] + (polygon[(index + 1) % count] - polygon[index]) * (here / (here - there))
            first.append(crossing)
            second.append(crossing)
            ends.append(crossing)
    return np.array(first), np.array(second), np.array(ends)
