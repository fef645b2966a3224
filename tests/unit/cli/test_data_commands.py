"""`geofoundry data`: stats, check, split and prepare, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import Result
from rasterio.crs import CRS
from typer.testing import CliRunner

from geofoundry.cli.data_commands import app
from geofoundry.core.errors import ConfigError, DataError
from geofoundry.data.segmentation_datamodule import SegmentationDataModule

UTM = CRS.from_epsg(32632)


@pytest.fixture
def chips(tmp_path, monkeypatch):
    """Nine touching chips of two bands, with classes 1 and 2 and 255 for unlabelled."""
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for i in range(9):
        row, col = divmod(i, 3)
        write(f"data/images/chip_r{row}c{col}.tif", rng.integers(100, 900, (2, 32, 32)).astype(np.uint16), row, col)
        labels = rng.choice([1, 2, 255], (1, 32, 32), p=[0.8, 0.1, 0.1]).astype(np.uint8)
        write(f"data/masks/chip_r{row}c{col}.tif", labels, row, col)
    return tmp_path


def write(path, pixels, row=0, col=0):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    place = Affine(10, 0, 500_000 + 320 * col, 0, -10, 5_000_000 - 320 * row)
    profile = {"driver": "GTiff", "count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
    with rasterio.open(path, "w", dtype=pixels.dtype, crs=UTM, transform=place, **profile) as dataset:
        dataset.write(pixels)
        if len(pixels) == 2:
            dataset.descriptions = ("B04", "B08")


def write_config(**options):
    lines = [f"    {name}: {json.dumps(value)}" for name, value in {"root": "data", **options}.items()]
    Path("fit.yaml").write_text(
        "\n".join(["data:", "  class_path: SegmentationDataModule", "  init_args:", *lines]) + "\n"
    )


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def pixels_of(band):
    return np.concatenate([rasterio.open(f).read(band).ravel() for f in sorted(Path("data/images").iterdir())]).astype(
        float
    )


def test_stats_of_a_folder_are_those_of_all_its_pixels(chips):
    result = run("stats", "data", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["bands"] == ["B04", "B08"]
    for band in (1, 2):
        values = pixels_of(band)
        assert found["means"][band - 1] == pytest.approx(values.mean(), rel=1e-9)
        assert found["stds"][band - 1] == pytest.approx(values.std(), rel=1e-9)
    labels = np.concatenate([rasterio.open(f).read(1).ravel() for f in Path("data/masks").iterdir()])
    assert found["class_names"] == ["class 1", "class 2"]
    assert found["class_pixels"] == [(labels == 1).sum(), (labels == 2).sum()]
    assert found["ignored_share"] == pytest.approx((labels == 255).mean())
    weights = found["suggested_class_weights"]
    assert weights[1] / weights[0] == pytest.approx(((labels == 1).sum() / (labels == 2).sum()) ** 0.5, rel=1e-2)


def test_stats_file_is_what_the_datamodule_reads(chips):
    write_config(classes={1: "a", 2: "b"}, ignore_index=255)
    result = run("stats", "-c", "fit.yaml", "-o", "statistics.json")
    assert result.exit_code == 0
    assert "wrote statistics.json" in result.stdout
    assert "B04" in result.stdout
    module = SegmentationDataModule("data", classes={1: "a", 2: "b"}, ignore_index=255, statistics="statistics.json")
    plain = SegmentationDataModule("data", classes={1: "a", 2: "b"}, ignore_index=255)
    assert module.normalization.means == pytest.approx(plain.normalization.means)


def test_stats_do_not_need_the_file_that_they_are_to_write(chips):
    write_config(classes={1: "a", 2: "b"}, ignore_index=255, statistics="not_yet.json")
    assert run("stats", "-c", "fit.yaml", "-o", "not_yet.json").exit_code == 0


def test_check_prints_what_there_is_and_answers_0(chips):
    result = run("check", "data")
    assert result.exit_code == 0
    assert "9 x 32 x 32" in result.stdout
    assert "EPSG:32632, 10 m" in result.stdout
    assert result.stdout.rstrip().endswith("data: no faults")


def test_check_tells_all_faults_and_answers_3(chips):
    write("data/masks/chip_r0c0.tif", np.full((1, 32, 32), 9, np.uint8))
    (chips / "data/images/chip_r1c1.tif").write_bytes(b"")
    write("data/images/stray.tif", np.ones((2, 32, 32), np.uint16), 9, 9)
    result = run("check", "data", "--classes", "none,a,b", "--ignore-index", 255, "-o", "check.json")
    assert result.exit_code == 3
    for words in ("labels outside the classes", "0 bytes", "without a label"):
        assert words in result.stdout
    assert json.loads((chips / "check.json").read_text())["errors"] == 3


def test_check_fails_on_splits_that_share_ground(chips):
    Path("train.txt").write_text("".join(f"chip_r{r}c{c}\n" for r in range(2) for c in range(3)))
    Path("val.txt").write_text("chip_r2c0\nchip_r2c1\nchip_r2c2\n")
    write_config(classes={1: "a", 2: "b"}, ignore_index=255, train_split="train.txt", val_split="val.txt")
    assert run("check", "-c", "fit.yaml").exit_code == 0
    pixels = np.random.default_rng(5).integers(100, 900, (2, 32, 32)).astype(np.uint16)
    write("data/images/chip_r2c0.tif", pixels, 1.5, 0)
    write("data/masks/chip_r2c0.tif", np.ones((1, 32, 32), np.uint8), 1.5, 0)
    result = run("check", "-c", "fit.yaml")
    assert result.exit_code == 3
    assert "the splits train and val share ground in 1 place" in result.stdout
    assert "chip_r1c0 and chip_r2c0" in result.stdout


def test_split_writes_what_the_datamodule_reads(chips):
    result = run("split", "data", "--block-size-px", 32, "--seed", 3)
    assert result.exit_code == 0
    assert "9 groups: blocks of 320 m" in result.stdout
    assert "class 1" in result.stdout
    module = SegmentationDataModule(
        "data",
        train_split="splits/train.txt",
        val_split="splits/val.txt",
        test_split="splits/test.txt",
        classes={1: "a", 2: "b"},
        ignore_index=255,
    )
    assert [fault for fault in module.check() if fault.severity == "error"] == []
    assert len(module.inventory.partition.all_samples) == 9


def test_split_folds_and_json(chips):
    result = run("split", "data", "--folds", 3, "-o", "k", "--json")
    report = json.loads(result.stdout)
    assert len(report["splits"]) == 3
    assert Path("k/fold2/test.txt").is_file()
    tests = [key for i in range(3) for key in Path(f"k/fold{i}/test.txt").read_text().split()]
    assert len(tests) == len(set(tests)) == 9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--by", "scen"], ["write 'scene'"]),
        (["--scene-pattern", "x", "--folds", 2, "--test-fraction", 0.1], ["--by scene", "--folds"]),
        (["--by", "polygon"], ["--polygons FILE"]),
        (["--buffer-m", -1], ["negative"]),
        (["-c", "fit.yaml"], ["both data and -c fit.yaml"]),
    ],
)
def test_split_refuses_options_that_do_not_go_together(chips, arguments, words):
    with pytest.raises(ConfigError) as caught:
        run("split", "data", *arguments)
    for word in words:
        assert word in str(caught.value)


def test_config_without_a_data_section_of_ours(chips):
    Path("fit.yaml").write_text("model: {}\n")
    with pytest.raises(ConfigError, match="no data section"):
        run("check", "-c", "fit.yaml")
    Path("fit.yaml").write_text("data: {class_path: torchgeo.datamodules.EuroSATDataModule}\n")
    with pytest.raises(ConfigError, match="no other datamodule"):
        run("check", "-c", "fit.yaml")
    write_config(rot="x")
    with pytest.raises(ConfigError, match="write 'root'"):
        run("check", "-c", "fit.yaml")


def test_prepare_then_split_then_check(chips):
    write("scene.tif", np.random.default_rng(1).integers(1, 99, (2, 160, 160)).astype(np.uint16))
    boxes = [
        shapely.box(500_000 + 330 * i, 4_998_500 + 330 * j, 500_150 + 330 * i, 4_998_650 + 330 * j)
        for i in range(5)
        for j in range(5)
    ]
    features = [
        {"type": "Feature", "geometry": json.loads(shapely.to_geojson(box)), "properties": {"class": "ab"[i % 2]}}
        for i, box in enumerate(boxes)
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    Path("labels.geojson").write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    result = run("prepare", "scene.tif", "--labels", "labels.geojson", "-o", "out", "--chip-size", 32, "--virtual")
    assert result.exit_code == 0
    assert "wrote out/windows.csv" in result.stdout
    result = run("split", "out/windows.csv", "--by", "polygon", "--polygons", "labels.geojson")
    assert result.exit_code == 0
    assert "wrote out/windows_split.csv" in result.stdout
    result = run("check", "out/windows_split.csv")
    assert result.exit_code == 0, result.stdout
    result = run("prepare", "scene.tif", "-l", "labels.geojson", "-o", "chips", "--chip-size", 32, "--json")
    assert json.loads(result.stdout)["class_px"].keys() == {"a", "b"}
    assert run("check", "chips").exit_code == 0


def test_prepare_pairs_scenes_and_masks_by_what_wildcards_match(chips):
    result = run("prepare", "data/images/chip_*.tif", "-l", "data/masks/chip_*.tif", "-o", "out", "--chip-size", 16)
    assert result.exit_code == 0
    assert "36 chips of 9 scene(s)" in result.stdout
    with pytest.raises(DataError, match="8 scenes of 9 without a label"):
        Path("some").mkdir()
        for name in ("chip_r0c0.tif", "other.tif"):
            write(f"some/{name}", np.ones((1, 32, 32), np.uint8))
        run("prepare", "data/images", "-l", "some", "-o", "out2", "--chip-size", 16)
    with pytest.raises(DataError, match="write 'data'"):
        run("prepare", "dat", "-l", "data/masks", "-o", "out3")
    with pytest.raises(ConfigError, match="only mean something for polygons"):
        run("prepare", "data/images", "-l", "data/masks", "-o", "out4", "--attribute", "x")
