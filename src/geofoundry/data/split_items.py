"""What a split deals out: chips or windows, each with a place on the ground."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from geofoundry.core.errors import DataError, plural
from geofoundry.data.pairing import Sample
from geofoundry.data.scan import FileScanner
from geofoundry.geo.grid import Grid
from geofoundry.geo.windows import pixel_window


@dataclass(frozen=True, slots=True)
class SplitItem:
    """A chip, or a window of a larger raster.

    `grid` is the item's own grid on the ground, `window` its place in the file `image`. `class_px` counts the
    labelled pixels of each class, by the label file's value, where labels were looked at.
    """

    key: str
    image: Path
    grid: Grid
    window: Window
    label: Path | None = None
    class_px: Mapping[int, int] = field(default_factory=dict)

    @property
    def has_place(self) -> bool:
        """Whether it is known where on the ground the item lies, rather than only where in its file."""
        return self.grid.is_georeferenced


def items_of(samples: Sequence[Sample]) -> list[SplitItem]:
    """Return the samples with their place on the ground, from the images' headers.

    Raises:
        DataError: with one fault for every image that can't be read.
    """
    scanner = FileScanner()
    headers = scanner.headers([sample.image for sample in samples])
    if scanner.faults:
        raise DataError(scanner.faults, summary=f"{plural(len(scanner.faults), 'image')} can't be read")
    return [_item(sample, headers[sample.image].grid) for sample in samples]


def _item(sample: Sample, grid: Grid) -> SplitItem:
    window = sample.window or pixel_window(0, 0, grid.height, grid.width)
    return SplitItem(sample.key, sample.image, grid.of_window(window), window, sample.label)


def count_classes(items: Sequence[SplitItem], ignore_index: int | None) -> list[SplitItem]:
    """Return the items with their pixels of each class counted; items without a label stay as they are.

    Raises:
        DataError: with one fault for every label that can't be read.
    """
    scanner = FileScanner()
    headers = scanner.headers([item.label for item in items if item.label is not None])

    def place(item: SplitItem, label: Path) -> tuple[Path, Window | None]:
        # A whole label is asked for as such, because the scanner may know it from a data check.
        is_whole = (item.window.height, item.window.width) == headers[label].shape
        return label, None if is_whole else item.window

    places = {item.key: place(item, item.label) for item in items if item.label in headers}
    summaries = scanner.labels(list(places.values()))
    if scanner.faults:
        raise DataError(scanner.faults, summary=f"{plural(len(scanner.faults), 'label')} can't be read")

    def counted(item: SplitItem) -> SplitItem:
        if item.label is None:
            return item
        ignored = (ignore_index, headers[item.label].nodata[0])
        counts = summaries[places[item.key]].counts.items()
        # NaN, fractions and negative values are no classes; the data check tells of them.
        kept = {int(v): n for v, n in counts if v not in ignored and v >= 0 and float(v).is_integer()}
        return replace(item, class_px=kept)

    return [counted(item) for item in items]


def class_table(items: Iterable[SplitItem]) -> tuple[list[int], np.ndarray]:
    """Return the class ids that occur, and the pixels of each class in each item as float64 (items, classes)."""
    rows = [item.class_px for item in items]
    ids = sorted({class_id for row in rows for class_id in row})
    table = [[row.get(class_id, 0) for class_id in ids] for row in rows]
    return ids, np.array(table, dtype=np.float64).reshape(len(rows), len(ids))
