"""Installed packages, found and remembered without being imported."""

from __future__ import annotations

import atexit
import contextlib
import json
import sys
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from geofoundry.core.files import cache_folder, write_json

CACHE_FORMAT = 2


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package on this machine: its name, its version and its folder."""

    name: str
    version: str
    folder: Path


@cache
def find_installed(name: str) -> InstalledPackage | None:
    """Return the installed top-level package `name`, or None; the package is not imported."""
    folder = _folder(name)
    if folder is None:
        return None
    return InstalledPackage(name, _version(name), folder)


def find_single_file(name: str) -> Path | None:
    """Return the file of a top-level module that is not a package, or None."""
    spec = _spec(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _folder(name: str) -> Path | None:
    # A module that is imported already may come from a place that only its importer knows.
    if (module := sys.modules.get(name)) is not None and getattr(module, "__path__", None):
        return Path(next(iter(module.__path__)))
    spec = _spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)  # of a top-level name: this imports nothing
    except ValueError:  # a module of that name was put into `sys.modules` without a spec
        return None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


@dataclass(slots=True)
class VersionedCache:
    """What was read from a package's files, kept until another version of it is installed.

    The file is `<cache folder>/signatures/<package>-<version>.json`. A cache that can't be read or written
    is no error: everything in it can be computed again.
    """

    package: InstalledPackage
    _entries: dict[str, Any] = field(default_factory=dict)
    _changed: bool = False

    @property
    def path(self) -> Path:
        """The file that holds the cache."""
        return cache_folder() / "signatures" / f"{self.package.name}-{self.package.version}.json"

    def load(self) -> VersionedCache:
        """Read the file, if it was written for this very installation."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return self
        if isinstance(content, dict) and content.get("stamp") == self._stamp():
            entries = content.get("entries")
            self._entries = entries if isinstance(entries, dict) else {}
        return self

    def get(self, key: str) -> Any:
        """Return an entry, or None."""
        return self._entries.get(key)

    def put(self, key: str, value: Any) -> None:
        """Remember plain data; it is written when the process ends, or by `save`."""
        self._entries[key] = value
        self._changed = True

    def save(self) -> None:
        """Write the file if there is something new."""
        if not self._changed:
            return
        self._changed = False
        with contextlib.suppress(OSError):
            write_json(self.path, {"stamp": self._stamp(), "entries": self._entries})

    def _stamp(self) -> list[Any]:
        # A reinstalled package may have the same version and other files.
        init = self.package.folder / "__init__.py"
        changed_ns = init.stat().st_mtime_ns if init.is_file() else 0
        return [CACHE_FORMAT, str(self.package.folder), changed_ns]


@cache
def versioned_cache(package: InstalledPackage) -> VersionedCache:
    """Return the one cache of a package in this process; it is saved when the process ends."""
    kept = VersionedCache(package).load()
    atexit.register(kept.save)
    return kept
