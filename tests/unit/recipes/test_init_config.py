"""`geofoundry init`: what it writes holds against our own checks, on chips, on scenes, and on real imagery."""

from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import yaml
from affine import Affine
from rasterio.crs import CRS

from geofoundry.config import check_config, load_document
from geofoundry.core.errors import ConfigError, DataError
from geofoundry.data.overlaps import find_overlaps
from geofoundry.data.split_items import items_of
from geofoundry.data.windows_file import read_windows
from geofoundry.recipes.data_selection import select_data
from geofoundry.recipes.examine_data import check_data
from geofoundry.recipes.init_config import init_config
from geofoundry.recipes.init_layout import InitOptions, common_root

SHARED = Path(__file__).parents[4] / "shared" / "data"
BANDS = ("B02", "B03", "B04", "B08")
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_raster(path, pixels, x=500_000, y=5_000_000, bands=(), crs=32632, nodata=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = pixels if pixels.ndim == 3 else pixels[None]
    profile = {"driver": "GTiff", "count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
    if crs:
        profile |= {"crs": CRS.from_epsg(crs), "transform": Affine(10, 0, x, 0, -10, y)}
    with rasterio.open(path, "w", dtype=pixels.dtype, nodata=nodata, **profile) as dataset:
        dataset.write(pixels)
        for number, name in enumerate(bands, start=1):
            dataset.set_band_description(number, name)


def write_chips(root, count=16, size=64, bands=BANDS, crs=32632, image="images/{}.tif", mask="masks/{}.tif"):
    rng = np.random.default_rng(0)
    for i in range(count):
        place = {"x": 500_000 + (i % 4) * size * 10, "y": 5_000_000 - (i // 4) * size * 10, "crs": crs}
        labels = rng.integers(0, 3, (size, size)).astype(np.uint8)
        pixels = rng.integers(200, 3000, (len(bands), size, size)).astype(np.uint16)
        name = f"scene{i // 4}_r{i // 4}c{i % 4}"
        write_raster(root / image.format(name), pixels, bands=bands, **place)
        write_raster(root / mask.format(name), labels, **place)


def accepted(config):
    """Return the configuration after our own checks have passed it."""
    faults = [f for f in check_config(load_document([config])) if f.severity == "error"]
    assert faults == []
    report = check_data(select_data(None, config), {})
    assert report.errors == 0
    return yaml.safe_load(Path(config).read_text())


def test_chips_become_a_configuration_that_passes_every_check(workplace):
    write_chips(workplace / "data")
    report = init_config("data/images", "data/masks", "fit.yaml")
    config = accepted("fit.yaml")
    data = config["data"]["init_args"]
    assert data["root"] == "data"
    assert (data["image_glob"], data["label_glob"]) == ("images/*.tif", "masks/*.tif")
    assert data["bands"] == ["BLUE", "GREEN", "RED", "NIR_BROAD"]
    assert data["sensor"] == "sentinel2"
    assert data["classes"] == ["class 0", "class 1", "class 2"]
    assert "ignore_index" not in data
    assert config["model"]["init_args"]["model_args"]["num_classes"] == 3
    assert config["model"]["init_args"]["model_args"]["backbone_bands"] == data["bands"]
    assert sum(report.samples.values()) == 16
    assert min(report.samples.values()) >= 2
    assert "by block" in Path("fit.yaml").read_text()
    keys = [key for name in ("train", "val", "test") for key in Path(data[f"{name}_split"]).read_text().split()]
    assert len(keys) == len(set(keys)) == 16


def test_every_choice_has_its_reason(workplace):
    write_chips(workplace / "data")
    init_config("data/images", "data/masks", "fit.yaml")
    text = Path("fit.yaml").read_text()
    for word in (
        "geofoundry init data/images data/masks",
        "--dry-run",
        "no up",
        "Cross-entropy",
        "few or small chips",
    ):
        assert word in text
    assert max(map(len, text.splitlines())) <= 140


def test_chips_without_crs_are_split_by_scene(workplace):
    write_chips(workplace / "data", crs=None)
    init_config("data/images", "data/masks", "fit.yaml")
    accepted("fit.yaml")
    assert "by scene, since without a CRS" in Path("fit.yaml").read_text()
    test = Path("fit_data/test.txt").read_text().split()
    train = Path("fit_data/train.txt").read_text().split()
    assert {key[:6] for key in test} & {key[:6] for key in train} == set()


def test_globs_pair_images_and_masks_of_one_folder(workplace):
    write_chips(workplace / "data", image="{}_image.tif", mask="{}_mask.tif")
    init_config("data/*_image.tif", "data/*_mask.tif", "fit.yaml")
    data = accepted("fit.yaml")["data"]["init_args"]
    assert (data["root"], data["image_glob"], data["label_glob"]) == ("data", "*_image.tif", "*_mask.tif")


def test_bands_without_names_are_counted(workplace):
    write_chips(workplace / "data", bands=("", "", ""))
    init_config("data/images", "data/masks", "fit.yaml")
    config = accepted("fit.yaml")
    assert "bands" not in config["data"]["init_args"]
    assert config["model"]["init_args"]["model_args"]["backbone_in_chans"] == 3
    assert "dataset_bands" in Path("fit.yaml").read_text()


def test_one_scene_with_polygons_is_split_by_polygon(workplace):
    pixels = np.random.default_rng(0).integers(200, 3000, (4, 400, 400)).astype(np.uint16)
    write_raster(workplace / "scene.tif", pixels, bands=BANDS)
    rng = np.random.default_rng(1)
    corners = [(500_100 + 500 * c, 4_996_200 + 500 * r) for r in range(7) for c in range(7)]
    boxes = [shapely.box(x, y, x + rng.integers(50, 250), y + rng.integers(50, 250)) for x, y in corners]
    kinds = [("water", "field", "town")[i % 3] for i in range(len(boxes))]
    frame = geopandas.GeoDataFrame({"kind": kinds, "author": "me"}, geometry=boxes, crs=32632).to_crs(4326)
    frame.to_file(workplace / "labels.gpkg")
    with pytest.raises(ConfigError, match="kind, author"):
        init_config("scene.tif", "labels.gpkg", "fit.yaml")
    report = init_config("scene.tif", "labels.gpkg", "fit.yaml", InitOptions(attribute="kind"))
    data = accepted("fit.yaml")["data"]["init_args"]
    assert data["classes"] == ["field", "town", "water"]
    assert data["ignore_index"] == 255
    rows, faults = read_windows(data["windows"], data["root"])
    assert faults == []
    assert len(rows) == sum(report.samples.values())
    assert "no label polygon is in two splits" in Path("fit.yaml").read_text()
    members = {name: items_of([r.sample for r in rows if r.split == name]) for name in ("train", "val", "test")}
    assert find_overlaps(members) == []
    for polygon in frame.to_crs(32632).geometry:
        owners = [
            n
            for n, items in members.items()
            if any(polygon.intersects(shapely.Polygon(i.grid.corners())) for i in items)
        ]
        assert len(owners) <= 1


def test_one_scene_with_a_mask_is_cut_into_windows(workplace):
    pixels = np.random.default_rng(0).integers(200, 3000, (4, 400, 300)).astype(np.uint16)
    write_raster(workplace / "scene.tif", pixels, bands=BANDS)
    labels = (np.indices((400, 300)).sum(axis=0) // 40 % 3).astype(np.uint8)
    write_raster(workplace / "mask.tif", labels, nodata=0)
    init_config("scene.tif", "mask.tif", "fit.yaml")
    data = accepted("fit.yaml")["data"]["init_args"]
    assert data["classes"] == {1: "class 1", 2: "class 2"}
    assert data["ignore_index"] == 255
    assert "by block" in Path("fit.yaml").read_text()


def test_existing_configuration_is_not_replaced_unasked(workplace):
    write_chips(workplace / "data")
    Path("fit.yaml").write_text("mine: true")
    with pytest.raises(ConfigError, match="exists already"):
        init_config("data/images", "data/masks", "fit.yaml")
    assert Path("fit.yaml").read_text() == "mine: true"
    init_config("data/images", "data/masks", "fit.yaml", overwrite=True)
    accepted("fit.yaml")


def test_faults_of_the_data_are_told_and_nothing_is_configured(workplace):
    write_chips(workplace / "data")
    (workplace / "data" / "images" / "scene0_r0c0.tif").write_bytes(b"")
    (workplace / "data" / "masks" / "scene1_r1c1.tif").unlink()
    with pytest.raises(DataError, match="without a label"):
        init_config("data/images", "data/masks", "fit.yaml")
    assert not Path("fit.yaml").exists()


def test_common_root_of_folders_and_globs(workplace):
    (workplace / "a" / "images").mkdir(parents=True)
    (workplace / "a" / "images" / "x.tiff").touch()
    assert common_root("a/images", "a/masks/*_m.tif") == (workplace / "a", "images/*.tiff", "masks/*_m.tif")
    assert common_root("a/*/i_*.tif", "b/*/m_*.tif") == (workplace, "a/*/i_*.tif", "b/*/m_*.tif")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("images", "labels", "expected"),
    [
        (
            "multimodal/amazon_sentinel2_srtm/S2L2A",
            "multimodal/amazon_sentinel2_srtm/training_polygons.gpkg",
            {"sensor": "sentinel2", "classes": ["dryout", "forest", "village", "water"], "ignore_index": 255},
        ),
        (
            "segmentation/csmask_landsat_clouds/images",
            "segmentation/csmask_landsat_clouds/masks",
            {"classes": ["cloud shadow", "water", "snow/ice (absent)", "land", "cloud"]},
        ),
        (
            "segmentation/mexico_landsat7_sparse/images",
            "segmentation/mexico_landsat7_sparse/masks",
            {"sensor": "landsat7_etm", "ignore_index": 255},
        ),
    ],
)
def test_real_imagery(images, labels, expected):
    if not SHARED.is_dir():
        pytest.skip("the real imagery in ../shared/data is absent")
    init_config(str(SHARED / images), str(SHARED / labels), "fit.yaml")
    data = accepted("fit.yaml")["data"]["init_args"]
    assert {name: data.get(name) for name in expected} == expected
