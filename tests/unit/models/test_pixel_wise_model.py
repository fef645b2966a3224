import pytest
import torch
from torch import nn

from geofoundry.core.errors import ConfigError
from geofoundry.models import PixelWiseModel
from geofoundry.models.pixel_wise_model import size_multiple_of


class Recorder(nn.Module):
    """A backbone of stride 4 that remembers what it saw."""

    def __init__(self, **attributes):
        super().__init__()
        self.out_channels = [2]
        self.seen = []
        self.extras = {}
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x, **extras):
        self.extras = extras
        self.seen.append({k: v.shape for k, v in x.items()} if isinstance(x, dict) else x.shape)
        x = next(iter(x.values())) if isinstance(x, dict) else x
        return [nn.functional.avg_pool2d(x.flatten(1, -3) if x.dim() == 5 else x, 4)]


class First(nn.Module):
    def forward(self, features):
        return features[0]


def model_of(encoder, **options):
    return PixelWiseModel("segmentation", encoder, First(), None, **options)


def test_output_has_the_size_of_the_image_and_values_in_place():
    encoder = Recorder()
    model = model_of(encoder, size_multiple=32)
    columns = torch.arange(93.0).expand(1, 2, 70, 93)
    output = model(columns).output
    assert encoder.seen == [(1, 2, 96, 96)]
    assert output.shape == (1, 2, 70, 93)
    middle = output[0, 0, 35, 10:80]
    assert (middle - columns[0, 0, 35, 10:80]).abs().max() < 0.51


def test_one_class_keeps_its_axis():
    assert model_of(Recorder())(torch.randn(2, 1, 8, 8)).output.shape == (2, 1, 8, 8)


def test_without_rescaling_the_decoders_size_stays():
    assert model_of(Recorder(), size_multiple=32, rescale=False)(torch.randn(1, 2, 70, 93)).output.shape[-2:] == (
        24,
        24,
    )


def test_output_may_be_the_center_only():
    x = torch.randn(1, 2, 64, 64)
    whole, center = model_of(Recorder())(x).output, model_of(Recorder(), image_size_out=[32, 16])(x).output
    assert torch.equal(center, whole[..., 16:48, 24:40])
    assert model_of(Recorder())(x, image_size=(32, 16)).output.shape[-2:] == (32, 16)
    with pytest.raises(ConfigError, match="image_size_out"):
        model_of(Recorder(), image_size_out=65)(x)


def test_time_series_are_padded_in_space():
    encoder = Recorder()
    output = model_of(encoder, size_multiple=8)(torch.randn(1, 2, 3, 12, 20)).output
    assert encoder.seen == [(1, 2, 3, 16, 24)]
    assert output.shape == (1, 6, 12, 20)


def test_modalities_are_padded_alike_and_extras_reach_the_backbone():
    encoder = Recorder()
    coords = torch.zeros(1, 2)
    model_of(encoder, size_multiple=8)(
        {"s2": torch.randn(1, 2, 12, 20), "s1": torch.randn(1, 1, 12, 20)}, coords=coords
    )
    assert encoder.seen == [{"s2": (1, 2, 16, 24), "s1": (1, 1, 16, 24)}]
    assert encoder.extras["coords"] is coords


def test_a_backbone_of_one_size_gets_it():
    encoder = Recorder(fixed_size=(64, 64))
    assert model_of(encoder)(torch.randn(1, 2, 30, 64)).output.shape == (1, 2, 30, 64)
    assert encoder.seen == [(1, 2, 64, 64)]
    with pytest.raises(ConfigError, match="larger than the one size"):
        model_of(encoder)(torch.randn(1, 2, 65, 64))


def test_auxiliary_heads_are_brought_to_the_image_too():
    model = model_of(Recorder(), size_multiple=16, auxiliary_heads={"aux": nn.Sequential(First())})
    output = model(torch.randn(1, 2, 10, 10))
    assert output.auxiliary_heads["aux"].shape == (1, 2, 10, 10)


def test_unknown_padding_is_refused():
    with pytest.raises(ConfigError, match="one of: reflect"):
        model_of(Recorder(), padding="mirror")


class Preparing(Recorder):
    def prepare_features_for_image_model(self, features):
        return [2 * x for x in features]


def test_a_backbones_own_preparation_stands_in_for_necks():
    x = torch.randn(1, 2, 8, 8)
    plain = model_of(Recorder())(x).output
    assert torch.allclose(model_of(Preparing())(x).output, 2 * plain)


@pytest.mark.parametrize(
    ("attributes", "multiple"),
    [
        ({}, 1),
        ({"reductions": [2, 4, 8]}, 8),
        ({"reductions": [16.0, 16.0], "patch_size": 16}, 32),
        ({"patch_size": (1, 14, 14)}, 28),
        ({"size_multiple": 224, "reductions": [4, 8, 16, 32], "patch_size": None}, 224),
    ],
)
def test_size_multiples(attributes, multiple):
    assert size_multiple_of(Recorder(**attributes)) == multiple


def test_patches_are_found_inside_a_foreign_backbone():
    encoder = Recorder()
    encoder.inner = Recorder(patch_size=16)
    assert size_multiple_of(encoder) == 32
