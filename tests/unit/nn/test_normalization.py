import torch
from torch import nn

from geofoundry.nn.normalization import ChannelLayerNorm, TolerantBatchNorm2d, tolerate_single_values


def test_channel_layer_norm_normalizes_each_pixel():
    x = torch.randn(2, 5, 3, 4)
    got = ChannelLayerNorm(5)(x)
    expected = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    assert torch.allclose(got, expected, atol=1e-5)


def test_one_value_per_channel_uses_running_statistics():
    norm = TolerantBatchNorm2d(3).train()
    norm.running_mean.fill_(2.0)
    norm.running_var.fill_(4.0)
    got = norm(torch.full((1, 3, 1, 1), 6.0))
    assert torch.allclose(got, torch.full_like(got, 2.0), atol=1e-4)
    assert torch.equal(norm.running_mean, torch.full((3,), 2.0))


def test_more_values_are_normalized_as_ever():
    torch.manual_seed(0)
    standard, tolerant = nn.BatchNorm2d(3), TolerantBatchNorm2d(3)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(standard(x), tolerant(x))
    assert torch.equal(standard.running_var, tolerant.running_var)


def test_replacing_keeps_the_tensors():
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(nn.BatchNorm2d(3, momentum=0.3, affine=True)))
    weight, state = net[1][0].weight, {k: v.clone() for k, v in net.state_dict().items()}
    tolerate_single_values(net)
    assert type(net[1][0]) is TolerantBatchNorm2d
    assert net[1][0].weight is weight
    assert net[1][0].momentum == 0.3
    assert net.state_dict().keys() == state.keys()
    net.train()(torch.randn(1, 3, 1, 1)).sum().backward()
    assert weight.grad is not None
