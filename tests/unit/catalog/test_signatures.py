"""Signatures read from files, held against what `inspect` says of the imported thing."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

import pytest

from geofoundry.catalog import installed
from geofoundry.catalog.signatures import StaticSignature, read_signature, signature_of

MODULE = '''
from __future__ import annotations
from dataclasses import dataclass, field
from typing import Literal, Optional, Union

try:
    from nowhere import NotToBeFound
except ImportError:
    NotToBeFound = object

Mode = Literal["min", "max"]
Size = Union[int, tuple[int, int]]

class Base:
    """Say what a base is.

    Args:
        width: How wide,
            in pixels.
        mode: Where to.
    """

    def __init__(self, width: int, mode: Mode = "min", *, depth: float = 1.0) -> None: ...

class Child(Base):
    def __init__(self, extra: Optional[Size] = None, **kwargs) -> None:
        super().__init__(depth=2.0, **kwargs)

class Starred(Base):
    def __init__(self, *args, **kwargs) -> None:
        note = kwargs.pop("note", "")
        super().__init__(*args, **kwargs)

class Inherits(Child):
    pass

class Swallows(Base):
    def __init__(self, **kwargs) -> None:
        self.rest = kwargs

class Foreign(NotToBeFound):
    pass

@dataclass
class Record:
    """A record."""

    name: str
    sizes: list[int] = field(default_factory=list)

@dataclass
class LongerRecord(Record):
    more: bool = False

def build(name, /, size: Size = 3, **kwargs):
    """Build it.

    Args:
        size: The size.
    """
    return Base(5, **kwargs)

class Factory:
    def build_model(self, task: str, *, deep: bool = False, **kwargs) -> None:
        print(kwargs)

    @staticmethod
    def loose(flag): ...
'''


@pytest.fixture(scope="module", autouse=True)
def sample(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("signatures")
    (folder / "signature_sample.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


def read(name: str) -> StaticSignature:
    found = read_signature(f"signature_sample:{name}")
    assert found is not None
    return found


def test_own_parameters_types_defaults_and_texts():
    signature = read("Base")
    assert signature.summary == "Say what a base is."
    width, mode, depth = signature.parameters
    assert (width.annotation, width.required, width.doc) == ("int", True, "How wide, in pixels.")
    assert (mode.annotation, mode.default, mode.doc) == ("Literal['min', 'max']", "'min'", "Where to.")
    assert (depth.annotation, depth.default, depth.required) == ("float", "1.0", False)


def test_keywords_handed_to_a_parent_are_followed():
    child = read("Child")
    assert child.names() == ["extra", "width", "mode"]
    assert child.parameters[0].annotation == "Optional[Union[int, tuple[int, int]]]"
    assert not child.takes_any
    assert read("Inherits").names() == ["extra", "width", "mode"]
    assert read("Starred").names() == ["width", "mode", "depth", "note"]
    assert not read("Starred").takes_any


def test_what_can_not_be_followed_takes_any():
    assert read("Swallows").takes_any
    assert read("Foreign").takes_any


def test_dataclasses_and_functions():
    assert read("LongerRecord").names() == ["name", "sizes", "more"]
    assert read("LongerRecord").parameters[0].required
    build = read("build")
    assert build.names() == ["size", "mode", "depth"]
    assert build.parameters[0].doc == "The size."


def test_methods():
    method = read("Factory.build_model")
    assert method.names() == ["task", "deep"]
    assert method.takes_any
    assert read("Factory.loose").names() == ["flag"]
    assert read_signature("signature_sample:Factory.nothing") is None


def test_what_is_not_there_is_none():
    assert read_signature("signature_sample:Nothing") is None
    assert read_signature("signature_sample:Mode") is None
    assert read_signature("no_such_package:Thing") is None


def test_a_living_class_gives_the_same_signature():
    base = importlib.import_module("signature_sample").Base
    living, still = signature_of(base), read("Base")
    assert living.names() == still.names()
    assert [p.required for p in living.parameters] == [p.required for p in still.parameters]
    assert living.parameters[0].doc == still.parameters[0].doc


LIBRARY_CLASSES = [
    "lightning.pytorch:Trainer",
    "lightning.pytorch.callbacks:EarlyStopping",
    "lightning.pytorch.callbacks:ModelCheckpoint",
    "lightning.pytorch.loggers:MLFlowLogger",
    "torch.optim:AdamW",
    "torch.optim:SGD",
    "torch.optim.lr_scheduler:CosineAnnealingLR",
    "torch.optim.lr_scheduler:OneCycleLR",
    "torchvision.transforms.v2:RandomResizedCrop",
    "torchvision.transforms.v2:RandomErasing",
    "torchgeo.trainers:SemanticSegmentationTask",
    "segmentation_models_pytorch.decoders.unet.decoder:UnetDecoder",
]


@pytest.mark.parametrize("address", LIBRARY_CLASSES)
def test_installed_libraries_read_as_inspect_sees_them(address: str):
    found = read_signature(address)
    module, _, name = address.partition(":")
    real = inspect.signature(getattr(importlib.import_module(module), name)).parameters.values()
    named = [p for p in real if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    assert found is not None
    assert found.names() == [p.name for p in named]
    assert [p.required for p in found.parameters] == [p.default is p.empty for p in named]
    assert found.takes_any == any(p.kind is p.VAR_KEYWORD for p in real)


def test_foreign_signatures_are_remembered_by_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path))
    installed.versioned_cache.cache_clear()
    try:
        first = read_signature("torch.optim:AdamW")
        package = installed.find_installed("torch")
        assert package is not None
        kept = installed.versioned_cache(package)
        kept.save()
        assert kept.path == tmp_path / "signatures" / f"torch-{package.version}.json"
        installed.versioned_cache.cache_clear()
        monkeypatch.setattr("geofoundry.catalog.signatures._read", lambda address: pytest.fail("it was read again"))
        assert read_signature("torch.optim:AdamW") == first
    finally:
        installed.versioned_cache.cache_clear()


@pytest.mark.parametrize("content", ["", "[]", '{"stamp": [0], "entries": {"torch.optim:AdamW": 3}}'])
def test_a_spoilt_or_older_cache_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str):
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path))
    package = installed.find_installed("torch")
    assert package is not None
    kept = installed.VersionedCache(package)
    kept.path.parent.mkdir()
    kept.path.write_text(content)
    assert kept.load().get("torch.optim:AdamW") is None


def test_a_cache_that_can_not_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path / "file"))
    package = installed.find_installed("torch")
    assert package is not None
    kept = installed.VersionedCache(package)
    kept.put("key", 1)
    kept.save()
    assert kept.get("key") == 1
