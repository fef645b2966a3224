"""The folder of one run: `runs/<name>/<id>/`, with a status that survives being killed."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from geofoundry.core.errors import ConfigError, DataError, Fault
from geofoundry.core.files import write_json

RECORD = "run.json"
_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{6}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]*")


class RunStatus(StrEnum):
    """What became of a run."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class RunFolder:
    """The folder of one run, and its record `run.json`.

    The id is the UTC time of creation to the microsecond and six random hex digits: ids sort by time, and any
    number of processes may create runs at once.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunFolder) and self.path.resolve() == other.path.resolve()

    def __hash__(self) -> int:
        return hash(self.path.resolve())

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    @classmethod
    def create(cls, root: str | Path, name: str) -> RunFolder:
        """Create a new, empty run of that name, with the status `running`.

        Raises:
            ConfigError: when the name can't be a folder's name, or the folder can't be made.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(
                Fault(
                    what="a run can't have this name",
                    where="run.name",
                    got=repr(name),
                    expected="letters, digits, and . _ - or spaces after the first",
                    mend="choose another name",
                )
            )
        parent = Path(root) / name
        try:
            parent.mkdir(parents=True, exist_ok=True)
            run = cls(_make_unique_folder(parent))
            run._write({"name": name, "id": run.id, "created": _now()})
            run.mark(RunStatus.RUNNING)
        except OSError as error:
            raise ConfigError(
                Fault(
                    what="the run folder can't be made",
                    where=str(parent),
                    got=error.strerror or str(error),
                    expected="a folder that this user may write to, on a disk with space",
                    mend="set run.root to another folder",
                )
            ) from error
        return run

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Return an existing run.

        Raises:
            DataError: when the folder is missing or holds no run.
        """
        run = cls(path)
        run.record()
        return run

    @classmethod
    def latest(cls, root: str | Path, name: str) -> RunFolder | None:
        """Return the youngest run of that name, or None when there is none."""
        runs = cls.all(root, name)
        return runs[-1] if runs else None

    @classmethod
    def all(cls, root: str | Path, name: str) -> list[RunFolder]:
        """Return every run of that name, oldest first."""
        parent = Path(root) / name
        if not parent.is_dir():
            return []
        folders = (path for path in parent.iterdir() if _ID.fullmatch(path.name))
        return [cls(path) for path in sorted(folders) if (path / RECORD).is_file()]

    @property
    def id(self) -> str:
        """The id: creation time and random digits."""
        return self.path.name

    @property
    def name(self) -> str:
        """The name of the series of runs that this one belongs to."""
        return self.path.parent.name

    @property
    def config(self) -> Path:
        """The resolved configuration (YAML)."""
        return self.path / "config.yaml"

    @property
    def metrics_csv(self) -> Path:
        """The metrics as a table, one row per step."""
        return self.path / "metrics.csv"

    @property
    def metrics_jsonl(self) -> Path:
        """The metrics as they came, one JSON object per line."""
        return self.path / "metrics.jsonl"

    @property
    def figures(self) -> Path:
        """The folder of pictures."""
        return self.path / "figures"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def card(self) -> Path:
        """The model card (Markdown)."""
        return self.path / "card.md"

    @property
    def provenance(self) -> Path:
        """The record of code, data, environment and hashes (JSON)."""
        return self.path / "provenance.json"

    @property
    def scores(self) -> Path:
        """The final scores and confusion matrices of each stage (JSON)."""
        return self.path / "scores.json"

    def record(self) -> dict[str, Any]:
        """Return what `run.json` says.

        Raises:
            DataError: when it is missing or damaged.
        """
        try:
            return json.loads((self.path / RECORD).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise DataError(
                Fault(
                    what="this is not a run folder",
                    where=str(self.path),
                    got=f"{RECORD}: {error}",
                    expected=f"a folder with a readable {RECORD}, as `geofoundry fit` makes it",
                    mend="name a folder like runs/<name>/<id>",
                )
            ) from error

    @property
    def status(self) -> RunStatus:
        """What became of the run. One whose process is gone without a word is `interrupted`."""
        record = self.record()
        status = RunStatus(record["status"])
        if status is RunStatus.RUNNING and not _is_alive(record.get("process", {})):
            return RunStatus.INTERRUPTED
        return status

    def mark(self, status: RunStatus, reason: str = "") -> None:
        """Set the status, atomically; `running` also notes this process as the one that works on it.

        Raises:
            ConfigError: when it shall run here while another process of this machine is at work on it.
        """
        record = self.record()
        here = _this_process()
        if status is RunStatus.RUNNING and _works_elsewhere(record, here):
            raise ConfigError(
                Fault(
                    what="another process is at work on this run",
                    where=str(self.path),
                    got=f"process {record['process']['pid']} on this machine",
                    expected="one process per run",
                    mend="wait for it or stop it; without --ckpt_path a run of its own begins",
                )
            )
        record["status"] = str(status)
        if status is RunStatus.RUNNING:
            if record.get("process") != here or "ended" in record:
                record.setdefault("started", []).append(_now())
            record["process"] = here
            record.pop("ended", None)
            record.pop("reason", None)
        else:
            record["ended"] = _now()
        if reason:
            record["reason"] = reason
        self._write(record)

    def summary(self) -> str:
        """Return a few lines for the terminal: where it lies, how good it is, what to type next."""
        from geofoundry.runs.card_facts import summarize_run  # numpy, which opening a folder has no need of

        return summarize_run(self)

    def discard(self) -> None:
        """Remove the folder: for a run that was refused before its first step. The name's folder goes if empty."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):  # other runs live there
            self.path.parent.rmdir()

    def _write(self, record: dict[str, Any]) -> None:
        write_json(self.path / RECORD, record)


def _make_unique_folder(parent: Path) -> Path:
    """Make a folder with a new id; `mkdir` decides between processes that drew the same one."""
    while True:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = parent / f"{stamp}-{secrets.token_hex(3)}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _works_elsewhere(record: dict[str, Any], here: dict[str, Any]) -> bool:
    """Whether another process of this machine has the run. One of another machine may be gone with it, unasked."""
    process = record.get("process", {})
    if record.get("status") != RunStatus.RUNNING or process == here or process.get("host") != here["host"]:
        return False
    return _is_alive(process)


def _this_process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "started_ticks": _started_ticks(os.getpid())}


def _is_alive(process: dict[str, Any]) -> bool:
    """Whether the noted process still runs. Another machine's can't be asked and is believed."""
    pid = process.get("pid")
    if not isinstance(pid, int) or process.get("host") != socket.gethostname() or os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    # A number that was given to another process since then has another start.
    return _started_ticks(pid) == process.get("started_ticks")


def _started_ticks(pid: int) -> int | None:
    """Return the kernel's start time of a process; None where /proc does not tell; -1 for a dead, unreaped one."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the command before it may hold spaces and brackets
    return -1 if fields[0] in "ZX" else int(fields[19])
