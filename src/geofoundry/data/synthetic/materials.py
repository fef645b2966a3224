"""What the ground of a generated landscape consists of: materials, the class each belongs to, objects on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASS_NAMES = ("water", "forest", "orchard", "grassland", "cropland", "bare soil", "built-up", "cloud")
CLOUD = CLASS_NAMES.index("cloud")
IGNORE = 255


class Material(IntEnum):
    """What one cell of the ground consists of; a cell is a quarter of a pixel wide."""

    LAKE = 0
    RIVER = 1
    FOREST = 2
    GRASS = 3
    CROP = 4
    SOIL = 5
    GRAVEL = 6
    ORCHARD_TREE = 7
    ORCHARD_GROUND = 8
    ROAD = 9
    GARDEN_GRASS = 10
    GARDEN_TREE = 11
    YARD = 12
    TILE_ROOF = 13
    DARK_ROOF = 14
    BRIGHT_ROOF = 15


_CLASS_OF = {
    "water": (Material.LAKE, Material.RIVER),
    "forest": (Material.FOREST,),
    "orchard": (Material.ORCHARD_TREE, Material.ORCHARD_GROUND),
    "grassland": (Material.GRASS,),
    "cropland": (Material.CROP,),
    "bare soil": (Material.SOIL, Material.GRAVEL),
    "built-up": (
        Material.ROAD,
        Material.GARDEN_GRASS,
        Material.GARDEN_TREE,
        Material.YARD,
        Material.TILE_ROOF,
        Material.DARK_ROOF,
        Material.BRIGHT_ROOF,
    ),
}


def class_of_material() -> NDArray[np.uint8]:
    """Return, per material, the index of its class in `CLASS_NAMES`."""
    table = np.zeros(len(Material), dtype=np.uint8)
    for name, materials in _CLASS_OF.items():
        table[list(materials)] = CLASS_NAMES.index(name)
    return table


@dataclass(frozen=True, slots=True)
class SceneObject:
    """A thing of known shape and place: a field, a building, a road, a lake.

    `outline` is a closed ring without its last point, in meters from the scene's top-left corner, x to the right and
    y down. Parts may lie outside the scene.
    """

    kind: str
    class_name: str
    outline: NDArray[np.float64]
    properties: dict[str, Any] = field(default_factory=dict)
