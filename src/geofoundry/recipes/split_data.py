"""Split labelled images honestly, and write the split where a datamodule reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.data.class_naming import name_classes_of
from geofoundry.data.grouping import Grouping, group_by_block, group_by_polygon, group_by_scene
from geofoundry.data.split_files import describe, write_key_files, write_split_windows
from geofoundry.data.split_items import SplitItem, count_classes, items_of
from geofoundry.data.splits import Split, fold_items, split_items
from geofoundry.geo.polygon_files import read_outlines
from geofoundry.recipes.data_selection import DataSelection

By = Literal["block", "scene", "polygon"]
DEFAULT_FRACTION = 0.15


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """How to split; see `geofoundry.data.splits` and `geofoundry.data.grouping` for what each means."""

    by: By = "block"
    folds: int | None = None
    val_fraction: float | None = None
    test_fraction: float | None = None
    seed: int = 0
    block_size_m: float | None = None
    block_size_px: int | None = None
    buffer_m: float = 0.0
    buffer_px: float = 0.0
    scene_pattern: str | None = None
    polygons: Path | None = None
    layer: str | None = None

    def check(self) -> None:
        """Raise ConfigError with every option that doesn't go with the others."""
        faults = []
        only = {
            "block": ("block_size_m", "block_size_px"),
            "scene": ("scene_pattern",),
            "polygon": ("polygons", "layer"),
        }
        for kind, names in only.items():
            for name in names:
                if kind != self.by and getattr(self, name) is not None:
                    flag = f"--{name.replace('_', '-')}"
                    faults.append(
                        Fault(f"{flag} has no meaning with --by {self.by}", mend=f"pass --by {kind}, or leave it out")
                    )
        if self.by == "polygon" and self.polygons is None:
            faults.append(Fault("--by polygon needs the polygons", expected="--polygons FILE (GeoJSON, GeoPackage)"))
        if self.folds is not None and self.test_fraction is not None:
            mend = "leave --test-fraction out: every fold tests on one part of k"
            faults.append(Fault("--test-fraction has no meaning with --folds", mend=mend))
        if min(self.buffer_m, self.buffer_px) < 0:
            faults.append(Fault("a buffer can't be negative", got=f"{self.buffer_m} m, {self.buffer_px} px"))
        if faults:
            raise ConfigError(faults)


@dataclass(frozen=True, slots=True)
class SplitReport:
    """What was split how, and the files that hold it."""

    splits: list[Split]
    files: list[Path]
    settings: dict[str, Any]
    class_names: dict[int, str]

    def gaps(self) -> list[str]:
        """Say for each split which classes have no pixel in it."""
        remarks = []
        for number, split in enumerate(self.splits):
            fold = f" of fold {number}" if len(self.splits) > 1 else ""
            for name, shares in split.class_shares().items():
                absent = [self.class_names.get(i, f"class {i}") for i, share in shares.items() if not share]
                if absent:
                    remarks.append(f"no pixel of {', '.join(absent)} in {name}{fold}")
        return remarks

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "settings": self.settings,
            "classes": {str(class_id): name for class_id, name in self.class_names.items()},
            "files": [str(file) for file in self.files],
            "splits": [describe(split) for split in self.splits],
        }


def split_data(
    selection: DataSelection, settings: SplitSettings, out: Path | None = None, *, overwrite: bool = False
) -> SplitReport:
    """Split chips into lists of keys, or the windows of a windows file into a copy with a split column.

    `out` is a folder (`splits` in the data's root unless given), or, for windows, a file (`NAME_split.csv` beside
    the windows file unless given).

    Raises:
        ConfigError: when settings don't go together, or another split lies at `out`.
        DataError: when images can't be paired, placed or split.
    """
    settings.check()
    rows = selection.rows()
    items = items_of([row.sample for row in rows])
    class_names: dict[int, str] = {}
    labels = list(dict.fromkeys(item.label for item in items if item.label is not None))
    if labels:
        naming = name_classes_of(labels)
        ignore = naming.ignore if selection.ignore_index is None else selection.ignore_index
        class_names = naming.names
        items = count_classes(items, ignore)
    splits = _split(items, settings)
    plain = {name: str(v) if isinstance(v, Path) else v for name, v in asdict(settings).items() if v is not None}
    if selection.windows is None:
        files = write_key_files(out or selection.root / "splits", splits, plain, overwrite=overwrite)
    else:
        target = out or selection.windows.with_stem(f"{selection.windows.stem}_split")
        files = write_split_windows(target, rows, splits, plain, overwrite=overwrite)
    return SplitReport(splits, files, plain, class_names)


def _split(items: Sequence[SplitItem], settings: SplitSettings) -> list[Split]:
    fractions = {"val_fraction": DEFAULT_FRACTION if settings.val_fraction is None else settings.val_fraction}
    options: dict[str, Any] = {
        "seed": settings.seed,
        "buffer_m": settings.buffer_m,
        "buffer_px": settings.buffer_px,
        **fractions,
    }
    group = _grouping(settings)
    if settings.folds is not None:
        return fold_items(items, group, folds=settings.folds, **options)
    test_fraction = DEFAULT_FRACTION if settings.test_fraction is None else settings.test_fraction
    return [split_items(items, group, test_fraction=test_fraction, **options)]


def _grouping(settings: SplitSettings) -> Callable[[Sequence[SplitItem]], Grouping]:
    if settings.by == "block":
        return partial(group_by_block, block_size_m=settings.block_size_m, block_size_px=settings.block_size_px)
    if settings.by == "scene":
        return partial(group_by_scene, pattern=settings.scene_pattern)
    assert settings.polygons is not None
    return partial(group_by_polygon, polygons=read_outlines(settings.polygons, layer=settings.layer))
