"""Weights into models, without filling the model twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from geofoundry.core.errors import Fault, IntegrityError
from geofoundry.nn.deferred_weights import parameters_on_meta
from geofoundry.nn.state_dicts import compare, read_state_dict

Module = TypeVar("Module", bound=nn.Module)


def load_model(build: Callable[[], Module], path: str | Path, *, prefix: str = "") -> Module:
    """Build a model whose weights come from a file, and give it those weights.

    Nothing is initialized, and the file is mapped instead of copied: tensors come into memory when they are first
    used, so the file must stay as it is while the model lives (files replaced by renaming are safe). Tensors of
    another floating type than the model's are converted, which does copy them. The model is in training mode, as
    after any build.

    Args:
        build: Builds the model; every tensor of its state dict is replaced.
        path: A safetensors file, or a PyTorch file without pickled code.
        prefix: What the names of this model's tensors begin with in the file, such as `model.` in a checkpoint of a
            training task; tensors with other names are left out.

    Raises:
        ConfigError: when there is no such file.
        IntegrityError: when tensors are missing, left over, of another shape or kind; all of them in one error.
    """
    found = read_state_dict(path)
    if prefix:
        found = {name.removeprefix(prefix): tensor for name, tensor in found.items() if name.startswith(prefix)}
    with parameters_on_meta():
        model = build()
    expected = dict(model.state_dict(keep_vars=True))
    shared = _shared_names(expected)
    faults = _complete_shared(shared, found, str(path))
    faults += compare(expected, found, where=str(path))
    faults += _kind_faults(expected, found, str(path))
    if faults:
        raise IntegrityError(faults, summary=f"the weights don't fit the model {type(model).__name__}")
    converted = {name: _as_kind(found[name], tensor.dtype) for name, tensor in expected.items()}
    model.load_state_dict(converted, strict=True, assign=True)
    _share_again(model, shared)
    _require_filled(model, str(path))
    return model


def _shared_names(expected: dict[str, Tensor]) -> list[list[str]]:
    """Return the groups of names that stand for one tensor."""
    by_tensor: dict[int, list[str]] = defaultdict(list)
    for name, tensor in expected.items():
        by_tensor[id(tensor)].append(name)
    return [names for names in by_tensor.values() if len(names) > 1]


def _complete_shared(shared: list[list[str]], found: dict[str, Tensor], where: str) -> list[Fault]:
    """Give every name of a shared tensor what one of them has in the file (safetensors keeps one name of each)."""
    faults = []
    for names in shared:
        present = [name for name in names if name in found]
        if not present:
            continue
        first = found[present[0]]
        differing = [name for name in present[1:] if not _equal(found[name], first)]
        if differing:
            faults.append(
                Fault(
                    what="the model shares one tensor under several names, which differ in the file",
                    where=where,
                    got=", ".join([present[0], *differing]),
                    expected="equal values",
                )
            )
        found.update(dict.fromkeys(names, first))
    return faults


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)


def _kind_faults(expected: dict[str, Tensor], found: dict[str, Tensor], where: str) -> list[Fault]:
    wrong = [
        f"{name} {found[name].dtype} instead of {tensor.dtype}"
        for name, tensor in expected.items()
        if name in found and found[name].dtype.is_floating_point != tensor.dtype.is_floating_point
    ]
    if not wrong:
        return []
    return [Fault(f"{len(wrong)} tensors are of another kind of number", where, ", ".join(wrong[:5]))]


def _as_kind(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


def _share_again(model: nn.Module, shared: list[list[str]]) -> None:
    """Make the names of a group stand for one parameter again; assigning gave each of them its own."""
    for first, *others in shared:
        tensor = _get(model, first)
        for name in others:
            owner, _, attribute = name.rpartition(".")
            module = model.get_submodule(owner)
            if isinstance(tensor, nn.Parameter):
                module.register_parameter(attribute, tensor)
            else:
                module.register_buffer(attribute, tensor)


def _get(model: nn.Module, name: str) -> Tensor:
    owner, _, attribute = name.rpartition(".")
    return getattr(model.get_submodule(owner), attribute)


def _require_filled(model: nn.Module, where: str) -> None:
    """Check that nothing is left without memory: parameters that a state dict does not list would be."""
    empty = [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if tensor.is_meta]
    if empty:
        raise IntegrityError(
            Fault(
                what="the model has tensors that no state dict lists, so no file can fill them",
                where=where,
                got=", ".join(empty[:5]),
                mend="build the model and load its state dict in the usual way",
            )
        )
