"""Metrics of a run as JSON lines and as a table, readable at any moment, whatever kills the writer.

`metrics.jsonl` is the truth: one object per call, appended by a single write. `metrics.csv` shows the same as a
table with one row per (step, epoch), so that training and validation values of one moment stand side by side.
It is made again from the JSON lines whenever the two may differ.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, Self

from geofoundry.core.errors import DataError, Fault
from geofoundry.core.files import write_text

KEYS = ("step", "epoch", "time")
# JSON has no word for these; as text they stay strict JSON and nothing is lost.
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

Row = dict[str, Any]


class MetricsWriter:
    """Append metrics to both files.

    Opening an existing pair goes on with it: a line torn by a kill is dropped, the table is made again.
    Two writers on one run are not meant to be.
    """

    def __init__(self, csv_path: str | Path, jsonl_path: str | Path) -> None:
        self._csv_path = Path(csv_path)
        self._jsonl_path = Path(jsonl_path)
        self._columns: list[str] = list(KEYS)
        self._last: Row | None = None
        self._last_offset = 0
        self._last_length = 0
        self._csv: FileIO | None = None
        self._jsonl: FileIO | None = None
        if self._jsonl_path.exists():
            self._rewrite(read_metrics(self._jsonl_path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, metrics: Mapping[str, Any], *, step: int, epoch: int | None = None) -> None:
        """Append one set of values; both files are complete when the call returns.

        Raises:
            DataError: when a value is no number, or a metric has the name of a key column.
        """
        values = _as_numbers(metrics)
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        row: Row = {"step": int(step), "epoch": None if epoch is None else int(epoch), "time": now, **values}
        if self._jsonl is None:
            self._jsonl_path.parent.mkdir(parents=True, exist_ok=True)
            self._jsonl = FileIO(self._jsonl_path, "a")
        _append(self._jsonl, (_to_json(row) + "\n").encode())
        self._write_to_table(row)

    def drop_after(self, step: int) -> int:
        """Drop every row beyond `step` and return how many: what a resumed run is about to compute again."""
        if not self._jsonl_path.exists():
            return 0
        rows = read_metrics(self._jsonl_path)
        kept = [row for row in rows if row["step"] <= step]
        if len(kept) < len(rows):
            self._rewrite(kept)
        return len(rows) - len(kept)

    def close(self) -> None:
        """Flush both files to the disk and close them. Writing again opens them again."""
        for file in (self._jsonl, self._csv):
            if file is not None:
                os.fsync(file.fileno())
                file.close()
        self._jsonl = self._csv = None

    def _rewrite(self, rows: list[Row]) -> None:
        self.close()
        write_text(self._jsonl_path, "".join(_to_json(row) + "\n" for row in rows))
        self._columns = _columns_of(rows)
        self._write_table(merge_rows(rows))

    def _write_table(self, merged: list[Row]) -> None:
        """Write the whole table atomically and remember where its last row begins."""
        if self._csv is not None:
            self._csv.close()
            self._csv = None
        lines = [_csv_line(self._columns), *(_csv_line(_cells(row, self._columns)) for row in merged)]
        write_text(self._csv_path, "".join(lines))
        self._last = merged[-1] if merged else None
        self._last_length = len(lines[-1].encode()) if merged else 0
        self._last_offset = sum(len(line.encode()) for line in lines) - self._last_length

    def _write_to_table(self, row: Row) -> None:
        new_columns = [name for name in row if name not in self._columns]
        joins_last = self._last is not None and _same_moment(self._last, row)
        merged: Row = {**self._last, **row} if joins_last and self._last is not None else row
        if new_columns or not self._csv_path.exists():
            self._columns += new_columns
            self._write_table(merge_rows(read_metrics(self._jsonl_path)))
            return
        line = _csv_line(_cells(merged, self._columns)).encode()
        if joins_last and len(line) < self._last_length:  # a shorter line can't cover the old one
            self._write_table(merge_rows(read_metrics(self._jsonl_path)))
            return
        if not joins_last:
            self._last_offset += self._last_length
        if self._csv is None:
            self._csv = FileIO(self._csv_path, "r+")
        self._csv.seek(self._last_offset)
        _write_all(self._csv, line)
        self._last, self._last_length = merged, len(line)


def read_metrics(path: str | Path) -> list[Row]:
    """Return the rows of a `metrics.jsonl`; a last line that was torn by a kill is left out.

    Raises:
        DataError: when a line before the last is damaged.
    """
    rows: list[Row] = []
    lines = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            if not line.endswith("\n"):
                raise ValueError("the line has no end")
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(row.get("step"), int):
                raise ValueError("the line holds no row with a step")  # noqa: TRY004 - a damaged line, like bad JSON
        except ValueError as error:
            if number == len(lines):
                break
            raise DataError(
                Fault("a line of metrics is damaged", f"{path}:{number}", got=str(error), mend="remove the line")
            ) from error
        rows.append(
            {name: _NON_FINITE.get(value, value) if isinstance(value, str) else value for name, value in row.items()}
        )
    return rows


def read_table(path: str | Path) -> list[Row]:
    """Return the rows of a `metrics.csv`; empty cells are left out."""
    with open(path, encoding="utf-8", newline="") as file:
        return [
            {name: _cell_value(name, text) for name, text in cells.items() if text} for cells in csv.DictReader(file)
        ]


def merge_rows(rows: Iterable[Row]) -> list[Row]:
    """Join neighboring rows of the same (step, epoch); a later value of the same metric wins."""
    merged: list[Row] = []
    for row in rows:
        if merged and _same_moment(merged[-1], row):
            merged[-1] = {**merged[-1], **row}
        else:
            merged.append(dict(row))
    return merged


def series(rows: Iterable[Row], metric: str) -> tuple[list[int], list[float]]:
    """Return steps and values of one metric, in order of steps; a later value at the same step wins."""
    by_step = {row["step"]: float(row[metric]) for row in rows if row.get(metric) is not None}
    steps = sorted(by_step)
    return steps, [by_step[step] for step in steps]


def _same_moment(one: Row, other: Row) -> bool:
    return one["step"] == other["step"] and one.get("epoch") == other.get("epoch")


def _as_numbers(metrics: Mapping[str, Any]) -> dict[str, float | int]:
    values: dict[str, float | int] = {}
    faults: list[Fault] = []
    for name, value in metrics.items():
        if name in KEYS:
            faults.append(Fault(f"a metric can't be named {name!r}", got=name, mend="rename the metric"))
            continue
        try:
            values[name] = value if type(value) is int else float(value)
        except (TypeError, ValueError):
            faults.append(Fault(f"the metric {name!r} is not a number", got=repr(value), expected="one number"))
    if faults:
        raise DataError(faults)
    return values


def _to_json(row: Row) -> str:
    return json.dumps({name: _json_value(value) for name, value in row.items()}, allow_nan=False, ensure_ascii=False)


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _columns_of(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys([*KEYS, *(name for row in rows for name in row)]))


def _cells(row: Row, columns: list[str]) -> list[str]:
    values = (row.get(name) for name in columns)
    return ["" if value is None else repr(value) if isinstance(value, float) else str(value) for value in values]


def _csv_line(cells: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _cell_value(column: str, text: str) -> Any:
    return text if column == "time" else int(text) if column in KEYS else float(text)


def _write_all(file: FileIO, data: bytes) -> None:
    """Write all bytes. A line is one call to the kernel, which a kill does not cut."""
    while data:
        data = data[file.write(data) or 0 :]


def _append(file: FileIO, data: bytes) -> None:
    """Append all bytes or, when the disk is full, none."""
    size = os.fstat(file.fileno()).st_size
    try:
        _write_all(file, data)
    except OSError:
        os.ftruncate(file.fileno(), size)
        raise
