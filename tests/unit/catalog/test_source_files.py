"""Definitions found by reading files."""

from __future__ import annotations

from pathlib import Path

import pytest

from geofoundry.catalog.source_files import find_address, read_constant, read_keys, read_module


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A package that would fail on import, on the path."""
    import sys

    root = tmp_path_factory.mktemp("read_only_by_eye")
    folder = root / "unimportable"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text(
        "raise RuntimeError('imported')\n"
        "from .inner import Thing as Renamed\nfrom .inner import *\nimport unimportable.inner.deep as deep\n"
    )
    (folder / "inner" / "__init__.py").write_text(
        "from .deep import Thing\nfrom ..side import helper\nAlias = Thing\n"
        "try:\n    from nowhere import Maybe\nexcept ImportError:\n    Maybe = None\n"
        "TABLE = {'a': 1, 'b': print}\nPLAIN = frozenset({'x', 'y'})\n"
    )
    (folder / "inner" / "deep.py").write_text("class Thing:\n    def __init__(self, size: int): ...\n")
    (folder / "side.py").write_text("def helper(flag=True): ...\ndef helper(flag=False, other=None): ...\n")
    sys.path.insert(0, str(root))
    yield "unimportable"
    sys.path.remove(str(root))


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("unimportable:Renamed", "unimportable.inner.deep:Thing"),
        ("unimportable:Alias", "unimportable.inner.deep:Thing"),
        ("unimportable.inner.Thing", "unimportable.inner.deep:Thing"),
        ("unimportable:helper", "unimportable.side:helper"),
    ],
)
def test_definitions_are_found_through_re_exports(package: str, address: str, where: str):
    found = find_address(address)
    assert found is not None
    assert found.address == where


def test_what_is_not_there_is_none(package: str):
    assert find_address("unimportable:Nothing") is None
    assert find_address("unimportable.nowhere:Thing") is None
    assert find_address("no_such_package:Thing") is None


def test_the_last_definition_and_the_first_branch_count(package: str):
    found = find_address("unimportable.side:helper")
    assert found is not None
    assert len(found.node.args.args) == 2  # type: ignore[union-attr]
    module = read_module("unimportable.inner")
    assert module is not None
    assert module.imports["Maybe"] == ("nowhere", "Maybe")


def test_constants(package: str):
    assert read_keys("unimportable.inner:TABLE") == ["a", "b"]
    assert read_constant("unimportable.inner:TABLE") is None
    assert read_constant("unimportable.inner:PLAIN") == {"x", "y"}


def test_a_file_with_a_syntax_error_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "half_written.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert read_module("half_written") is None
