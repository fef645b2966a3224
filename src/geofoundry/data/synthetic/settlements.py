"""Roads along the first cuts of the land, villages where they cross, buildings along the streets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geofoundry.data.synthetic.canvas import Canvas
from geofoundry.data.synthetic.materials import Material, SceneObject
from geofoundry.data.synthetic.noise import Field, Warp
from geofoundry.data.synthetic.parcels import Cut, Points, blob, densify, rectangle, thicken

MAIN_ROAD_M, LANE_M, STREET_M = 13.0, 6.0, 8.0
MAIN_ROAD_DEPTH, LANE_DEPTH = 4, 6
VILLAGE_SPACING_M = 1900.0
KM2_PER_VILLAGE, KM2_PER_FARM = 6.0, 2.5


ROOFS = {"tile": Material.TILE_ROOF, "dark": Material.DARK_ROOF, "bright": Material.BRIGHT_ROOF}


@dataclass(frozen=True, slots=True)
class Village:
    """A settlement: center, outline, and the direction of its streets in radians."""

    center: Points
    radius_m: float
    angle: float
    outline: Points


def settle(
    rng: np.random.Generator, canvas: Canvas, hilliness: Field, cuts: Sequence[Cut], warp: Warp
) -> list[SceneObject]:
    """Draw roads, villages and farms onto the land and return them, with every building."""
    still = (Material.LAKE, Material.RIVER)

    def is_land(points: Points) -> NDArray[np.bool_]:
        return canvas.at(points) != Material.LAKE

    def is_suitable(points: Points) -> NDArray[np.bool_]:
        around = points[:, None] + 160.0 * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
        wet = np.isin(canvas.at(around.reshape(-1, 2)), still).reshape(len(points), -1).any(axis=1)
        return ~wet & (canvas.sample(hilliness, points) < 0.6)

    def is_free(points: Points) -> NDArray[np.bool_]:
        return ~np.isin(canvas.at(points), (*still, Material.ROAD))

    def in_gardens(points: Points) -> NDArray[np.bool_]:
        return np.isin(canvas.at(points), (Material.GARDEN_GRASS, Material.GARDEN_TREE, Material.YARD))

    roads = lay_roads(cuts, warp, is_land)
    villages = place_villages(rng, cuts, warp, canvas.size_m, is_suitable)
    wet = np.isin(canvas.material, still)
    water = canvas.material[wet]
    for village in villages:
        _draw_gardens(rng, canvas, village)
    canvas.material[wet] = water
    canvas.draw((road.outline, Material.ROAD) for road in roads)
    things = roads
    for village in villages:
        built = build_village(rng, village, in_gardens)
        canvas.draw((thing.outline, Material.ROAD) for thing in built if thing.kind == "road")
        things += built
    things += build_farms(rng, canvas.size_m, is_free)
    canvas.draw((thing.outline, Material.YARD) for thing in things if thing.kind == "farm")
    canvas.draw((thing.outline, ROOFS[thing.properties["roof"]]) for thing in things if thing.kind == "building")
    return things


def _draw_gardens(rng: np.random.Generator, canvas: Canvas, village: Village) -> None:
    """Turn the village's ground into a patchwork of lawn, trees and paved yards."""
    canvas.draw([(village.outline, Material.GARDEN_GRASS)])
    patch_m = 17.0
    for material, share in ((Material.GARDEN_TREE, 0.26), (Material.YARD, 0.09)):
        side = int(2.6 * village.radius_m / patch_m) + 2
        chosen = rng.random((side, side)) < share
        corner = village.outline.min(axis=0)

        def is_patch(
            x: Points, y: Points, *, grid: NDArray[np.bool_] = chosen, at: Points = corner
        ) -> NDArray[np.bool_]:
            col = ((x - at[0]) / patch_m).astype(np.int64) % len(grid)
            return grid[((y - at[1]) / patch_m).astype(np.int64) % len(grid), col]

        canvas.draw_pattern(village.outline, material, Material.GARDEN_GRASS, is_patch)


def lay_roads(cuts: Sequence[Cut], warp: Warp, is_land: Callable[[Points], NDArray[np.bool_]]) -> list[SceneObject]:
    """Return main roads and lanes along the early cuts; they end at the shore of a lake."""
    roads: list[SceneObject] = []
    for cut in cuts:
        if cut.depth > LANE_DEPTH:
            continue
        width_m = MAIN_ROAD_M if cut.depth <= MAIN_ROAD_DEPTH else LANE_M
        line = warp(densify(cut.ends, 25.0, closed=False))
        for part in _runs(line, is_land(line)):
            roads.append(SceneObject("road", "built-up", thicken(part, width_m), {"width_m": width_m}))
    return roads


def place_villages(
    rng: np.random.Generator,
    cuts: Sequence[Cut],
    warp: Warp,
    size_m: tuple[float, float],
    is_suitable: Callable[[Points], NDArray[np.bool_]],
) -> list[Village]:
    """Return villages at crossings of roads, apart from each other. `size_m` is (height, width)."""
    crossings = np.concatenate([cut.ends for cut in cuts if cut.depth <= LANE_DEPTH])
    directions = np.repeat([np.arctan2(*(c.ends[1] - c.ends[0])[::-1]) for c in cuts if c.depth <= LANE_DEPTH], 2)
    places = warp(crossings)
    height_m, width_m = size_m
    inside = (places > 60).all(axis=1) & (places[:, 0] < width_m - 60) & (places[:, 1] < height_m - 60)
    candidates = np.flatnonzero(inside & is_suitable(places))
    wanted = max(2, round(height_m * width_m / 1e6 / KM2_PER_VILLAGE))
    chosen: list[Village] = []
    for index in rng.permutation(candidates):
        if len(chosen) == wanted:
            break
        if all(np.hypot(*(places[index] - village.center)) > VILLAGE_SPACING_M for village in chosen):
            limit = 0.22 * min(size_m)
            radius_m = float(np.clip(rng.lognormal(np.log(300.0), 0.4), 140.0, min(620.0, limit)))
            outline = blob(rng, places[index], radius_m, rough=0.2)
            chosen.append(Village(places[index], radius_m, float(directions[index]), outline))
    return chosen


def build_village(
    rng: np.random.Generator, village: Village, in_gardens: Callable[[Points], NDArray[np.bool_]]
) -> list[SceneObject]:
    """Return streets, houses on their lots, and for a larger place some halls in one quarter."""
    reach = float(np.hypot(*(village.outline - village.center).T).max())
    rows, columns = _spread(rng, reach, 92.0), _spread(rng, reach, 170.0)
    halls_from = 0.3 * reach if reach > 420 else np.inf
    things = [SceneObject("settlement", "built-up", village.outline, {"radius_m": round(village.radius_m)})]
    for place in rows:
        things += _streets(village, np.array([[-reach, place], [reach, place]]), in_gardens)
    for place in columns:
        things += _streets(village, np.array([[place, -reach], [place, reach]]), in_gardens)
    for place in rows:
        for side in (-1, 1):
            along = -reach + rng.uniform(5.0, 15.0)
            while along < reach:
                is_hall = along > halls_from and place > 0.5 * halls_from
                length, width, roof = _hall(rng) if is_hall else _house(rng)
                local = np.array([along + length / 2, place + side * (STREET_M / 2 + 7.0 + width / 2)])
                outline = rectangle(_turn(village, local), length, width, village.angle)
                clear = np.abs(columns - local[0]).min() > length / 2 + STREET_M / 2 + 3.0
                if clear and rng.random() > 0.12 and in_gardens(outline).all():
                    things.append(_building(outline, roof, length, width))
                along += length + rng.uniform(8.0, 20.0)
    return things


def build_farms(
    rng: np.random.Generator,
    size_m: tuple[float, float],
    is_free: Callable[[Points], NDArray[np.bool_]],
) -> list[SceneObject]:
    """Return lone farms: a yard with a hall and a house, turned together. `size_m` is (height, width)."""
    height_m, width_m = size_m
    things: list[SceneObject] = []
    for _ in range(max(1, round(height_m * width_m / 1e6 / KM2_PER_FARM))):
        center = np.array([rng.uniform(60, width_m - 60), rng.uniform(60, height_m - 60)])
        angle = rng.uniform(0, np.pi)
        yard = rectangle(center, 75.0, 58.0, angle)
        if not is_free(yard).all():
            continue
        farm = Village(center, 40.0, angle, yard)
        things.append(SceneObject("farm", "built-up", yard, {}))
        things.append(
            _building(rectangle(_turn(farm, np.array([-12.0, -10.0])), 42.0, 18.0, angle), "bright", 42.0, 18.0)
        )
        things.append(_building(rectangle(_turn(farm, np.array([18.0, 16.0])), 16.0, 11.0, angle), "tile", 16.0, 11.0))
    return things


def _house(rng: np.random.Generator) -> tuple[float, float, str]:
    roof = str(rng.choice(["tile", "dark", "bright"], p=[0.62, 0.3, 0.08]))
    return float(rng.uniform(11, 19)), float(rng.uniform(9, 13)), roof


def _hall(rng: np.random.Generator) -> tuple[float, float, str]:
    roof = str(rng.choice(["bright", "dark"], p=[0.65, 0.35]))
    return float(rng.uniform(35, 80)), float(rng.uniform(20, 28)), roof


def _building(outline: Points, roof: str, length_m: float, width_m: float) -> SceneObject:
    size = {"length_m": round(length_m, 1), "width_m": round(width_m, 1)}
    return SceneObject("building", "built-up", outline, {"roof": roof, **size})


def _streets(village: Village, local: Points, in_gardens: Callable[[Points], NDArray[np.bool_]]) -> list[SceneObject]:
    """Return the parts of a straight street that run through gardens."""
    line = _turn(village, densify(local, 12.0, closed=False))
    outlines = [thicken(part, STREET_M) for part in _runs(line, in_gardens(line))]
    return [SceneObject("road", "built-up", outline, {"width_m": STREET_M}) for outline in outlines]


def _runs(line: Points, wanted: NDArray[np.bool_]) -> list[Points]:
    """Return the stretches of a line, of two points or more, in which every point is wanted."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], wanted.astype(np.int8), [0]])))
    return [line[first:last] for first, last in zip(edges[::2], edges[1::2], strict=True) if last - first >= 2]


def _turn(village: Village, local: Points) -> Points:
    cosine, sine = np.cos(village.angle), np.sin(village.angle)
    return village.center + local @ np.array([[cosine, sine], [-sine, cosine]])


def _spread(rng: np.random.Generator, reach: float, step: float) -> NDArray[np.float64]:
    """Return places from -reach to reach, about `step` apart, one of them near 0."""
    count = int(reach / step)
    return np.arange(-count, count + 1) * step + rng.uniform(-4.0, 4.0, 2 * count + 1)
