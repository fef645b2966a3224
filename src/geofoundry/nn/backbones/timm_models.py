"""Timm models by name, with their keywords checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import timm

from geofoundry.catalog.sources.timm import TimmBackboneSource
from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.suggest import did_you_mean

# Keywords of timm's models that make them grow with the image; the first that a model takes is used.
SIZE_KEYWORDS = {"dynamic_img_size": True, "strict_img_size": False}

# Keywords of timm that have no meaning for a backbone, or that another argument of ours stands for.
REFUSED = {
    "cfg": "write its entries as backbone keywords",
    "checkpoint_path": "write backbone_weights",
    "device": "move the model after it is built",
    "dtype": "choose the precision in the trainer",
    "global_pool": "a backbone gives maps; remove it",
    "num_classes": "a backbone has no classifier; remove it, or write num_classes without 'backbone_'",
    "pretrained_cfg": "write the tag in the model's name, such as resnet18.a1_in1k",
    "pretrained_cfg_overlay": "write backbone_weights",
    "pretrained_strict": "weights are always loaded strictly; remove it",
}


def create_timm_model(model_name: str, **kwargs: Any) -> Any:
    """Build a timm model; a keyword that it doesn't take is a `ConfigError`, any other error comes through."""
    try:
        return timm.create_model(model_name, **kwargs)
    except TypeError as error:
        unknown = [name for name in kwargs if f"'{name}'" in str(error)]
        if "unexpected keyword argument" not in str(error) or not unknown:
            raise
        raise _unknown_keywords(model_name, unknown) from error


def complete_keywords(model_name: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Check keywords and add the one, if the model takes it, that frees the model of its native image size.

    Raises:
        ConfigError: for each keyword that the model doesn't take, or that has no meaning for a backbone.
    """
    signature = TimmBackboneSource().signature(model_name)
    taken = set(signature.names())
    unknown = [key for key in keywords if key in REFUSED or (key not in taken and not signature.takes_any)]
    if unknown:
        raise _unknown_keywords(model_name, unknown)
    if any(keyword in keywords for keyword in SIZE_KEYWORDS):
        return dict(keywords)
    freeing = next(({key: value} for key, value in SIZE_KEYWORDS.items() if key in taken), {})
    return {**keywords, **freeing}


def grows_with_image(keywords: Mapping[str, Any]) -> bool:
    """Tell whether a model built with these keywords takes images of any size, in steps of its patches."""
    return any(keywords.get(key) == value for key, value in SIZE_KEYWORDS.items())


def _unknown_keywords(model_name: str, unknown: Sequence[str]) -> ConfigError:
    source = TimmBackboneSource()
    own = [name for name in source.signature(model_name).names() if name not in REFUSED]
    return ConfigError(
        Fault(
            what=f"the backbone {model_name!r} takes no keyword {name!r}",
            where=f"backbone_{name}",
            got=name,
            expected=f"one of: {', '.join(own)}",
            mend=REFUSED.get(name) or did_you_mean(name, own) or f"remove {name!r}",
        )
        for name in unknown
    )
