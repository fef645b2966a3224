"""Splits on disk: key lists that a datamodule reads, or window tables with a split column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.files import require_writable_folder, write_json, write_text
from geofoundry.data.splits import Split
from geofoundry.data.window_table import WindowRow, write_window_table

LEFT_OUT = "left_out"


def key_files(split: Split) -> dict[str, str]:
    """Return the text files of a split by name: one key per line, `left_out.txt` only when anything is left out."""
    lists = split.keys() | ({LEFT_OUT: [item.key for item in split.left_out]} if split.left_out else {})
    return {f"{name}.txt": "".join(f"{key}\n" for key in keys) for name, keys in lists.items()}


def write_key_files(
    folder: str | Path, splits: Sequence[Split], settings: Mapping[str, Any], *, overwrite: bool
) -> list[Path]:
    """Write `train.txt`, `val.txt`, `test.txt` and `split.json`; several folds go to `fold0/`, `fold1/`, ...

    Raises:
        ConfigError: when another split lies there already and `overwrite` is not set.
    """
    texts = {place / name: text for place, split in _places(folder, splits) for name, text in key_files(split).items()}
    _refuse_others(Path(folder), texts, overwrite)
    require_writable_folder(folder)
    for place, split in _places(folder, splits):
        stale = place / f"{LEFT_OUT}.txt"
        if not split.left_out:
            stale.unlink(missing_ok=True)
    for path, text in texts.items():
        write_text(path, text)
    for place, split in _places(folder, splits):
        write_json(place / "split.json", {**settings, **describe(split)})
    return list(texts)


def write_split_tables(
    path: str | Path, rows: Sequence[WindowRow], splits: Sequence[Split], settings: Mapping[str, Any]
) -> list[Path]:
    """Write a window table with its split column filled; several folds go to `fold0/windows.csv` and so on."""
    target = Path(path)
    places = [target] if len(splits) == 1 else [target.parent / f"fold{i}" / target.name for i in range(len(splits))]
    require_writable_folder(target.parent)
    for number, (place, split) in enumerate(zip(places, splits, strict=True)):
        owner = {key: name for name, keys in split.keys().items() for key in keys}
        fold = number if len(splits) > 1 else None
        write_window_table(place, [replace(row, split=owner.get(row.key, ""), fold=fold) for row in rows])
        write_json(place.with_suffix(".split.json"), {**settings, **describe(split)})
    return places


def describe(split: Split) -> dict[str, Any]:
    """Return as plain data how a split was made and what is in it."""
    return {
        "method": split.method,
        "items": {name: len(items) for name, items in split.members.items()} | {LEFT_OUT: len(split.left_out)},
        "class_shares": {
            name: {str(class_id): round(share, 4) for class_id, share in shares.items()}
            for name, shares in split.class_shares().items()
        },
    }


def _places(folder: str | Path, splits: Sequence[Split]) -> list[tuple[Path, Split]]:
    base = Path(folder)
    if len(splits) == 1:
        return [(base, splits[0])]
    return [(base / f"fold{number}", split) for number, split in enumerate(splits)]


def _refuse_others(folder: Path, texts: Mapping[Path, str], overwrite: bool) -> None:
    differing = [path for path, text in texts.items() if path.is_file() and path.read_text(encoding="utf-8") != text]
    if differing and not overwrite:
        raise ConfigError(
            Fault(
                what="another split is there already",
                where=str(folder),
                got=", ".join(str(path.relative_to(folder)) for path in differing),
                expected="a folder without split files, or the same split",
                mend="choose another folder, or pass --overwrite; runs that used the old split can't be compared any more",
            )
        )
