"""Load pretrained weights into a timm model whose bands, blocks and head differ from the pretrained one's."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from geofoundry.core.errors import Fault, IntegrityError
from geofoundry.nn.backbones.band_adaptation import BandPlan, adapt_filters
from geofoundry.nn.backbones.timm_models import create_timm_model
from geofoundry.nn.state_dicts import compare, read_state_dict

# What timm's conversions of older files raise when a file is not what they expect.
CONVERSION_ERRORS = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


def load_timm_weights(
    model: nn.Module,
    model_name: str,
    plan: BandPlan,
    keywords: Mapping[str, Any],
    weights: str | None,
) -> tuple[str, ...]:
    """Load weights from a file, or from timm when `weights` is None, and return the layers fitted to the bands.

    Every tensor of `model` must be supplied. What belongs to the classifier and to blocks that `model` no longer has
    is left out; anything else that is left over is an error.

    Raises:
        IntegrityError: when tensors are missing, left over, or of another shape.
    """
    count = len(plan.pretrained_bands)
    whole = _without_memory(model_name, count, keywords)
    if weights is None:
        source = create_timm_model(model_name, in_chans=count, num_classes=0, pretrained=True, **keywords)
        found, where = source.state_dict(), f"timm {model_name}"
    else:
        found, where = read_state_dict(weights), str(weights)
    own = model.state_dict()
    found = _fit(found, {name: t for name, t in whole.state_dict().items() if name in own}, whole, where)
    inputs = {} if plan.keeps_weights else _input_axes(whole, _without_memory(model_name, count + 1, keywords), count)
    for name, axis in inputs.items():
        found[name] = adapt_filters(found[name], plan, axis)
    model.load_state_dict(found, strict=True)
    return tuple(name.removesuffix(".weight") for name in inputs)


def _without_memory(model_name: str, bands: int, keywords: Mapping[str, Any]) -> nn.Module:
    with torch.device("meta"):
        return create_timm_model(model_name, in_chans=bands, **keywords)


def _fit(found: dict[str, Tensor], wanted: dict[str, Tensor], whole: nn.Module, where: str) -> dict[str, Tensor]:
    """Return the wanted tensors, converted by timm where the file is of an older kind."""
    known = whole.state_dict().keys()
    faults = compare(wanted, found, where=where, may_have=known)
    if faults:
        converted = _converted(found, whole)
        if converted is None or compare(wanted, converted, where=where, may_have=known):
            raise IntegrityError(faults, summary=f"the weights don't fit the backbone {type(whole).__name__}")
        found = converted
    return {name: found[name] for name in wanted}


def _converted(found: dict[str, Tensor], whole: nn.Module) -> dict[str, Tensor] | None:
    convert = getattr(sys.modules[type(whole).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return None
    try:
        return dict(convert(dict(found), whole))
    except CONVERSION_ERRORS:
        return None


def _input_axes(narrow: nn.Module, wide: nn.Module, count: int) -> dict[str, int]:
    """Return the tensors that depend on the number of bands, each with the axis that does.

    Found by comparing models of `count` and `count + 1` bands, since timm's own notes on the first layer are not
    complete.
    """
    axes: dict[str, int] = {}
    wider = dict(wide.state_dict())
    for name, tensor in narrow.state_dict().items():
        other = wider[name]
        differing = [axis for axis in range(tensor.dim()) if tensor.shape[axis] != other.shape[axis]]
        if not differing:
            continue
        axis = differing[0]
        groups = tensor.shape[axis] // count
        if len(differing) > 1 or tensor.shape[axis] != groups * count or other.shape[axis] != groups * (count + 1):
            raise IntegrityError(
                Fault(
                    what="the first layer can't be fitted to other bands",
                    where=name,
                    got=f"{tuple(tensor.shape)} for {count} bands, {tuple(other.shape)} for {count + 1}",
                    expected="a tensor with one axis in proportion to the bands",
                    mend="use the pretrained bands, or build the backbone without weights",
                )
            )
        axes[name] = axis
    return axes
