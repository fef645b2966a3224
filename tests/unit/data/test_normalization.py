import numpy as np
import pytest
import torch

from geofoundry.data.image_spec import ImageSpec
from geofoundry.data.normalization import Normalization, Normalizer

NORMALIZATION = Normalization((0.2, 0.3), (0.1, 0.4))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_stored_values_are_scaled_and_normalized(dtype):
    spec = ImageSpec(scale=(0.01, 0.02), offset=(0.1,))
    stored = np.random.default_rng(0).integers(0, 100, (3, 2, 4, 5)).astype(dtype)
    values, empty = Normalizer(spec, NORMALIZATION, stored=True, has_nan=False)(torch.from_numpy(stored))
    scale, mean, std = (np.array(v)[:, None, None] for v in ((0.01, 0.02), (0.2, 0.3), (0.1, 0.4)))
    assert values.dtype == torch.float32
    assert np.allclose(values, (stored * scale + 0.1 - mean) / std, atol=1e-5)
    assert empty is None


def test_nodata_of_each_band_is_replaced():
    spec = ImageSpec(nodata_replace=-9.0)
    stored = torch.tensor([[[[1, 5]], [[5, 7]]]], dtype=torch.int16)
    values, empty = Normalizer(spec, NORMALIZATION, stored=True, nodata=(5.0, 7.0), has_nan=False)(stored)
    assert (values == -9).tolist() == [[[[False, True]], [[False, True]]]]
    assert empty.tolist() == [[[False, True]]]
    one = Normalizer(spec, NORMALIZATION, stored=True, nodata=(None, 7.0), has_nan=False)
    assert one(stored)[1].tolist() == [[[False, False]]]
    any_band = Normalizer(ImageSpec(nodata_rule="any"), NORMALIZATION, stored=True, nodata=(1.0, 7.0), has_nan=False)
    assert any_band(stored)[1].tolist() == [[[True, True]]]


def test_nan_is_nodata():
    physical = torch.tensor([[[[0.2, torch.nan]], [[0.3, torch.nan]]]])
    normalizer = Normalizer(ImageSpec(scale=(7.0,)), NORMALIZATION, stored=False, has_nan=True)
    values, empty = normalizer(physical)
    assert torch.allclose(values, torch.zeros_like(values), atol=1e-6)
    assert empty.tolist() == [[[False, True]]]
    assert torch.isnan(physical).any()  # the batch that was given is left as it was


def test_dates_get_an_axis_of_their_own():
    stored = torch.arange(2 * 6 * 1 * 1).reshape(2, 6, 1, 1).float()
    normalizer = Normalizer(ImageSpec(time_steps=3), Normalization((0.0, 10.0), (1.0, 1.0)), stored=True, has_nan=False)
    values, _ = normalizer(stored)
    assert values.shape == (2, 2, 3, 1, 1)
    assert values[0, :, :, 0, 0].tolist() == [[0, 2, 4], [-9, -7, -5]]
