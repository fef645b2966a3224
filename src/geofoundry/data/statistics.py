"""Statistics of the training split: mean, spread and range of each band, shares of the classes; and files of them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from geofoundry.bands import match_bands
from geofoundry.core.errors import ConfigError, DataError, Fault, GeofoundryError
from geofoundry.data.image_spec import ImageSpec
from geofoundry.data.inventory import Inventory
from geofoundry.data.normalization import Normalization
from geofoundry.data.pixel_summary import PixelSummary

PERCENTILES = (1, 2, 5, 25, 50, 75, 95, 98, 99)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the training split is like, as plain data.

    `means`, `stds`, `minima`, `maxima` and `percentiles` (by percent, estimated within one percent of the ranks) are
    in physical values, after scale and offset, over valid pixels of each band. `nodata_shares` is the part of each
    band that is nodata. `class_pixels` counts labelled pixels, `ignored_share` is the part without a label.
    """

    bands: tuple[str, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]
    minima: tuple[float, ...] = ()
    maxima: tuple[float, ...] = ()
    percentiles: dict[str, tuple[float, ...]] = field(default_factory=dict)
    nodata_shares: tuple[float, ...] = ()
    class_names: tuple[str, ...] = ()
    class_pixels: tuple[int, ...] = ()
    class_shares: tuple[float, ...] = ()
    ignored_share: float = 0.0
    samples: int = 0
    pixels: int = 0
    split: str = "train"
    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics as data that JSON can hold; numbers that don't exist become null."""
        return _without_nan(asdict(self))

    @property
    def normalization(self) -> Normalization:
        """Mean and standard deviation for normalization; a constant band is only centered."""
        stds = tuple(std if std > 0 and math.isfinite(std) else 1.0 for std in self.stds)
        return Normalization(tuple(mean if math.isfinite(mean) else 0.0 for mean in self.means), stds)


def compute_statistics(inventory: Inventory, split: str = "train") -> Statistics:
    """Return the statistics of a split, the training one unless said.

    Raises:
        DataError: when the split has no sample whose pixels were looked at.
    """
    summary = inventory.pixels(split)
    if summary is None:
        raise DataError(Fault(f"there are no pixels to take statistics of in the split {split}", mend="fill the split"))
    spec = inventory.image_spec
    counts = inventory.class_pixels(split)
    labelled = int(counts[:-1].sum())
    total = summary.count + summary.nodata
    scale, offset = _factors(spec, len(summary.count))
    low, high = to_physical(spec, summary.minimum), to_physical(spec, summary.maximum)
    return Statistics(
        bands=inventory.band_names,
        means=_floats(to_physical(spec, summary.mean)),
        stds=_floats(summary.std * np.abs(scale)),
        minima=_floats(np.minimum(low, high)),
        maxima=_floats(np.maximum(low, high)),
        percentiles={str(percent): _floats(_percentile(summary, spec, percent)) for percent in PERCENTILES},
        nodata_shares=_floats(summary.nodata / np.maximum(total, 1)),
        class_names=inventory.label_spec.class_names,
        class_pixels=tuple(counts[:-1].tolist()),
        class_shares=_floats(counts[:-1] / max(labelled, 1)),
        ignored_share=float(counts[-1] / max(labelled + int(counts[-1]), 1)),
        samples=len(inventory.partition.samples(split)),
        pixels=summary.pixels,
        split=split,
        scale=_floats(scale),
        offset=_floats(offset),
    )


def read_statistics(path: str | Path, bands: tuple[str, ...], spec: ImageSpec) -> Statistics:
    """Read a file of statistics and put its bands into the order of `bands`.

    Raises:
        ConfigError: when the file is no such file, lacks a band, or was made with another scale or offset.
    """
    try:
        plain = json.loads(Path(path).read_text(encoding="utf-8"))
        names, means, stds = (tuple(plain[name]) for name in ("bands", "means", "stds"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        mend = "write it with `geofoundry data stats`"
        raise ConfigError(
            Fault("the file of statistics can't be read", str(path), got=repr(error), mend=mend)
        ) from error
    scale, offset = (_floats(values) for values in _factors(spec, len(bands)))
    try:
        order = match_bands(bands, names, spec.sensor)
    except GeofoundryError as error:
        raise ConfigError([_with_place(fault, str(path)) for fault in error.faults]) from error
    for name, ours in (("scale", scale), ("offset", offset)):
        theirs = plain.get(name)
        if theirs is not None and not np.allclose([theirs[index] for index in order], ours, rtol=1e-6):
            mend = f"compute statistics anew, or set {name} to what they were made with"
            got = f"{name} {theirs} there, {list(ours)} here"
            raise ConfigError(Fault(f"the statistics were made with another {name}", str(path), got=got, mend=mend))
    return Statistics(names_of(names, order), pick(means, order), pick(stds, order))


def to_physical(spec: ImageSpec, stored: np.ndarray) -> np.ndarray:
    """Return values of each band after scale and offset."""
    scale, offset = _factors(spec, len(stored))
    return stored * scale + offset


def names_of(names: tuple[str, ...], order: list[int]) -> tuple[str, ...]:
    """Return names in another order."""
    return tuple(names[index] for index in order)


def pick(values: tuple[Any, ...], order: list[int]) -> tuple[float, ...]:
    """Return numbers in another order; null becomes NaN."""
    return tuple(math.nan if values[index] is None else float(values[index]) for index in order)


def _percentile(summary: PixelSummary, spec: ImageSpec, percent: int) -> np.ndarray:
    # A negative scale turns the order of values around.
    scale, _ = _factors(spec, len(summary.count))
    low, high = summary.quantile(percent / 100), summary.quantile(1 - percent / 100)
    return to_physical(spec, np.where(scale < 0, high, low))


def _factors(spec: ImageSpec, count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array(spec.per_band(spec.scale, count)), np.array(spec.per_band(spec.offset, count))


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _with_place(fault: Fault, where: str) -> Fault:
    return Fault(fault.what, where, fault.got, fault.expected, fault.mend)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
