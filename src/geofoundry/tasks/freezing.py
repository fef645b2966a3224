"""Parts of a model that are not trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from geofoundry.core.errors import Fault

PARTS = {"freeze_backbone": "encoder", "freeze_decoder": "decoder", "freeze_head": "head"}


def frozen_parts(options: Mapping[str, Any]) -> list[str]:
    """Return the parts of the model that a task's options, such as `freeze_backbone`, say to freeze."""
    return [part for switch, part in PARTS.items() if options.get(switch)]


def check_parts(model: nn.Module, parts: Iterable[str]) -> list[Fault]:
    """Return a fault for each part that a model doesn't have."""
    there = [name for name, _ in model.named_children()]
    switch_of = {part: switch for switch, part in PARTS.items()}
    return [
        Fault(
            what=f"the model has no part named {part!r} to freeze",
            where=switch_of[part],
            got=f"parts: {', '.join(there) or 'none'}",
            mend=f"set {switch_of[part]}: false",
        )
        for part in parts
        if part not in there
    ]


def freeze(model: nn.Module, parts: Iterable[str]) -> None:
    """Take the gradient from all parameters of some parts."""
    for part in parts:
        model.get_submodule(part).requires_grad_(False)


def hold_still(model: nn.Module, parts: Iterable[str]) -> None:
    """Put parts into evaluation mode, so that dropout is off and batch norms keep their statistics."""
    for part in parts:
        model.get_submodule(part).eval()
