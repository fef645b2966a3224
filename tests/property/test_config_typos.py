"""A misspelt key is an error, wherever it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.config.conftest import GOOD

from geofoundry.config import check_config, load_document, resolve_config
from geofoundry.config.document import document_of
from geofoundry.config.yaml_reading import Position, read_yaml

KEYS: list[tuple[str, Position]] = [
    (str(path[-1]), position)
    for path, position in read_yaml(GOOD, "fit.yaml").positions.items()
    if path and isinstance(path[-1], str)
]


@st.composite
def misspellings(draw: st.DrawFn) -> tuple[str, str, int]:
    """Draw the text with one key misspelt by a letter, the new key, and its line."""
    key, position = draw(st.sampled_from(KEYS))
    place = draw(st.integers(0, len(key) - 1))
    letter = draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    ways = [key[:place] + key[place + 1 :], key[:place] + letter + key[place:], key[:place] + letter + key[place + 1 :]]
    typo = draw(st.sampled_from([way for way in ways if way not in ("", key)] or [key + "x"]))
    lines = GOOD.splitlines()
    line, column = lines[position.line - 1], position.column - 1
    assert line[column:].startswith(key)
    lines[position.line - 1] = line[:column] + typo + line[column + len(key) :]
    return "\n".join(lines), typo, position.line


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typos")
    for name in ("images", "masks"):
        (folder / "data" / name).mkdir(parents=True)
        (folder / "data" / name / "a.tif").touch()
    (folder / "data" / "train.txt").write_text("a\n")
    return folder


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=misspellings())
def test_a_misspelt_key_is_an_error_at_its_line(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, drawn: tuple[str, str, int]
):
    text, typo, line = drawn
    monkeypatch.chdir(workplace)
    (workplace / "fit.yaml").write_text(text)
    faults = [fault for fault in check_config(load_document(["fit.yaml"])) if fault.severity == "error"]
    assert any(fault.where == f"fit.yaml:{line}" and typo in str(fault) for fault in faults), (typo, line, faults)


PATHS = [path for path in read_yaml(GOOD, "fit.yaml").positions if path]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text(max_size=5) | st.just("a.b.C"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), value=VALUES)
def test_no_value_anywhere_breaks_the_check(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, path: tuple[str | int, ...], value: object
):
    """Whatever stands in a place, the answer is a list of faults, and the resolved configuration is plain data."""
    monkeypatch.chdir(workplace)
    data = read_yaml(GOOD, "fit.yaml").data
    node = data
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    document = document_of(data)
    assert isinstance(check_config(document), list)
    assert isinstance(resolve_config(document), dict)
