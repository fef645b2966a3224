"""Flips and turns against NumPy."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geofoundry.data.orientation import (
    D4,
    Orientation,
    RandomHorizontalFlip,
    RandomRotate90,
    RandomVerticalFlip,
)

ALL = [Orientation(turns, flipped) for turns in range(4) for flipped in (False, True)]


def by_numpy(orientation, array):
    turned = np.rot90(array, orientation.quarter_turns, (-2, -1))
    return turned[..., ::-1] if orientation.flipped else turned


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_apply_is_what_numpy_does(orientation, dtype):
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype)
    assert np.array_equal(orientation.apply(torch.from_numpy(array)).numpy(), by_numpy(orientation, array))


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize("shape", [(5, 5), (3, 5, 5), (2, 3, 5, 5)])
@pytest.mark.parametrize("cached_bytes", [0, 1000])
def test_reading_into_place_is_the_same(orientation, shape, cached_bytes, monkeypatch):
    monkeypatch.setattr("geofoundry.data.orientation._CACHED_BYTES", cached_bytes)
    array = np.arange(np.prod(shape)).reshape(shape).astype("uint16")
    out = np.zeros_like(array)
    orientation.read_into(out, lambda view: np.copyto(view, array), np.zeros_like(array))
    assert np.array_equal(out, by_numpy(orientation, array))


@pytest.mark.parametrize(("first", "second"), list(itertools.product(ALL, ALL)))
def test_one_after_the_other(first, second):
    array = np.arange(9).reshape(3, 3)
    assert np.array_equal(by_numpy(first.then(second), array), by_numpy(second, by_numpy(first, array)))


@given(st.integers(0, 2**32 - 1))
def test_chips_that_are_not_square_keep_their_shape(seed):
    generator = np.random.default_rng(seed)
    for transform in (D4(), RandomRotate90(), RandomHorizontalFlip(), RandomVerticalFlip()):
        assert transform.draw(generator, square=False).quarter_turns % 2 == 0


def test_d4_draws_all_eight_equally():
    generator = np.random.default_rng(0)
    drawn = [D4().draw(generator, square=True) for _ in range(4000)]
    counts = [drawn.count(orientation) for orientation in ALL]
    assert min(counts) > 400
    assert RandomHorizontalFlip(1.0).draw(generator, square=True) == Orientation(0, True)
    assert RandomVerticalFlip(0.0).draw(generator, square=True) == Orientation()
