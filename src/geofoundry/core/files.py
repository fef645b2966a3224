"""Files that are whole or absent: written beside their place, flushed, then renamed into it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from geofoundry.core.errors import ConfigError, Fault


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that becomes `path` when the block ends well.

    The name keeps the suffix, for writers that choose a format by it. On an error nothing is left behind
    and an older file at `path` stays as it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}.", suffix=target.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
        _sync(target.parent)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a text file atomically, in UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write plain data as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def require_writable_folder(path: str | Path) -> Path:
    """Create a folder and prove that files can be written into it.

    Raises:
        ConfigError: when the folder can't be made or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            Fault(
                what="the output folder can't be written to",
                where=str(folder),
                got=error.strerror or str(error),
                expected="a folder that this user may write to",
                mend="choose another folder or change its permissions",
            )
        ) from error
    return folder


def cache_folder() -> Path:
    """Return the folder for what can be computed again: `$GEOFOUNDRY_CACHE`, or the user's cache folder."""
    if explicit := os.environ.get("GEOFOUNDRY_CACHE"):
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "geofoundry"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
