"""YAML with positions, YAML 1.2 numbers, and syntax errors with their lines."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from geofoundry.config.yaml_reading import read_yaml
from geofoundry.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1_000", 1000),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("-.inf", -math.inf),
        ("2024-06-01", "2024-06-01"),
        ("12:30:00", "12:30:00"),
        ("1.2.3", "1.2.3"),
        ("e5", "e5"),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("", None),
        ("'1e-4'", "1e-4"),
        ("32-true", "32-true"),
    ],
)
def test_scalars(text: str, value: object):
    read = read_yaml(text, "x").data
    assert read == value
    assert type(read) is type(value)


def test_nan():
    assert math.isnan(read_yaml(".nan", "x").data)


def test_positions_of_keys_items_and_nested_values():
    read = read_yaml("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "f.yaml")
    assert str(read.positions[("a", "b")]) == "f.yaml:2"
    assert (read.positions[("a", "c", 1)].line, read.positions[("a", "c", 1)].column) == (5, 7)
    assert read.positions[("a", "c", 1, "d")].line == 5


def test_anchors_and_merge_keys():
    read = read_yaml("base: &b {x: 1, y: 2}\nc: {<<: *b, y: 3}\nd: {<<: [{x: 9}, *b]}\n", "f.yaml")
    assert read.data["c"] == {"x": 1, "y": 3}
    assert read.data["d"] == {"x": 9, "y": 2}
    assert read.faults == []


def test_a_key_given_twice_is_a_fault_with_both_lines():
    read = read_yaml("a: 1\nb: 2\na: 3\n", "f.yaml")
    assert len(read.faults) == 1
    assert read.faults[0].where == "f.yaml:3"
    assert "line 1" in read.faults[0].got


@pytest.mark.parametrize(
    ("text", "line", "mend"),
    [
        ("a: 1\nb: c: d\n", 2, "quotes"),
        ("a:\n\tb: 1\n", 2, "spaces"),
        ("a: [1, 2\n", 2, "close the list"),
        ("a: *nothing\n", 1, "quotes"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "plain values"),
        ("a: !Custom {b: 1}\n", 1, "plain values"),
        ("a: &a [*a]\n", 1, ""),
        ("? [1, 2]\n: 3\n", 1, ""),
    ],
)
def test_what_is_not_yaml_is_said_with_its_line(text: str, line: int, mend: str):
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "f.yaml")
    (fault,) = caught.value.faults
    assert fault.where == f"f.yaml:{line}"
    assert mend in fault.mend


def test_aliases_of_aliases_do_not_grow_without_bound():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="grow without bound"):
        read_yaml("\n".join(lines), "f.yaml")


# PyYAML writes by YAML 1.1, in which `0E0` is text; here it is a number.
words = st.text(max_size=12).filter(lambda text: text.lstrip("+-.")[:1] not in "0123456789" or not text)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(words, plain, max_size=4))
def test_what_yaml_writes_is_read_back(data: dict[str, object]):
    read = read_yaml(yaml.safe_dump(data), "f.yaml")
    assert read.data == data
    assert read.faults == []
