"""What holds for every timm backbone: built without memory (on the meta device), at a size that it says it takes."""

import pytest
import torch

from geofoundry.catalog import BACKBONE_REGISTRY

timm = pytest.importorskip("timm")

# One of each kind: pyramids, plain transformers, channels last, windows, one size only, maps that timm's notes get wrong.
SAMPLE = [
    "resnet18",
    "convnext_atto",
    "vit_tiny_patch16_224",
    "vit_small_patch14_dinov2",
    "swin_tiny_patch4_window7_224",
    "swinv2_cr_tiny_ns_224",
    "efficientnet_b0",
    "mobilenetv3_small_050",
    "maxvit_rmlp_pico_rw_256",
    "regnety_002",
    "vgg11",
    "beit_base_patch16_224",
    "crossvit_tiny_240",
    "tresnet_m",
    "levit_128s",
    "naflexvit_base_patch16_gap",
    "hrnet_w18_small",
]
# These turn their input back into the colors of a photograph.
THREE_BANDS = ("csatv2", "csatv2_21m")
# These ask for values of tensors, which the meta device has not.
NEEDS_VALUES = ("gemma4_vit_167m", "gemma4_vit_167m_enc", "gemma4_vit_570m", "gemma4_vit_570m_enc")


def check(name):
    bands = 3 if name in THREE_BANDS else 5
    with torch.device("meta"):
        backbone = BACKBONE_REGISTRY.build(f"timm_{name}", in_chans=bands)
        height, width = backbone.fixed_size or (2 * backbone.size_multiple, 3 * backbone.size_multiple)
        maps = backbone(torch.empty(2, bands, height, width))
        sum(x.sum() for x in maps).backward()
    assert len(maps) == len(backbone.out_channels) == len(backbone.reductions)
    for x, channels, reduction in zip(maps, backbone.out_channels, backbone.reductions, strict=True):
        assert tuple(x.shape) == (2, channels, round(height / reduction), round(width / reduction))
    unused = [key for key, p in backbone.named_parameters() if p.requires_grad and p.grad is None]
    assert not unused


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_of_names(name):
    check(name)


@pytest.mark.long
@pytest.mark.parametrize("name", timm.list_models())
def test_every_name(name):
    if name in NEEDS_VALUES:
        pytest.skip("runs on real memory only")
    check(name)
