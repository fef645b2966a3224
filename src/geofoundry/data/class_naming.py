"""What the classes of label files are called, as far as anything beside them tells."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geofoundry.core.errors import DataError, Fault
from geofoundry.data.scan import FileScanner
from geofoundry.geo.legend_files import read_class_names

LEGEND_FILES = ("classes.json", "meta.json")
LIKELY_UNLABELLED = 255


@dataclass(frozen=True, slots=True)
class Naming:
    """Class names by label value, the label value that means unlabelled, and where both are from."""

    names: dict[int, str]
    ignore: int | None
    source: str


def name_classes(values: Iterable[int], labels: Iterable[Path], nodata: float | None) -> Naming:
    """Name the values of label files.

    Names come from a `classes.json` or `meta.json` beside the files or one folder up, that has `classes` (value to
    name, or a list) and maybe `ignore_index`; else from the files themselves (the tag `CLASS_NAMES`, GDAL's category
    names). They count only if they name every value. A class that is named but doesn't occur is kept.

    Unlabelled is what such a file says, else the files' nodata value, else 255 where it occurs and has no name.
    """
    paths, found = list(labels), set(values)
    for names, ignore, source in _legends(paths):
        if ignore is None:
            ignore = _unlabelled(found, names, nodata)
        if names and found - {ignore} <= names.keys():
            kept = {value: name for value, name in sorted(names.items()) if value != ignore}
            return Naming(kept, ignore, source)
    ignore = _unlabelled(found, {}, nodata)
    unnamed = {value: f"class {value}" for value in sorted(found - {ignore})}
    return Naming(unnamed, ignore, "the values found; give them names")


def name_classes_of(labels: Sequence[Path]) -> Naming:
    """Name the values of label files, all of which are looked at.

    Raises:
        DataError: when a file can't be read, or its values are too many or too odd for classes.
    """
    scanner = FileScanner()
    headers = scanner.headers(labels)
    summaries = scanner.labels([(path, None) for path in headers])
    faults = list(scanner.faults)
    for (path, _), summary in summaries.items():
        odd = [value for value in summary.counts if not float(value).is_integer() and value == value]
        if summary.truncated or odd:
            got = "over 1000 different values" if summary.truncated else f"{odd[0]:g}"
            faults.append(Fault("the values are no classes", str(path), got, "whole numbers", "is it an image?"))
    if faults:
        raise DataError(faults)
    values = {int(value) for summary in summaries.values() for value in summary.counts if value == value}
    nodata = {header.nodata[0] for header in headers.values()}
    return name_classes(values, labels, nodata.pop() if len(nodata) == 1 else None)


def label_arguments(names: Mapping[int, str], ignore: int | None) -> dict[str, Any]:
    """Return the datamodule's arguments for label values with these names, and one that means unlabelled."""
    classes = list(names.values()) if list(names) == list(range(len(names))) else dict(names)
    if ignore is None:
        return {"classes": classes}
    if ignore >= len(names):
        return {"classes": classes, "ignore_index": ignore}
    # In batches classes count from 0, so a low number can't mean unlabelled as well.
    return {"classes": classes, "ignore_index": LIKELY_UNLABELLED, "label_map": {ignore: LIKELY_UNLABELLED}}


def _unlabelled(found: set[int], names: Mapping[int, str], nodata: float | None) -> int | None:
    if nodata is not None and float(nodata).is_integer() and int(nodata) not in names:
        return int(nodata)
    return LIKELY_UNLABELLED if LIKELY_UNLABELLED in found and LIKELY_UNLABELLED not in names else None


def _legends(labels: Sequence[Path]) -> Iterator[tuple[dict[int, str], int | None, str]]:
    """Yield names, ignore index and source of every legend there is, the most explicit first."""
    for folder in labels[0].resolve().parents[:2] if labels else ():
        for name in LEGEND_FILES:
            try:
                legend = json.loads((folder / name).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(legend, dict):
                ignore = legend.get("ignore_index")
                yield _plain_names(legend.get("classes")), ignore if isinstance(ignore, int) else None, name
    if labels:
        yield read_class_names(labels[0]), None, "the label files"


def _plain_names(classes: Any) -> dict[int, str]:
    """Return value to name of what stands in a legend file, empty when it isn't that."""
    if isinstance(classes, list):
        return {value: str(name) for value, name in enumerate(classes)}
    if not isinstance(classes, dict):
        return {}
    try:
        return {int(value): str(name) for value, name in classes.items()}
    except ValueError:
        return {}
