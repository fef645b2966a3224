"""Which sample trains, which validates, which tests."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rasterio.windows import Window

from geofoundry.core.errors import Fault, plural
from geofoundry.core.suggest import did_you_mean
from geofoundry.data.pairing import Sample, shown
from geofoundry.data.windows_file import SPLIT_NAMES, WindowRow


@dataclass(frozen=True, slots=True)
class Partition:
    """The samples of each split, what to say about how they were dealt out, and what is wrong with it."""

    train: tuple[Sample, ...] = ()
    val: tuple[Sample, ...] = ()
    test: tuple[Sample, ...] = ()
    remarks: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    def samples(self, split: str) -> tuple[Sample, ...]:
        """Return the samples of `train`, `val` or `test`."""
        return getattr(self, split)

    @property
    def all_samples(self) -> tuple[Sample, ...]:
        """Every sample of every split."""
        return (*self.train, *self.val, *self.test)


def partition_by_files(samples: Sequence[Sample], split_files: Mapping[str, str | Path]) -> Partition:
    """Deal samples out by text files of keys, one per line; blank lines and lines that begin with `#` don't count.

    A line may also be an image's file name. Without a file for `train`, what no other file names trains.
    Faults: a file that is missing or names no key, unknown keys, keys that occur twice in a file or in two files.
    """
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        for name in {sample.key, sample.image.name}:
            by_name.setdefault(name, []).append(sample)
    chosen: dict[str, tuple[Sample, ...]] = {}
    faults: list[Fault] = []
    for split, path in split_files.items():
        keys, fault = _read_keys(path)
        faults.extend([fault] if fault else _key_faults(keys, by_name, split, path))
        chosen[split] = tuple(s for key in keys for s in by_name.get(key, ()) if len(by_name[key]) == 1)
    faults.extend(_overlaps(chosen))
    if "train" not in split_files:
        taken = {sample.key for members in chosen.values() for sample in members}
        chosen["train"] = tuple(sample for sample in samples if sample.key not in taken)
    return _partition(chosen, faults=faults)


def partition_by_fractions(
    samples: Sequence[Sample], *, val_fraction: float, test_fraction: float, seed: int
) -> Partition:
    """Deal whole image files out at random; all windows of a file stay together.

    The order is that of a hash of the seed and the file's keys, so that the same files give the same split on every
    machine. Every split with a fraction above 0 gets a file as long as training keeps one.
    """
    groups: dict[Path, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.image, []).append(sample)

    def rank(members: list[Sample]) -> str:
        return hashlib.sha256(f"{seed}/{min(member.key for member in members)}".encode()).hexdigest()

    ordered = sorted(groups.values(), key=rank)
    count = len(ordered)
    val = min(_share(val_fraction, count), count - 1)
    test = min(_share(test_fraction, count), count - 1 - val)
    remarks = []
    if test_fraction > 0 and test == 0:
        remarks.append(
            f"{plural(count, 'image')} are too few for a test split as well; nothing is held out for testing"
        )
    parts = {"val": ordered[:val], "test": ordered[val : val + test], "train": ordered[val + test :]}
    dealt = {name: tuple(sorted((s for m in members for s in m), key=_key)) for name, members in parts.items()}
    return _partition(dealt, remarks=remarks)


def partition_by_rows(rows: Sequence[WindowRow], *, fold: int | None) -> Partition:
    """Deal windows out by the columns `split` and `fold` of their file.

    With `fold`, the windows of that fold validate, those of the split `test` test, and the others train.
    """
    if fold is None:
        unknown = [row.sample.key for row in rows if not row.split]
        faults = (
            [Fault("windows without a split, beside windows with one", "windows", got=shown(unknown))]
            if unknown
            else []
        )
        parts = {name: tuple(row.sample for row in rows if row.split == name) for name in SPLIT_NAMES}
        return _partition(parts, faults=faults)
    folds = sorted({row.fold for row in rows if row.fold is not None})
    test = tuple(row.sample for row in rows if row.split == "test")
    rest = [row for row in rows if row.split != "test"]
    faults = []
    if fold not in folds:
        got = ", ".join(map(str, folds)) or "no column fold"
        faults.append(Fault(f"there is no fold {fold}", "fold", got=got, expected="one of the folds in the file"))
    return Partition(
        train=tuple(row.sample for row in rest if row.fold != fold),
        val=tuple(row.sample for row in rest if row.fold == fold),
        test=test,
        faults=tuple(faults),
    )


def partition_one_image(
    sample: Sample, shape: tuple[int, int], chip: tuple[int, int], *, val_fraction: float, test_fraction: float
) -> Partition:
    """Cut one image into strips along its longer side: the first trains, the next validates, the last tests.

    Strips do not overlap, and each is at least a chip wide where the image allows it.
    """
    along_rows = shape[0] >= shape[1]
    length = shape[0] if along_rows else shape[1]
    least = chip[0] if along_rows else chip[1]
    sizes = {
        "val": max(round(length * val_fraction), min(least, length // 3)) if val_fraction else 0,
        "test": max(round(length * test_fraction), min(least, length // 3)) if test_fraction else 0,
    }
    starts = {"train": 0, "val": length - sizes["val"] - sizes["test"], "test": length - sizes["test"]}
    ends = {"train": starts["val"], "val": starts["test"], "test": length}
    parts: dict[str, tuple[Sample, ...]] = {}
    for name in SPLIT_NAMES:
        size = ends[name] - starts[name]
        if size <= 0:
            continue
        place = (starts[name], 0, size, shape[1]) if along_rows else (0, starts[name], shape[0], size)
        row, col, height, width = place
        window = Window(col, row, width, height)  # type: ignore[call-arg]
        parts[name] = (Sample(f"{sample.key}/{name}", sample.image, sample.label, window),)
    lines = "rows" if along_rows else "columns"
    places = ", ".join(f"{name} {lines} {starts[name]} to {ends[name] - 1}" for name in parts)
    remark = (
        f"there is one image only, so it is split by windows: {places}. Neighboring strips look alike, so scores "
        "flatter; more scenes make them honest"
    )
    return _partition(parts, remarks=[remark])


def partition_windows_of_one_image(
    samples: Sequence[Sample], *, val_fraction: float, test_fraction: float
) -> Partition:
    """Deal the windows of one image out by their place along its longer side, so that splits are neighbors but once."""
    windows = [sample.window for sample in samples if sample.window is not None]
    height = max(window.row_off + window.height for window in windows)
    width = max(window.col_off + window.width for window in windows)

    def place(sample: Sample) -> tuple[float, float]:
        assert sample.window is not None
        row, col = sample.window.row_off, sample.window.col_off
        return (row, col) if height >= width else (col, row)

    ordered = sorted(samples, key=place)
    count = len(ordered)
    val = min(_share(val_fraction, count), count - 1)
    test = min(_share(test_fraction, count), count - 1 - val)
    ends = (count - val - test, count - test)
    parts = {"train": ordered[: ends[0]], "val": ordered[ends[0] : ends[1]], "test": ordered[ends[1] :]}
    remark = (
        f"all windows lie in one image, so they are split by their place along its {'rows' if height >= width else 'columns'}: "
        + ", ".join(f"{len(members)} {name}" for name, members in parts.items())
        + ". Neighbors look alike, so scores flatter; more scenes make them honest"
    )
    return _partition({name: tuple(members) for name, members in parts.items()}, remarks=[remark])


def _partition(
    parts: Mapping[str, tuple[Sample, ...]], *, remarks: Sequence[str] = (), faults: Sequence[Fault] = ()
) -> Partition:
    train, val, test = (parts.get(name, ()) for name in SPLIT_NAMES)
    return Partition(train, val, test, tuple(remarks), tuple(faults))


def _share(fraction: float, count: int) -> int:
    return max(1, math.floor(fraction * count + 0.5)) if fraction > 0 and count > 1 else 0


def _key(sample: Sample) -> str:
    return sample.key


def _read_keys(path: str | Path) -> tuple[list[str], Fault | None]:
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return [], Fault("the split file can't be read", str(path), got=str(error), mend="correct the path")
    keys = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not keys:
        return [], Fault(
            what="the split file is empty",
            where=str(path),
            got=plural(len(lines), "line") + " without a key",
            expected="one key per line",
            mend="write keys into it (`geofoundry data split` does), or leave the option out",
        )
    return keys, None


def _key_faults(keys: list[str], by_name: dict[str, list[Sample]], split: str, path: str | Path) -> list[Fault]:
    faults = []
    unknown = [key for key in keys if key not in by_name]
    if unknown:
        examples = list(by_name)[:3]
        faults.append(
            Fault(
                what=f"{plural(len(unknown), 'unknown key')} in the split file of {split}",
                where=str(path),
                got=shown(unknown),
                expected="keys such as " + ", ".join(examples) if examples else "keys of images",
                mend=did_you_mean(unknown[0], by_name) or "a key is the text that the wildcard of image_glob matches",
            )
        )
    several = [key for key in keys if len(by_name.get(key, ())) > 1]
    if several:
        faults.append(
            Fault(
                what=f"file names in the split file of {split} fit several images",
                where=str(path),
                got=shown(several),
                expected="keys",
                mend="write the keys: " + shown(sample.key for sample in by_name[several[0]]),
            )
        )
    repeated = [key for key, count in Counter(keys).items() if count > 1]
    if repeated:
        faults.append(Fault(f"keys occur twice in the split file of {split}", str(path), got=shown(repeated)))
    return faults


def _overlaps(chosen: Mapping[str, tuple[Sample, ...]]) -> list[Fault]:
    faults = []
    names = list(chosen)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            both = sorted({s.key for s in chosen[first]} & {s.key for s in chosen[second]})
            if both:
                faults.append(
                    Fault(
                        what=f"{plural(len(both), 'key')} in two splits at once",
                        where=f"{first}, {second}",
                        got=shown(both),
                        expected="every key in one split",
                        mend="remove them from one of the files",
                    )
                )
    return faults
