"""`geofoundry quickstart` as a newcomer types it, on a small scene and with little time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rasterio

from geofoundry.runs import RunFolder

from .conftest import Run

SMALL = ("--size", "256", "--minutes", "0.1")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, geofoundry: Run) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("newcomer")
    answer = geofoundry("quickstart", *SMALL, cwd=folder)
    assert answer.returncode == 0, answer.stderr
    return folder, answer.stdout


def test_everything_that_it_names_is_there(done: tuple[Path, str]):
    folder, said = done
    report = json.loads((folder / "quickstart" / "report.json").read_text())
    for key in ("config", "run", "map", "overview"):
        assert (folder / report[key]).exists(), key
        assert report[key] in said
    for words in ("What was made", "How good it is", "a classifier that sees one pixel at a time", "What to type next"):
        assert words in said
    assert 0.3 < report["baseline_miou"] < 0.95
    run = RunFolder.open(folder / report["run"])
    assert run.status == "finished"
    assert (run.figures / "confusion_test.png").exists()


def test_the_map_lies_on_the_east(done: tuple[Path, str]):
    folder, _ = done
    report = json.loads((folder / "quickstart" / "report.json").read_text())
    with (
        rasterio.open(folder / report["map"]) as result,
        rasterio.open(folder / "quickstart/scene/images/east.tif") as image,
    ):
        assert (result.crs, result.transform, result.shape) == (image.crs, image.transform, image.shape)
        assert ((result.read(1) == result.nodata) == (image.read() == 0).all(axis=0)).all()


def test_a_second_call_does_nothing_twice(done: tuple[Path, str], geofoundry: Run):
    folder, said = done
    before = {path: path.stat().st_mtime_ns for path in (folder / "quickstart").rglob("*.tif")}
    again = geofoundry("quickstart", *SMALL, cwd=folder)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("already") == 5
    assert said.partition("What was made")[2] == again.stdout.partition("What was made")[2]
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "quickstart").rglob("*.tif")}
    assert len(RunFolder.all(folder / "quickstart/runs", "quickstart")) == 1
