import pytest
import timm
from torch import nn

from geofoundry.tasks.parameter_groups import (
    check_against_parameters,
    check_parameter_options,
    layer_scales,
    parameter_groups,
)


class Parts(nn.Module):
    """A stand-in for a task: a model of encoder, decoder and head."""

    def __init__(self):
        super().__init__()
        self.model = nn.ModuleDict(
            {
                "encoder": nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)),
                "decoder": nn.Conv2d(4, 4, 1),
                "head": nn.Conv2d(4, 2, 1),
            }
        )


def rates(module, **options):
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group.get("weight_decay"))
        for group in parameter_groups(module, lr=1.0, **options)
        for parameter in group["params"]
    }


def test_every_trained_parameter_is_in_one_group_and_vectors_are_spared_the_decay():
    found = rates(Parts())
    assert set(found) == {name for name, _ in Parts().named_parameters()}
    assert found["model.encoder.0.weight"] == (1.0, None)
    assert found["model.encoder.0.bias"] == found["model.encoder.1.weight"] == (1.0, 0.0)


def test_decay_for_all_makes_one_group():
    (group,) = parameter_groups(Parts(), lr=1.0, decay_norm_and_bias=True)
    assert "weight_decay" not in group


def test_frozen_parameters_are_in_no_group():
    module = Parts()
    module.model["encoder"].requires_grad_(False)
    assert not any("encoder" in name for name in rates(module))


def test_the_longest_override_wins():
    found = rates(Parts(), lr_overrides={"encoder": 0.1, "encoder.2": 0.01})
    assert found["model.encoder.0.weight"][0] == 0.1
    assert found["model.encoder.2.weight"][0] == 0.01
    assert found["model.head.weight"][0] == 1.0


def test_layer_decay_falls_towards_the_input_and_overrides_win():
    found = rates(Parts(), layer_decay=0.5, lr_overrides={"encoder.2.bias": 7.0})
    assert found["model.encoder.2.weight"][0] == 0.5
    assert found["model.encoder.1.weight"][0] == 0.25
    assert found["model.encoder.0.weight"][0] == 0.125
    assert found["model.decoder.weight"][0] == found["model.head.bias"][0] == 1.0
    assert found["model.encoder.2.bias"][0] == 7.0


def test_layers_of_a_vision_transformer():
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, depth=3, num_classes=0)
    scales = layer_scales([name for name, _ in model.named_parameters()], "", 0.5)
    factor = {name: scale for name, (_, scale) in scales.items()}
    assert factor["pos_embed"] == factor["cls_token"] == factor["patch_embed.proj.weight"] == 0.5**4
    assert factor["blocks.0.attn.qkv.weight"] == factor["blocks.0.mlp.fc2.bias"] == 0.5**3
    assert factor["blocks.2.norm1.weight"] == factor["norm.weight"] == 0.5


def test_layers_of_a_residual_network():
    model = timm.create_model("resnet18", pretrained=False, features_only=True)
    scales = layer_scales([name for name, _ in model.named_parameters()], "", 0.5)
    factor = {name: scale for name, (_, scale) in scales.items()}
    assert factor["conv1.weight"] == factor["bn1.weight"] == 0.5**9
    assert factor["layer1.0.conv1.weight"] == 0.5**8
    assert factor["layer2.0.conv1.weight"] == factor["layer2.0.downsample.0.weight"] == 0.5**6
    assert factor["layer4.1.bn2.bias"] == 0.5


@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), float("inf"), "1e-3", True])
def test_a_rate_that_is_no_positive_number_is_refused(bad):
    assert len(check_parameter_options(bad, {"encoder": bad}, None)) == 2
    assert len(check_parameter_options(1e-3, None, bad)) == 1


def test_layer_decay_above_one_is_refused():
    assert "at most 1" in str(check_parameter_options(1e-3, None, 1.5)[0])
    assert check_parameter_options(1e-3, {"encoder": 1e-5}, 0.75) == []


def test_an_override_that_matches_nothing_gets_the_nearest_name():
    (fault,) = check_against_parameters(Parts(), {"encodr": 0.1, "head": 0.1}, None)
    assert "write 'encoder'" in str(fault)


def test_an_override_of_frozen_parameters_is_refused():
    module = Parts()
    module.model["encoder"].requires_grad_(False)
    (fault,) = check_against_parameters(module, {"encoder": 0.1}, None)
    assert "frozen" in str(fault)


def test_layer_decay_needs_an_encoder():
    module = nn.ModuleDict({"model": nn.ModuleDict({"body": nn.Linear(2, 2)})})
    (fault,) = check_against_parameters(module, None, 0.9)
    assert "parts: body" in str(fault)


def test_a_model_that_is_frozen_as_a_whole_is_refused():
    (fault,) = check_against_parameters(Parts().requires_grad_(False), None, None)
    assert "nothing is left to train" in str(fault)
