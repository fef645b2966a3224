"""What a model gives: its main output and those of its auxiliary heads, and the loss on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.tasks.losses import LOSSES


def split_output(output: Any) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Return the main output and the auxiliary ones of a `ModelOutput` or a plain tensor.

    Raises:
        ConfigError: when the model gives something else.
    """
    if isinstance(output, Tensor):
        return output, {}
    main = getattr(output, "output", None)
    if isinstance(main, Tensor):
        return main, getattr(output, "auxiliary_heads", None) or {}
    raise ConfigError(
        Fault(
            what="the model's output is neither a tensor nor a ModelOutput",
            where="model",
            got=type(output).__name__,
            expected="a tensor, or an object with the tensor `output` and the mapping `auxiliary_heads`",
        )
    )


def output_losses(
    criterion: nn.Module, main: Tensor, auxiliary: Mapping[str, Tensor], labels: Tensor, weights: Mapping[str, float]
) -> dict[str, Tensor]:
    """Return `loss`, to which auxiliary heads add with their weights, its parts, and `loss_<head>` for each head.

    Raises:
        ConfigError: when heads and weights don't go together.
    """
    losses: dict[str, Tensor] = criterion(main, labels)
    if auxiliary.keys() != weights.keys():
        raise ConfigError(heads_and_weights(list(auxiliary), list(weights)))
    for head, weight in weights.items():
        own = criterion(auxiliary[head], labels)["loss"]
        losses["loss"] = losses["loss"] + weight * own
        losses[f"loss_{head}"] = own.detach()
    return losses


def check_aux_loss(model: nn.Module, weights: Mapping[str, float] | None) -> list[Fault]:
    """Return what is wrong with the weights of auxiliary heads, as far as the model shows its heads."""
    faults = [
        Fault("the weight of an auxiliary head must be a number of at least 0", f"aux_loss.{head}", repr(weight))
        for head, weight in (weights or {}).items()
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not weight >= 0
    ]
    faults += [
        Fault("an auxiliary head has the name of a loss, so their values can't be told apart", "aux_heads", head)
        for head in weights or {}
        if head in LOSSES
    ]
    heads = getattr(model, "aux_heads", None)
    if isinstance(heads, nn.ModuleDict) and set(heads) != set(weights or {}):
        faults.append(heads_and_weights(list(heads), list(weights or {})))
    return faults


def heads_and_weights(heads: list[str], weights: list[str]) -> Fault:
    """Return the fault of heads and weights that have different names."""
    return Fault(
        what="auxiliary heads and the weights of their losses don't have the same names",
        where="aux_loss",
        got=f"heads: {', '.join(heads) or 'none'}; weights: {', '.join(weights) or 'none'}",
        expected="a weight in aux_loss for each of aux_heads, and no other",
    )
