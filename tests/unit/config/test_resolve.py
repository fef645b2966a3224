"""The resolved configuration: full import paths, ready for LightningCLI."""

from __future__ import annotations

import copy
from typing import Any

from geofoundry.catalog.source_files import find_address
from geofoundry.config import resolve_config
from geofoundry.config.document import document_of


def class_paths(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["class_path"]] if isinstance(value.get("class_path"), str) else []
        return own + [path for item in value.values() for path in class_paths(item)]
    return [path for item in value for path in class_paths(item)] if isinstance(value, list) else []


def test_every_name_becomes_an_import_path_of_something(good: dict[str, Any]):
    good["optimizer"] = "SGD"
    good["lr_scheduler"] = {"class_path": "StepLR", "init_args": {"step_size": 2}}
    resolved = resolve_config(document_of(good))
    found = class_paths(resolved)
    assert len(found) == 7
    for path in found:
        place = find_address(path)
        assert place is not None
        assert place.name == path.rpartition(".")[2]


def test_the_document_is_left_as_it_was(good: dict[str, Any]):
    before = copy.deepcopy(good)
    resolved = resolve_config(document_of(good))
    resolved["model"]["init_args"]["lr"] = 7
    assert good == before


def test_single_callbacks_and_loggers_become_lists():
    resolved = resolve_config(document_of({"trainer": {"callbacks": "LearningRateMonitor", "logger": False}}))
    assert resolved["trainer"]["callbacks"] == [{"class_path": "lightning.pytorch.callbacks.LearningRateMonitor"}]
    assert resolved["trainer"]["logger"] is False


def test_words_of_lightning_stay_words():
    trainer = {"profiler": "simple", "strategy": "ddp"}
    assert resolve_config(document_of({"trainer": trainer}))["trainer"] == trainer
    named = {"profiler": {"class_path": "SimpleProfiler", "init_args": {"filename": "x"}}}
    resolved = resolve_config(document_of({"trainer": named}))
    assert resolved["trainer"]["profiler"]["class_path"] == "lightning.pytorch.profilers.SimpleProfiler"


def test_the_plateau_scheduler_is_the_one_that_lightning_can_drive():
    resolved = resolve_config(document_of({"lr_scheduler": "ReduceLROnPlateau"}))
    assert resolved["lr_scheduler"]["class_path"] == "lightning.pytorch.cli.ReduceLROnPlateau"


def test_unknown_names_and_full_paths_stay():
    data = {"model": {"class_path": "mine.Task", "init_args": None}, "data": "Unknown"}
    assert resolve_config(document_of(data)) == {
        "model": {"class_path": "mine.Task"},
        "data": {"class_path": "Unknown"},
    }
