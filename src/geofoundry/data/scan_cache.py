"""What was found out about files before, kept in one SQLite file; it can be deleted at any time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from geofoundry.core.files import cache_folder

_KEYS_PER_QUERY = 500


class ScanCache:
    """A store of plain data by key. Without a place to write, or with a damaged file, it works as an empty one."""

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else cache_folder() / "scans.sqlite"

    def get(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return what is known under these keys."""
        found: dict[str, Any] = {}
        if not keys or not self.path.exists():
            return found
        try:
            connection = self._connect()
            with connection:
                for start in range(0, len(keys), _KEYS_PER_QUERY):
                    part = keys[start : start + _KEYS_PER_QUERY]
                    marks = ",".join("?" * len(part))
                    query = f"SELECT key, value FROM scans WHERE key IN ({marks})"  # noqa: S608 - only question marks
                    found.update((key, json.loads(value)) for key, value in connection.execute(query, part))
            connection.close()
        except (sqlite3.DatabaseError, OSError, ValueError) as error:
            self._rebuild(error)
            return {}
        return found

    def put(self, values: Mapping[str, Any]) -> None:
        """Remember values; all of one call or none."""
        if not values:
            return
        try:
            self._put(values.items())
        except (sqlite3.DatabaseError, OSError) as error:
            self._rebuild(error)
            with suppress(sqlite3.DatabaseError, OSError):
                self._put(values.items())

    def _put(self, items: Iterable[tuple[str, Any]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = self._connect()
        rows = [(key, json.dumps(value)) for key, value in items]
        with connection:
            connection.executemany("INSERT OR REPLACE INTO scans VALUES (?, ?)", rows)
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=10)
        connection.execute("CREATE TABLE IF NOT EXISTS scans (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
        return connection

    def _rebuild(self, error: Exception) -> None:
        # A locked or read-only file is healthy; only a damaged one is put away.
        if isinstance(error, (sqlite3.OperationalError, OSError)):
            return
        with suppress(OSError):
            self.path.unlink()
