"""Virtual windows as a table: `windows.csv` names an image, a label and a rectangle of pixels per row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rasterio.windows import Window

from geofoundry.core.errors import DataError, Fault, plural
from geofoundry.core.files import write_text
from geofoundry.core.suggest import did_you_mean
from geofoundry.geo.windows import pixel_window

REQUIRED = ("key", "image", "row", "col", "height", "width")
OPTIONAL = ("label", "split", "fold")
SPLIT_NAMES = ("train", "val", "test", "")


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A window of an image and of the label on the same grid.

    `split` is `train`, `val`, `test`, or empty for a window that no split uses; `fold` counts from 0.
    """

    key: str
    image: Path
    row: int
    col: int
    height: int
    width: int
    label: Path | None = None
    split: str = ""
    fold: int | None = None

    @property
    def window(self) -> Window:
        """The rectangle, as rasterio has it."""
        return pixel_window(self.row, self.col, self.height, self.width)


def write_window_table(path: str | Path, rows: Sequence[WindowRow]) -> None:
    """Write a table atomically; files below its folder are named relative to it, so that both can move together.

    The columns `split` and `fold` appear when any row has one.
    """
    folder = Path(path).parent
    columns = ["key", "image", "label", "row", "col", "height", "width"]
    columns += ["split"] * any(row.split for row in rows) + ["fold"] * any(row.fold is not None for row in rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = {name: getattr(row, name) for name in columns}
        for name in ("image", "label"):
            values[name] = _shown(values[name], folder)
        writer.writerow(["" if values[name] is None else values[name] for name in columns])
    write_text(path, text.getvalue())


def read_window_table(path: str | Path) -> list[WindowRow]:
    """Read a table; relative file names start from its folder.

    Raises:
        DataError: with everything that is wrong with it.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(Fault("a window table can't be read", str(path), str(error), "a CSV file in UTF-8")) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = list(reader.fieldnames or [])
    faults = _column_faults(path, columns)
    if faults:
        raise DataError(faults)
    rows = [_parsed(path, line, values, faults) for line, values in enumerate(reader, start=2)]
    kept = [row for row in rows if row is not None]
    faults += _key_faults(path, kept)
    if not rows:
        faults.append(Fault("a window table is empty", str(path), "no rows", "one row per window"))
    if faults:
        raise DataError(faults, summary=f"{plural(len(faults), 'fault')} in {path}")
    return kept


def _shown(file: Path | None, folder: Path) -> str | None:
    if file is None:
        return None
    absolute, base = file.resolve(), folder.resolve()
    return absolute.relative_to(base).as_posix() if absolute.is_relative_to(base) else str(absolute)


def _column_faults(path: Path, columns: Sequence[str]) -> list[Fault]:
    known = (*REQUIRED, *OPTIONAL)
    missing = [name for name in REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in known]
    faults = [
        Fault(
            "a window table has an unknown column", str(path), repr(name), ", ".join(known), did_you_mean(name, known)
        )
        for name in unknown
    ]
    if missing:
        faults.append(Fault("a window table lacks columns", str(path), ", ".join(columns), ", ".join(missing)))
    return faults


def _parsed(path: Path, line: int, values: dict[str, str], faults: list[Fault]) -> WindowRow | None:
    where = f"{path}:{line}"
    if None in values or None in values.values():
        faults.append(Fault("a row has another number of values than the header", where))
        return None
    numbers: dict[str, int] = {}
    for name in ("row", "col", "height", "width"):
        lowest = 0 if name in ("row", "col") else 1
        if values[name].isdigit() and int(values[name]) >= lowest:
            numbers[name] = int(values[name])
        else:
            faults.append(Fault(f"{name} is no whole number", where, repr(values[name]), f"at least {lowest}"))
    split, fold = values.get("split", ""), values.get("fold", "")
    if split not in SPLIT_NAMES:
        got, names = repr(split), "train, val, test, or nothing"
        faults.append(Fault("an unknown split", where, got, names, did_you_mean(split, SPLIT_NAMES[:3])))
    if fold and not fold.isdigit():
        faults.append(Fault("fold is no whole number", where, repr(fold), "at least 0"))
    if not values["key"] or not values["image"]:
        faults.append(Fault("a row lacks its key or its image", where))
    if len(numbers) < 4 or not values["image"] or (fold and not fold.isdigit()):
        return None
    label = values.get("label", "")
    return WindowRow(
        key=values["key"],
        image=path.parent / values["image"],
        label=path.parent / label if label else None,
        split=split,
        fold=int(fold) if fold else None,
        **numbers,
    )


def _key_faults(path: Path, rows: Iterable[WindowRow]) -> list[Fault]:
    seen: set[str] = set()
    repeated = sorted({row.key for row in rows if row.key in seen or seen.add(row.key)})
    if not repeated:
        return []
    got = ", ".join(repeated[:5]) + (" ..." if len(repeated) > 5 else "")
    return [Fault("keys occur twice", str(path), got, "a key of its own for every window")]
