"""Which image sizes a timm model takes, and how large its feature maps are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from geofoundry.core.errors import ConfigError, Fault
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


def find_size_rule(
    model: Any, model_name: str, keywords: Mapping[str, Any], *, bands: int | None, grows: bool
) -> SizeRule:
    """Return the rule of a model.

    A model that was built with a keyword of timm that frees it of its native size (`grows`) is taken at its word.
    Of others timm's notes are not reliable, so sizes are tried on a copy without memory (the meta device).

    Raises:
        ConfigError: when the model takes images of its native number of bands only.
    """
    noted = tuple(float(info["reduction"]) for info in model.feature_info)
    deepest = int(max(noted))
    if grows:
        return SizeRule(deepest, noted)
    native_bands, height, width = _native_size(model, keywords)
    trial = _Trial(model_name, bands or native_bands, keywords)
    # Factors without the usual divisors of windows, so that a model with windows does not pass by chance.
    if reductions := trial.measure(5 * deepest, 11 * deepest):
        return SizeRule(deepest, reductions)
    if height == width and (reductions := trial.measure(height, 2 * width)):
        return SizeRule(height, reductions)
    reductions = trial.measure(height, width)
    native = reductions or _Trial(model_name, native_bands, keywords).measure(height, width)
    if native is not None and reductions is None:
        raise ConfigError(
            Fault(
                what=f"the backbone {model_name!r} takes images of {native_bands} bands only",
                where="backbone_bands",
                got=f"{bands} bands",
                mend=f"choose {native_bands} bands, or another backbone",
            )
        )
    return SizeRule(deepest, native or noted, (height, width))


class _Trial:
    """A copy of a model without memory, to try image sizes on."""

    def __init__(self, model_name: str, bands: int, keywords: Mapping[str, Any]) -> None:
        self.bands = bands
        with torch.device("meta"):
            self.model = create_timm_model(model_name, num_classes=0, in_chans=bands, **keywords).eval()

    def measure(self, height: int, width: int) -> tuple[float, ...] | None:
        """Return the reductions at an image size; None when the model refuses it, or resizes the image inside."""
        try:
            with torch.no_grad(), torch.device("meta"):
                image = torch.empty(1, self.bands, height, width)
                maps = self.model.forward_intermediates(image, intermediates_only=True)
        except SIZE_ERRORS:
            return None
        by_height = [height / x.shape[-2] for x in maps]
        by_width = [width / x.shape[-1] for x in maps]
        return tuple(by_height) if by_height == by_width else None


def _native_size(model: Any, keywords: Mapping[str, Any]) -> tuple[int, int, int]:
    bands, height, width = model.pretrained_cfg["input_size"]
    size = keywords.get("img_size") or (height, width)
    height, width = (size, size) if isinstance(size, int) else size
    return int(bands), int(height), int(width)
