"""The steps of the quickstart that need no training; tests/integration has the whole of it."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml

from geofoundry.core.errors import ConfigError
from geofoundry.data.synthetic import SceneSpec
from geofoundry.data.synthetic.materials import CLASS_NAMES
from geofoundry.recipes.quickstart import Workplace, _open_workplace, make_config, make_scene
from geofoundry.recipes.quickstart_config import quickstart_config
from geofoundry.recipes.quickstart_report import ClassResult, QuickstartReport, draw_overview, read_report

REPORT = QuickstartReport(
    folder="q s", config="q s/fit.yaml", run="q s/runs/quickstart/1", map="q s/maps/east.tif", overview="q s/overview.png",
    kilometers=(10.2, 10.2), parameters=309_224, trained_s=61.2, stopped_by_time=False, pixels=300_000, miou=0.85,
    accuracy=0.93, baseline_miou=0.76, baseline_accuracy=0.86,
    classes=(ClassResult("water", 0.95, 0.94), ClassResult("orchard", 0.8, 0.35), ClassResult("snow", None, None)),
)  # fmt: skip


@pytest.fixture
def place(tmp_path):
    said = []
    place = _open_workplace(tmp_path / "q", said.append, force=False)
    place.said = said  # type: ignore[attr-defined]
    return place


def test_the_parts_make_the_whole_scene_and_no_pixel_is_in_two(place):
    make_scene(place, SceneSpec(128, 256, seed=1))
    edges = []
    for part in ("west", "middle", "east"):
        with rasterio.open(place.image(part)) as image, rasterio.open(place.labels(part)) as labels:
            assert image.shape == labels.shape
            edges.append((image.bounds.left, image.bounds.right))
            assert image.width % 16 == 0
    assert edges == [(600_000, 601_280), (601_280, 601_600), (601_600, 602_560)]
    assert {(place.scene / f"{split}.txt").read_text() for split in ("train", "val", "test")} == {
        "west\n",
        "middle\n",
        "east\n",
    }


def test_a_scene_is_made_once_and_again_for_another_seed(place):
    make_scene(place, SceneSpec(96, 128, seed=1))
    before = place.image("west").stat().st_mtime_ns
    make_scene(place, SceneSpec(96, 128, seed=1))
    assert place.image("west").stat().st_mtime_ns == before
    assert "there already" in place.said[-1]
    place.labels("east").unlink()
    make_scene(place, SceneSpec(96, 128, seed=1))
    assert place.labels("east").exists()
    make_scene(place, SceneSpec(96, 128, seed=2))
    assert place.image("west").stat().st_mtime_ns > before


def test_the_yaml_is_one_that_passes_the_check(place):
    from geofoundry.config import check_config, load_document

    make_scene(place, SceneSpec(96, 128, seed=1))
    make_config(place, seed=5)
    document = load_document([place.config])
    assert [str(fault) for fault in check_config(document)] == []
    data = yaml.safe_load(place.config.read_text())
    assert data["seed_everything"] == 5
    assert data["data"]["init_args"]["classes"] == list(CLASS_NAMES)
    assert data["run"]["root"] == str(place.runs)
    usual = quickstart_config(Path("quickstart"), Path("quickstart/fit.yaml"), seed=0)
    assert max(map(len, usual.splitlines())) <= 120


def test_a_yaml_that_the_user_changed_is_kept(place):
    make_config(place, seed=0)
    make_config(place, seed=1)
    assert "seed_everything: 1" in place.config.read_text(), "nobody had changed it"
    place.config.write_text(place.config.read_text().replace("lr: 4.0e-3", "lr: 1.0e-3"))
    make_config(place, seed=2)
    assert "lr: 1.0e-3" in place.config.read_text()
    assert "keeping your changes" in place.said[-1]


def test_a_path_with_blanks_is_still_a_yaml(tmp_path):
    folder = tmp_path / "my: first #run"
    loaded = yaml.safe_load(quickstart_config(folder, folder / "fit.yaml", seed=0))
    assert loaded["run"]["root"] == f"{folder}/runs"
    assert loaded["data"]["init_args"]["root"] == f"{folder}/scene"


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "fit.yaml").write_text("mine")
    for force in (False, True):
        with pytest.raises(ConfigError, match="something else"):
            _open_workplace(tmp_path, print, force=force)
    assert (tmp_path / "fit.yaml").read_text() == "mine"


def test_force_clears_what_was_made_and_only_that(place):
    make_scene(place, SceneSpec(96, 128, seed=1))
    make_config(place, seed=0)
    (place.folder / "notes.txt").write_text("mine")
    fresh = _open_workplace(place.folder, print, force=True)
    assert {path.name for path in place.folder.iterdir()} == {"notes.txt", "state.json"}
    assert isinstance(fresh, Workplace)


def test_a_damaged_state_only_costs_time(place):
    (place.folder / "state.json").write_text("{")
    assert "scene" not in _open_workplace(place.folder, print, force=False).state


def test_the_closing_words_say_all_that_matters():
    text = REPORT.text()
    for words in (
        "q s/maps/east.tif",
        "0.850",
        "0.760",
        "orchard 0.35 to 0.80",
        "'q s/fit.yaml'",
        "309,224 parameters",
    ):
        assert words in text, text
    assert max(map(len, text.splitlines())) < 150
    worse = dataclasses.replace(REPORT, miou=0.3, stopped_by_time=True, classes=(ClassResult("orchard", 0.01, 0.3),))
    for words in ("no better", "Given up, with an IoU below 0.05: orchard", "time limit"):
        assert words in worse.text()


def test_a_report_survives_its_file(tmp_path):
    report = dataclasses.replace(REPORT, folder=str(tmp_path))
    assert read_report(tmp_path) is None
    report.write()
    assert read_report(tmp_path) == report
    (tmp_path / "report.json").write_text(json.dumps({"folder": "of another version"}))
    assert read_report(tmp_path) is None


def test_the_overview_is_drawn(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, (40, 20)).astype(np.uint8)
    labels[:3] = 255
    image = rng.integers(1, 3000, (4, 40, 60)).astype(np.uint16)
    image[:, :, -2:] = 0
    draw_overview(
        tmp_path / "o.png", image=image, bright=np.zeros((40, 60), dtype=bool), east=slice(40, 60), trained=slice(0, 30),
        labels=labels, predicted=labels, baseline=labels, class_names=CLASS_NAMES, true_color=[2, 1, 0], titles=("a", "b"),
    )  # fmt: skip
    assert (tmp_path / "o.png").stat().st_size > 10_000
