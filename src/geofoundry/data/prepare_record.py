"""What a folder of chips was made from, so that work goes on only where it fits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.files import write_json

RECORD = "prepare.json"
MADE_HERE = ("images", "masks", "labels", "windows.csv", "classes.json", "summary.json", RECORD)


def fingerprint(scenes: Mapping[str, Path], labels: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return as plain data what determines the chips: settings, labels, and the state of each scene's file."""
    return {
        "settings": dict(settings),
        "labels": dict(labels),
        "scenes": {key: file_state(path) for key, path in scenes.items()},
    }


def file_state(path: Path) -> dict[str, Any]:
    """Return path, size and time of a file: they change when its content does."""
    status = path.stat()
    return {"path": str(path.resolve()), "bytes": status.st_size, "modified_ns": status.st_mtime_ns}


def begin_or_resume(folder: Path, wanted: Mapping[str, Any], *, overwrite: bool) -> None:
    """Record what is being made, or find the same record from an earlier attempt.

    With `overwrite`, what an attempt with another record made is deleted first.

    Raises:
        ConfigError: when the folder holds chips of another making, or files that aren't ours.
    """
    record = folder / RECORD
    found = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else None
    if found == dict(wanted):
        return
    occupied = [name for name in MADE_HERE if (folder / name).exists()]
    if occupied and (found is None or not overwrite):
        raise ConfigError(_occupied(folder, found, wanted, occupied))
    for name in occupied:
        place = folder / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    write_json(record, dict(wanted))


def _occupied(folder: Path, found: dict[str, Any] | None, wanted: Mapping[str, Any], occupied: list[str]) -> Fault:
    if found is None:
        return Fault(
            what="the output folder holds files that weren't made here",
            where=str(folder),
            got=", ".join(occupied),
            expected="an empty folder",
            mend="choose another folder",
        )
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    return Fault(
        what="the output folder holds chips that were made from something else",
        where=str(folder),
        got="other " + " and ".join(differing),
        expected="the same scenes, labels and settings, to go on with; or an empty folder",
        mend="choose another folder, or pass --overwrite to make them anew",
    )
