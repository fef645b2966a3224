"""From what the user wrote about the model to the model."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from geofoundry.catalog import MODEL_FACTORY_REGISTRY
from geofoundry.core.errors import ConfigError, Fault

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
    if not model_args:
        return None, [
            Fault(
                what="no model is given",
                where="model_args",
                expected="model_args for the factory, or a torch module as model",
                mend="model_args: {backbone: resnet18, decoder: UNetDecoder, num_classes: 2}",
            )
        ]
    heads = {"aux_decoders": list(aux_heads)} if aux_heads else {}
    try:
        factory = MODEL_FACTORY_REGISTRY.build(model_factory)
        # A factory may change what it is given; the task's hyper-parameters must stay as the user wrote them.
        model_args = copy.deepcopy(model_args) if is_plain(model_args) else model_args
        return factory.build_model(kind, **heads, **model_args), []
    except ConfigError as error:
        return None, [replace(fault, where=_place(fault.where)) for fault in error.faults]


def is_plain(value: Any) -> bool:
    """Return whether a value can be read back from a checkpoint without running code."""
    if isinstance(value, Mapping):
        return type(value) is dict and all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return type(value) in (list, tuple) and all(is_plain(item) for item in value)
    return type(value) in PLAIN_TYPES


def _place(where: str) -> str:
    """Return where in the task's own configuration the factory found a fault."""
    return where.replace("aux_decoders", "aux_heads", 1) if where.startswith("aux_decoders") else where
