"""Where samples come from, as a configuration says it: one pair of globs, one per split, or a windows file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from geofoundry.core.errors import Fault, plural
from geofoundry.data.pairing import Sample, list_images, pair_files, shown, shown_files
from geofoundry.data.partition import (
    Partition,
    partition_by_files,
    partition_by_fractions,
    partition_by_rows,
    partition_one_image,
    partition_windows_of_one_image,
)
from geofoundry.data.sampling import Size
from geofoundry.data.scan import FileScanner
from geofoundry.data.windows_file import SPLIT_NAMES, WindowRow, read_windows

STRIP_CHIP = 256  # pixels: how large chips get when one image has to serve all splits and no size is given


@dataclass(frozen=True, slots=True)
class SampleSource:
    """The options that say which files there are and how they are dealt out.

    `split_globs` holds the image and label glob of each split that has its own; `split_files` the text files of keys.
    """

    root: str
    image_glob: str = "images/*.tif"
    label_glob: str = "masks/*.tif"
    split_files: Mapping[str, str] = field(default_factory=dict)
    split_globs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    windows: str | None = None
    fold: int | None = None
    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0

    @property
    def key_files(self) -> dict[str, Path]:
        """The files of keys, found from the working directory or below `root`."""
        return {name: self._locate(path) for name, path in self.split_files.items()}

    @property
    def windows_path(self) -> Path | None:
        """The windows file, found from the working directory or below `root`."""
        return None if self.windows is None else self._locate(self.windows)

    def _locate(self, path: str) -> Path:
        below_root = Path(self.root) / path
        return below_root if below_root.exists() and not Path(path).exists() else Path(path)


@dataclass(frozen=True, slots=True)
class Found:
    """The samples by split, everything that is wrong with them, and the chip size where it had to be chosen."""

    partition: Partition
    faults: tuple[Fault, ...] = ()
    chip: Size | None = None


def find_samples(source: SampleSource, scanner: FileScanner, chip: Size | None) -> Found:
    """Find all samples and deal them out to the splits."""
    if source.windows is not None:
        return _from_windows(source)
    if source.split_globs:
        return _from_split_globs(source)
    samples, faults = pair_files(source.root, source.image_glob, source.label_glob)
    return _dealt(source, samples, faults, scanner, chip)


def _dealt(
    source: SampleSource, samples: Sequence[Sample], faults: Sequence[Fault], scanner: FileScanner, chip: Size | None
) -> Found:
    if source.split_files:
        return Found(partition_by_files(samples, source.key_files), tuple(faults))
    if len(samples) == 1 and not faults and source.val_fraction + source.test_fraction > 0:
        return _one_image(source, samples[0], scanner, chip)
    return Found(_by_fractions(source, samples), tuple(faults))


def _one_image(source: SampleSource, sample: Sample, scanner: FileScanner, chip: Size | None) -> Found:
    headers = scanner.headers([sample.image])
    if sample.image not in headers:
        return Found(Partition(train=(sample,)))
    shape = headers[sample.image].shape
    fractions = {"val_fraction": source.val_fraction, "test_fraction": source.test_fraction}
    side = min(STRIP_CHIP, max(max(shape) // 5 // 32, 1) * 32)
    partition = partition_one_image(sample, shape, chip or (side, side), **fractions)
    if chip is not None:
        return Found(partition)
    windows = [sample.window for sample in partition.all_samples if sample.window is not None]
    smallest = min(min(window.height, window.width) for window in windows)
    # Most networks halve the image five times.
    size = min(STRIP_CHIP, max(int(smallest) // 32 * 32, 1) if smallest >= 32 else int(smallest))
    remark = f"crop_size is not set and strips differ in size, so chips are {size} x {size} pixels"
    return Found(replace(partition, remarks=(*partition.remarks, remark)), chip=(size, size))


def _from_windows(source: SampleSource) -> Found:
    path = source.windows_path
    assert path is not None
    rows, faults = read_windows(path, source.root)
    unlabelled = [row.sample.key for row in rows if row.sample.label is None]
    if unlabelled:
        what = f"{plural(len(unlabelled), 'window')} without a label"
        faults.append(Fault(what, str(path), got=shown(unlabelled), expected="a label for every window"))
    samples = [row.sample for row in rows]
    if source.split_files:
        return Found(partition_by_files(samples, source.key_files), tuple(faults))
    if source.fold is not None or any(row.split for row in rows):
        return Found(partition_by_rows(rows, fold=source.fold), tuple(faults))
    return Found(_windows_by_fractions(source, rows), tuple(faults))


def _windows_by_fractions(source: SampleSource, rows: Sequence[WindowRow]) -> Partition:
    samples = [row.sample for row in rows]
    if len({sample.image for sample in samples}) == 1 and all(sample.window is not None for sample in samples):
        return partition_windows_of_one_image(
            samples, val_fraction=source.val_fraction, test_fraction=source.test_fraction
        )
    return _by_fractions(source, samples)


def _from_split_globs(source: SampleSource) -> Found:
    faults: list[Fault] = []
    parts: dict[str, tuple[Sample, ...]] = {}
    for name in SPLIT_NAMES:
        if name not in source.split_globs:
            continue
        image_glob, label_glob = source.split_globs[name]
        samples, found_faults = pair_files(source.root, image_glob, label_glob)
        faults.extend(replace(fault, where=_of_split(fault.where, name)) for fault in found_faults)
        # Folders of splits often hold files of the same names.
        parts[name] = tuple(replace(sample, key=f"{name}/{sample.key}") for sample in samples)
    faults.extend(_same_files(parts))
    if "val" not in parts and "train" in parts:
        dealt = partition_by_fractions(
            parts["train"], val_fraction=source.val_fraction, test_fraction=0.0, seed=source.seed
        )
        parts |= {"train": dealt.train, "val": dealt.val}
    train, val, test = (parts.get(name, ()) for name in SPLIT_NAMES)
    return Found(Partition(train, val, test), tuple(faults))


def _of_split(where: str, split: str) -> str:
    """Turn `image_glob: x` into `train_image_glob: x`."""
    return where.replace("image_glob", f"{split}_image_glob").replace("label_glob", f"{split}_label_glob")


def _same_files(parts: Mapping[str, tuple[Sample, ...]]) -> list[Fault]:
    names = list(parts)
    faults = []
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            files = {sample.image.resolve() for sample in parts[first]}
            both = [sample.image for sample in parts[second] if sample.image.resolve() in files]
            if both:
                what = f"{plural(len(both), 'image')} in two splits at once"
                faults.append(Fault(what, f"{first}, {second}", got=shown_files(both), mend="narrow the globs"))
    return faults


def _by_fractions(source: SampleSource, samples: Sequence[Sample]) -> Partition:
    return partition_by_fractions(
        samples, val_fraction=source.val_fraction, test_fraction=source.test_fraction, seed=source.seed
    )


def find_unlabelled(root: str, image_glob: str) -> tuple[list[Path], list[Fault]]:
    """Return the images to map, and what is wrong with the glob."""
    samples, faults = list_images(root, image_glob)
    return [sample.image for sample in samples], faults
