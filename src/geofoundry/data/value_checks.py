"""What pixels tell: undeclared NaN, labels that are no classes, classes that never occur, values in a wrong unit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from geofoundry.bands import Unit, guess_unit, implausibility
from geofoundry.bands.spelling import candidates
from geofoundry.core.errors import Fault, plural
from geofoundry.data.chip_reader import undeclared_values
from geofoundry.data.inventory import Inventory, collapse, splits_of
from geofoundry.data.label_spec import LabelSpec
from geofoundry.data.pairing import shown, shown_files
from geofoundry.data.pixel_summary import PixelSummary
from geofoundry.data.statistics import to_physical


def check_values(inventory: Inventory, unit: Unit | None = None) -> list[Fault]:
    """Return every fault and warning that pixel values and labels give reason for."""
    return [
        *collapse(_undeclared(inventory)),
        *collapse(_foreign_labels(inventory)),
        *_class_warnings(inventory),
        *_empty_images(inventory),
        *_unit_warnings(inventory, unit),
        # Splits that are wrong anyway need no closer look.
        *(() if inventory.faults else _same_bytes(inventory)),
    ]


def _undeclared(inventory: Inventory) -> Iterator[Fault]:
    for (path, _), summary in inventory.images.items():
        count = int(summary.nan.sum() + summary.infinite.sum())
        if count:
            yield undeclared_values(str(path), count)


def _foreign_labels(inventory: Inventory) -> Iterator[Fault]:
    spec = inventory.label_spec
    values: dict[bool, set[float]] = {True: set(), False: set()}
    files: dict[bool, list[Path]] = {True: [], False: []}
    for (path, _), summary in inventory.labels.items():
        nodata = inventory.headers[path].nodata[0]
        unknown = [value for value in summary.counts if spec.index_of(value, nodata) is None]
        if summary.truncated:
            mend = "check that label_glob matches class labels, not images"
            yield Fault("labels with too many different values for classes", str(path), got="over 1000", mend=mend)
        elif unknown:
            whole = all(float(value).is_integer() for value in unknown)
            values[whole].update(unknown)
            files[whole].append(path)
    for whole in (True, False):
        if files[whole]:
            yield spec.unknown_values(sorted(values[whole]), shown_files(files[whole]))


def _class_warnings(inventory: Inventory) -> Iterator[Fault]:
    spec = inventory.label_spec
    if not inventory.labels:
        return
    counts = {split: inventory.class_pixels(split) for split in splits_of(inventory)}
    if inventory.classes_from_files:
        what = f"classes are not named; the label files hold values up to {spec.num_classes - 1}"
        mend = "list their names under classes, so that a wrong label can be told from a class"
        yield Fault(what, "classes", mend=mend, severity="warning")
    train = counts.get("train")
    if train is None or not any(len(summary.counts) for summary in inventory.labels.values()):
        return
    present = np.flatnonzero(train[:-1])
    if len(present) == 0:
        yield Fault(
            what="no pixel of the training split has a label to learn from",
            where="train",
            got=f"{int(train[-1])} ignored pixels",
            expected="labelled pixels",
            mend="check classes, ignore_index and label_map against the label files",
        )
        return
    if len(present) == 1:
        what = f"the training labels hold one class only, {spec.class_names[present[0]]!r}: a model can't learn to tell"
        yield Fault(f"{what} it from anything", "train", mend="add labels of other classes", severity="warning")
        return
    absent = {split: set(np.flatnonzero(row[:-1] == 0).tolist()) for split, row in counts.items()}
    nowhere = set.intersection(*absent.values())
    if nowhere:
        what = f"{plural(len(nowhere), 'class', 'classes')} without a pixel in any split: {_names(nowhere, spec)}"
        follows = "can neither be learnt nor measured"
        yield Fault(f"{what} {follows}", "classes", mend="expect no score for it, or remove it", severity="warning")
    for split, indices in absent.items():
        if indices - nowhere:
            follows = "can't be learnt" if split == "train" else f"can't be measured on {split}"
            missing = indices - nowhere
            yield Fault(
                what=f"{plural(len(missing), 'class', 'classes')} without a pixel in {split}: {_names(missing, spec)} "
                f"{follows}",
                where=split,
                mend="split anew with `geofoundry data split`, which keeps classes together",
                severity="warning",
            )


def _names(indices: set[int], spec: LabelSpec) -> str:
    return shown(spec.class_names[index] for index in sorted(indices))


def _empty_images(inventory: Inventory) -> Iterator[Fault]:
    empty = [path for (path, _), summary in inventory.images.items() if summary.empty == summary.pixels]
    if empty:
        what = f"{plural(len(empty), 'image')} of nothing but nodata"
        yield Fault(what, shown_files(empty), mend="leave them out, or correct nodata", severity="warning")
    if inventory.label_spec.ignore_index is None and any(s.empty for s in inventory.images.values()):
        yield Fault(
            what="pixels are nodata in the image but have a label, and without ignore_index the model learns from them",
            where=shown_files(path for (path, _), summary in inventory.images.items() if summary.empty),
            mend="set ignore_index: 255 here and in the model",
            severity="warning",
        )
    for summary, names in ((inventory.pixels("train"), inventory.band_names),):
        constant = [] if summary is None else [n for n, s in zip(names, summary.std, strict=True) if s == 0]
        if constant:
            what = f"{plural(len(constant), 'band')} with one and the same value everywhere: {shown(constant)}"
            yield Fault(what, "train", mend="leave out what says nothing", severity="warning")


def _unit_warnings(inventory: Inventory, unit: Unit | None) -> Iterator[Fault]:
    optical = _optical_bands(inventory.band_names)
    if not optical or not inventory.images:
        return
    spec = inventory.image_spec
    guessed = {p: _guess(s, optical, inventory.plans[p].dtype) for (p, _), s in inventory.images.items()}
    guesses = Counter(guess for guess in guessed.values() if guess is not None)
    if len(guesses) > 1:
        odd = [path for path, guess in guessed.items() if guess not in (None, guesses.most_common(1)[0][0])]
        got = ", ".join(f"{count} x {guess.value}" for guess, count in guesses.most_common())
        what = "images seem to be in different units, and a model would take the unit for the scene"
        yield Fault(what, shown_files(odd), got=got, mend="bring all to one unit", severity="warning")
    train = inventory.pixels("train")
    if train is None:
        return
    low, high = (to_physical(spec, train.quantile(share))[optical] for share in (0.01, 0.99))
    if not np.isfinite(low).any():
        return
    expected = unit or (Unit.REFLECTANCE if _looks_like_reflectance_scale(spec.scale) else None)
    if expected is None:
        return
    reason = implausibility(expected, float(np.nanmin(low)), float(np.nanmax(high)))
    if not reason and expected is Unit.REFLECTANCE and np.nanmax(high) < 0.002:
        reason = f"values up to {np.nanmax(high):.3g}, as if the scale had been applied before"
    if reason:
        said = f"unit: {unit.value}" if unit else f"scale: {spec.scale[0]:g}, as for reflectance"
        yield Fault(
            what="values look like the wrong unit: means, thresholds and pretrained weights will not fit",
            where=f"{said}, bands {shown(np.array(inventory.band_names)[optical])}",
            got=reason,
            mend="correct scale, offset or unit",
            severity="warning",
        )


def _optical_bands(names: tuple[str, ...]) -> list[int]:
    return [
        index
        for index, name in enumerate(names)
        if (known := candidates(name)) and not any(band.is_thermal for band in known)
    ]


def _guess(summary: PixelSummary, optical: list[int], dtype: str) -> Unit | None:
    """Guess reflectance or thousands; that is what can be told apart for sure."""
    low, high = (summary.quantile(share)[optical] for share in (0.02, 0.98))
    if not np.isfinite(low).any() or np.nanmax(high) <= np.nanmin(low):
        return None
    is_integer = not dtype.startswith("float")
    guess = guess_unit(float(np.nanmin(low)), float(np.nanmax(high)), is_integer=is_integer)
    return Unit.REFLECTANCE_X10000 if guess is Unit.DN else guess


def _looks_like_reflectance_scale(scale: tuple[float, ...]) -> bool:
    return any(math.isclose(value, expected, rel_tol=1e-6) for value in scale for expected in (1e-4, 2e-5, 2.75e-5))


def _same_bytes(inventory: Inventory) -> Iterator[Fault]:
    owners: dict[str, dict[str, list[str]]] = {}
    for split, samples in splits_of(inventory).items():
        for sample in samples:
            digest = inventory.hashes.get(sample.image)
            if digest is not None and sample.window is None:
                owners.setdefault(digest, {}).setdefault(split, []).append(str(sample.image))
    shared = [places for places in owners.values() if len(places) > 1]
    if shared:
        files = [" = ".join(file for files in places.values() for file in files) for places in shared]
        yield Fault(
            what=f"{plural(len(shared), 'image')} with the same bytes in several splits: scores on them are memory",
            where=", ".join(dict.fromkeys(split for places in shared for split in places)),
            got=shown(files, 3),
            expected="every image in one split",
            mend="remove the copies",
        )
