"""Files merged, overrides applied, places remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from geofoundry.config import load_document
from geofoundry.core.errors import ConfigError


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "a.yaml") -> str:
        (tmp_path / name).write_text(text)
        return name

    return write


def test_later_files_override_earlier_ones_key_by_key(write):
    first = write("trainer: {max_epochs: 5, devices: 1}\ndata: {init_args: {bands: [A, B, C]}}\n")
    second = write("# more\ntrainer:\n  max_epochs: 9\ndata: {init_args: {bands: [D]}}\n", "b.yaml")
    document = load_document([first, second])
    assert document.data == {"trainer": {"max_epochs": 9, "devices": 1}, "data": {"init_args": {"bands": ["D"]}}}
    assert document.where(("trainer", "max_epochs")) == "b.yaml:3"
    assert document.where(("trainer", "devices")) == "a.yaml:1"
    assert ("data", "init_args", "bands", 2) not in document.positions


def test_another_class_with_arguments_replaces_the_first_ones(write):
    first = write("optimizer: {class_path: Adam, init_args: {betas: [0.9, 0.99]}}\n")
    renamed = write("optimizer: {class_path: SGD}\n", "b.yaml")
    replaced = write("optimizer: {class_path: SGD, init_args: {lr: 0.1}}\n", "c.yaml")
    assert load_document([first, renamed]).data["optimizer"]["init_args"] == {"betas": [0.9, 0.99]}
    assert load_document([first, replaced]).data["optimizer"]["init_args"] == {"lr": 0.1}


def test_overrides_reach_arguments_with_and_without_init_args(write):
    file = write("model: {class_path: Task, init_args: {lr: 1, model_args: {backbone: a}}}\ndata: Module\n")
    arguments = ["--model.lr=1e-3", "--model.init_args.model_args.backbone", "b", "--data.batch_size", "4"]
    document = load_document([file], [*arguments, "--trainer.max_epochs=-1", "--model.model_args.num_classes", "3"])
    assert document.data["model"]["init_args"] == {"lr": 1e-3, "model_args": {"backbone": "b", "num_classes": 3}}
    assert document.data["data"] == {"class_path": "Module", "init_args": {"batch_size": 4}}
    assert document.data["trainer"] == {"max_epochs": -1}
    assert document.where(("model", "init_args", "lr")) == "command line, --model.lr"
    assert document.faults == []


def test_overrides_reach_into_lists_and_append(write):
    file = write("trainer: {callbacks: [{class_path: A}]}\nmodel: {init_args: {necks: [{name: S, indices: [1]}]}}\n")
    arguments = ["--trainer.callbacks.0.patience", "4", "--trainer.callbacks+=B", "--model.necks.0.indices", "[2, 3]"]
    document = load_document([file], arguments)
    assert document.data["trainer"]["callbacks"] == [{"class_path": "A", "init_args": {"patience": 4}}, "B"]
    assert document.data["model"]["init_args"]["necks"][0]["indices"] == [2, 3]
    assert document.where(("trainer", "callbacks", 1)) == "command line, --trainer.callbacks+"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("*.tif", "*.tif"),
        ("a #b", "a #b"),
        ("images/[ab]*.tif", "images/[ab]*.tif"),
        ("[1, 2]", [1, 2]),
        ("{a: 1}", {"a": 1}),
        ("true", True),
        ("null", None),
        ("'5'", "5"),
        ("", None),
    ],
)
def test_values_are_typed_as_in_yaml(write, text: str, value: object):
    document = load_document([write("")], [f"--data.x={text}"])
    assert document.data["data"]["init_args"]["x"] == value


def test_a_class_can_be_named_by_an_override(write):
    document = load_document([write("")], ["--optimizer", "SGD", "--optimizer.lr", "0.1"])
    assert document.data["optimizer"] == {"class_path": "SGD", "init_args": {"lr": 0.1}}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["stray"], "not an option"),
        (["--trainer.max_epochs"], "no value"),
        (["--a", "--b=1"], "no value"),
        (["--x=[1"], "not YAML"),
        (["--trainer.max_epochs.deep=1"], "holds a value"),
        (["--model.init_args.lst.7=1"], "holds a value"),
    ],
)
def test_overrides_that_can_not_be_applied_are_faults(write, arguments: list[str], word: str):
    document = load_document([write("trainer: {max_epochs: 3}\nmodel: {init_args: {lst: [1]}}\n")], arguments)
    assert word in document.faults[0].what
    assert document.faults[0].where.startswith("command line")


def test_files_that_can_not_be_read_are_told_together(write, tmp_path: Path):
    write("trainer: {}\n", "fit.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: caf\xe9\n".encode("latin-1"))
    broken = write("a: [1\n", "broken.yaml")
    liszt = write("- a\n", "list.yaml")
    with pytest.raises(ConfigError) as caught:
        load_document(["fitt.yaml", "latin.yaml", broken, liszt, str(tmp_path)])
    texts = [str(fault) for fault in caught.value.faults]
    assert len(texts) == 5
    assert "write 'fit.yaml'" in texts[0]
    assert "UTF-8" in texts[1]
    assert "broken.yaml:2" in texts[2]
    assert "mapping" in texts[3]


def test_an_empty_file_and_a_byte_order_mark_are_fine(write, tmp_path: Path):
    assert load_document([write("")]).data == {}
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfseed_everything: 1\n")
    assert load_document(["bom.yaml"]).data == {"seed_everything": 1}


def test_duplicate_keys_survive_as_faults(write):
    document = load_document([write("trainer:\n  devices: 1\n  devices: 2\n")])
    assert document.faults[0].where == "a.yaml:3"
