import pytest
import torch
from torch import nn

from geofoundry.nn.deferred_weights import parameters_on_meta, weights_follow


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.linear.weight
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer("steps", torch.linspace(0, 1, 5), persistent=False)
        self.rate = self.steps[2].item()


def test_parameters_have_no_memory_and_buffers_their_values():
    with parameters_on_meta():
        assert weights_follow()
        module = Mixed()
    assert all(p.is_meta for p in module.parameters())
    assert module.tied.weight is module.linear.weight
    assert not module.frozen.requires_grad
    assert torch.equal(module.steps, torch.linspace(0, 1, 5))
    assert module.rate == 0.5


def test_it_ends_with_the_block_also_after_an_error():
    with pytest.raises(ValueError, match="stop"), parameters_on_meta():
        raise ValueError("stop")
    assert not weights_follow()
    assert not nn.Linear(2, 2).weight.is_meta
