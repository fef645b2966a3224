import copy
import pickle

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

from geofoundry.models import Model, ModelOutput


class Tiny(Model):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Dropout(0.5))
        self.decoder = nn.Conv2d(3, 3, 1)
        self.head = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return ModelOutput(self.head(self.decoder(self.encoder(x))))


def test_output_is_a_pytree():
    output = ModelOutput(torch.ones(1), {"a": torch.zeros(2)})
    leaves, spec = pytree.tree_flatten(output)
    assert [tuple(leaf.shape) for leaf in leaves] == [(1,), (2,)]
    again = pytree.tree_unflatten(leaves, spec)
    assert isinstance(again, ModelOutput)
    assert again.auxiliary_heads.keys() == {"a"}


def test_output_pickles():
    output = pickle.loads(pickle.dumps(ModelOutput(torch.ones(1), {"a": torch.zeros(2)})))
    assert torch.equal(output.output, torch.ones(1))
    assert torch.equal(output.auxiliary_heads["a"], torch.zeros(2))


def test_a_model_is_abstract():
    with pytest.raises(TypeError):
        Model()


def test_frozen_parts_stay_as_they_are_in_training():
    model = Tiny()
    model.freeze_encoder()
    model.train()
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    x = torch.randn(4, 2, 5, 5)
    assert torch.equal(model.encoder(x), model.encoder(x))
    model(x).output.sum().backward()
    optimizer.step()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.encoder.state_dict().items())
    assert model.decoder.training
    assert model.decoder.weight.grad is not None


def test_freezing_survives_copies():
    model = Tiny()
    model.freeze_decoder()
    model.freeze_head()
    twin = copy.deepcopy(model).train()
    assert twin.frozen_parts == {"decoder", "head"}
    assert not twin.head.training
    assert twin.encoder.training
