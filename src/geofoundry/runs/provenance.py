"""Where a run comes from: code, packages, machine, command, configuration, data, weights. Plain data throughout."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geofoundry.core.files import write_text
from geofoundry.core.hashing import sha256_file, sha256_json

# Settings of the environment that change results or speed.
ENVIRONMENT = (
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTORCH_CUDA_ALLOC_CONF",
    "GDAL_CACHEMAX",
    "GDAL_NUM_THREADS",
    "SLURM_JOB_ID",
    "WORLD_SIZE",
)
WEIGHT_SUFFIXES = frozenset({".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx"})
PACKAGE = Path(__file__).resolve().parents[1]
MAX_PATCH_BYTES = 4 * 2**20
_GIT_TIMEOUT_S = 5  # a home folder under git may take minutes; a run does not wait for it


@dataclass(frozen=True, slots=True)
class Checkout:
    """The state of a git work tree: `patch` turns the commit into the files that ran."""

    root: str
    commit: str
    branch: str
    patch: str
    untracked: tuple[str, ...]

    @property
    def dirty(self) -> bool:
        """Whether the files differ from the commit."""
        return bool(self.patch or self.untracked)

    @property
    def patch_sha256(self) -> str:
        """The SHA-256 of the patch."""
        return hashlib.sha256(self.patch.encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Return plain data; of the patch its SHA-256 only."""
        return {
            "root": self.root,
            "commit": self.commit,
            "branch": self.branch,
            "dirty": self.dirty,
            "patch_sha256": self.patch_sha256 if self.patch else None,
            "untracked": list(self.untracked),
        }


def collect_provenance(
    *,
    verb: str,
    arguments: Sequence[str] = (),
    seed: int | None = None,
    config: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    weights: Mapping[str, str | Path] | None = None,
    accelerators: Sequence[str] = (),
    started: datetime | None = None,
    project: str | Path = ".",
    patch_folder: str | Path | None = None,
) -> dict[str, Any]:
    """Collect what is needed to know, and to make again, what one session of a run did.

    `data` is what the datamodule says of its files; `weights` maps what a file is for to the file; `project` is the
    folder whose git work tree holds the user's own code. What differs from the commits is written as patches into
    `patch_folder`.
    """
    return {
        "verb": verb,
        "started": time_stamp(started or datetime.now(UTC)),
        "ended": None,
        "argv": list(sys.argv),
        "overrides": list(arguments),
        "working_directory": str(Path.cwd()),
        "seed": seed,
        "config_sha256": sha256_json(config) if config is not None else None,
        "code": describe_code(project, patch_folder),
        "packages": installed_packages(),
        "environment": describe_environment(accelerators),
        "data": dict(data) if data is not None else None,
        "weights": {name: hash_weights(path) for name, path in (weights or {}).items()},
    }


def time_stamp(moment: datetime) -> str:
    """Return the moment in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def describe_code(project: str | Path = ".", patch_folder: str | Path | None = None) -> dict[str, Any]:
    """Return versions and git states of geofoundry and of the user's project; write their patches, if asked."""
    own = read_checkout(PACKAGE)
    theirs = read_checkout(project)
    if theirs and own and theirs.root == own.root:
        theirs = None
    for name, checkout in (("geofoundry", own), ("project", theirs)):
        if patch_folder is not None and checkout is not None and checkout.patch:
            write_text(Path(patch_folder) / f"{name}-{checkout.patch_sha256[:12]}.patch", checkout.patch)
    return {
        "geofoundry": {
            "version": _own_version(),
            "path": str(PACKAGE),
            "git": own.as_dict() if own else None,
        },
        "project": theirs.as_dict() if theirs else None,
    }


def read_checkout(folder: str | Path) -> Checkout | None:
    """Return the git state of the work tree that holds a folder, or None where there is none, or no git.

    A folder that git ignores (an installed package in a project's `.venv`) belongs to no work tree.
    """
    folder = Path(folder).resolve()
    if shutil.which("git") is None or not folder.is_dir():
        return None
    root = _git(folder, "rev-parse", "--show-toplevel")
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if not root or not commit or _git(folder, "check-ignore", "-q", str(folder)) is not None:
        return None
    patch = _git(Path(root), "diff", "HEAD", "--no-ext-diff", "--no-color", "--no-textconv") or ""
    untracked = _git(Path(root), "ls-files", "--others", "--exclude-standard") or ""
    if len(patch) > MAX_PATCH_BYTES:
        patch = patch[:MAX_PATCH_BYTES] + "\n# the patch was cut here: it is too large to keep"
    return Checkout(
        root=root,
        commit=commit,
        branch=_git(folder, "rev-parse", "--abbrev-ref", "HEAD") or "",
        patch=patch + "\n" if patch else "",  # git apply wants the last line end
        untracked=tuple(untracked.splitlines()[:200]),
    )


def installed_packages() -> dict[str, str]:
    """Return name and version of every installed distribution."""
    found = {
        str(distribution.metadata["Name"]): distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.metadata["Name"]
    }
    return dict(sorted(found.items(), key=lambda item: item[0].casefold()))


def describe_environment(accelerators: Sequence[str] = ()) -> dict[str, Any]:
    """Return Python, operating system, processor, memory, accelerators and the settings that matter."""
    return {
        "python": platform.python_version(),
        "os": platform.platform(),
        "machine": platform.machine(),
        "cpu": _cpu_name(),
        "cpu_cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "accelerators": list(accelerators),
        "variables": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
    }


def hash_weights(path: str | Path) -> dict[str, Any]:
    """Return path, size and SHA-256 of a file of weights, or of each such file in a folder."""
    path = Path(path)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.suffix in WEIGHT_SUFFIXES and file.is_file()]
        return {"path": str(path), "files": [hash_weights(file) for file in files]}
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256_file(path)}


def find_weights(config: Mapping[str, Any]) -> dict[str, Path]:
    """Return every existing file or folder that a configuration names under a key with `weights` or `ckpt` in it."""
    found: dict[str, Path] = {}

    def walk(value: Any, place: str, key: str) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                walk(inner, f"{place}.{name}" if place else str(name), str(name))
        elif isinstance(value, (list, tuple)):
            for index, inner in enumerate(value):
                walk(inner, f"{place}[{index}]", key)
        elif isinstance(value, str) and ("weights" in key or "ckpt" in key) and len(value) < 4096:
            path = Path(value)
            if path.is_file() or path.is_dir():
                found[place] = path

    walk(config, "", "")
    return found


def _own_version() -> str:
    try:
        return importlib.metadata.version("geofoundry")
    except importlib.metadata.PackageNotFoundError:  # run from its source folder, which the commit then names
        return "not installed"


def _git(folder: Path, *arguments: str) -> str | None:
    """Return git's answer without the last line end, or None when it has none to give."""
    try:
        answer = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the git that the user has
            capture_output=True,
            check=False,
            timeout=_GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode("utf-8", "replace").rstrip("\n") if answer.returncode == 0 else None


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
