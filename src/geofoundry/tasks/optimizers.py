"""Optimizers by their name in `torch.optim`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from geofoundry.core.errors import Fault
from geofoundry.core.suggest import did_you_mean, nearest


def optimizer_names() -> list[str]:
    """Return the optimizers that torch has."""
    found = inspect.getmembers(torch.optim, inspect.isclass)
    return sorted(name for name, item in found if issubclass(item, Optimizer) and item is not Optimizer)


def check_optimizer(name: str, hparams: Mapping[str, Any] | None) -> list[Fault]:
    """Return all that is wrong with an optimizer's name and keywords."""
    names = optimizer_names()
    if name not in names:
        return [unknown_choice("optimizer", name, names)]
    return keyword_faults("optimizer_hparams", name, getattr(torch.optim, name), hparams or {}, {"params", "lr"})


def build_optimizer(name: str, groups: Sequence[Mapping[str, Any]], lr: float, hparams: Mapping[str, Any]) -> Optimizer:
    """Build an optimizer on parameter groups."""
    optimizer = getattr(torch.optim, name)
    takes_decay = "weight_decay" in inspect.signature(optimizer).parameters
    groups = [{key: group[key] for key in group if takes_decay or key != "weight_decay"} for group in groups]
    return optimizer(groups, lr=lr, **hparams)


def unknown_choice(where: str, name: object, names: Sequence[str]) -> Fault:
    """Return the fault of a name that is not among those that may be written."""
    near = nearest(str(name), names)
    return Fault(
        what=f"unknown {where} {name!r}",
        where=where,
        got=repr(name),
        expected=f"one of: {', '.join(names)}",
        mend=did_you_mean(str(name), near),
    )


def keyword_faults(
    where: str, name: str, component: Any, keywords: Mapping[str, Any], set_elsewhere: set[str]
) -> list[Fault]:
    """Return a fault for each keyword that a class doesn't take, or that isn't given here."""
    taken = [key for key in inspect.signature(component).parameters if key not in set_elsewhere]
    return [
        Fault(
            what=f"{name} takes no keyword {key!r} here",
            where=f"{where}.{key}",
            got=repr(key),
            expected=f"one of: {', '.join(taken)}",
            mend=did_you_mean(str(key), taken) or f"remove {key!r}",
        )
        for key in keywords
        if key not in taken
    ]
