"""All that is known about a dataset before the first step: samples, headers, pixel and label summaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.data.image_spec import BandPlan, ImageSpec, plan_or_faults
from geofoundry.data.label_spec import LabelSpec, make_label_spec
from geofoundry.data.pairing import Sample, shown_files
from geofoundry.data.partition import Partition
from geofoundry.data.pixel_summary import PixelSummary, merge, merge_steps
from geofoundry.data.sampling import Size
from geofoundry.data.scan import FileScanner, LabelSummary, Place
from geofoundry.data.scan_cache import ScanCache
from geofoundry.data.sources import SampleSource, find_samples
from geofoundry.data.windows_file import SPLIT_NAMES
from geofoundry.geo.reading import RasterHeader


@dataclass(frozen=True, slots=True)
class ClassOptions:
    """The options that say what label values mean; without `classes` they are read from the label files."""

    classes: Sequence[str] | Mapping[int, str] | int | None = None
    ignore_index: int | None = None
    label_map: Mapping[int, int] | None = None


@dataclass(slots=True)
class Inventory:
    """A dataset as it was found. `faults` holds what kept a look from being complete.

    `images`, `labels` and `hashes` are empty where only headers were looked at.
    """

    partition: Partition
    image_spec: ImageSpec
    label_spec: LabelSpec
    crop_size: Size | None
    headers: dict[Path, RasterHeader]
    plans: dict[Path, BandPlan]
    images: dict[Place, PixelSummary] = field(default_factory=dict)
    labels: dict[Place, LabelSummary] = field(default_factory=dict)
    hashes: dict[Path, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    classes_from_files: bool = False

    @property
    def band_names(self) -> tuple[str, ...]:
        """The names of the bands that a model sees, as asked for, or as the files name them."""
        return next(iter(self.plans.values())).names if self.plans else tuple(map(str, self.image_spec.bands))

    def pixels(self, split: str) -> PixelSummary | None:
        """Return the summary of a split's images by band, all dates together; None when nothing was looked at."""
        samples = self.partition.samples(split)
        found = [self.images[sample.image, sample.window] for sample in samples if _place(sample) in self.images]
        return merge_steps(merge(found), self.image_spec.time_steps) if found else None

    def class_pixels(self, split: str) -> np.ndarray:
        """Return how many pixels of a split have each class, and, last, how many are ignored.

        **Shapes**: (classes + 1,) int64.
        """
        spec = self.label_spec
        counts = np.zeros(spec.num_classes + 1, np.int64)
        for sample in self.partition.samples(split):
            assert sample.label is not None
            summary, header = self.labels.get((sample.label, sample.window)), self.headers.get(sample.label)
            if summary is None or header is None:
                continue
            for value, number in summary.counts.items():
                index = spec.index_of(value, header.nodata[0])
                if index is not None:
                    counts[-1 if index == spec.ignore_index else index] += number
        return counts


def take_inventory(
    source: SampleSource,
    image_spec: ImageSpec,
    class_options: ClassOptions,
    *,
    crop_size: Size | None,
    content: bool,
    store: ScanCache | None = None,
) -> Inventory:
    """Look at a dataset: at headers always, at every pixel with `content`. What is wrong is collected, not raised.

    Raises:
        ConfigError: when the class options contradict themselves.
    """
    scanner = FileScanner(store)
    found = find_samples(source, scanner, crop_size)
    partition = found.partition
    samples = partition.all_samples
    headers = scanner.headers(_files(samples))
    images = list(dict.fromkeys(sample.image for sample in samples if sample.image in headers))
    plans, plan_faults = _plan_all(image_spec, [headers[path] for path in images])
    inventory = Inventory(
        partition=partition,
        image_spec=image_spec,
        label_spec=LabelSpec((), ()),
        crop_size=crop_size or found.chip,
        headers=headers,
        plans=plans,
    )
    if content or class_options.classes is None:
        inventory.labels = scanner.labels(label_places(inventory, samples))
    if content:
        look_at_pixels(inventory, scanner, samples)
        inventory.hashes = scanner.hashes(list(headers))
    inventory.label_spec = _label_spec(class_options, inventory)
    inventory.classes_from_files = class_options.classes is None
    inventory.faults = [*found.faults, *partition.faults, *collapse([*scanner.faults, *plan_faults])]
    return inventory


def look_at_pixels(inventory: Inventory, scanner: FileScanner, samples: Iterable[Sample]) -> None:
    """Add the pixel summaries of samples to an inventory."""
    places = [_place(sample) for sample in samples if sample.image in inventory.plans and _fits(inventory, sample)]
    inventory.images |= scanner.images(places, inventory.plans, inventory.image_spec)


def label_places(inventory: Inventory, samples: Iterable[Sample]) -> list[Place]:
    """Return the label windows of samples, without those that leave their file."""
    return [
        (sample.label, sample.window)
        for sample in samples
        if sample.label is not None and sample.label in inventory.headers and _fits(inventory, sample)
    ]


def collapse(faults: Iterable[Fault], count: int = 5) -> list[Fault]:
    """Make one fault of those that differ only in the file and what was got there."""
    groups: dict[tuple[str, str, str, str], list[Fault]] = {}
    for fault in faults:
        groups.setdefault((fault.what, fault.expected, fault.mend, fault.severity), []).append(fault)
    return [_joined(members, count) for members in groups.values()]


def _joined(faults: list[Fault], count: int) -> Fault:
    if len(faults) == 1:
        return faults[0]
    gots = list(dict.fromkeys(fault.got for fault in faults if fault.got))
    more = " | ..." if len(gots) > count else ""
    where = shown_files((fault.where for fault in faults), count)
    return replace(faults[0], where=where, got=" | ".join(gots[:count]) + more)


def _place(sample: Sample) -> Place:
    return sample.image, sample.window


def _files(samples: Iterable[Sample]) -> list[Path]:
    files = [path for sample in samples for path in (sample.image, sample.label) if path is not None]
    return list(dict.fromkeys(files))


def _fits(inventory: Inventory, sample: Sample) -> bool:
    """Whether a sample's window lies within the image and the label."""
    if sample.window is None:
        return True
    bottom = sample.window.row_off + sample.window.height
    right = sample.window.col_off + sample.window.width
    found = [inventory.headers.get(path) for path in (sample.image, sample.label) if path is not None]
    return all(header is None or (bottom <= header.height and right <= header.width) for header in found)


def _plan_all(spec: ImageSpec, headers: Sequence[RasterHeader]) -> tuple[dict[Path, BandPlan], list[Fault]]:
    """Plan each file; files that say the same about their bands are planned once."""
    plans: dict[Path, BandPlan] = {}
    faults: list[Fault] = []
    known: dict[str, tuple[BandPlan | None, tuple[Fault, ...]]] = {}
    for header in headers:
        signature = repr((header.descriptions, header.dtypes, header.nodata))
        if signature not in known:
            known[signature] = plan_or_faults(spec, header)
        plan, found = known[signature]
        if plan is not None:
            plans[header.path] = plan
        faults.extend(replace(fault, where=str(header.path)) for fault in found)
    return plans, faults


def _label_spec(options: ClassOptions, inventory: Inventory) -> LabelSpec:
    if options.classes is not None:
        return make_label_spec(options.classes, ignore_index=options.ignore_index, label_map=options.label_map)
    count = _highest_label(options, inventory) + 1
    try:
        return make_label_spec(max(count, 1), ignore_index=options.ignore_index, label_map=options.label_map)
    except ConfigError:
        # Not labels at all; the value checks say so.
        return make_label_spec(1, ignore_index=options.ignore_index, label_map=options.label_map)


def _highest_label(options: ClassOptions, inventory: Inventory) -> int:
    renamed = dict(options.label_map or {})
    highest = -1
    for (path, _), summary in inventory.labels.items():
        nodata = inventory.headers[path].nodata[0]
        for value in summary.counts:
            if not float(value).is_integer() or summary.truncated:
                continue
            mapped = renamed.get(int(value), int(value))
            if mapped != options.ignore_index and not (value == nodata and options.ignore_index is not None):
                highest = max(highest, mapped)
    return highest


def splits_of(inventory: Inventory) -> dict[str, tuple[Sample, ...]]:
    """Return the samples of each split that has any."""
    return {name: inventory.partition.samples(name) for name in SPLIT_NAMES if inventory.partition.samples(name)}
