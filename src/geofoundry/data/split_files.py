"""Splits on disk: lists of keys, or windows files with a split column, both as the datamodule reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.files import require_writable_folder, write_json, write_text
from geofoundry.data.splits import Split
from geofoundry.data.windows_file import WindowRow
from geofoundry.data.windows_writing import windows_text

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


def write_split_windows(
    path: str | Path,
    rows: Sequence[WindowRow],
    splits: Sequence[Split],
    settings: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write a windows file with its split column filled; several folds become `NAME_fold0.csv` and so on.

    Windows that are left out are not in it; `NAME.split.json` lists their keys and says how the split was made.

    Raises:
        ConfigError: when another split lies there already and `overwrite` is not set.
    """
    target = Path(path)
    places = [target] if len(splits) == 1 else [target.with_stem(f"{target.stem}_fold{i}") for i in range(len(splits))]
    texts: dict[Path, str] = {}
    for place, split in zip(places, splits, strict=True):
        owner = {key: name for name, keys in split.keys().items() for key in keys}
        chosen = [WindowRow(row.sample, owner[row.sample.key]) for row in rows if row.sample.key in owner]
        texts[place] = windows_text(place, chosen)
    _refuse_others(target.parent, texts, overwrite)
    require_writable_folder(target.parent)
    for (place, text), split in zip(texts.items(), splits, strict=True):
        write_text(place, text)
        left_out = [item.key for item in split.left_out]
        write_json(place.with_suffix(".split.json"), {**settings, **describe(split), "left_out_keys": left_out})
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
