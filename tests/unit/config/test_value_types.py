"""Values against annotations, held against jsonargparse, which judges them in the end."""

from __future__ import annotations

import copy
import typing
from pathlib import Path

import pytest
from jsonargparse import ArgumentError, ArgumentParser

from geofoundry.config.annotation_schema import annotation_schema
from geofoundry.config.value_types import describe, fits, literal_choices

ANNOTATIONS = [
    "int",
    "float",
    "bool",
    "str",
    "int | None",
    "Optional[float]",
    "Union[int, str]",
    "list[int]",
    "list[str] | None",
    "Sequence[float]",
    "tuple[int, int]",
    "tuple[float, ...]",
    "dict[str, float]",
    "dict[str, Any] | None",
    "Literal['min', 'max']",
    "Literal[16, 32]",
    "Literal['16', 'bf16'] | None",
    "str | list[str] | dict[str, float]",
    "bool | Literal['warn']",
    "Path | str",
    "Any",
]
VALUES = [0, 1, -3, 2.5, 8.0, True, False, None, "min", "16", "abc", "", [], [1, 2], [1.5], ["a"], {}, {"a": 1.0}, 16]
NAMES = {**vars(typing), "Path": Path}


@pytest.mark.parametrize("annotation", ANNOTATIONS)
def test_what_is_refused_would_be_refused_when_it_is_parsed(annotation: str):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--x", type=eval(annotation, dict(NAMES)))
    for value in VALUES:
        if value is None:
            continue  # it stands for "not given" there
        try:
            parser.parse_object({"x": copy.deepcopy(value)})
            accepted = True
        except (ArgumentError, TypeError, ValueError):
            accepted = False
        if fits(value, annotation) is False:
            assert not accepted, f"{value!r} for {annotation}"


@pytest.mark.parametrize(
    ("value", "annotation", "verdict"),
    [
        (1, "int", True),
        (True, "int", False),
        (8.0, "int", False),
        (3, "float", True),
        ("fast", "float", False),
        ("1e-3", "float", None),
        (None, "int | None", True),
        (None, "int", False),
        ("x", "Literal['a', 'b']", False),
        (16, "Literal['16']", False),
        ([1, "a"], "list[int]", False),
        ({"a": "b"}, "Mapping[str, float]", False),
        ([1, 2, 3], "tuple[int, int]", False),
        (5, "list[int]", False),
        ("x", "SomeClass", None),
        (5, "SomeClass | None", None),
        (5, None, None),
        (5, "not an annotation (", None),
        ("x", "Annotated[int, 'px']", False),
    ],
)
def test_verdicts(value: object, annotation: str | None, verdict: bool | None):
    assert fits(value, annotation) is verdict


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("Optional[int]", "int or null"),
        ("Literal['min', 'max']", "one of 'min', 'max'"),
        ("typing.Sequence[str] | None", "list of str or null"),
        ("tuple[int, int]", "[int, int]"),
        ("dict[str, float]", "mapping of str to float"),
        ("torch.Tensor", "Tensor"),
    ],
)
def test_annotations_in_words(annotation: str, words: str):
    assert describe(annotation) == words


def test_choices_of_a_union():
    assert literal_choices("Union[Literal[1], Literal['a'], str, None]") == [1, "a"]
    assert literal_choices(None) == []


@pytest.mark.parametrize("annotation", ANNOTATIONS)
def test_the_schema_of_an_annotation_agrees_with_the_verdict(annotation: str):
    import jsonschema

    schema = annotation_schema(annotation)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for value in VALUES:
        # JSON has one kind of number: 8.0 is a whole one there.
        verdict = True if value == 8.0 and not isinstance(value, bool) else fits(value, annotation)
        if verdict is not None and value != 8.0:
            assert validator.is_valid(value) == verdict, f"{value!r} for {annotation}"
