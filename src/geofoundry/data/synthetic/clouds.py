"""Clouds, and the shadows that they throw where the sun's height and theirs put them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geofoundry.data.synthetic.noise import Field, fractal_field
from geofoundry.data.synthetic.spectra import cloud_color

THICK, THIN = 3.0, 0.4  # optical depths: above, the ground can't be seen; below, nobody sees the cloud
_BACKSCATTER = 0.15  # 1 - g, with the asymmetry of water droplets


@dataclass(frozen=True, slots=True)
class CloudCover:
    """Optical depth straight up from each pixel, and towards the sun. **Shapes:** (H, W) each."""

    overhead: Field
    sunward: Field
    shadow_offset_px: tuple[int, int]


def grow_clouds(
    rng: np.random.Generator,
    shape: tuple[int, int],
    pixel_m: float,
    *,
    cover: float,
    height_m: float,
    sun_elevation_deg: float,
    sun_azimuth_deg: float,
) -> CloudCover:
    """Return clouds over that share of the scene, all at one height, and where they dim the sun.

    Clouds are grown beyond the borders, since the shadow of one that is out of view may well be in view.
    """
    down, right = shadow_offset(height_m, sun_elevation_deg, sun_azimuth_deg, pixel_m)
    pad_y, pad_x = abs(down), abs(right)
    large = (shape[0] + 2 * pad_y, shape[1] + 2 * pad_x)
    if cover <= 0:
        clear = np.zeros(shape, dtype=np.float32)
        return CloudCover(clear, clear, (down, right))
    lumps = fractal_field(rng, large, pixel_m, exponent=3.3, longest_m=1300.0, shortest_m=60.0)
    lumps += 0.9 * fractal_field(rng, large, pixel_m, exponent=3.0, longest_m=5000.0, shortest_m=1200.0)
    view = lumps[pad_y : pad_y + shape[0], pad_x : pad_x + shape[1]]
    depth = 10.0 * np.maximum(lumps - np.quantile(view, 1.0 - cover), 0.0)
    towards_sun = depth[pad_y - down : pad_y - down + shape[0], pad_x - right : pad_x - right + shape[1]]
    overhead = depth[pad_y : pad_y + shape[0], pad_x : pad_x + shape[1]]
    slant = np.sin(np.deg2rad(sun_elevation_deg))
    return CloudCover(overhead.astype(np.float32), (towards_sun / slant).astype(np.float32), (down, right))


def shadow_offset(height_m: float, sun_elevation_deg: float, sun_azimuth_deg: float, pixel_m: float) -> tuple[int, int]:
    """Return how many pixels (down, right) of a cloud its shadow lies: away from the sun."""
    distance_px = height_m / np.tan(np.deg2rad(sun_elevation_deg)) / pixel_m
    azimuth = np.deg2rad(sun_azimuth_deg)
    # The sun stands sin(azimuth) to the right and cos(azimuth) up, since north is up; the shadow is opposite.
    return round(float(distance_px * np.cos(azimuth))), round(float(-distance_px * np.sin(azimuth)))


def dim_sun(sun: Field, clouds: CloudCover) -> Field:
    """Return the sunlight that is left on the ground below the clouds."""
    return sun * np.exp(-clouds.sunward)


def add_clouds(reflectance: NDArray[np.float32], clouds: CloudCover) -> NDArray[np.float32]:
    """Return what is seen from above: the cloud's own light, and the ground's through it, twice dimmed.

    Two-stream approximation for droplets that absorb nothing: a layer of optical depth t returns
    0.15 t / (2 + 0.15 t) of the light. **Shapes:** (bands, H, W).
    """
    returned = _BACKSCATTER * clouds.overhead / (2.0 + _BACKSCATTER * clouds.overhead)
    return (returned * cloud_color()[:, None, None] + (1.0 - returned) ** 2 * reflectance).astype(np.float32)
