"""What the pixels of a file are like, in a form that files can be added up in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

QUANTILES = 65  # points of the sketch; a percentile from it is right within about one percent of the ranks
_SAMPLED_PIXELS = 8192  # per block, for the sketch


@dataclass(frozen=True, slots=True, eq=False)
class PixelSummary:
    """Count, mean, spread, range and quantiles of each band, over valid pixels, in stored values.

    `nan` and `infinite` count values that nothing declares as nodata; they are in no other figure. `m2` is the sum of
    squared deviations from the mean. `pixels` is the number of pixels, `empty` that of pixels that are nodata.

    **Shapes**: (bands,), and (bands, QUANTILES) for the sketch; bands without a valid pixel hold NaN.
    """

    pixels: int
    empty: int
    count: np.ndarray
    nodata: np.ndarray
    nan: np.ndarray
    infinite: np.ndarray
    mean: np.ndarray
    m2: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    sketch: np.ndarray

    @classmethod
    def of(
        cls, values: np.ndarray, nodata: Sequence[float | None], *, allow_nan: bool = False, nodata_rule: str = "all"
    ) -> PixelSummary:
        """Summarize stored values (bands, height, width), given each band's nodata value."""
        bands = [_band(plane.ravel(), value, allow_nan) for plane, value in zip(values, nodata, strict=True)]
        count, missing, nan, infinite, *figures = np.array([band.figures for band in bands], np.float64).T
        mean, m2, minimum, maximum = figures
        return cls(
            pixels=values[0].size,
            empty=_count_empty([band.missing for band in bands], nodata_rule),
            count=count.astype(np.int64),
            nodata=missing.astype(np.int64),
            nan=nan.astype(np.int64),
            infinite=infinite.astype(np.int64),
            mean=mean,
            m2=m2,
            minimum=minimum,
            maximum=maximum,
            sketch=np.array([band.sketch for band in bands]),
        )

    @property
    def std(self) -> np.ndarray:
        """The population standard deviation of each band."""
        return np.sqrt(self.m2 / np.where(self.count == 0, np.nan, self.count))

    def quantile(self, share: float) -> np.ndarray:
        """Return an estimate of a quantile of each band, from the sketch."""
        return np.array([np.interp(share, _ranks(QUANTILES), points) for points in self.sketch])

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        plain: dict[str, Any] = {"pixels": self.pixels, "empty": self.empty}
        for name in _ARRAYS:
            plain[name] = getattr(self, name).tolist()
        plain["sketch"] = [[float(f"{value:.7g}") for value in points] for points in self.sketch.tolist()]
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> PixelSummary:
        """Return the summary of `as_dict`."""
        counts = [np.array(plain[name], np.int64) for name in _ARRAYS[:4]]
        figures = [np.array(plain[name], np.float64) for name in _ARRAYS[4:]]
        return cls(plain["pixels"], plain["empty"], *counts, *figures)


_ARRAYS = ("count", "nodata", "nan", "infinite", "mean", "m2", "minimum", "maximum", "sketch")


def merge(summaries: Sequence[PixelSummary]) -> PixelSummary:
    """Return the summary of all pixels together.

    **Source**: Chan, Golub & LeVeque (1979), Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances, eq. 2.1, for any number of parts at once.
    """
    counts = np.array([summary.count for summary in summaries], np.float64)
    means = np.where(counts > 0, np.array([summary.mean for summary in summaries]), 0.0)
    total = counts.sum(axis=0)
    safe_total = np.where(total == 0, np.nan, total)
    mean = (counts * means).sum(axis=0) / safe_total
    m2 = np.nansum([s.m2 for s in summaries], axis=0) + np.nansum(counts * (means - mean) ** 2, axis=0)
    return PixelSummary(
        pixels=sum(summary.pixels for summary in summaries),
        empty=sum(summary.empty for summary in summaries),
        count=np.sum([summary.count for summary in summaries], axis=0),
        nodata=np.sum([summary.nodata for summary in summaries], axis=0),
        nan=np.sum([summary.nan for summary in summaries], axis=0),
        infinite=np.sum([summary.infinite for summary in summaries], axis=0),
        mean=mean,
        m2=np.where(total == 0, np.nan, m2),
        minimum=np.fmin.reduce([summary.minimum for summary in summaries]),
        maximum=np.fmax.reduce([summary.maximum for summary in summaries]),
        sketch=_merge_sketches(np.array([summary.sketch for summary in summaries]), counts),
    )


def merge_steps(summary: PixelSummary, time_steps: int) -> PixelSummary:
    """Return the summary of a stack of dates as one of its bands, all dates together."""
    per_step = len(summary.count) // time_steps
    steps = [slice(step * per_step, (step + 1) * per_step) for step in range(time_steps)]
    parts = [
        PixelSummary(summary.pixels, summary.empty, *(getattr(summary, name)[step] for name in _ARRAYS))
        for step in steps
    ]
    return merge(parts)


@dataclass(frozen=True, slots=True)
class _Band:
    figures: tuple[float, ...]
    sketch: np.ndarray
    missing: np.ndarray | None


def _band(values: np.ndarray, nodata: float | None, allow_nan: bool) -> _Band:
    missing = _is_nodata(values, nodata, allow_nan)
    nan = infinite = 0
    usable = missing
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.all():
            undeclared = ~finite if missing is None else ~finite & ~missing
            nan = int(np.isnan(values[undeclared]).sum())
            infinite = int(undeclared.sum()) - nan
            usable = ~finite if missing is None else ~finite | missing
    valid = values if usable is None else values[~usable]
    nodata_count = 0 if missing is None else int(missing.sum())
    if valid.size == 0:
        nothing = (math.nan,) * 4
        return _Band((0, nodata_count, nan, infinite, *nothing), np.full(QUANTILES, np.nan), missing)
    wide = valid.astype(np.float64)
    mean = float(wide.mean())
    wide -= mean
    low, high = float(valid.min()), float(valid.max())
    # The second term takes back what rounding left in the mean.
    m2 = max(float(wide @ wide) - float(wide.sum()) ** 2 / wide.size, 0.0)
    figures = (valid.size, nodata_count, nan, infinite, mean, m2, low, high)
    return _Band(figures, _sketch(valid), missing)


def _count_empty(missing: Sequence[np.ndarray | None], nodata_rule: str) -> int:
    """Count the pixels of which all, or any, of the bands are nodata."""
    masks = [mask for mask in missing if mask is not None]
    if not masks or (nodata_rule == "all" and len(masks) < len(missing)):
        return 0
    combine = np.logical_and if nodata_rule == "all" else np.logical_or
    return int(np.count_nonzero(combine.reduce(masks, axis=0)))


def _is_nodata(values: np.ndarray, nodata: float | None, allow_nan: bool) -> np.ndarray | None:
    """Return which values are nodata, or None when none is."""
    found: np.ndarray | None = None
    is_float = values.dtype.kind == "f"
    if nodata is not None and math.isnan(nodata):
        found = np.isnan(values) if is_float else None
    elif nodata is not None and (is_float or _fits(nodata, values.dtype)):
        found = values == values.dtype.type(nodata)
    if allow_nan and is_float:
        odd = ~np.isfinite(values)
        found = odd if found is None else found | odd
    return found if found is not None and found.any() else None


def _fits(value: float, dtype: np.dtype) -> bool:
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max


def _ranks(count: int) -> np.ndarray:
    return (np.arange(count) + 0.5) / count


def _sketch(values: np.ndarray) -> np.ndarray:
    if values.size > _SAMPLED_PIXELS:
        step = values.size // _SAMPLED_PIXELS
        # A regular step could fall in with the rows of the image.
        offsets = np.random.default_rng(0).integers(0, step, _SAMPLED_PIXELS)
        values = values[np.arange(_SAMPLED_PIXELS) * step + offsets]
    return np.quantile(values.astype(np.float64), _ranks(QUANTILES))


def _merge_sketches(sketches: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Merge (parts, bands, QUANTILES) points, each standing for its share of the part's pixels."""
    merged = np.full(sketches.shape[1:], np.nan)
    for band in range(sketches.shape[1]):
        present = counts[:, band] > 0
        if not present.any():
            continue
        points = sketches[present, band].ravel()
        weights = np.repeat(counts[present, band] / QUANTILES, QUANTILES)
        order = np.argsort(points, kind="stable")
        points, weights = points[order], weights[order]
        ranks = (np.cumsum(weights) - weights / 2) / weights.sum()
        merged[band] = np.interp(_ranks(QUANTILES), ranks, points)
    return merged
