"""A generated Sentinel-2 scene: image, labels, elevation, and every object on the ground."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import transform_geom

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.files import atomic_path
from geofoundry.core.progress import track
from geofoundry.data.synthetic.clouds import THICK, THIN, CloudCover, add_clouds, dim_sun, grow_clouds
from geofoundry.data.synthetic.landscape import make_landscape
from geofoundry.data.synthetic.materials import CLASS_NAMES, CLOUD, IGNORE, SceneObject
from geofoundry.data.synthetic.noise import Field
from geofoundry.data.synthetic.rendering import (
    blur_optics,
    class_map,
    illumination,
    light_up,
    surface_reflectance,
)
from geofoundry.data.synthetic.spectra import BANDS, GSD_M, noise_at
from geofoundry.geo.grid import Grid

GSD = 10.0
MIN_SIZE = 64
NODATA = 0
_STAGES = 5
_TRACK_DEG = 12.0  # how far a Sentinel-2 swath leans from north


@dataclass(frozen=True, slots=True)
class SceneSpec:
    """What to generate; the same values give the same scene, byte for byte.

    Sizes are in pixels of 10 m. `cloud_cover` is the share of the scene below clouds; `swath_edge` leaves a wedge
    without data in the east, where the satellite's view ends. The place is made up.
    """

    height: int = 1024
    width: int = 1024
    seed: int = 0
    cloud_cover: float = 0.07
    cloud_height_m: float = 1400.0
    sun_elevation_deg: float = 42.0
    sun_azimuth_deg: float = 152.0
    swath_edge: bool = True
    epsg: int = 32632
    left_m: float = 600_000.0
    top_m: float = 5_300_000.0

    def __post_init__(self) -> None:
        faults = [
            Fault(f"the {name} of a generated scene is out of range", name, str(value), expected)
            for name, value, expected, fits in (
                ("height", self.height, f"at least {MIN_SIZE} pixels", self.height >= MIN_SIZE),
                ("width", self.width, f"at least {MIN_SIZE} pixels", self.width >= MIN_SIZE),
                ("cloud_cover", self.cloud_cover, "a share from 0 to 0.9", 0 <= self.cloud_cover <= 0.9),
                ("sun_elevation_deg", self.sun_elevation_deg, "15 to 90 degrees", 15 <= self.sun_elevation_deg <= 90),
            )
            if not fits
        ]
        if faults:
            raise ConfigError(faults)


@dataclass(frozen=True, slots=True)
class SyntheticScene:
    """A generated scene.

    **Shapes:** `image` is (bands, H, W) uint16, reflectance times 10000, 0 where there is no data; `labels` is (H, W)
    uint8, `IGNORE` where there is no data or a thin veil of cloud; `elevation_m` is (H, W).
    """

    spec: SceneSpec
    image: NDArray[np.uint16]
    labels: NDArray[np.uint8]
    elevation_m: Field
    clouds: CloudCover
    objects: list[SceneObject]
    bands: tuple[str, ...] = BANDS
    class_names: tuple[str, ...] = CLASS_NAMES

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""
        return Grid(CRS.from_epsg(self.spec.epsg), self.transform_from(0), self.spec.height, self.spec.width)

    def transform_from(self, column: int) -> Affine:
        """Return the transform of the part that begins at a column."""
        return Affine(GSD, 0.0, self.spec.left_m + GSD * column, 0.0, -GSD, self.spec.top_m)


def generate_scene(spec: SceneSpec) -> SyntheticScene:
    """Generate a scene: landscape, light, clouds, optics, sensor.

    A pixel's label is the class that covers most of it on the ground, also in the shadow of a cloud; `cloud` where
    the ground can't be seen, ignored where cloud is thin or the swath ends.
    """
    *_, scene = track(_stages(spec), "generating the scene", total=_STAGES)
    assert scene is not None
    return scene


def _stages(spec: SceneSpec) -> Iterator[SyntheticScene | None]:
    """Yield after each stage, at last the scene."""
    rng = np.random.default_rng(np.random.SeedSequence([spec.seed, 0x5CE4E]))
    shape = (spec.height, spec.width)
    landscape = make_landscape(rng, shape, GSD)
    yield None
    reflectance = surface_reflectance(rng, landscape, GSD)
    yield None
    clouds = grow_clouds(
        rng, shape, GSD, cover=spec.cloud_cover, height_m=spec.cloud_height_m,
        sun_elevation_deg=spec.sun_elevation_deg, sun_azimuth_deg=spec.sun_azimuth_deg,
    )  # fmt: skip
    sun, sky = illumination(landscape.elevation_m, GSD, spec.sun_elevation_deg, spec.sun_azimuth_deg)
    seen = add_clouds(light_up(reflectance, dim_sun(sun, clouds), sky), clouds)
    yield None
    valid = _within_swath(spec)
    image = _record(rng, blur_optics(seen))
    image[:, ~valid] = NODATA
    yield None
    labels = class_map(landscape.material)
    labels[clouds.overhead >= THICK] = CLOUD
    labels[(clouds.overhead >= THIN) & (clouds.overhead < THICK) | ~valid] = IGNORE
    yield SyntheticScene(spec, image, labels, landscape.elevation_m, clouds, landscape.objects)


def _record(rng: np.random.Generator, reflectance: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return what the sensor delivers: noise, coarser pixels in the 20 m bands, whole numbers of at least 1."""
    noisy = reflectance + noise_at(reflectance) * rng.standard_normal(reflectance.shape, dtype=np.float32)
    for index, band in enumerate(BANDS):
        if GSD_M[band] == 20:
            noisy[index] = _coarsen(reflectance[index], rng, index)
    return np.clip(np.round(noisy * 10_000), NODATA + 1, 65_535).astype(np.uint16)


def _coarsen(band: Field, rng: np.random.Generator, index: int) -> Field:
    """Return a band with pixels of 20 m, each shown as four of 10 m, as in the stacks that users have."""
    height, width = band.shape
    even = np.pad(band, ((0, height % 2), (0, width % 2)), mode="edge")
    coarse = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3), dtype=np.float32)
    spread = noise_at(np.broadcast_to(coarse, (len(BANDS), *coarse.shape)))[index]
    coarse = coarse + spread * rng.standard_normal(coarse.shape, dtype=np.float32)
    return coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]


def _within_swath(spec: SceneSpec) -> NDArray[np.bool_]:
    """Return the pixels on this side of the swath's edge, which leans like the satellite's track."""
    if not spec.swath_edge:
        return np.ones((spec.height, spec.width), dtype=bool)
    row, col = np.ogrid[: spec.height, : spec.width]
    return col < 1.05 * spec.width - np.tan(np.deg2rad(_TRACK_DEG)) * row


def write_part(
    scene: SyntheticScene, image_path: str | Path, label_path: str | Path, columns: tuple[int, int] | None = None
) -> None:
    """Write image and labels of the whole scene, or of a range of columns, as georeferenced GeoTIFFs."""
    first, last = columns or (0, scene.spec.width)
    common = {"crs": scene.grid.crs, "transform": scene.transform_from(first)}
    tags = {"UNIT": "reflectance x 10000", "SOURCE": "generated by geofoundry; no real place"}
    _write(image_path, scene.image[:, :, first:last], scene.bands, NODATA, common, tags, predictor=2)
    labels = scene.labels[None, :, first:last]
    names = {f"CLASS_{index}": name for index, name in enumerate(scene.class_names)}
    _write(label_path, labels, ("class",), IGNORE, common, names, predictor=1)


def write_elevation(scene: SyntheticScene, path: str | Path) -> None:
    """Write the elevation in meters as a georeferenced GeoTIFF."""
    common = {"crs": scene.grid.crs, "transform": scene.grid.transform}
    elevation = scene.elevation_m.astype(np.float32)[None]
    _write(path, elevation, ("elevation",), None, common, {"UNIT": "m"}, predictor=3)


def write_objects(scene: SyntheticScene, path: str | Path) -> None:
    """Write every object as GeoJSON in longitude and latitude, as the standard (RFC 7946) wants it."""
    origin = np.array([scene.spec.left_m, scene.spec.top_m])
    features = []
    for thing in scene.objects:
        ring = origin + thing.outline * np.array([1.0, -1.0])
        geometry = {"type": "Polygon", "coordinates": [[*ring.tolist(), ring[0].tolist()]]}
        features.append(
            {
                "type": "Feature",
                "properties": {"kind": thing.kind, "class": thing.class_name, **thing.properties},
                "geometry": transform_geom(scene.grid.crs, "OGC:CRS84", geometry, precision=7),
            }
        )
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


def _write(
    path: str | Path,
    pixels: NDArray[Any],
    names: tuple[str, ...],
    nodata: int | None,
    common: Mapping[str, Any],
    tags: Mapping[str, str],
    *,
    predictor: int,
) -> None:
    count, height, width = pixels.shape
    profile: dict[str, Any] = {
        "driver": "GTiff", "dtype": pixels.dtype.name, "count": count, "height": height, "width": width,
        "nodata": nodata, "compress": "deflate", "predictor": predictor, "zlevel": 4,
        "tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "pixel", **common,
    }  # fmt: skip
    with atomic_path(path) as temporary, rasterio.open(temporary, "w", **profile) as file:
        file.write(pixels)
        file.descriptions = names
        file.update_tags(**tags)
