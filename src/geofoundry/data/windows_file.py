"""A CSV of virtual windows: many samples from few rasters, without cutting them into chips."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rasterio.windows import Window

from geofoundry.core.errors import Fault
from geofoundry.core.suggest import did_you_mean
from geofoundry.data.pairing import Sample, shown

REQUIRED = ("key", "image")
OPTIONAL = ("label", "row", "col", "height", "width", "split", "fold")
SPLIT_NAMES = ("train", "val", "test")
_PLACE = ("row", "col", "height", "width")


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A line of the file: the sample, and the split or fold that it was given, if any."""

    sample: Sample
    split: str = ""
    fold: int | None = None


def read_windows(path: str | Path, root: str | Path) -> tuple[list[WindowRow], list[Fault]]:
    """Read a windows file: `key,image,label,row,col,height,width[,split,fold]`.

    Paths are relative to the file's own folder or to `root`. A line without row, col, height and width stands for
    the whole image. Faults name the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return [], [Fault("the windows file can't be read", str(path), got=str(error), mend="correct `windows`")]
    reader = csv.DictReader(text.splitlines())
    columns = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    faults = _column_faults(path, columns)
    if faults:
        return [], faults
    rows = []
    for line in reader:
        row = _read_line({k: (v or "").strip() for k, v in line.items() if k}, f"{path}:{reader.line_num}")
        if isinstance(row, Fault):
            faults.append(row)
        else:
            rows.append(row)
    if not rows and not faults:
        faults.append(Fault("the windows file is empty", str(path), mend="write it with `geofoundry data prepare`"))
    repeated = [key for key, count in Counter(row.sample.key for row in rows).items() if count > 1]
    if repeated:
        faults.append(Fault("keys occur more than once", str(path), got=shown(repeated), expected="one line per key"))
    folders = (Path(path).parent, Path(root))
    return [_located(row, folders) for row in rows], faults


def _column_faults(path: str | Path, columns: list[str]) -> list[Fault]:
    known = (*REQUIRED, *OPTIONAL)
    missing = [name for name in REQUIRED if name not in columns]
    given = [name for name in _PLACE if name in columns]
    missing += [name for name in _PLACE if given and name not in columns]
    faults = []
    if missing:
        faults.append(
            Fault(
                what="the windows file lacks columns",
                where=str(path),
                got=", ".join(columns) or "an empty file",
                expected=", ".join(known),
                mend="add " + ", ".join(missing),
            )
        )
    for name in columns:
        if name not in known:
            mend = did_you_mean(name, known) or "remove it"
            faults.append(Fault(f"unknown column {name!r}", str(path), expected=", ".join(known), mend=mend))
    return faults


def _read_line(line: dict[str, str], where: str) -> WindowRow | Fault:
    if not line["key"] or not line["image"]:
        return Fault("a window without key or image", where, mend="fill in both")
    place = [line.get(name, "") for name in _PLACE]
    fold = line.get("fold", "")
    try:
        numbers = [int(value) for value in place] if any(place) else []
        fold_number = int(fold) if fold else None
    except ValueError:
        got = ", ".join(f"{name} {value!r}" for name, value in zip((*_PLACE, "fold"), (*place, fold), strict=True))
        return Fault("a window's place or fold is no whole number", where, got=got, mend="write whole pixels")
    if numbers and (min(numbers[:2]) < 0 or min(numbers[2:]) < 1):
        got = ", ".join(f"{name} {value}" for name, value in zip(_PLACE, numbers, strict=True))
        return Fault("a window lies outside every raster", where, got=got, expected="row and col from 0, a size from 1")
    split = line.get("split", "")
    if split not in ("", *SPLIT_NAMES):
        mend = did_you_mean(split, SPLIT_NAMES)
        return Fault(f"unknown split {split!r}", where, expected=", ".join(SPLIT_NAMES), mend=mend)
    window = Window(numbers[1], numbers[0], numbers[3], numbers[2]) if numbers else None  # type: ignore[call-arg]
    label = Path(line["label"]) if line.get("label") else None
    return WindowRow(Sample(line["key"], Path(line["image"]), label, window), split, fold_number)


def _located(row: WindowRow, folders: tuple[Path, Path]) -> WindowRow:
    sample = row.sample
    label = None if sample.label is None else _find(sample.label, folders)
    return WindowRow(Sample(sample.key, _find(sample.image, folders), label, sample.window), row.split, row.fold)


def _find(path: Path, folders: tuple[Path, Path]) -> Path:
    for folder in folders:
        if (folder / path).is_file():
            return folder / path
    return folders[0] / path
