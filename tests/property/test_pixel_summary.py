"""Summaries of parts, added up, are the summary of the whole."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from geofoundry.data.pixel_summary import PixelSummary, merge, merge_steps

FINITE = st.floats(-1e6, 1e6, width=32)


def images(dtype, elements):
    return arrays.arrays(dtype, st.tuples(st.just(2), st.integers(2, 12), st.integers(1, 8)), elements=elements)


def assert_summarizes(summary, values, valid):
    for band in range(len(values)):
        kept = values[band][valid[band]].astype(np.float64)
        assert summary.count[band] == kept.size
        if kept.size == 0:
            assert np.isnan(summary.mean[band])
            continue
        scale = max(1.0, np.abs(kept).max())
        assert abs(summary.mean[band] - kept.mean()) <= 1e-12 * scale
        assert abs(summary.std[band] - kept.std()) <= 1e-7 * scale
        assert (summary.minimum[band], summary.maximum[band]) == (kept.min(), kept.max())


@settings(max_examples=60, deadline=None)
@given(images(np.float32, FINITE), st.data())
def test_parts_add_up_to_the_whole(values, data):
    cut = data.draw(st.integers(1, values.shape[1] - 1))
    nodata = (float(values[0, 0, 0]), None)
    parts = [PixelSummary.of(part, nodata) for part in (values[:, :cut], values[:, cut:])]
    valid = np.ones(values.shape, bool)
    valid[0] = values[0] != np.float32(nodata[0])
    assert_summarizes(merge(parts), values, valid)
    assert_summarizes(PixelSummary.of(values, nodata), values, valid)
    assert merge(parts).nodata.tolist() == (~valid).sum((1, 2)).tolist()


@settings(max_examples=40, deadline=None)
@given(images(np.int16, st.integers(-32768, 32767)), st.booleans())
def test_plain_data_keeps_everything(values, any_band):
    rule = "any" if any_band else "all"
    summary = PixelSummary.of(values, (0, -1), nodata_rule=rule)
    again = PixelSummary.from_dict(summary.as_dict())
    for name in ("count", "nodata", "mean", "m2", "minimum", "maximum"):
        assert np.array_equal(getattr(again, name), getattr(summary, name), equal_nan=True)
    missing = np.stack([values[0] == 0, values[1] == -1])
    assert again.empty == (missing.any(0) if any_band else missing.all(0)).sum()


def test_a_large_mean_does_not_swallow_a_small_spread():
    values = (1e8 + np.random.default_rng(0).normal(0, 1, (1, 300, 300))).astype(np.float64)
    parts = [PixelSummary.of(part, (None,)) for part in np.array_split(values, 7, axis=1)]
    assert abs(merge(parts).std[0] - values.std()) < 1e-6


def test_quantiles_are_right_within_two_percent_of_the_ranks():
    rng = np.random.default_rng(1)
    files = [rng.gamma(2.0, 500.0 * (i + 1), (1, 64, 64 * (i + 1))) for i in range(5)]
    summary = merge([PixelSummary.of(file, (None,)) for file in files])
    everything = np.concatenate([file.ravel() for file in files])
    for share in (0.02, 0.25, 0.5, 0.75, 0.98):
        rank = (everything <= summary.quantile(share)[0]).mean()
        assert abs(rank - share) < 0.02


def test_undeclared_values_that_are_not_finite_are_counted_apart():
    values = np.array([[[1.0, np.nan, np.inf, -np.inf, 5.0]]], np.float32)
    summary = PixelSummary.of(values, (5.0,))
    assert (summary.count[0], summary.nodata[0], summary.nan[0], summary.infinite[0]) == (1, 1, 1, 2)
    assert PixelSummary.of(values, (float("nan"),)).nan[0] == 0
    allowed = PixelSummary.of(values, (None,), allow_nan=True)
    assert (allowed.nodata[0], allowed.nan[0], allowed.infinite[0], allowed.mean[0]) == (3, 0, 0, 3.0)


def test_nodata_that_an_integer_cannot_hold_is_never_met():
    values = np.zeros((1, 2, 2), np.uint8)
    for nodata in (-9999.0, 0.5, float("nan"), 256.0):
        assert PixelSummary.of(values, (nodata,)).nodata[0] == 0


def test_dates_fold_into_one():
    values = np.random.default_rng(2).integers(0, 100, (6, 8, 8)).astype(np.uint16)
    folded = merge_steps(PixelSummary.of(values, (None,) * 6), 3)
    assert np.allclose(folded.mean, values.reshape(3, 2, -1).mean((0, 2)))
    assert np.allclose(folded.std, values.reshape(3, 2, -1).std((0, 2)))
