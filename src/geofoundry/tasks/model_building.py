"""From what the user wrote about the model to the model."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from geofoundry.catalog import MODEL_FACTORY_REGISTRY
from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.suggest import did_you_mean

AUX_HEAD_KEYS = ("name", "decoder", "decoder_args")
PLAIN_TYPES = (str, int, float, bool, type(None))


def find_model(
    kind: str,
    model: nn.Module | None,
    model_factory: str,
    model_args: Mapping[str, Any],
    aux_heads: Sequence[Mapping[str, Any]],
) -> tuple[nn.Module | None, list[Fault]]:
    """Return the given model, or the one that the factory builds; and all that is wrong with what it is built from.

    `kind` is what the factory is told to build, for example `segmentation`.
    """
    if model is not None:
        faults = [
            Fault(f"{key} does nothing for a model that is given ready", where=f"model_args.{key}", mend="remove it")
            for key in model_args
            if key != "num_classes"
        ]
        if aux_heads:
            faults.append(
                Fault("aux_heads do nothing for a model that is given ready", "aux_heads", mend="remove them")
            )
        return model, faults
    faults = aux_head_faults(aux_heads)
    if not model_args:
        faults.append(
            Fault(
                what="no model is given",
                where="model_args",
                expected="model_args for the factory, or a torch module as model",
                mend="model_args: {backbone: resnet18, decoder: UNetDecoder, num_classes: 2}",
            )
        )
        return None, faults
    try:
        factory = MODEL_FACTORY_REGISTRY.build(model_factory)
        # A factory may change what it is given; the task's hyper-parameters must stay as the user wrote them.
        model_args = copy.deepcopy(model_args) if is_plain(model_args) else model_args
        heads = {"aux_decoders": _as_auxiliary_heads(aux_heads)} if aux_heads and not faults else {}
        return factory.build_model(kind, **heads, **model_args), faults
    except ConfigError as error:
        return None, [*faults, *error.faults]


def aux_head_faults(aux_heads: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Return what is wrong with the descriptions of auxiliary heads."""
    faults = []
    for index, head in enumerate(aux_heads):
        where = f"aux_heads[{index}]"
        faults += [
            Fault(
                what=f"an auxiliary head takes no {key!r}",
                where=where,
                got=repr(key),
                expected=f"one of: {', '.join(AUX_HEAD_KEYS)}",
                mend=did_you_mean(str(key), AUX_HEAD_KEYS),
            )
            for key in head
            if key not in AUX_HEAD_KEYS
        ]
        faults += [Fault(f"an auxiliary head needs a {key}", where) for key in AUX_HEAD_KEYS[:2] if key not in head]
    names = [head.get("name") for head in aux_heads]
    if len(set(names)) < len(names):
        faults.append(Fault("two auxiliary heads have the same name", "aux_heads", ", ".join(map(str, names))))
    return faults


def is_plain(value: Any) -> bool:
    """Return whether a value can be read back from a checkpoint without running code."""
    if isinstance(value, Mapping):
        return type(value) is dict and all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return type(value) in (list, tuple) and all(is_plain(item) for item in value)
    return type(value) in PLAIN_TYPES


def _as_auxiliary_heads(aux_heads: Sequence[Mapping[str, Any]]) -> list[Any]:
    from geofoundry.models import AuxiliaryHead

    return [AuxiliaryHead(**head) for head in aux_heads]
