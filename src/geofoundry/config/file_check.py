"""Check that the files and folders which a configuration names are there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from geofoundry.config.class_check import NamedClass
from geofoundry.config.report import Report
from geofoundry.config.yaml_reading import Path
from geofoundry.core.suggest import nearest

FOLDERS = ("root", "predict_root")
FILES = ("train_split", "val_split", "test_split", "windows", "statistics")
GLOB_CHARACTERS = "*?["
CHECKPOINT_WORDS = ("best", "last")


def check_run_files(report: Report, data: Mapping[str, Any]) -> None:
    """Check the checkpoint to start from, and that the runs' folder can be written."""
    checkpoint = data.get("ckpt_path")
    if isinstance(checkpoint, str) and checkpoint not in CHECKPOINT_WORDS and not FilePath(checkpoint).exists():
        _report_missing(report, ("ckpt_path",), "ckpt_path", FilePath(checkpoint), "best, last, a run folder or a file")
    run = data.get("run")
    root = run.get("root") if isinstance(run, Mapping) else None
    folder = FilePath(root if isinstance(root, str) else "runs").absolute()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        report.error(
            ("run", "root"),
            "the folder of runs can't be written",
            got=str(existing),
            expected="a folder that this user may write to",
            mend="choose another with run: {root: ...}",
        )


def check_model_files(report: Report, task: NamedClass) -> None:
    """Check that the file of the backbone's weights is there."""
    model_args = task.arguments.get("model_args")
    if not task.is_ours or not isinstance(model_args, Mapping):
        return
    weights = model_args.get("backbone_weights")
    if isinstance(weights, str) and not FilePath(weights).exists():
        path = (*task.arguments_path, "model_args", "backbone_weights")
        _report_missing(report, path, "backbone_weights", FilePath(weights), "a file of weights")


def check_data_files(report: Report, data: NamedClass) -> None:
    """Check the folders, files and globs of a datamodule of ours."""
    if not data.is_ours:
        return
    path, arguments = data.arguments_path, data.arguments
    root = arguments.get("root")
    base = FilePath(root) if isinstance(root, str) else FilePath()
    for key in FOLDERS:
        value = arguments.get(key)
        if isinstance(value, str) and not FilePath(value).is_dir():
            _report_missing(report, (*path, key), key, FilePath(value), "a folder")
    if not base.is_dir():
        return
    for key in FILES:
        value = arguments.get(key)
        if isinstance(value, str) and not FilePath(value).is_file() and not (base / value).is_file():
            _report_missing(report, (*path, key), key, base / value, "a file, here or below root")
    for key, value in arguments.items():
        if str(key).endswith("_glob") and isinstance(value, str) and not str(key).startswith("predict"):
            _check_glob(report, (*path, key), str(key), value, base)


def _report_missing(report: Report, path: Path, key: str, place: FilePath, expected: str) -> None:
    siblings = [entry.name for entry in place.parent.iterdir()] if place.parent.is_dir() else []
    near = nearest(place.name, siblings, count=1)
    report.error(
        path,
        f"{key}: there is no {str(place)!r}",
        got=str(place.absolute()),
        expected=expected,
        mend=f"write {str(place.with_name(near[0]))!r}" if near else "correct the path, which begins in this folder",
    )


def _check_glob(report: Report, path: Path, key: str, pattern: str, root: FilePath) -> None:
    """Report a pattern that matches nothing; one with ** is left to those who read all files anyway."""
    if "**" in pattern or FilePath(pattern).is_absolute():
        return
    if next(root.glob(pattern), None) is None:
        fixed = next((part for part in FilePath(pattern).parts if any(c in part for c in GLOB_CHARACTERS)), pattern)
        folder = root.joinpath(*FilePath(pattern).parts[: FilePath(pattern).parts.index(fixed)])
        inside = sorted(entry.name for entry in folder.iterdir())[:3] if folder.is_dir() else []
        report.error(
            path,
            f"{key} matches no file",
            got=repr(pattern),
            expected=f"files below {root}",
            mend=f"{folder} holds {', '.join(inside)}" if inside else f"there is no folder {str(folder)!r}",
        )
