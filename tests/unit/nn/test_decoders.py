import pytest
import torch

from geofoundry.core.errors import ConfigError
from geofoundry.nn.decoders.fcn import FCNDecoder
from geofoundry.nn.decoders.pooling import AveragePoolTo, _cell_weights
from geofoundry.nn.decoders.unet import UNetDecoder
from geofoundry.nn.decoders.upernet import UperNetDecoder
from geofoundry.nn.heads.segmentation import SegmentationHead


def pyramid(channels, size=(16, 24), batch=1):
    return [torch.randn(batch, c, size[0] >> i, size[1] >> i) for i, c in enumerate(channels)]


def test_fcn_doubles_the_size_in_each_step():
    decoder = FCNDecoder([4, 6], channels=8, num_convs=3, in_index=0)
    assert decoder([torch.randn(2, 4, 3, 5), torch.randn(2, 6, 1, 1)]).shape == (2, 8, 24, 40)
    assert decoder.out_channels == 8


def test_fcn_names_all_its_faults():
    with pytest.raises(ConfigError) as caught:
        FCNDecoder([4], num_convs=0, in_index=1)
    assert len(caught.value.faults) == 2


def test_unet_ends_at_twice_the_largest_map():
    decoder = UNetDecoder([4, 6, 8], channels=[16, 12, 10])
    assert decoder(pyramid([4, 6, 8])).shape == (1, 10, 32, 48)
    assert decoder.out_channels == 10


def test_unet_without_the_last_doubling_and_on_full_size_maps():
    assert UNetDecoder([4, 6], channels=[8, 8], enlarge_last=False)(pyramid([4, 6])).shape == (1, 8, 16, 24)
    assert UNetDecoder([4, 6], channels=[8, 8], reductions=[1, 2])(pyramid([4, 6])).shape == (1, 8, 16, 24)


def test_unet_has_default_channels():
    assert UNetDecoder([4, 4, 4, 4, 4]).out_channels == 16


def test_unet_refuses_other_counts_and_maps_of_one_size():
    with pytest.raises(ConfigError, match="as many channels as there are maps") as caught:
        UNetDecoder([4, 6, 8], channels=[16, 12])
    assert "[256, 128, 64]" in caught.value.faults[0].expected
    with pytest.raises(ConfigError, match="LearnedInterpolateToPyramidal"):
        UNetDecoder([4, 4], channels=[8, 8], reductions=[16, 16])


def test_upernet_ends_at_the_largest_map():
    decoder = UperNetDecoder([4, 6, 8, 8], channels=12)
    assert decoder(pyramid([4, 6, 8, 8])).shape == (1, 12, 16, 24)


@pytest.mark.parametrize("build", [lambda c: UperNetDecoder(c, channels=4), lambda c: UNetDecoder(c, [8, 8, 8])])
def test_one_image_of_the_smallest_size_trains(build):
    decoder = build([4, 6, 8]).train()
    decoder(pyramid([4, 6, 8], size=(4, 4))).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in decoder.parameters())


@pytest.mark.parametrize("size", [(7, 10), (3, 3), (6, 12), (1, 4)])
@pytest.mark.parametrize("cells", [1, 2, 3, 6])
def test_pooling_by_matrices_is_adaptive_pooling(size, cells):
    x = torch.randn(2, 3, *size)
    expected = torch.nn.functional.adaptive_avg_pool2d(x, cells)
    assert torch.equal(AveragePoolTo(cells)(x), expected)
    got = _cell_weights(size[0], cells) @ x @ _cell_weights(size[1], cells).T
    assert torch.allclose(got, expected, atol=1e-6)


def test_head_gives_a_logit_per_class():
    head = SegmentationHead(8, num_classes=3, channel_list=[6, 4], dropout=0.5)
    assert head(torch.randn(2, 8, 5, 7)).shape == (2, 3, 5, 7)
    assert list(SegmentationHead(8, 3).state_dict()) == ["head.2.weight", "head.2.bias"]


def test_head_drops_out_in_training_only():
    head = SegmentationHead(8, num_classes=2, dropout=0.9)
    x = torch.ones(1, 8, 4, 4)
    torch.manual_seed(0)
    assert not torch.equal(head.train()(x), head.train()(x))
    assert torch.equal(head.eval()(x), head.eval()(x))
