"""The arguments of a composed model, sorted by part and checked before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from geofoundry.catalog import BACKBONE_REGISTRY, DECODER_REGISTRY, HEAD_REGISTRY
from geofoundry.catalog.component_registry import ComponentRegistry
from geofoundry.catalog.multi_source import MultiSourceRegistry
from geofoundry.core.errors import ConfigError, Fault, UnknownNameError
from geofoundry.core.suggest import did_you_mean
from geofoundry.models.model import AuxiliaryHead

Arguments = dict[str, dict[str, Any]]

# What the factory gives to parts.
GIVEN = ("channel_list", "in_channels", "num_classes", "reductions")


def split_by_prefix(
    keywords: Mapping[str, Any], given: Mapping[str, Mapping[str, Any] | None]
) -> tuple[Arguments, dict[str, Any]]:
    """Return the arguments of each part, and the keywords that have no part's prefix.

    `given` maps a part's name to arguments that it has already; the prefix is taken off once.

    Raises:
        ConfigError: when an argument is given both ways.
    """
    arguments = {part: dict(already or {}) for part, already in given.items()}
    left_over, faults = {}, []
    for key, value in keywords.items():
        part, _, name = key.partition("_")
        if part not in arguments or not name:
            left_over[key] = value
        elif name in (given[part] or {}):
            faults.append(Fault(f"{key} is given twice", key, mend=f"remove it here or in {part}_kwargs"))
        else:
            arguments[part][name] = value
    if faults:
        raise ConfigError(faults)
    return arguments, left_over


def class_count_faults(num_classes: Any) -> list[Fault]:
    """Return what is wrong with a number of classes."""
    if isinstance(num_classes, int) and not isinstance(num_classes, bool) and num_classes >= 1:
        return []
    got = "none" if num_classes is None else repr(num_classes)
    return [Fault("the number of classes is missing", "num_classes", got, "a whole number, 1 or more")]


def module_argument_faults(part: str, built: Any, arguments: Mapping[str, Any]) -> list[Fault]:
    """Return a fault when arguments are given for a part that is built already."""
    if isinstance(built, str) or not arguments:
        return []
    return [
        Fault(
            what=f"the {part} is a module already, so arguments for it have no effect",
            where=f"{part}_kwargs",
            got=", ".join(f"{part}_{name}" for name in arguments),
            mend="remove them",
        )
    ]


def name_faults(registry: MultiSourceRegistry, name: Any, where: str) -> list[Fault]:
    """Return what is wrong with the name of a part; one that is a module already has no name."""
    if not isinstance(name, str):
        return []
    try:
        registry.find(name)
    except UnknownNameError as error:
        return [Fault(f.what, f.where or where, f.got, f.expected, f.mend) for f in error.faults]
    return []


def left_over_faults(
    left_over: Mapping[str, Any], backbone: Any, decoder: Any, head: str, builder: Callable[..., Any]
) -> list[Fault]:
    """Return a fault for each keyword that belongs to no part, with the nearest keyword that does."""
    if not left_over:
        return []
    known = [name for name in inspect.signature(builder).parameters if name != "kwargs"]
    prefixed = [
        *_prefixed("backbone", BACKBONE_REGISTRY, backbone),
        *_prefixed("decoder", DECODER_REGISTRY, decoder),
        *_prefixed("head", HEAD_REGISTRY, head),
    ]
    return [
        Fault(
            what=f"the model takes no argument {key!r}",
            where=key,
            got=f"{key}={value!r}"[:200],
            expected=f"one of {', '.join(known)}, or an argument that begins with backbone_, decoder_ or head_",
            mend=did_you_mean(key, [*known, *prefixed]) or f"remove {key!r}",
        )
        for key, value in left_over.items()
    ]


def auxiliary_head_faults(heads: Sequence[AuxiliaryHead], head_name: str) -> list[Fault]:
    """Return what is wrong with auxiliary heads."""
    faults: list[Fault] = []
    for position, head in enumerate(heads):
        where = f"aux_decoders[{position}]"
        faults += name_faults(DECODER_REGISTRY, head.decoder, f"{where}.decoder")
        if head.name in [other.name for other in heads[:position]]:
            faults.append(Fault(f"two auxiliary heads are named {head.name!r}", f"{where}.name", mend="rename one"))
        if not str(head.name).isidentifier():
            faults.append(
                Fault("the name of an auxiliary head must be a word", f"{where}.name", repr(head.name), "such as aux1")
            )
        arguments, left_over = split_by_prefix(head.decoder_args or {}, {"decoder": None, "head": None})
        faults += module_argument_faults("decoder", head.decoder, arguments["decoder"])
        known = [*_prefixed("decoder", DECODER_REGISTRY, head.decoder), *_prefixed("head", HEAD_REGISTRY, head_name)]
        faults += [
            Fault(
                what=f"the auxiliary head takes no argument {key!r}",
                where=f"{where}.decoder_args.{key}",
                expected="arguments that begin with decoder_ or head_",
                mend=did_you_mean(key, known) or f"write 'decoder_{key}' or 'head_{key}'",
            )
            for key in left_over
        ]
    return faults


def _prefixed(part: str, registry: ComponentRegistry | MultiSourceRegistry, name: Any) -> list[str]:
    """Return the keywords of a part that is known by name, with the part's prefix, except what the factory gives."""
    if not isinstance(name, str) or name not in registry:
        return []
    prefix, local = registry.find(name) if isinstance(registry, MultiSourceRegistry) else ("", name)
    signature = (
        getattr(registry.sources[prefix], "signature", None) if isinstance(registry, MultiSourceRegistry) else None
    )
    taken = signature(local).names() if signature is not None else inspect.signature(registry[name]).parameters
    return [f"{part}_{parameter}" for parameter in taken if parameter not in GIVEN]
