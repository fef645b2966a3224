"""The main job as a user does it: from labelled GeoTIFFs to a map."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geofoundry.runs import RunFolder

from .conftest import Run


@pytest.fixture(scope="module")
def trained(workplace: Path, geofoundry: Run) -> RunFolder:
    done = geofoundry("fit", "-c", workplace / "fit.yaml")
    assert done.returncode == 0, done.stderr
    run = RunFolder.latest(workplace / "runs", "chips")
    assert run is not None
    return run


def test_a_run_folder_holds_all_that_came_of_it(trained: RunFolder):
    assert trained.status == "finished"
    for path in (trained.config, trained.metrics_csv, trained.metrics_jsonl, trained.card, trained.provenance):
        assert path.stat().st_size > 0, path
    assert {path.name for path in trained.checkpoints.iterdir()} == {"best.ckpt", "last.ckpt"}
    figures = {path.stem for path in trained.figures.glob("*.png")}
    assert {"learning_curves", "confusion_val", "class_iou_val"} <= figures, figures
    provenance = json.loads(trained.provenance.read_text())
    assert provenance["seed"] == 7


def test_the_resolved_config_trains_again(trained: RunFolder, geofoundry: Run):
    checked = geofoundry("config", "check", trained.config)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_it_learned_and_the_test_says_so(trained: RunFolder, workplace: Path, geofoundry: Run):
    done = geofoundry("test", "-c", workplace / "fit.yaml")
    assert done.returncode == 0, done.stderr
    scores = dict(line.split() for line in done.stdout.splitlines() if line.startswith("test/"))
    assert float(scores["test/mIoU"]) > 0.5, done.stdout
    assert {"test/IoU_water", "test/IoU_forest", "test/IoU_soil"} <= scores.keys()
    assert str(trained.path) in done.stdout


def test_a_map_keeps_place_and_names(trained: RunFolder, workplace: Path, geofoundry: Run, tmp_path: Path):
    source = workplace / "data" / "images" / "chip_03.tif"
    done = geofoundry("predict", "-c", workplace / "fit.yaml", "-i", source, "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    [written] = tmp_path.glob("*.tif")
    assert str(written) in done.stdout
    with rasterio.open(source) as image, rasterio.open(written) as result:
        assert (result.crs, result.transform, result.shape) == (image.crs, image.transform, image.shape)
        assert result.dtypes == ("uint8",)
        assert result.nodata == 255
        assert result.colormap(1)[0][:3] != result.colormap(1)[1][:3]
        classes = result.read(1)
    with rasterio.open(workplace / "data" / "masks" / "chip_03.tif") as labels:
        assert np.mean(classes == labels.read(1)) > 0.7


def test_probabilities_are_float_and_sum_to_one(trained: RunFolder, workplace: Path, geofoundry: Run, tmp_path: Path):
    source = workplace / "data" / "images" / "chip_03.tif"
    done = geofoundry("predict", "-c", workplace / "fit.yaml", "-i", source, "-o", tmp_path, "--probabilities")
    assert done.returncode == 0, done.stderr
    [written] = tmp_path.glob("*.tif")
    with rasterio.open(written) as result:
        assert result.dtypes == ("float32",) * 3
        assert result.descriptions == ("water", "forest", "soil")
        np.testing.assert_allclose(result.read().sum(0), 1, atol=1e-5)


def test_a_dry_run_does_everything_but_train(workplace: Path, geofoundry: Run):
    before = sorted((workplace / "runs").rglob("*"))
    done = geofoundry("fit", "-c", workplace / "fit.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    for word in ("2×4×32×32", "encoder", "decoder", "parameters", "GiB of RAM", "s a step"):
        assert word in done.stdout, done.stdout
    assert sorted((workplace / "runs").rglob("*")) == before


def test_overrides_reach_the_run_and_are_checked(workplace: Path, geofoundry: Run):
    printed = geofoundry("fit", "-c", workplace / "fit.yaml", "--trainer.max_epochs", "9", "--print-config")
    assert "max_epochs: 9" in printed.stdout
    refused = geofoundry("fit", "-c", workplace / "fit.yaml", "--trainer.max_epoch", "9")
    assert refused.returncode == 2
    assert "max_epochs" in refused.stderr


def test_without_a_checkpoint_the_answer_says_where_it_looked(workplace: Path, geofoundry: Run, tmp_path: Path):
    done = geofoundry("test", "-c", workplace / "fit.yaml", "--run.root", tmp_path / "none")
    assert done.returncode == 2
    assert "geofoundry fit" in done.stderr
    assert "none" in done.stderr
