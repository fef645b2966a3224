import json

import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize
from rasterio.warp import transform_geom

from geofoundry.core.errors import ConfigError
from geofoundry.data.synthetic import SceneSpec, generate_scene
from geofoundry.data.synthetic.materials import CLASS_NAMES, CLOUD, IGNORE
from geofoundry.data.synthetic.scene import write_elevation, write_objects, write_part

BAND = {
    name: index for index, name in enumerate(("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"))
}


@pytest.fixture(scope="module")
def scene():
    return generate_scene(SceneSpec(288, 320, seed=4))


def reflectance(scene, class_name):
    clear = (scene.labels == CLASS_NAMES.index(class_name)) & (scene.clouds.sunward < 0.01)
    assert clear.sum() > 50, class_name
    return scene.image[:, clear].mean(axis=1) / 1e4


def test_one_seed_one_scene():
    spec = SceneSpec(96, 128, seed=1)
    first, second, other = generate_scene(spec), generate_scene(spec), generate_scene(SceneSpec(96, 128, seed=2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert (first.image != other.image).mean() > 0.5


def test_every_class_occurs_and_labels_are_classes_or_ignored(scene):
    values = set(np.unique(scene.labels).tolist())
    assert values == {*range(len(CLASS_NAMES)), IGNORE}


def test_the_smallest_and_the_oddest_size():
    for height, width in ((64, 64), (65, 131)):
        small = generate_scene(SceneSpec(height, width, seed=3))
        assert small.image.shape == (10, height, width)
        assert small.labels.shape == (height, width)


def test_the_swath_ends_in_nodata_and_nowhere_else(scene):
    outside = (scene.image == 0).all(axis=0)
    assert 0.01 < outside.mean() < 0.15
    assert (scene.image[:, ~outside] > 0).all()
    assert (scene.labels[outside] == IGNORE).all()
    assert outside[-1, -1]
    assert not outside[:, 0].any()
    whole = generate_scene(SceneSpec(96, 96, seed=4, swath_edge=False))
    assert (whole.image > 0).all()


def test_spectra_are_those_of_the_surfaces(scene):
    """Plain facts of remote sensing: plants reflect the near infrared, water swallows it, clouds are bright."""
    water, forest, soil = (reflectance(scene, name) for name in ("water", "forest", "bare soil"))
    grass, cloud = reflectance(scene, "grassland"), scene.image[:, scene.labels == CLOUD].mean(axis=1) / 1e4
    ndvi = lambda s: (s[BAND["B08"]] - s[BAND["B04"]]) / (s[BAND["B08"]] + s[BAND["B04"]])  # noqa: E731
    assert ndvi(forest) > 0.6
    assert ndvi(grass) > 0.4
    assert ndvi(soil) < 0.35
    assert ndvi(water) < 0.1
    assert water[BAND["B11"]] < 0.08 < soil[BAND["B11"]]
    assert (np.diff(soil[:3]) > 0).all(), "soil brightens from blue to red"
    assert cloud[:3].min() > 0.2
    assert cloud[BAND["B12"]] < 0.8 * cloud[BAND["B03"]]


def test_shadows_lie_away_from_the_sun_at_the_clouds_height():
    spec = SceneSpec(256, 256, seed=6, cloud_cover=0.12, cloud_height_m=600.0, sun_elevation_deg=45.0,
                     sun_azimuth_deg=135.0, swath_edge=False)  # fmt: skip
    cloudy = generate_scene(spec)
    # Sun in the south-east: shadows to the north-west, 600 m / tan(45°) = 60 px along the diagonal.
    assert cloudy.clouds.shadow_offset_px == (-42, -42)
    assert np.hypot(42, 42) == pytest.approx(60, abs=1)
    # In the image itself: pixels 42 up and left of thick cloud are darker than the rest of the clear ones.
    thick = cloudy.clouds.overhead > 8
    shaded = np.zeros_like(thick)
    shaded[:-42, :-42] = thick[42:, 42:]
    clear = (cloudy.labels != CLOUD) & (cloudy.labels != IGNORE)
    near_infrared = cloudy.image[BAND["B08"]].astype(float)
    assert (shaded & clear).sum() > 100
    assert np.median(near_infrared[shaded & clear]) < 0.5 * np.median(near_infrared[~shaded & clear])


def test_slopes_towards_the_sun_are_brighter():
    from geofoundry.data.synthetic.rendering import illumination

    row, col = np.indices((50, 50), dtype=np.float32)
    south, north, flat = -row * 5, row * 5, np.zeros_like(row)  # falls towards the bottom, that is, faces south
    sun = {
        name: illumination(dem, 10.0, 40.0, 180.0)[0][25, 25] for name, dem in (("s", south), ("n", north), ("f", flat))
    }
    assert sun["f"] == pytest.approx(1.0)
    slope = np.arctan(0.5)
    incidence = lambda tilt: np.cos(np.deg2rad(50) - tilt) / np.cos(np.deg2rad(50))  # noqa: E731
    assert sun["s"] == pytest.approx(incidence(slope), rel=1e-5)
    assert sun["n"] == pytest.approx(incidence(-slope), rel=1e-5)
    east = illumination(-col * 5, 10.0, 40.0, 90.0)[0][25, 25]  # falls to the right, sun in the east
    assert east == pytest.approx(incidence(slope), rel=1e-5)


def test_coarse_bands_have_coarse_pixels(scene):
    inside = (scene.image > 0).all(axis=0)[:200, :200]
    for band, coarse in (("B05", True), ("B11", True), ("B04", False)):
        block = scene.image[BAND[band], :200, :200].reshape(100, 2, 100, 2)
        equal = (block == block[:, :1, :, :1]).all(axis=(1, 3))
        assert equal.mean() > 0.99 if coarse else equal.mean() < 0.05
    assert inside.all()


def test_noise_is_that_of_the_sensor():
    """Over calm water nothing but noise changes from pixel to pixel; the ratio is near the published one."""
    from geofoundry.data.synthetic.scene import _record

    even = np.full((10, 400, 400), 0.1, dtype=np.float32)
    recorded = _record(np.random.default_rng(0), even) / 1e4
    assert recorded.mean(axis=(1, 2)) == pytest.approx(0.1, abs=2e-4)
    expected = 0.22 / 154 * np.sqrt(0.1 / 0.22)
    assert recorded[0].std() == pytest.approx(expected, rel=0.05)


def test_files_open_where_they_lie(scene, tmp_path):
    write_part(scene, tmp_path / "east.tif", tmp_path / "east_labels.tif", columns=(200, 320))
    write_elevation(scene, tmp_path / "dem.tif")
    with rasterio.open(tmp_path / "east.tif") as image, rasterio.open(tmp_path / "east_labels.tif") as labels:
        assert image.crs.to_epsg() == 32632
        assert image.transform == labels.transform
        assert image.xy(0, 0, offset="ul") == (602_000.0, 5_300_000.0)
        assert image.descriptions == tuple(BAND)
        assert (image.nodata, labels.nodata) == (0, IGNORE)
        np.testing.assert_array_equal(image.read(), scene.image[:, :, 200:])
        np.testing.assert_array_equal(labels.read(1), scene.labels[:, 200:])
    with rasterio.open(tmp_path / "dem.tif") as dem:
        np.testing.assert_array_equal(dem.read(1), scene.elevation_m)


def test_objects_lie_on_their_pixels(scene, tmp_path):
    write_objects(scene, tmp_path / "objects.geojson")
    features = json.loads((tmp_path / "objects.geojson").read_text())["features"]
    kinds = {feature["properties"]["kind"] for feature in features}
    assert {"field", "road", "river", "lake", "building", "settlement"} <= kinds
    lakes = [
        transform_geom("OGC:CRS84", "EPSG:32632", f["geometry"]) for f in features if f["properties"]["kind"] == "lake"
    ]
    inside = rasterize([(lake, 1) for lake in lakes], out_shape=scene.grid.shape, transform=scene.grid.transform) == 1
    seen = inside & (scene.labels != IGNORE) & (scene.labels != CLOUD)
    assert (scene.labels[seen] == CLASS_NAMES.index("water")).mean() > 0.9
    buildings = [thing for thing in scene.objects if thing.kind == "building"]
    assert len(buildings) > 20
    for thing in buildings:
        sides = np.hypot(*(np.roll(thing.outline, -1, axis=0) - thing.outline).T)
        sizes = (thing.properties["length_m"], thing.properties["width_m"])
        assert sorted(sides)[::2] == pytest.approx(sorted(sizes), abs=0.06)


def test_buildings_of_a_village_do_not_overlap(scene):
    shapes = [({"type": "Polygon", "coordinates": [[*t.outline.tolist(), t.outline[0].tolist()]]}, 1)
              for t in scene.objects if t.kind == "building"]  # fmt: skip
    from affine import Affine
    from rasterio.enums import MergeAlg

    counts = rasterize(shapes, out_shape=(2880, 3200), transform=Affine.identity(), merge_alg=MergeAlg.add)
    assert (counts > 1).sum() < 0.02 * (counts > 0).sum()


def test_all_that_is_out_of_range_is_said_at_once():
    with pytest.raises(ConfigError) as caught:
        SceneSpec(10, 10, cloud_cover=2.0)
    assert [fault.where for fault in caught.value.faults] == ["height", "width", "cloud_cover"]


def test_neighborhoods_tell_what_pixels_cannot(scene):
    """Orchard pixels look like those of grass and woods; only their pattern is their own."""
    red, near_infrared = scene.image[BAND["B04"]].astype(float), scene.image[BAND["B08"]].astype(float)
    ndvi = (near_infrared - red) / np.maximum(near_infrared + red, 1)
    clear = scene.clouds.sunward < 0.01

    def values(name):
        return ndvi[(scene.labels == CLASS_NAMES.index(name)) & clear]

    orchard = values("orchard")
    mixed = np.concatenate([values("grassland"), values("forest")])
    low, high = np.percentile(mixed, [2, 98])
    assert ((orchard > low) & (orchard < high)).mean() > 0.9
