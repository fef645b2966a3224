from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from geofoundry.data.pairing import Sample
from geofoundry.data.sampling import Draw, EpochSampler, generator_of, random_chips, random_window, tiles_of

SAMPLE = Sample("a", Path("a.tif"), Path("m.tif"))
SIZES = st.integers(1, 40)


def test_an_epoch_is_a_permutation_that_seed_and_epoch_decide():
    sampler = EpochSampler(10, seed=3)
    first = list(sampler)
    assert sorted(draw.item for draw in first) == list(range(10))
    assert list(EpochSampler(10, seed=3)) == first
    sampler.set_epoch(1)
    second = list(sampler)
    assert [draw.item for draw in second] != [draw.item for draw in first]
    assert {draw.epoch for draw in second} == {1}
    assert list(EpochSampler(10, seed=4)) != first


def test_the_trainer_is_asked_for_the_epoch():
    sampler = EpochSampler(10, seed=3, epoch_now=lambda: 5)
    other = EpochSampler(10, seed=3)
    other.set_epoch(5)
    assert list(sampler) == list(other)


@pytest.mark.parametrize("length", [4, 10, 25])
def test_epochs_of_any_length(length):
    draws = list(EpochSampler(10, num_samples=length))
    assert len(draws) == len(EpochSampler(10, num_samples=length)) == length
    assert len(set(draws)) == length
    counts = np.bincount([draw.item for draw in draws], minlength=10)
    assert counts.max() - counts.min() <= 1


def test_a_draw_decides_its_generator():
    values = {generator_of(1, draw).integers(2**62) for draw in (Draw(0), Draw(1), Draw(0, 1), Draw(0, 0, 1))}
    assert len(values) == 4
    assert generator_of(1, Draw(2, 3, 4)).integers(2**62) == generator_of(1, Draw(2, 3, 4)).integers(2**62)


@settings(deadline=None)
@given(SIZES, SIZES, SIZES, SIZES, st.booleans())
def test_tiles_cover_everything_once(height, width, tile_height, tile_width, windowed):
    sample = Sample("a", Path("a.tif"), None, Window(7, 5, width, height) if windowed else None)
    shape = (100, 100) if windowed else (height, width)
    row, col = (5, 7) if windowed else (0, 0)
    counted = np.zeros((height, width), int)
    for chip in tiles_of(sample, shape, (tile_height, tile_width)):
        assert (chip.window.height, chip.window.width) == (tile_height, tile_width)
        top, left = chip.window.row_off - row, chip.window.col_off - col
        assert top >= 0
        assert left >= 0
        assert height < tile_height or top + tile_height <= height
        assert width < tile_width or left + tile_width <= width
        counted[top + chip.seen_rows : top + tile_height, left + chip.seen_cols : left + tile_width] += 1
    assert (counted == 1).all()


@settings(deadline=None)
@given(SIZES, SIZES, SIZES, SIZES, st.integers(0, 1000))
def test_random_crops_lie_in_their_sample_or_around_it(height, width, crop_height, crop_width, seed):
    window = random_window(Window(7, 5, width, height), (crop_height, crop_width), np.random.default_rng(seed))
    assert (window.height, window.width) == (crop_height, crop_width)
    for start, length, at, size in ((5, height, window.row_off, crop_height), (7, width, window.col_off, crop_width)):
        if size <= length:
            assert start <= at <= start + length - size
        else:
            assert at <= start
            assert at + size >= start + length


def test_every_place_of_a_crop_is_as_likely():
    generator = np.random.default_rng(0)
    starts = [random_window(Window(0, 0, 12, 12), (8, 8), generator).row_off for _ in range(2000)]
    assert np.bincount(starts, minlength=5).min() > 300


def test_samples_come_as_often_as_their_area_holds_crops():
    samples = [SAMPLE, Sample("b", Path("b.tif"), None, Window(0, 0, 10, 10))]
    assert random_chips(samples, [(64, 96), (500, 500)], (32, 32), None) == [0] * 6 + [1]
    assert random_chips(samples, [(64, 96), (500, 500)], (32, 32), 2) == [0, 0, 1, 1]


def test_without_a_size_a_sample_is_one_chip():
    (chip,) = tiles_of(SAMPLE, (10, 10), None)
    assert (chip.window, chip.seen_rows, chip.seen_cols) == (None, 0, 0)
