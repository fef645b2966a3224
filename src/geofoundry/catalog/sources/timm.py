"""Backbones of timm: names from timm's files, models built as feature extractors."""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path
from typing import Any

from geofoundry.catalog.component_registry import Component, import_address, unknown_name
from geofoundry.catalog.installed import find_installed, versioned_cache
from geofoundry.catalog.signatures import StaticSignature, extend_builder
from geofoundry.catalog.source_files import read_constant
from geofoundry.catalog.sources.timm_keywords import read_model_signature

BUILDER = "geofoundry.nn.backbones.timm_backbone:build_timm_backbone"
# Keywords of timm's that the builder refuses, with what to write instead.
REFUSED = "geofoundry.nn.backbones.timm_models:REFUSED"

_STAR_IMPORT = re.compile(r"^from \.(\w+) import \*", re.MULTILINE)
_ENTRY_POINT = re.compile(r"^@register_model\b[^\n]*\n(?:@[^\n]*\n)*def\s+(\w+)\s*\(", re.MULTILINE)
_DEPRECATIONS = re.compile(r"^register_model_deprecations\(\s*__name__,\s*(\{.*?^\})\s*\)", re.MULTILINE | re.DOTALL)
_PRETRAINED_KEY = re.compile(r"""^\s*['"](\w+)\.([\w.*-]+)['"]\s*:""", re.MULTILINE)


class TimmBackboneSource:
    """The model names of the installed timm, as `timm.list_models()` gives them, with or without a pretrained tag.

    Listing reads timm's files; timm is imported when a model is built. Without timm the source is empty.
    """

    def __init__(self) -> None:
        self._index: dict[str, Any] | None = None

    def names(self) -> list[str]:
        """Return every model name, sorted, without pretrained tags and deprecated names."""
        return sorted(self._read()["modules"])

    def spellings(self, name: str) -> list[str]:
        """Return the tagged names of a model whose tag is unknown, otherwise every name."""
        architecture = name.partition(".")[0]
        tags = self._read()["tags"].get(architecture)
        return [f"{architecture}.{tag}" for tag in tags] if tags else self.names()

    def pretrained_tags(self, name: str) -> list[str]:
        """Return the pretrained tags of a model that timm's files spell out, such as `a1_in1k`."""
        return list(self._read()["tags"].get(name, ()))

    def module(self, name: str) -> str:
        """Return the timm module that defines a model, such as `timm.models.resnet`."""
        return f"timm.models.{self._read()['modules'][self.canonical(name)]}"

    def canonical(self, name: str) -> str:
        """Return the model name without its tag; a deprecated name gives its successor.

        Raises:
            UnknownNameError: when timm has no such model or the model no such tag.
        """
        if name not in self:
            raise unknown_name("backbone", name, self.spellings(name))
        architecture = name.partition(".")[0]
        successor = self._read()["deprecated"].get(architecture)
        return successor.partition(".")[0] if successor else architecture

    def address(self, name: str) -> str:
        """Return the address of what builds every timm backbone."""
        self.canonical(name)
        return BUILDER

    def signature(self, name: str) -> StaticSignature:
        """Return what `build` takes for a model: our builder's own arguments, and the model's."""
        canonical = self.canonical(name)
        package = find_installed("timm")
        assert package is not None  # otherwise no name is canonical
        kept = versioned_cache(package)
        entry = kept.get(f"model {canonical}")
        if entry is None:
            entry = read_model_signature(self.module(name), canonical).as_dict()
            kept.put(f"model {canonical}", entry)
        refused = read_constant(REFUSED) or {}
        return extend_builder(BUILDER, StaticSignature.from_dict(entry)).without(*refused)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        index = self._read()
        architecture, _, tag = name.partition(".")
        if not tag:
            return name in index["modules"] or index["deprecated"].get(name) is not None
        # Some models compute their tags; what can't be known is left to timm.
        known = index["tags"].get(architecture)
        return architecture in index["modules"] and (known is None or tag in known)

    def __getitem__(self, name: str) -> Component:
        self.canonical(name)
        builder = import_address(BUILDER)

        def build(*args: Any, **kwargs: Any) -> Any:
            """Build the timm backbone of this name."""
            return builder(name, *args, **kwargs)

        build.__name__ = name
        return build

    def build(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Build a model as a feature extractor: see `build_timm_backbone`."""
        self.canonical(name)
        if successor := self._read()["deprecated"].get(name):
            warnings.warn(
                f"the timm name {name!r} is deprecated: write {successor!r}", DeprecationWarning, stacklevel=3
            )
            name = successor
        return import_address(BUILDER)(name, *args, **kwargs)

    def _read(self) -> dict[str, Any]:
        if self._index is None:
            self._index = _read_index()
        return self._index


def _read_index() -> dict[str, Any]:
    package = find_installed("timm")
    if package is None:
        return {"modules": {}, "tags": {}, "deprecated": {}}
    kept = versioned_cache(package)
    index = kept.get("models")
    if index is None:
        index = _scan(package.folder / "models")
        kept.put("models", index)
    return index


def _scan(folder: Path) -> dict[str, Any]:
    """Read the entry points that `timm.models` imports, their pretrained tags, and the deprecated names."""
    modules: dict[str, str] = {}
    tags: dict[str, list[str]] = {}
    deprecated: dict[str, str | None] = {}
    for module in _STAR_IMPORT.findall((folder / "__init__.py").read_text(encoding="utf-8")):
        text = _module_text(folder, module)
        modules.update(dict.fromkeys(_ENTRY_POINT.findall(text), module))
        for name, tag in _PRETRAINED_KEY.findall(text):
            tags.setdefault(name, []).append(tag.strip("*"))
        for mapping in _DEPRECATIONS.findall(text):
            deprecated.update(ast.literal_eval(mapping))
    return {
        "modules": modules,
        "tags": {name: found for name, found in tags.items() if name in modules},
        "deprecated": deprecated,
    }


def _module_text(folder: Path, module: str) -> str:
    file = folder / f"{module}.py"
    if not file.is_file():
        file = folder / module / "__init__.py"
    return file.read_text(encoding="utf-8")
