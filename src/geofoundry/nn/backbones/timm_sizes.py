"""Which image sizes a timm model takes, and how large its feature maps are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from geofoundry.nn.backbones.timm_models import create_timm_model

# What the size checks of timm and of torch raise.
SIZE_ERRORS = (AssertionError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True)
class SizeRule:
    """Images must be multiples of `multiple` on both sides, or exactly `fixed` (height, width).

    `reductions` says how many times smaller than the image each feature map is.
    """

    multiple: int
    reductions: tuple[float, ...]
    fixed: tuple[int, int] | None = None

    @property
    def patch_size(self) -> int | None:
        """The side of a patch when all of several maps have one size, as in a plain vision transformer."""
        sides = set(self.reductions)
        side = min(sides)
        return int(side) if len(self.reductions) > 1 and len(sides) == 1 and side.is_integer() else None


def find_size_rule(model: Any, model_name: str, keywords: Mapping[str, Any], *, grows: bool) -> SizeRule:
    """Return the rule of a model.

    A model that was built with a keyword of timm that frees it of its native size (`grows`) is taken at its word.
    Of others timm's notes are not reliable, so sizes are tried on a copy without memory (the meta device).
    """
    noted = tuple(float(info["reduction"]) for info in model.feature_info)
    deepest = int(max(noted))
    if grows:
        return SizeRule(deepest, noted)
    height, width = _native_size(model, keywords)
    with torch.device("meta"):
        trial = create_timm_model(model_name, num_classes=0, **keywords).eval()
    # Factors without the usual divisors of windows, so that a model with windows does not pass by chance.
    if reductions := _measure(trial, (5 * deepest, 11 * deepest)):
        return SizeRule(deepest, reductions)
    if height == width and (reductions := _measure(trial, (height, 2 * width))):
        return SizeRule(height, reductions)
    return SizeRule(deepest, _measure(trial, (height, width)) or noted, (height, width))


def _native_size(model: Any, keywords: Mapping[str, Any]) -> tuple[int, int]:
    size = keywords.get("img_size") or tuple(model.pretrained_cfg["input_size"][-2:])
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _measure(trial: Any, size: tuple[int, int]) -> tuple[float, ...] | None:
    """Return the reductions at an image size; None when the model refuses it, or resizes the image inside."""
    image = torch.empty(1, trial.pretrained_cfg["input_size"][0], *size, device="meta")
    try:
        with torch.no_grad():
            maps = trial.forward_intermediates(image, intermediates_only=True)
    except SIZE_ERRORS:
        return None
    by_height = [size[0] / x.shape[-2] for x in maps]
    by_width = [size[1] / x.shape[-1] for x in maps]
    return tuple(by_height) if by_height == by_width else None
