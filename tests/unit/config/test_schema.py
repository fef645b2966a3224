"""The JSON Schema: valid itself, kind to what is right, strict with what is misspelt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from geofoundry.config.schema import config_schema
from geofoundry.config.yaml_reading import read_yaml

from .conftest import GOOD
from .test_check import WRONG

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("**/*.yaml"))

# What a schema can't tell: whether model and data agree, what a backbone of any name takes, and what lies on disk.
BEYOND_A_SCHEMA = (
    "backbone_outindices",
    "backbone_num_classes",
    "GREN",
    "RED, GREEN, NIR]",
    "GREEN, RED]",
    "num_classes: 4",
    "[1.0, 2.0]",
    "ignore_index: 0",
    "adamw",
    "weight_deacy",
    "scheduler: OneCycle",
    "pct_strat",
    "FNCDecoder",
    "{channels: 32",
    "root: dta",
    'image_glob: "image',
    "tain.txt",
    "RED]\n    classes",
    "means: [0.1",
    "name: D5",
    "prob: 0.1",
    "accelerator: gpuu",
    "CSVLoger",
    "pytorch_lightning",
    "head_drop: 0.1",
)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def errors(validator: jsonschema.Draft202012Validator, data: Any) -> list[str]:
    return [error.message[:200] for error in validator.iter_errors(data)]


def test_it_accepts_what_is_right(validator: jsonschema.Draft202012Validator):
    assert errors(validator, read_yaml(GOOD, "x").data) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_accepts_our_examples(validator: jsonschema.Draft202012Validator, path: Path):
    assert errors(validator, read_yaml(path.read_text(), str(path)).data) == []


REFUSED = [wrong for wrong in WRONG if not any(part in wrong[1] for part in BEYOND_A_SCHEMA)]


@pytest.mark.parametrize(("there", "instead"), [w[:2] for w in REFUSED], ids=[w[1] for w in REFUSED])
def test_it_refuses_what_is_misspelt(validator: jsonschema.Draft202012Validator, there: str, instead: str):
    assert errors(validator, read_yaml(GOOD.replace(there, instead, 1), "x").data)


def test_it_carries_what_editors_show(validator: jsonschema.Draft202012Validator):
    text = yaml.safe_dump(validator.schema)
    assert "The learning rate." in text
    assert "timm_resnet18" in text
