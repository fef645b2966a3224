import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.crs import CRS

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.data.label_sources import PolygonLabels, RasterLabels
from geofoundry.data.prepare import CutSettings, prepare
from geofoundry.data.windows_file import read_windows
from geofoundry.geo.polygon_files import read_polygons
from geofoundry.geo.reading import read_header
from geofoundry.geo.vectors import LabelPolygons

SHARED = Path(__file__).parents[4] / "shared" / "data" / "multimodal" / "amazon_sentinel2_srtm"
UTM = CRS.from_epsg(32632)
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path / "cache"))


def write_scene(path, height=100, width=130, x=500_000, y=5_000_000, nodata=None, dtype="uint16", crs=UTM, count=3):
    pixels = np.random.default_rng(height).integers(1, 200, (count, height, width)).astype(dtype)
    if nodata is not None:
        pixels[:, :, -20:] = nodata
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": dtype, "nodata": nodata}
    if crs:
        profile |= {"crs": crs, "transform": Affine(10, 0, x, 0, -10, y)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(pixels)
        for i, name in enumerate(("B02", "B03", "B04")[:count], start=1):
            dataset.set_band_description(i, name)
        dataset.update_tags(ACQUIRED="2020-02-02")
    return path


def polygons_of(*boxes, crs=UTM, source=__file__):
    shapes = np.array([shapely.box(*box[:4]) for box in boxes])
    ids = np.array([box[4] for box in boxes])
    return LabelPolygons(shapes, ids, np.arange(len(ids)), {0: "forest", 1: "water"}, crs, source)


# 30 x 20 pixels of water from row 10, column 5; 10 x 10 of forest from row 60, column 70
BOXES = ((500_050, 4_999_600, 500_250, 4_999_900, 1), (500_700, 4_999_300, 500_800, 4_999_400, 0))


def expected_labels(height=100, width=130):
    labels = np.full((height, width), 255, np.uint8)
    labels[10:40, 5:25] = 1
    labels[60:70, 70:80] = 0
    return labels


def test_chips_hold_the_scene_and_its_labels(tmp_path):
    scene = write_scene(tmp_path / "scene.tif")
    source = PolygonLabels(polygons_of(*BOXES), 255)
    summary = prepare({"scene": scene}, source, tmp_path / "out", CutSettings(chip_size_px=32))

    labels = expected_labels()
    whole = rasterio.open(scene).read()
    windows = [(r, c) for r in (0, 32, 64, 68) for c in (0, 32, 64, 96, 98)]
    kept = [(r, c) for r, c in windows if (labels[r : r + 32, c : c + 32] != 255).any()]
    images = sorted((tmp_path / "out" / "images").iterdir())
    assert [file.name for file in images] == [f"scene_r{r:05d}_c{c:05d}.tif" for r, c in kept]
    for image, (row, col) in zip(images, kept, strict=True):
        with rasterio.open(image) as chip, rasterio.open(tmp_path / "out" / "masks" / image.name) as mask:
            np.testing.assert_array_equal(chip.read(), whole[:, row : row + 32, col : col + 32])
            np.testing.assert_array_equal(mask.read(1), labels[row : row + 32, col : col + 32])
            assert chip.crs == mask.crs == UTM
            assert chip.transform == mask.transform == Affine(10, 0, 500_000 + 10 * col, 0, -10, 5_000_000 - 10 * row)
            assert chip.descriptions == ("B02", "B03", "B04")
            assert chip.tags()["ACQUIRED"] == "2020-02-02"
            assert chip.dtypes[0] == "uint16"
            assert mask.nodata == 255
            assert mask.dtypes == ("uint8",)
    counts = {
        name: sum((labels[r : r + 32, c : c + 32] == i).sum() for r, c in kept)
        for i, name in ((0, "forest"), (1, "water"))
    }
    assert summary.class_px == counts
    assert summary.kept == len(kept)
    assert summary.dropped_unlabelled == len(windows) - len(kept)
    assert json.loads((tmp_path / "out" / "classes.json").read_text()) == {
        "classes": {"0": "forest", "1": "water"},
        "ignore_index": 255,
    }
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["kept"] == len(kept)


def test_virtual_windows_point_into_the_scene(tmp_path):
    scene = write_scene(tmp_path / "out" / "scenes" / "scene.tif")
    source = PolygonLabels(polygons_of(*BOXES), 255)
    settings = CutSettings(chip_size_px=32, stride_px=16, min_labelled=0.05, virtual=True)
    summary = prepare({"scene": scene}, source, tmp_path / "out", settings)

    assert not (tmp_path / "out" / "images").exists()
    np.testing.assert_array_equal(rasterio.open(tmp_path / "out" / "labels" / "scene.tif").read(1), expected_labels())
    rows, faults = read_windows(tmp_path / "out" / "windows.csv", tmp_path)
    assert faults == []
    assert len(rows) == summary.kept
    assert "scenes/scene.tif,labels/scene.tif" in (tmp_path / "out" / "windows.csv").read_text()
    for row in rows:
        part = expected_labels()[row.sample.window.toslices()]
        assert (part != 255).mean() >= 0.05
    assert summary.dropped_sparse > 0


def test_keep_empty_keeps_every_window(tmp_path):
    scene = write_scene(tmp_path / "scene.tif")
    summary = prepare(
        {"s": scene},
        PolygonLabels(polygons_of(*BOXES), 255),
        tmp_path / "out",
        CutSettings(chip_size_px=50, keep_empty=True),
    )
    assert summary.kept == 2 * 3


def test_nodata_of_the_scene_is_unlabelled(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", nodata=0)
    everything = PolygonLabels(polygons_of((0, 0, 1e6, 1e7, 1)), 255)
    summary = prepare({"s": scene}, everything, tmp_path / "out", CutSettings(chip_size_px=100))
    mask = rasterio.open(tmp_path / "out" / "masks" / "s_r00000_c00030.tif").read(1)
    assert (mask[:, -20:] == 255).all()
    assert (mask[:, :-20] == 1).all()
    assert summary.unlabelled_px == 100 * 20
    assert rasterio.open(tmp_path / "out" / "images" / "s_r00000_c00000.tif").nodata == 0


def test_label_raster_of_another_grid_is_brought_over(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", height=64, width=64)
    coarse = np.array([[3, 7], [7, 3]], np.int16)
    label = tmp_path / "label.tif"
    profile = {"driver": "GTiff", "height": 2, "width": 2, "count": 1, "dtype": "int16", "nodata": -1, "crs": UTM}
    with rasterio.open(label, "w", transform=Affine(160, 0, 500_000, 0, -160, 5_000_000), **profile) as dataset:
        dataset.write(coarse, 1)
    source = RasterLabels({scene: label}, 255)
    assert source.class_names == {3: "class 3", 7: "class 7"}
    summary = prepare({"s": scene}, source, tmp_path / "out", CutSettings(chip_size_px=64))
    mask = rasterio.open(tmp_path / "out" / "masks" / "s_r00000_c00000.tif").read(1)
    np.testing.assert_array_equal(mask[:32, :32], np.kron(coarse, np.ones((16, 16))))
    assert (mask[32:] == 255).all()
    assert (mask[:, 32:] == 255).all()
    assert "nearest neighbor" in summary.remarks[0]


def test_label_raster_on_the_same_grid_without_crs(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", height=64, width=64, crs=None)
    label = write_scene(tmp_path / "label.tif", height=64, width=64, crs=None, dtype="uint8", count=1)
    prepare({"s": scene}, RasterLabels({scene: label}, 255), tmp_path / "out", CutSettings(chip_size_px=64))
    mask = rasterio.open(tmp_path / "out" / "masks" / "s_r00000_c00000.tif").read(1)
    np.testing.assert_array_equal(mask, rasterio.open(label).read(1))
    other = write_scene(tmp_path / "other.tif", height=60, width=64, crs=None, dtype="uint8", count=1)
    with pytest.raises(DataError, match="can't be placed"):
        prepare({"s": scene}, RasterLabels({scene: other}, 255), tmp_path / "o2", CutSettings(chip_size_px=64))


def test_values_that_are_no_classes_are_refused(tmp_path):
    scene = write_scene(tmp_path / "scene.tif")
    label = write_scene(tmp_path / "label.tif", dtype="int16", count=1, nodata=-9)
    with rasterio.open(label, "r+") as dataset:
        pixels = dataset.read()
        pixels[0, 0, 0] = -5
        dataset.write(pixels)
    with pytest.raises(DataError, match="declare -5 as nodata"):
        RasterLabels({scene: label}, 255)
    with pytest.raises(DataError, match="outside the classes"):
        RasterLabels({scene: label}, 255, {1: "a"})


def test_scenes_without_polygons_are_left_out_and_said(tmp_path):
    scene, far = write_scene(tmp_path / "scene.tif"), write_scene(tmp_path / "far.tif", x=700_000)
    source = PolygonLabels(polygons_of(*BOXES), 255)
    summary = prepare({"a": scene, "b": far}, source, tmp_path / "out", CutSettings(chip_size_px=32))
    assert summary.scenes == 1
    assert "far.tif: no polygon lies on the image, so it is left out" in summary.remarks[0]
    with pytest.raises(DataError, match="no polygon lies on the image"):
        prepare({"b": far}, source, tmp_path / "o2", CutSettings(chip_size_px=32))
    assert not (tmp_path / "o2").exists()


def test_all_bad_scenes_are_told_at_once(tmp_path):
    (tmp_path / "empty.tif").write_bytes(b"")
    scenes = {
        "small": write_scene(tmp_path / "small.tif", height=20),
        "bare": write_scene(tmp_path / "bare.tif", crs=None),
        "empty": tmp_path / "empty.tif",
    }
    with pytest.raises(DataError) as caught:
        prepare(scenes, PolygonLabels(polygons_of(*BOXES), 255), tmp_path / "out", CutSettings(chip_size_px=32))
    text = str(caught.value)
    assert "at most 20 pixels" in text
    assert "an image without a CRS" in text
    assert "0 bytes" in text


def test_conflicts_and_unseen_polygons_are_told(tmp_path):
    scene = write_scene(tmp_path / "scene.tif")
    tiny = (500_001, 4_999_992, 500_003, 4_999_994, 0)
    overlapping = (500_200, 4_999_600, 500_300, 4_999_900, 0)
    source = PolygonLabels(polygons_of(*BOXES, tiny, overlapping), 255)
    summary = prepare({"s": scene}, source, tmp_path / "out", CutSettings(chip_size_px=50))
    assert "the 150 pixels that both claim" in summary.remarks[0]
    assert "1 polygons hold no pixel center" in summary.remarks[1]
    assert summary.class_px["water"] == 30 * 15


def test_work_goes_on_and_other_settings_are_refused(tmp_path):
    scene, out = write_scene(tmp_path / "scene.tif"), tmp_path / "out"
    settings = CutSettings(chip_size_px=32)
    first = prepare({"s": scene}, PolygonLabels(polygons_of(*BOXES), 255), out, settings)
    images = sorted((out / "images").iterdir())
    images[0].unlink()
    untouched = images[1].stat().st_mtime_ns
    again = prepare({"s": scene}, PolygonLabels(polygons_of(*BOXES), 255), out, settings)
    assert again.kept == first.kept
    assert again.resumed == first.kept - 1
    assert images[0].is_file()
    assert images[1].stat().st_mtime_ns == untouched
    with pytest.raises(ConfigError, match="other settings"):
        prepare({"s": scene}, PolygonLabels(polygons_of(*BOXES), 255), out, CutSettings(chip_size_px=50))
    with pytest.raises(ConfigError, match="other labels"):
        prepare({"s": scene}, PolygonLabels(polygons_of(BOXES[0]), 255), out, settings)
    anew = prepare(
        {"s": scene}, PolygonLabels(polygons_of(*BOXES), 255), out, CutSettings(chip_size_px=50), overwrite=True
    )
    assert len(list((out / "images").iterdir())) == anew.kept
    foreign = tmp_path / "foreign" / "images"
    foreign.mkdir(parents=True)
    with pytest.raises(ConfigError, match="weren't made here"):
        prepare({"s": scene}, PolygonLabels(polygons_of(*BOXES), 255), foreign.parent, settings, overwrite=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_labelled": 2}, "no share"),
        ({"keep_empty": True, "min_labelled": 0.5}, "one of the two"),
        ({"ignore_index": 256}, "uint8"),
        ({"stride_px": 300}, "stride"),
    ],
)
def test_settings_that_contradict_each_other(tmp_path, options, message):
    scene = write_scene(tmp_path / "scene.tif", height=300, width=300)
    with pytest.raises(ConfigError, match=message):
        prepare({"s": scene}, PolygonLabels(polygons_of(*BOXES), 255), tmp_path / "out", CutSettings(**options))


@pytest.mark.shared
def test_amazon_scene_becomes_windows_with_the_published_labels(tmp_path):
    if not SHARED.is_dir():
        pytest.skip("the real imagery in ../shared/data is absent")
    scene = SHARED / "S2L2A" / "amazon_sentinel2_srtm.tif"
    source = PolygonLabels(read_polygons(SHARED / "training_polygons.gpkg"), 255)
    settings = CutSettings(chip_size_px=32, virtual=True)
    summary = prepare({"amazon": scene}, source, tmp_path, settings)
    published = rasterio.open(SHARED / "masks" / "amazon_sentinel2_srtm.tif").read(1)
    np.testing.assert_array_equal(rasterio.open(tmp_path / "labels" / "amazon.tif").read(1), published)
    assert summary.kept == 37
    assert read_header(tmp_path / "labels" / "amazon.tif").grid == read_header(scene).grid
