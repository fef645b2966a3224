import numpy as np
import pytest
import yaml

from geofoundry.core.errors import DataError
from geofoundry.runs.card import CardFacts, card_text, write_card
from geofoundry.runs.results import StageResult, read_results, write_results

NAMES = ("water", "forest", "snow|ice", "road")
# water is rare and given up, snow never occurs, road is common and mistaken for forest
MATRIX = np.array([[0, 10, 0, 0], [5, 9000, 3, 90], [0, 0, 0, 0], [0, 900, 0, 5]])


def facts(**changes) -> CardFacts:
    values = {
        "name": "clouds", "run_id": "20260101T000000.000000Z-abcdef", "status": "finished", "summary": "A model.",
        "class_names": NAMES, "bands": ("B02", "B03"), "model": {"backbone": "timm_resnet18"}, "data": {"train": "3 files"},
        "training": {"epochs": 5}, "results": [StageResult("val", MATRIX, NAMES, epoch=2)],
        "provenance": {"seed": 3, "argv": ["geofoundry", "fit"], "config_sha256": "ab" * 32},
        "commands": [("Map images:", "geofoundry predict -c config.yaml")], "figures": ["figures/confusion_val.png"],
    }  # fmt: skip
    return CardFacts(**{**values, **changes})


def test_front_matter_is_yaml_that_the_hub_reads(tmp_path):
    text = write_card(tmp_path / "card.md", facts()).read_text()
    _, front, body = text.split("---\n", 2)
    front = yaml.safe_load(front)
    assert front["library_name"] == "geofoundry"
    assert front["pipeline_tag"] == "image-segmentation"
    metrics = {m["type"]: m["value"] for m in front["model-index"][0]["results"][0]["metrics"]}
    assert metrics["accuracy"] == round(9005 / MATRIX.sum(), 4)
    assert body.startswith("\n# clouds")


def test_given_up_classes_are_named_with_the_likely_reason():
    text = card_text(facts())
    assert "**water** is given up: its IoU on the val split is 0.000. Likely because it is rare: only 0.1 %" in text
    assert "**road** is given up" in text
    assert "It is not rare (9 % of the labelled pixels); 99 % of its pixels are taken for forest" in text
    assert "**snow|ice** does not occur in the labels of the val split" in text
    assert "predicted for 3 pixels" in text
    assert "**forest** is given up" not in text


def test_a_class_that_spills_is_explained_as_such():
    matrix = np.array([[50, 0], [5000, 4000]])
    text = card_text(facts(class_names=("a", "b"), results=[StageResult("test", matrix, ("a", "b"))]))
    assert "only 0.55 % of the labelled pixels" in text
    matrix = np.array([[300, 0], [9000, 4000]])
    text = card_text(facts(class_names=("a", "b"), results=[StageResult("test", matrix, ("a", "b"))]))
    assert "It is found, but 9,300 pixels are called so and only 300 are" in text


def test_validation_scores_and_unfinished_runs_carry_a_warning():
    assert "flatter the model" in card_text(facts())
    tested = card_text(facts(results=[StageResult("test", MATRIX, NAMES)]))
    assert "flatter" not in tested
    assert "**The run is interrupted**" in card_text(facts(status="interrupted"))
    assert "nothing is known about how good it is" in card_text(facts(results=[]))


def test_cells_cannot_break_the_table():
    rows = [line for line in card_text(facts()).splitlines() if line.startswith("| snow")]
    assert rows == ["| snow\\|ice | 0.000 | 0.000 | – | 0.000 | 0.00 % |"]


def test_results_survive_their_file(tmp_path):
    result = StageResult("val", MATRIX, NAMES, 255, {"val/mIoU": 0.5, "val/IoU_snow|ice": float("nan")}, 3, 40, "", 0.5)
    write_results(tmp_path / "scores.json", {"val": result})
    read = read_results(tmp_path / "scores.json")["val"]
    np.testing.assert_array_equal(read.confusion, MATRIX)
    assert (read.class_names, read.ignore_index, read.epoch, read.step, read.monitored) == (NAMES, 255, 3, 40, 0.5)
    assert np.isnan(read.metrics["val/IoU_snow|ice"])
    assert read_results(tmp_path / "none.json") == {}
    (tmp_path / "scores.json").write_text('{"val": {}}')
    with pytest.raises(DataError, match="confusion"):
        read_results(tmp_path / "scores.json")
