"""How images and labels lie, and what a first configuration says about it: globs and key lists, or windows."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from geofoundry.core.errors import DataError, Fault, GeofoundryError, plural
from geofoundry.core.optional import require
from geofoundry.data.class_naming import Naming, name_classes_of
from geofoundry.data.grouping import group_by_block, group_by_polygon, group_by_scene
from geofoundry.data.pairing import Sample
from geofoundry.data.prepare import WINDOWS_FILE, CutSettings
from geofoundry.data.scan import FileScanner
from geofoundry.data.split_files import write_key_files, write_split_windows
from geofoundry.data.split_items import SplitItem, count_classes, items_of
from geofoundry.data.splits import Split, split_items
from geofoundry.data.windows_file import read_windows
from geofoundry.geo.footprints import grid_footprint
from geofoundry.geo.polygon_files import read_polygons
from geofoundry.geo.reading import RasterHeader
from geofoundry.geo.vectors import LabelPolygons, is_vector_file
from geofoundry.geo.windows import cover
from geofoundry.recipes.data_selection import DataSelection
from geofoundry.recipes.prepare_data import RASTER_SUFFIXES, find_rasters, prepare_data

CHIP_SIZES_PX = (256, 128, 64, 32)  # whole multiples of 32: most networks halve the image five times
ENOUGH_WINDOWS = 30
ENOUGH_GROUPS, ENOUGH_GROUPS_PER_CLASS = 12, 3
FEW_FILES = 6  # so few files are cut into windows, or there would be nothing to split
SPLIT_FRACTION = 0.2
# A finer grouping of chips without CRS: the row of the scene that the key tells.
ROW_PATTERN = r"(.+?[_-]r\d+)"


@dataclass(frozen=True, slots=True)
class InitOptions:
    """What a user may decide: see `geofoundry init --help`."""

    attribute: str | None = None
    layer: str | None = None
    classes: tuple[str, ...] | None = None
    chip_size_px: int | None = None
    ignore_index: int | None = None
    repair: bool = False
    seed: int = 0


@dataclass(slots=True)
class Layout:
    """Where the samples are, as arguments of the datamodule, and why.

    `reasons` explains arguments by name; `samples` are all labelled samples, in the splits that `arguments` name.
    """

    arguments: dict[str, Any]
    samples: list[Sample]
    naming: Naming
    reasons: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def lay_out(images: str, labels: str, folder: Path, options: InitOptions, *, overwrite: bool) -> Layout:
    """Look at images and labels, and write what their split needs (key lists, windows, labels) into `folder`.

    Raises:
        ConfigError: when options don't fit the data.
        DataError: when images and labels can't be read or don't meet.
    """
    if is_vector_file(labels) or len(find_rasters([images])) < FEW_FILES:
        return _scenes(images, labels, folder, options, overwrite=overwrite)
    return _chips(images, labels, folder, options, overwrite=overwrite)


def _chips(images: str, labels: str, folder: Path, options: InitOptions, *, overwrite: bool) -> Layout:
    root, image_glob, label_glob = common_root(images, labels)
    selection = DataSelection(root, image_glob, label_glob)
    samples = [row.sample for row in selection.rows()]
    naming = _naming_of_rasters([s.label for s in samples if s.label is not None], options)
    items = count_classes(items_of(samples), naming.ignore)
    arguments = {"root": shown_path(root), "image_glob": image_glob, "label_glob": label_glob}
    split, reason = _split_chips(items, options.seed)
    if split is None:
        return Layout(arguments, samples, naming, {"split": reason})
    write_key_files(folder, [split], {"seed": options.seed}, overwrite=overwrite)
    arguments |= {f"{name}_split": shown_path(folder / f"{name}.txt") for name in split.members}
    kept = {item.key for members in split.members.values() for item in members}
    return Layout(arguments, [s for s in samples if s.key in kept], naming, {"split": reason})


def _split_chips(items: Sequence[SplitItem], seed: int) -> tuple[Split | None, str]:
    """Return the first split that can be made, and in words how; None leaves it to the datamodule."""
    attempts: list[tuple[str, Callable[[Sequence[SplitItem]], Any]]] = []
    if all(item.has_place for item in items):
        attempts.append(("by block: chips in one square on the ground stay together", group_by_block))
    else:
        attempts.append(("by scene, since without a CRS nobody knows where chips lie", group_by_scene))
        rows = partial(group_by_scene, pattern=ROW_PATTERN)
        attempts.append(("by rows of the scenes, as the keys tell them; without a CRS nothing is surer", rows))
    for reason, group in attempts:
        try:
            split = split_items(items, group, val_fraction=SPLIT_FRACTION, test_fraction=SPLIT_FRACTION, seed=seed)
        except GeofoundryError:
            continue
        return split, f"{reason} ({split.method})"
    return None, "at random by file, for want of anything that tells neighbors apart; scores may flatter"


def _scenes(images: str, labels: str, folder: Path, options: InitOptions, *, overwrite: bool) -> Layout:
    scenes = find_rasters([images])
    scanner = FileScanner()
    headers = scanner.headers(list(scenes.values()))
    if scanner.faults:
        raise DataError(scanner.faults)
    ignore = 255 if options.ignore_index is None else options.ignore_index
    polygons = None
    if is_vector_file(labels):
        polygons = read_polygons(
            labels,
            attribute=options.attribute,
            classes=options.classes,
            layer=options.layer,
            ignore_index=ignore,
            repair=options.repair,
        )
    size, reason = _chip_size(list(headers.values()), polygons, options.chip_size_px)
    settings = CutSettings(chip_size_px=size, virtual=True, ignore_index=ignore)
    summary = prepare_data(
        list(scenes.values()),
        labels,
        folder,
        settings,
        attribute=options.attribute,
        layer=options.layer,
        classes=options.classes,
        repair=options.repair,
        overwrite=overwrite,
    )
    rows, _ = read_windows(folder / WINDOWS_FILE, folder)
    samples = [row.sample for row in rows]
    if polygons is not None:
        naming = Naming(polygons.class_names, ignore, f"the polygons of {Path(labels).name}")
    else:
        # The labels as they were, for the source of their names; as they are now, `ignore` is unlabelled in them.
        naming = replace(_naming_of_rasters(list(find_rasters([labels]).values()), options), ignore=ignore)
    items = count_classes(items_of(samples), naming.ignore)
    split, split_reason = _split_windows(items, polygons, options.seed)
    arguments = {"root": shown_path(folder), "windows": shown_path(folder / WINDOWS_FILE)}
    layout = Layout(arguments, samples, naming, {"windows": reason, "split": split_reason}, list(summary.remarks))
    if split is not None:
        target = folder / f"{Path(WINDOWS_FILE).stem}_split.csv"
        write_split_windows(target, rows, [split], {"seed": options.seed}, overwrite=overwrite)
        layout.arguments["windows"] = shown_path(target)
        kept = {item.key for members in split.members.values() for item in members}
        layout.samples = [sample for sample in samples if sample.key in kept]
    return layout


def _split_windows(items: Sequence[SplitItem], polygons: LabelPolygons | None, seed: int) -> tuple[Split | None, str]:
    attempts: list[tuple[str, Callable[[Sequence[SplitItem]], Any]]] = []
    if polygons is not None:
        attempts.append(("by polygon: no label polygon is in two splits", partial(group_by_polygon, polygons=polygons)))
    attempts.append(("by block: windows in one square stay together", group_by_block))
    for reason, group in attempts:
        try:
            split = split_items(items, group, val_fraction=SPLIT_FRACTION, test_fraction=SPLIT_FRACTION, seed=seed)
        except GeofoundryError:
            continue
        left_out = f"; {plural(len(split.left_out), 'window')} between splits left out" if split.left_out else ""
        return split, f"{reason} ({split.method}{left_out})"
    return None, "left to the datamodule, which cuts one image into strips: there are too few windows for more"


def _chip_size(headers: Sequence[RasterHeader], polygons: LabelPolygons | None, wanted: int | None) -> tuple[int, str]:
    """Return the size of windows: as large as leaves enough of them to split."""
    if wanted is not None:
        return wanted, f"windows of {wanted} x {wanted} pixels, as asked for"
    smallest = min(min(header.shape) for header in headers)
    sizes = [size for size in CHIP_SIZES_PX if size <= smallest]
    if not sizes:
        got = f"{smallest} pixels along the shorter side"
        raise DataError(
            Fault("the images are too small to cut", str(headers[0].path), got, f"at least {CHIP_SIZES_PX[-1]} pixels")
        )
    for size in sizes:
        if _is_enough(headers, polygons, size):
            return size, f"windows of {size} x {size} pixels: the largest that leave enough of them to split honestly"
    return sizes[-1], f"windows of {sizes[-1]} x {sizes[-1]} pixels, the smallest that a network can use"


def _is_enough(headers: Sequence[RasterHeader], polygons: LabelPolygons | None, size: int) -> bool:
    windows = [(h, window) for h in headers for window in cover(h.height, h.width, size)]
    if polygons is None:
        return len(windows) >= ENOUGH_WINDOWS
    items = [SplitItem(str(i), h.path, h.grid.of_window(w), w) for i, (h, w) in enumerate(windows)]
    shapely = require("shapely", "vector", purpose="splitting by polygon")
    outlines = np.array([grid_footprint(item.grid, polygons.crs) for item in items])
    item_index, polygon_index = shapely.STRtree(polygons.geometries).query(outlines, predicate="intersects")
    if not len(item_index):
        return True  # nothing overlaps at any size; preparing says so
    group = group_by_polygon(items, polygons).group
    per_class: dict[int, set[int]] = {int(class_id): set() for class_id in polygons.class_ids}
    for item, polygon in zip(item_index, polygon_index, strict=True):
        per_class[int(polygons.class_ids[polygon])].add(int(group[item]))
    groups = set().union(*per_class.values())
    return len(groups) >= ENOUGH_GROUPS and min(map(len, per_class.values())) >= ENOUGH_GROUPS_PER_CLASS


def _naming_of_rasters(labels: Sequence[Path], options: InitOptions) -> Naming:
    naming = name_classes_of(labels)
    names = dict(enumerate(options.classes)) if options.classes else naming.names
    ignore = naming.ignore if options.ignore_index is None else options.ignore_index
    names = {value: name for value, name in names.items() if value != ignore}
    return Naming(names, ignore, "the command line" if options.classes else naming.source)


def common_root(images: str, labels: str) -> tuple[Path, str, str]:
    """Return the folder above both, and the glob of each below it.

    A folder stands for the rasters in it.
    """
    places = [_as_glob(place) for place in (images, labels)]
    root = Path(os.path.commonpath([folder for folder, _ in places]))
    image_glob, label_glob = (os.path.relpath(Path(folder) / pattern, root) for folder, pattern in places)
    return root, image_glob, label_glob


def _as_glob(place: str) -> tuple[str, str]:
    """Return the folder that is certain, and the pattern below it."""
    path = Path(place)
    if path.is_dir():
        suffixes = Counter(file.suffix for file in path.iterdir() if file.suffix.lower() in RASTER_SUFFIXES)
        suffix = suffixes.most_common(1)[0][0] if suffixes else ".tif"
        return str(path.absolute()), f"*{suffix}"
    folder = Path(*_until_magic(path.absolute().parts[:-1]))
    return str(folder), os.path.relpath(path.absolute(), folder)


def _until_magic(parts: Sequence[str]) -> Iterator[str]:
    for part in parts:
        if glob.has_magic(part):
            return
        yield part


def shown_path(path: Path) -> str:
    """Return a path relative to the working directory where it lies below it."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)
