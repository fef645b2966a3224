"""What a split deals out: chips or windows, each with a place on the ground."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from geofoundry.core.errors import DataError, Fault, plural
from geofoundry.core.progress import track
from geofoundry.data.pairing import Sample
from geofoundry.geo.grid import Grid
from geofoundry.geo.reading import opening, open_raster, read_header, read_pixels
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
    grids: dict[Path, Grid] = {}
    faults: list[Fault] = []
    images = list(dict.fromkeys(sample.image for sample in samples))
    with opening():
        for image in track(images, "reading headers", total=len(images)):
            try:
                grids[image] = read_header(image).grid
            except DataError as error:
                faults.extend(error.faults)
    if faults:
        raise DataError(faults, summary=f"{plural(len(faults), 'image')} can't be read")
    return [_item(sample, grids[sample.image]) for sample in samples]


def _item(sample: Sample, grid: Grid) -> SplitItem:
    window = sample.window or pixel_window(0, 0, grid.height, grid.width)
    return SplitItem(sample.key, sample.image, grid.of_window(window), window, sample.label)


def count_classes(items: Sequence[SplitItem], ignore_index: int | None) -> list[SplitItem]:
    """Return the items with their pixels of each class counted; items without a label stay as they are.

    Raises:
        DataError: when a label can't be read.
    """
    with opening():
        return [
            replace(item, class_px=_class_px(item.label, item.window, ignore_index)) if item.label is not None else item
            for item in track(items, "counting the classes", total=len(items))
        ]


def _class_px(label: Path, window: Window, ignore_index: int | None) -> dict[int, int]:
    with open_raster(label) as dataset:
        values, counts = np.unique(read_pixels(dataset, [1], window), return_counts=True)
        ignored = {ignore_index, dataset.nodata}
    pixels = zip(values.tolist(), counts.tolist(), strict=True)
    # NaN, fractions and negative values are no classes; the data check tells of them.
    return {int(v): count for v, count in pixels if v not in ignored and v >= 0 and float(v).is_integer()}


def class_table(items: Iterable[SplitItem]) -> tuple[list[int], np.ndarray]:
    """Return the class ids that occur, and the pixels of each class in each item as float64 (items, classes)."""
    rows = [item.class_px for item in items]
    ids = sorted({class_id for row in rows for class_id in row})
    table = [[row.get(class_id, 0) for class_id in ids] for row in rows]
    return ids, np.array(table, dtype=np.float64).reshape(len(rows), len(ids))
