"""Write the CSV of virtual windows that `geofoundry.data.windows_file` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from geofoundry.core.files import write_text
from geofoundry.data.windows_file import WindowRow


def write_windows(path: str | Path, rows: Sequence[WindowRow]) -> None:
    """Write a windows file atomically; see `windows_text` for what it says."""
    write_text(path, windows_text(path, rows))


def windows_text(path: str | Path, rows: Sequence[WindowRow]) -> str:
    """Return the text of a windows file that is to lie at `path`.

    Rasters below the file's folder are named relative to it, so that the folder can move as a whole; others by
    their absolute path. The columns `split` and `fold` appear when any row has one.
    """
    folder = Path(path).resolve().parent
    columns = ["key", "image", "label", "row", "col", "height", "width"]
    columns += ["split"] * any(row.split for row in rows) + ["fold"] * any(row.fold is not None for row in rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_line(row, folder) for row in rows)
    return text.getvalue()


def _line(row: WindowRow, folder: Path) -> dict[str, object]:
    sample = row.sample
    place = (
        {}
        if sample.window is None
        else {
            "row": sample.window.row_off,
            "col": sample.window.col_off,
            "height": sample.window.height,
            "width": sample.window.width,
        }
    )
    return {
        "key": sample.key,
        "image": _shown(sample.image, folder),
        "label": _shown(sample.label, folder) if sample.label is not None else "",
        "split": row.split,
        "fold": "" if row.fold is None else row.fold,
        **place,
    }


def _shown(file: Path, folder: Path) -> str:
    absolute = file.resolve()
    return absolute.relative_to(folder).as_posix() if absolute.is_relative_to(folder) else str(absolute)
