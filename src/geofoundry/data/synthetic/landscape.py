"""Compose a landscape: relief, a river in its valley, lakes, woods, parcels, roads and villages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geofoundry.data.synthetic.canvas import CELLS_PER_PIXEL, Canvas
from geofoundry.data.synthetic.materials import Material, SceneObject
from geofoundry.data.synthetic.noise import Field, Warp, blur, enlarge, fractal_field, smoothstep
from geofoundry.data.synthetic.parcels import (
    Points,
    blob,
    centroid,
    cut_into_parcels,
    densify,
    long_axis,
    thicken,
)
from geofoundry.data.synthetic.settlements import settle

KM2_PER_LAKE = 18.0
HILLS = 0.5  # hilliness above which the land is not tilled
USE_NAMES = {
    Material.CROP: "cropland",
    Material.SOIL: "bare soil",
    Material.GRASS: "grassland",
    Material.FOREST: "forest",
    Material.ORCHARD_GROUND: "orchard",
}


@dataclass(frozen=True, slots=True)
class Landscape:
    """A landscape before any light falls on it.

    **Shapes:** `material` is (4 H, 4 W), a `Material` per cell; `elevation_m` and `parcel` are (H, W). `parcel` holds
    a row of `crops` per pixel, or -1; a row of `crops` is (plant cover, ripeness, share in flower, dryness of the
    soil), each from 0 to 1.
    """

    material: NDArray[np.uint8]
    elevation_m: Field
    parcel: NDArray[np.int32]
    crops: NDArray[np.float32]
    objects: list[SceneObject]


def make_landscape(rng: np.random.Generator, shape: tuple[int, int], pixel_m: float) -> Landscape:
    """Compose a landscape of (height, width) pixels; the same generator gives the same one."""
    canvas = Canvas(shape, pixel_m)
    river = _river_line(rng, canvas.size_m)
    elevation, hilliness = _relief(rng, shape, pixel_m, river)
    _grow_woods(rng, canvas, hilliness)
    partition = cut_into_parcels(rng, canvas.size_m[1], canvas.size_m[0])
    warp = Warp(rng)
    outlines = [warp(densify(polygon, 60.0, closed=True)) for polygon in partition.parcels]
    uses = _choose_uses(rng, canvas, hilliness, outlines)
    tilled = [(outline, use) for outline, use in zip(outlines, uses, strict=True) if use is not None]
    crops = _choose_crops(rng, [use for _, use in tilled])
    objects = [SceneObject("field", USE_NAMES[use], outline) for outline, use in tilled]
    canvas.draw(tilled)
    _plant_orchards(rng, canvas, [outline for outline, use in tilled if use is Material.ORCHARD_GROUND])
    objects += _draw_river(rng, canvas, river)
    lakes = _dig_lakes(rng, canvas, hilliness)
    canvas.draw((lake.outline, Material.LAKE) for lake in lakes)
    objects += lakes
    objects += settle(rng, canvas, hilliness, partition.cuts, warp)
    parcel = canvas.number_pixels([outline for outline, _ in tilled])
    return Landscape(canvas.material, _level_lakes(canvas, elevation), parcel, crops, objects)


def _river_line(rng: np.random.Generator, size_m: tuple[float, float]) -> Points:
    """Return the middle of a river that winds from west to east through the southern half."""
    height_m, width_m = size_m
    x = np.arange(-400.0, width_m + 400.0, 20.0)
    y = np.full_like(x, height_m * rng.uniform(0.6, 0.72))
    for length_m, swing in ((5200, 0.04), (2300, 0.028), (980, 0.014), (420, 0.004)):
        wave = 2 * np.pi * x / (length_m * rng.uniform(0.85, 1.15)) + rng.uniform(0, 2 * np.pi)
        y += swing * min(height_m, 10_000.0) * rng.uniform(0.7, 1.3) * np.sin(wave)
    return np.stack([x, y], axis=-1)


def _relief(rng: np.random.Generator, shape: tuple[int, int], pixel_m: float, river: Points) -> tuple[Field, Field]:
    """Return elevation in meters and hilliness (0 plain, 1 hills): hills in the north, a valley for the river."""
    row, col = (np.arange(length, dtype=np.float32) for length in shape)
    broad = fractal_field(rng, shape, pixel_m, exponent=3.0, longest_m=4500.0, shortest_m=900.0)
    hilliness = smoothstep(0.8 - 1.35 * row[:, None] / shape[0] + 0.17 * broad, 0.05, 0.65)
    rough = fractal_field(rng, shape, pixel_m, exponent=3.7, longest_m=3200.0, shortest_m=110.0)
    elevation = 210.0 + 260.0 * hilliness + (9.0 + 85.0 * hilliness) * rough
    river_y = np.interp(col * pixel_m, river[:, 0], river[:, 1]).astype(np.float32)
    valley = np.exp(-(((row[:, None] * pixel_m - river_y) / 520.0) ** 2)).astype(np.float32)
    bed = 188.0 - 0.0012 * col * pixel_m
    return (elevation * (1 - valley) + bed * valley).astype(np.float32), hilliness * (1 - valley)


def _grow_woods(rng: np.random.Generator, canvas: Canvas, hilliness: Field) -> None:
    """Cover the land with a mosaic of forest and grassland, with single trees on the grass."""
    patches = fractal_field(rng, canvas.shape, canvas.pixel_m, exponent=2.9, longest_m=1300.0, shortest_m=70.0)
    forest = enlarge(patches + 1.5 * (hilliness - 0.42), CELLS_PER_PIXEL) > 0.25
    height, width = canvas.material.shape
    trees = round(0.02 * height * width)
    row, col = rng.integers(0, height - 1, trees), rng.integers(0, width - 1, trees)
    for down in range(2):
        for right in range(2):
            forest[row + down, col + right] = True
    canvas.material[forest] = Material.FOREST


def _choose_uses(
    rng: np.random.Generator, canvas: Canvas, hilliness: Field, outlines: list[Points]
) -> list[Material | None]:
    """Return each parcel's use, or None where the woods stay; orchards and meadows come in clusters."""
    centers = np.array([centroid(outline) for outline in outlines])
    hilly = canvas.sample(hilliness, centers)
    fruit, meadow, wood = (
        canvas.sample(
            fractal_field(rng, canvas.shape, canvas.pixel_m, exponent=2.0, longest_m=2200.0, shortest_m=300.0), centers
        )
        for _ in range(3)
    )
    chance = rng.random(len(outlines))
    rules = [
        (hilly > HILLS, None),
        ((fruit > 0.8) & (chance < 0.75), Material.ORCHARD_GROUND),
        ((wood > 1.5) | (chance > 0.985), Material.FOREST),
        (chance < 0.14 + 0.16 * np.maximum(meadow, 0), Material.GRASS),
        (chance < 0.82, Material.CROP),
        (np.ones(len(outlines), dtype=bool), Material.SOIL),
    ]
    return [next(use for applies, use in rules if applies[index]) for index in range(len(outlines))]


def _choose_crops(rng: np.random.Generator, uses: list[Material]) -> NDArray[np.float32]:
    """Return (plant cover, ripeness, share in flower, dryness of the soil) of every parcel."""
    count = len(uses)
    bare = np.array([use is Material.SOIL for use in uses], dtype=bool)
    cover = np.where(bare, rng.uniform(0.0, 0.16, count), np.clip(rng.beta(3.2, 1.1, count), 0.25, 1.0))
    ripe = np.where(rng.random(count) < 0.22, rng.uniform(0.4, 1.0, count), rng.uniform(0.0, 0.2, count))
    flower = np.where(~bare & (rng.random(count) < 0.06), rng.uniform(0.4, 1.0, count), 0.0)
    dry = rng.uniform(0.0, 1.0, count)
    return np.stack([cover, np.where(flower > 0, 0.0, ripe), flower, dry], axis=-1).astype(np.float32)


def _plant_orchards(rng: np.random.Generator, canvas: Canvas, outlines: list[Points]) -> None:
    """Set trees in rows along each orchard's longest side, 30 to 40 m apart."""
    for outline in outlines:
        spacing, radius, angle = rng.uniform(30.0, 40.0), rng.uniform(9.0, 11.5), long_axis(outline)
        cosine, sine = np.cos(angle) / spacing, np.sin(angle) / spacing

        def is_crown(
            x: Points, y: Points, *, c: float = cosine, s: float = sine, r: float = radius / spacing
        ) -> NDArray[np.bool_]:
            along, across = x * c + y * s, y * c - x * s
            return np.hypot(along - np.round(along), across - np.round(across)) < r

        canvas.draw_pattern(outline, Material.ORCHARD_TREE, Material.ORCHARD_GROUND, is_crown)


def _draw_river(rng: np.random.Generator, canvas: Canvas, line: Points) -> list[SceneObject]:
    """Let the river flow, with gravel banks and a strip of trees on either side."""
    count = len(line)
    wander = np.cumsum(rng.normal(0.0, 1.0, count))
    wander = (wander - np.linspace(wander[0], wander[-1], count)) / max(float(wander.std()), 1e-9)
    width_m = np.clip(46.0 + 10.0 * wander, 26.0, 75.0)
    gravel_m = np.clip(24.0 * np.sin(np.arange(count) / 11.0) + 8.0 * wander, 0.0, 45.0)
    river = thicken(line, width_m)
    canvas.draw(
        [
            (thicken(line, width_m + gravel_m + 55.0), Material.FOREST),
            (thicken(line, width_m + gravel_m), Material.GRAVEL),
            (river, Material.RIVER),
        ]
    )
    return [SceneObject("river", "water", river, {"mean_width_m": round(float(width_m.mean()), 1)})]


def _dig_lakes(rng: np.random.Generator, canvas: Canvas, hilliness: Field) -> list[SceneObject]:
    """Return lakes, spread from west to east so that either half of a small scene has one."""
    height_m, width_m = canvas.size_m
    count = max(2, round(height_m * width_m / 1e6 / KM2_PER_LAKE))
    lakes: list[SceneObject] = []
    for number in range(count):
        places = np.stack(
            [(number + rng.random(40)) / count * width_m, rng.uniform(0.08, 0.92, 40) * height_m], axis=-1
        )
        shores = places[:, None] + 260.0 * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
        dry = (canvas.at(shores.reshape(-1, 2)) != Material.RIVER).reshape(40, -1).all(axis=1)
        center = places[int((dry & (canvas.sample(hilliness, places) < 0.7)).argmax())]
        radius_m = float(np.clip(rng.lognormal(np.log(200.0), 0.4), 60.0, min(360.0, 0.08 * min(canvas.size_m))))
        lakes.append(SceneObject("lake", "water", blob(rng, center, radius_m)))
    return lakes


def _level_lakes(canvas: Canvas, elevation: Field) -> Field:
    """Return the elevation with still water made level, and shores that lead down to it."""
    wet = (canvas.material == Material.LAKE).reshape(canvas.shape[0], CELLS_PER_PIXEL, canvas.shape[1], CELLS_PER_PIXEL)
    share = wet.mean(axis=(1, 3), dtype=np.float32)
    calm = smoothstep(blur(share, 3.0), 0.05, 0.6)
    return elevation * (1 - calm) + blur(elevation, 12.0) * calm
