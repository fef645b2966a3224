"""A configuration as it was written: one or several YAML files and overrides, merged, with positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from geofoundry.config.overrides import apply_override, read_overrides
from geofoundry.config.yaml_reading import Path, Position, YamlText, read_yaml
from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.suggest import did_you_mean


@dataclass(slots=True)
class Document:
    """Merged plain data, the position of each path, and the faults that reading found without stopping at them."""

    data: dict[str, Any]
    positions: dict[Path, Position] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    sources: tuple[str, ...] = ()

    def position(self, path: Path) -> Position:
        """Return where a path was written, or the nearest thing above it."""
        for length in range(len(path), -1, -1):
            if (position := self.positions.get(path[:length])) is not None:
                return position
        return Position(self.sources[0] if self.sources else "configuration")

    def where(self, path: Path) -> str:
        """Return `fit.yaml:12`, the way errors name a place."""
        return str(self.position(path))


def load_document(paths: Sequence[str | FilePath], overrides: Sequence[str] = ()) -> Document:
    """Read files and overrides into one document.

    Later files override earlier ones, key by key; a list replaces a list. Where a later file names another class and
    brings arguments, the earlier class's arguments go; where it only names another class they stay, and are checked
    against it. `overrides` are written as on the command line: `["--trainer.max_epochs=3"]`.

    Raises:
        ConfigError: when a file can't be read or is not YAML; faults of all files at once.
    """
    document = Document({}, sources=tuple(str(path) for path in paths))
    unreadable: list[Fault] = []
    for path in paths:
        try:
            text = _read_file(FilePath(path))
        except ConfigError as error:
            unreadable.extend(error.faults)
            continue
        document.faults.extend(text.faults)
        _merge(document.data, document.positions, text.data, text.positions, ())
    if unreadable:
        raise ConfigError(unreadable)
    parsed, faults = read_overrides(overrides)
    document.faults.extend(faults)
    for override in parsed:
        fault = apply_override(document.data, document.positions, override)
        if fault is not None:
            document.faults.append(fault)
    return document


def document_of(data: dict[str, Any], source: str = "configuration") -> Document:
    """Return a document of plain data that was not read from a file."""
    return Document(data, {(): Position(source)}, sources=(source,))


def _read_file(path: FilePath) -> YamlText:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        siblings = [file.name for file in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        near = did_you_mean(path.name, siblings)
        raise ConfigError(
            Fault("there is no such configuration file", str(path), expected="a YAML file", mend=near)
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            Fault("the file is not text in UTF-8", str(path), got=str(error), mend="save it as UTF-8")
        ) from error
    except OSError as error:
        raise ConfigError(
            Fault("the configuration file can't be read", str(path), got=error.strerror or str(error))
        ) from error
    read = read_yaml(text, str(path))
    if read.data is None:
        read.data = {}
    if not isinstance(read.data, dict):
        raise ConfigError(
            Fault(
                "a configuration is a mapping of sections",
                str(Position(str(path), 1)),
                got=type(read.data).__name__,
                expected="model:, data: and trainer: at the left margin",
            )
        )
    return read


def _merge(
    into: dict[str, Any], positions: dict[Path, Position], data: Any, new_positions: dict[Path, Position], path: Path
) -> None:
    """Merge `data`, found at `path` of the new file, into a mapping, in place."""
    for key, value in data.items():
        here = (*path, key)
        if isinstance(value, dict) and isinstance(into.get(key), dict) and not _is_other_class(into[key], value):
            positions[here] = new_positions.get(here, positions.get(here, Position("configuration")))
            _merge(into[key], positions, value, new_positions, here)
            continue
        into[key] = value
        for old in [known for known in positions if known[: len(here)] == here]:
            del positions[old]
        positions.update({known: found for known, found in new_positions.items() if known[: len(here)] == here})
    if path == ():
        positions.setdefault((), new_positions.get((), Position("configuration")))


def _is_other_class(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return "init_args" in new and "class_path" in new and new["class_path"] != old.get("class_path")
