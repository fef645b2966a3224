"""From a landscape to what leaves the ground: mixed spectra, then sun and sky on the relief."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from geofoundry.data.synthetic.canvas import CELLS_PER_PIXEL
from geofoundry.data.synthetic.landscape import Landscape
from geofoundry.data.synthetic.materials import CLASS_NAMES, Material, class_of_material
from geofoundry.data.synthetic.noise import Field, blur, fractal_field, smoothstep
from geofoundry.data.synthetic.spectra import MATERIALS, skylight_share, spectra

Adder = Callable[[str, Field], None]

_ROOFS = {
    Material.ROAD: "asphalt",
    Material.YARD: "concrete",
    Material.TILE_ROOF: "tile roof",
    Material.DARK_ROOF: "dark roof",
    Material.BRIGHT_ROOF: "bright roof",
}


def class_map(material: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return, per pixel, the class that covers most of it. **Shapes:** (4 H, 4 W) to (H, W)."""
    classes = class_of_material()[material]
    best = np.zeros((material.shape[0] // CELLS_PER_PIXEL, material.shape[1] // CELLS_PER_PIXEL), dtype=np.uint8)
    most = np.zeros_like(best)
    for index in range(len(CLASS_NAMES) - 1):  # the last one is the cloud, which is not on the ground
        count = _count_cells(classes == index)
        better = count > most
        best[better], most[better] = index, count[better]
    return best


def surface_reflectance(rng: np.random.Generator, landscape: Landscape, pixel_m: float) -> NDArray[np.float32]:
    """Return the reflectance of the ground, every pixel the mixture of what its cells consist of.

    Plants are a mixture of green leaves, dry leaves and the soil between them; soil is moist or dry; water is clear
    or turbid; every material is uneven. **Shapes:** (bands, H, W).
    """
    shares = _mixture(rng, landscape, pixel_m)
    table = spectra()
    reflectance = np.zeros((table.shape[1], *landscape.elevation_m.shape), dtype=np.float32)
    for name, share in shares.items():
        reflectance += table[MATERIALS.index(name)][:, None, None] * share
    return reflectance


def illumination(
    elevation_m: Field, pixel_m: float, sun_elevation_deg: float, sun_azimuth_deg: float
) -> tuple[Field, Field]:
    """Return the light on each slope, from sun and from sky, relative to level ground.

    Shadows that hills throw are left out: slopes are gentler than the sun is high. **Shapes:** (H, W) each.
    """
    down, right = np.gradient(elevation_m, pixel_m)
    zenith, azimuth = np.deg2rad(90.0 - sun_elevation_deg), np.deg2rad(sun_azimuth_deg)
    east, north, up = np.sin(zenith) * np.sin(azimuth), np.sin(zenith) * np.cos(azimuth), np.cos(zenith)
    # The surface normal is (-dz/dx, -dz/dy, 1) with y to the north; rows run south.
    normal = np.sqrt(1.0 + down**2 + right**2)
    sun = np.maximum((-right * east + down * north + up) / normal, 0.0) / up
    return sun.astype(np.float32), ((1.0 + 1.0 / normal) / 2.0).astype(np.float32)


def light_up(reflectance: NDArray[np.float32], sun: Field, sky: Field) -> NDArray[np.float32]:
    """Return the apparent reflectance under that light. **Shapes:** (bands, H, W), with (H, W) each."""
    share = skylight_share()[:, None, None]
    return (reflectance * ((1.0 - share) * sun + share * sky)).astype(np.float32)


def _count_cells(cells: NDArray[np.bool_]) -> NDArray[np.uint8]:
    height, width = cells.shape[0] // CELLS_PER_PIXEL, cells.shape[1] // CELLS_PER_PIXEL
    blocks = cells.reshape(height, CELLS_PER_PIXEL, width, CELLS_PER_PIXEL)
    return blocks.sum(axis=(1, 3), dtype=np.uint8)


def _mixture(rng: np.random.Generator, landscape: Landscape, pixel_m: float) -> dict[str, Field]:
    """Return the share of every spectrum in every pixel, brightened and darkened by texture."""
    shape = landscape.elevation_m.shape
    cover = {m: _count_cells(landscape.material == m) * np.float32(CELLS_PER_PIXEL**-2) for m in Material}

    def texture(amount: float, exponent: float, longest_m: float) -> Field:
        return 1.0 + amount * fractal_field(rng, shape, pixel_m, exponent=exponent, longest_m=longest_m)

    def patches(longest_m: float, exponent: float = 2.2) -> Field:
        return fractal_field(rng, shape, pixel_m, exponent=exponent, longest_m=longest_m)

    shares = {name: np.zeros(shape, dtype=np.float32) for name in MATERIALS}

    def add(name: str, share: Field) -> None:
        shares[name] += share

    valley = smoothstep(landscape.elevation_m, 188.0, 215.0)
    dryness = np.clip(0.25 + 0.45 * valley + 0.22 * patches(900.0), 0.0, 1.0)

    def add_soil(share: Field, dry: Field) -> None:
        add("moist soil", share * (1 - dry))
        add("dry soil", share * dry)

    # Trees: stands of two kinds, with crowns and the shadows between them.
    conifers = smoothstep(patches(700.0, 2.6) + 0.8 * valley - 0.7, -0.35, 0.35)
    crowns = np.clip(texture(0.13, 0.6, 60.0), 0.4, 1.6)
    trees = cover[Material.FOREST] * crowns
    add("conifers", trees * conifers)
    add("broadleaf trees", trees * (1 - conifers))
    add("broadleaf trees", (cover[Material.ORCHARD_TREE] + cover[Material.GARDEN_TREE]) * crowns)

    # Grass: uneven cover, yellow where it is dry; a pasture is never as even as a field.
    grass_cover = np.clip(0.78 + 0.17 * patches(420.0, 1.6), 0.3, 1.0)
    yellow = np.clip(0.16 + 0.17 * patches(600.0, 1.8) + 0.12 * (dryness - 0.5), 0.0, 0.8)
    grass = cover[Material.GRASS] + cover[Material.ORCHARD_GROUND] + cover[Material.GARDEN_GRASS]
    uneven = texture(0.06, 0.8, 90.0)
    add("green grass", grass * grass_cover * (1 - yellow) * uneven)
    add("dry plants", grass * grass_cover * yellow * uneven)
    add_soil(grass * (1 - grass_cover), dryness)

    _add_fields(landscape, cover, dryness, texture(0.03, 1.6, 300.0), add, add_soil)
    _add_water(cover, patches(1500.0), add)
    add("gravel", cover[Material.GRAVEL] * texture(0.08, 1.0, 80.0))
    wear = texture(0.10, 1.0, 60.0)
    for material, name in _ROOFS.items():
        add(name, cover[material] * wear)
    return shares


def _add_fields(
    landscape: Landscape,
    cover: dict[Material, Field],
    dryness: Field,
    even: Field,
    add: Adder,
    add_soil: Callable[[Field, Field], None],
) -> None:
    """Add crops and bare fields, each parcel alike within itself."""
    # Row -1 of the table serves pixels whose center lies in no parcel but whose rim does.
    table = np.concatenate([landscape.crops, [[0.8, 0.1, 0.0, 0.5]]]).astype(np.float32)
    leaves, ripe, flower, dry = np.moveaxis(table[landscape.parcel], -1, 0)
    leaves = np.clip(leaves * even, 0.0, 1.0)
    crop = cover[Material.CROP] + cover[Material.SOIL]
    add("green crop", crop * leaves * (1 - ripe) * (1 - flower) * even)
    add("flowering crop", crop * leaves * flower * even)
    add("dry plants", crop * leaves * ripe * even)
    add_soil(crop * (1 - leaves) * even, np.clip(0.6 * dry + 0.5 * (dryness - 0.2), 0.0, 1.0))


def _add_water(cover: dict[Material, Field], patches: Field, add: Adder) -> None:
    turbid = np.clip(0.15 + 0.1 * patches, 0.0, 0.5)
    add("clear water", cover[Material.LAKE] * (1 - turbid) + cover[Material.RIVER] * 0.3)
    add("turbid water", cover[Material.LAKE] * turbid + cover[Material.RIVER] * 0.7)


def blur_optics(reflectance: NDArray[np.float32], mtf_at_nyquist: float = 0.25) -> NDArray[np.float32]:
    """Return what the optics pass on: a Gaussian blur with that contrast left at a wavelength of two pixels."""
    sigma = float(np.sqrt(-np.log(mtf_at_nyquist) / (2 * np.pi**2 * 0.25)))
    return blur(reflectance, sigma)
