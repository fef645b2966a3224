import pytest
import torch

from geofoundry.catalog.sources.smp import DECODERS
from geofoundry.core.errors import ConfigError
from geofoundry.nn.decoders.smp_decoder import build_smp_decoder

# Name: channels of the maps, and how many times smaller than the image they are.
PYRAMIDS = {
    "resnet": ([8, 8, 12, 16, 16], [2, 4, 8, 16, 32]),
    "convnext": ([8, 12, 16, 16], [4, 8, 16, 32]),
    "vgg": ([4, 8, 8, 12, 16, 16], [1, 2, 4, 8, 16, 32]),
    "vit pyramid of patches of 14": ([8, 8, 16, 16], [3.5, 7, 14, 28]),
}
FULL_SIZE = ("Unet", "UnetPlusPlus", "MAnet", "Linknet")


def maps_of(channels, reductions, size):
    return [torch.randn(1, c, int(size[0] / r), int(size[1] / r)) for c, r in zip(channels, reductions, strict=True)]


def small(name):
    widths = {"DPT": {"fusion_channels": 16}, "PSPNet": {"out_channels": 8}, "Segformer": {"segmentation_channels": 8}}
    widths |= {"UPerNet": {"channels": 8}, "DeepLabV3": {"out_channels": 8}, "DeepLabV3Plus": {"out_channels": 8}}
    return widths.get(name, {})


@pytest.mark.parametrize("pyramid", PYRAMIDS)
@pytest.mark.parametrize("name", sorted(DECODERS))
def test_every_decoder_takes_every_pyramid(name, pyramid):
    channels, reductions = PYRAMIDS[pyramid]
    size = (56, 84) if 3.5 in reductions else (64, 96)
    decoder = build_smp_decoder(name, channels, reductions=reductions, **small(name)).train()
    got = decoder(maps_of(channels, reductions, size))
    assert got.shape[:2] == (1, decoder.out_channels)
    if name in FULL_SIZE and 3.5 not in reductions:
        assert tuple(got.shape[-2:]) == size
    got.sum().backward()


@pytest.mark.parametrize("name", ["DPT", "DeepLabV3", "PSPNet", "PAN", "Segformer", "UPerNet", "DeepLabV3Plus"])
def test_maps_of_one_size_suit_some(name):
    decoder = build_smp_decoder(name, [8] * 4, reductions=[16] * 4, **small(name)).eval()
    assert decoder(maps_of([8] * 4, [16] * 4, (64, 96))).shape[1] == decoder.out_channels


@pytest.mark.parametrize("name", ["Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN"])
def test_maps_of_one_size_are_refused_by_others(name):
    with pytest.raises(ConfigError, match="needs a pyramid"):
        build_smp_decoder(name, [8] * 4, reductions=[16] * 4)


@pytest.mark.parametrize(("name", "count"), [("FPN", 3), ("PAN", 12), ("DPT", 12)])
def test_a_wrong_number_of_maps_is_refused(name, count):
    reductions = [8, 16, 32] if count == 3 else [16] * count
    with pytest.raises(ConfigError, match="number of maps"):
        build_smp_decoder(name, [8] * count, reductions=reductions)


@pytest.mark.parametrize("keyword", ["channels", "decoder_channels"])
def test_the_doubled_prefix_may_be_left_out(keyword):
    decoder = build_smp_decoder("Unet", [8, 8, 8, 8, 8], **{keyword: [16, 8, 8, 8, 4]})
    assert decoder.out_channels == 4


def test_four_maps_may_have_four_or_five_steps():
    channels, reductions = PYRAMIDS["convnext"]
    maps = maps_of(channels, reductions, (64, 96))
    sizes = [
        tuple(build_smp_decoder("Unet", channels, reductions=reductions, channels=steps)(maps).shape[-2:])
        for steps in ([16, 8, 8, 4], [16, 8, 8, 4, 4])
    ]
    assert sizes == [(32, 48), (64, 96)]


def test_faults_in_keywords():
    with pytest.raises(ConfigError) as caught:
        build_smp_decoder("Unet", [8] * 5, channles=[1], attention="scse", n_blocks=3)
    assert len(caught.value.faults) == 3
    assert "channels" in caught.value.faults[0].mend
    with pytest.raises(ConfigError, match="twice"):
        build_smp_decoder("Unet", [8] * 5, channels=[8] * 5, decoder_channels=[8] * 5)
    with pytest.raises(ConfigError, match="one number of channels per step"):
        build_smp_decoder("Unet", [8] * 5, channels=[8, 8])
    with pytest.raises(ConfigError, match="unknown decoder 'UNet'"):
        build_smp_decoder("UNet", [8] * 5)


def test_an_error_of_the_decoder_comes_through():
    with pytest.raises(ValueError, match="merge_policy"):
        build_smp_decoder("FPN", [8] * 4, merge_policy="mean")
