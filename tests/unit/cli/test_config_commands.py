"""`geofoundry config`: check, show and schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from geofoundry.cli.config_commands import app
from geofoundry.core.errors import ConfigError

BROKEN = (
    "model: {class_path: SemanticSegmentationTsk}\ndata: {class_path: SegmentationDataModule, init_args: {rot: x}}\n"
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "fit.yaml"
    path.write_text(BROKEN)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_check_prints_every_fault_and_answers_2(file: Path):
    result = run("check", file)
    assert result.exit_code == 2
    assert "fit.yaml:1: unknown task 'SemanticSegmentationTsk'" in result.stdout
    assert "fit.yaml:2: unknown argument 'rot' of SegmentationDataModule" in result.stdout
    assert result.stdout.rstrip().endswith("fit.yaml: 3 faults")


def test_check_as_json_is_plain_data(file: Path):
    result = run("check", file, "--json")
    found = json.loads(result.stdout)
    assert (found["errors"], found["warnings"]) == (3, 0)
    assert found["faults"][0]["mend"] == "write 'SemanticSegmentationTask'"
    assert set(found["faults"][0]) == {"what", "where", "got", "expected", "mend", "severity"}


def test_files_are_checked_one_by_one_or_merged(file: Path, tmp_path: Path):
    (tmp_path / "more.yaml").write_text("model: {class_path: SemanticSegmentationTask}\n")
    apart = run("check", file, "more.yaml").stdout
    assert "the section 'data' is missing" in apart
    merged = run("check", "--merge", file, "more.yaml").stdout
    assert "the section 'data' is missing" not in merged
    assert "unknown task" not in merged


def test_a_file_that_is_not_yaml_is_a_fault_too(file: Path):
    file.write_text("model: [\n")
    result = run("check", file, "nowhere.yaml")
    assert result.exit_code == 2
    assert "this is not YAML" in result.stdout
    assert "no such configuration file" in result.stdout


def test_overrides_are_checked_with_the_file(file: Path):
    result = run("check", file, "--trainer.max_epoch", "3")
    assert "command line, --trainer.max_epoch" in result.stdout


def test_without_a_file_it_says_so():
    with pytest.raises(ConfigError, match="no configuration file"):
        run("check", "--trainer.max_epochs=3")


def test_show_prints_what_will_run(file: Path):
    result = run("show", file, "--trainer.callbacks", "[LearningRateMonitor]", "--optimizer", "SGD")
    shown = yaml.safe_load(result.stdout)
    assert shown["data"]["class_path"] == "geofoundry.data.segmentation_datamodule.SegmentationDataModule"
    assert shown["trainer"]["callbacks"] == [{"class_path": "lightning.pytorch.callbacks.LearningRateMonitor"}]
    assert shown["optimizer"] == {"class_path": "torch.optim.SGD"}
    assert json.loads(run("show", file, "--json").stdout)["data"]["init_args"] == {"rot": "x"}


def test_schema_goes_to_the_terminal_or_into_a_file(tmp_path: Path):
    printed = json.loads(run("schema").stdout)
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    result = run("schema", "-o", tmp_path / "schema.json")
    assert "wrote" in result.stdout
    assert json.loads((tmp_path / "schema.json").read_text()) == printed
