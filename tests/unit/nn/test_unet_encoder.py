import pytest
import torch

from geofoundry.catalog import BACKBONE_REGISTRY
from geofoundry.core.errors import ConfigError


def test_features_halve_from_full_resolution():
    encoder = BACKBONE_REGISTRY.build("UNetEncoder", bands=["RED", "NIR"], channels=[4, 8, 16])
    features = encoder(torch.rand(2, 2, 37, 50))
    assert [tuple(f.shape) for f in features] == [(2, 4, 37, 50), (2, 8, 18, 25), (2, 16, 9, 12)]
    assert encoder.out_channels == [4, 8, 16]


def test_a_spectral_stem_sees_one_pixel_first():
    encoder = BACKBONE_REGISTRY.build("UNetEncoder", in_chans=3, channels=[4], num_convs=1, spectral_stem=True).eval()
    a = torch.rand(1, 3, 8, 8)
    b = a.clone()
    b[..., 3, 3] += 1
    changed = (encoder(a)[0] != encoder(b)[0]).any(1)[0].nonzero().tolist()
    assert changed == [[3, 3]]


def test_the_number_of_bands_must_be_known_and_agree():
    with pytest.raises(ConfigError, match="how many bands"):
        BACKBONE_REGISTRY.build("UNetEncoder")
    with pytest.raises(ConfigError, match="disagree"):
        BACKBONE_REGISTRY.build("UNetEncoder", bands=["RED"], in_chans=3)
    with pytest.raises(ConfigError, match="positive sizes"):
        BACKBONE_REGISTRY.build("UNetEncoder", in_chans=3, channels=[8, 0])
