"""Which parameters are trained, with which learning rate and weight decay."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from geofoundry.core.errors import Fault
from geofoundry.core.suggest import did_you_mean, nearest

NUMBERED = re.compile(r"^(?:.*?\.)?\d+(?=\.|$)")


def parameter_groups(
    module: nn.Module,
    *,
    lr: float,
    lr_overrides: Mapping[str, float] | None = None,
    layer_decay: float | None = None,
    encoder_prefix: str = "model.encoder.",
    decay_norm_and_bias: bool = False,
) -> list[dict[str, Any]]:
    """Return the optimizer's parameter groups; frozen parameters are in none.

    Args:
        module: What is trained; overrides are matched against the names of its parameters.
        lr: The learning rate of all that nothing else is said about.
        lr_overrides: Learning rates by a part of a parameter's name; the longest part that matches wins, and it wins
            over `layer_decay`.
        layer_decay: The encoder's layers get `lr * layer_decay ** (distance from the encoder's end + 1)`.
        encoder_prefix: What the names of the encoder's parameters begin with.
        decay_norm_and_bias: Without it, vectors and scalars (biases, norms, layer scales) get no weight decay.
    """
    trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    encoder_names = [name for name, _ in module.named_parameters() if name.startswith(encoder_prefix)]
    scales = {} if layer_decay is None else layer_scales(encoder_names, encoder_prefix, layer_decay)
    groups: dict[tuple[str, bool], dict[str, Any]] = {}
    for name, parameter in trained.items():
        override = matching_override(name, lr_overrides or {})
        if override is not None:
            label, rate = override, (lr_overrides or {})[override]
        elif name in scales:
            label, rate = scales[name][0], lr * scales[name][1]
        else:
            label, rate = "base", lr
        exempt = parameter.ndim <= 1 and not decay_norm_and_bias
        if (label, exempt) not in groups:
            group_name = f"{label}, no decay" if exempt else label
            groups[label, exempt] = {"name": group_name, "params": [], "lr": rate}
            if exempt:
                groups[label, exempt]["weight_decay"] = 0.0
        groups[label, exempt]["params"].append(parameter)
    return list(groups.values())


def matching_override(name: str, overrides: Iterable[str]) -> str | None:
    """Return the longest override that is a part of a parameter's name."""
    return max((part for part in overrides if part in name), key=len, default=None)


def layer_scales(names: Iterable[str], prefix: str, decay: float) -> dict[str, tuple[str, float]]:
    """Return (layer's name, factor on the learning rate) for each of an encoder's parameters.

    A layer is what shares a name up to its first number: `blocks.3`, `layer2.1`, `stages_0.blocks.2`. What comes
    before the first of them (patch embedding, stem, positions) is the layer below it; what comes after the last
    (a norm) belongs to the last. The last layer's factor is `decay`, as in BEiT, where the head counts as one layer more.

    Source: Bao et al., BEiT, 2021, appendix; Clark et al., ELECTRA, 2020, section 3.1 for the idea.
    """
    depth_of: dict[str, int] = {}
    depths: dict[str, int] = {}
    for name in names:
        layer = NUMBERED.match(name.removeprefix(prefix))
        if layer is not None:
            depths[name] = depth_of.setdefault(layer.group(), len(depth_of) + 1)
        else:
            depths[name] = len(depth_of)
    deepest = len(depth_of)
    return {name: (f"encoder layer {depth}", decay ** (deepest + 1 - depth)) for name, depth in depths.items()}


def check_parameter_options(
    lr: float, lr_overrides: Mapping[str, float] | None, layer_decay: float | None
) -> list[Fault]:
    """Return what is wrong with learning rates, before there is a model."""
    rates = {"lr": lr, **{f"lr_overrides.{part}": rate for part, rate in (lr_overrides or {}).items()}}
    faults = [
        Fault("a learning rate must be a number above 0", where=where, got=repr(rate), mend="1.0e-4 is a usual one")
        for where, rate in rates.items()
        if not _is_positive(rate)
    ]
    if layer_decay is not None and not (_is_positive(layer_decay) and layer_decay <= 1):
        faults.append(
            Fault(
                "layer_decay must be above 0 and at most 1",
                "layer_decay",
                repr(layer_decay),
                mend="0.75 is a usual one",
            )
        )
    return faults


def check_against_parameters(
    module: nn.Module,
    lr_overrides: Mapping[str, float] | None,
    layer_decay: float | None,
    encoder_prefix: str = "model.encoder.",
) -> list[Fault]:
    """Return which learning rates would reach no parameter."""
    parameters = dict(module.named_parameters())
    trained = [name for name, parameter in parameters.items() if parameter.requires_grad]
    faults = [_unmatched(part, list(parameters), trained) for part in lr_overrides or {}]
    found = [fault for fault in faults if fault is not None]
    if layer_decay is not None and not any(name.startswith(encoder_prefix) for name in parameters):
        found.append(
            Fault(
                what="layer_decay needs a model with a part named encoder",
                where="layer_decay",
                got=f"parts: {', '.join(_parts(parameters))}",
                mend="use lr_overrides",
            )
        )
    if not trained:
        found.append(Fault("nothing is left to train: every parameter is frozen", mend="freeze fewer parts"))
    return found


def _unmatched(part: str, names: list[str], trained: list[str]) -> Fault | None:
    if any(part in name for name in trained):
        return None
    if any(part in name for name in names):
        return Fault("an override's parameters are all frozen", where="lr_overrides", got=repr(part), mend="remove it")
    pieces = sorted({piece for name in names for piece in (*name.split("."), *_prefixes(name))})
    near = nearest(part, pieces)
    return Fault(
        what="an override matches no parameter",
        where="lr_overrides",
        got=repr(part),
        expected="a part of a parameter's name"
        + (f"; nearest: {', '.join(near)}" if near else f", such as {names[0]!r}"),
        mend=did_you_mean(part, near),
    )


def _prefixes(name: str) -> list[str]:
    pieces = name.split(".")
    return [".".join(pieces[:count]) for count in range(2, len(pieces))]


def _parts(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.removeprefix("model.").split(".")[0] for name in names))


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
