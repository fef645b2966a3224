import pytest
import torch
from torch import nn

from geofoundry.tasks.optimizers import build_optimizer, check_optimizer, optimizer_names


def groups():
    weight, bias = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    return [
        {"name": "base", "params": [weight], "lr": 0.1},
        {"name": "no", "params": [bias], "lr": 0.1, "weight_decay": 0.0},
    ]


def test_the_names_are_torchs():
    assert {"AdamW", "SGD", "Adam"} <= set(optimizer_names())
    assert "Optimizer" not in optimizer_names()


def test_keywords_reach_the_optimizer_and_groups_keep_their_own():
    optimizer = build_optimizer("AdamW", groups(), 0.1, {"betas": (0.8, 0.9), "weight_decay": 0.3})
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]
    assert optimizer.defaults["betas"] == (0.8, 0.9)


def test_an_optimizer_without_weight_decay_takes_the_groups_too():
    assert len(build_optimizer("Rprop", groups(), 0.1, {}).param_groups) == 2


def test_names_and_keywords_are_checked():
    assert check_optimizer("AdamW", {"weight_decay": 0.1}) == []
    (fault,) = check_optimizer("adamw", None)
    assert "write 'AdamW'" in str(fault)
    faults = check_optimizer("AdamW", {"weight_decy": 0.1, "lr": 3})
    assert ["write 'weight_decay'" in str(faults[0]), "'lr'" in str(faults[1])] == [True, True]


@pytest.mark.parametrize("name", ["AdamW", "SGD"])
def test_a_step_decays_weights_and_spares_biases(name):
    optimizer = build_optimizer(name, groups(), 0.1, {"weight_decay": 0.5})
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert (optimizer.param_groups[0]["params"][0] < 1).all()
    assert (optimizer.param_groups[1]["params"][0] == 1).all()
