"""Images padded to sizes that a network takes, and maps cut back to the images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from geofoundry.core.errors import ConfigError, Fault

PADDING_MODES = ("reflect", "replicate", "circular", "constant")

Size = tuple[int, int]


def padded_size(size: Size, multiple: int) -> Size:
    """Return the smallest (height, width) that holds `size` and is a multiple on both sides."""
    return math.ceil(size[0] / multiple) * multiple, math.ceil(size[1] / multiple) * multiple


def pad_to(image: Tensor, size: Size, mode: str) -> Tensor:
    """Pad the last two axes to a size, on both sides alike; an odd pixel goes below and to the right.

    **Shapes:** `(..., H, W)` to `(..., size[0], size[1])`.

    Unlike `torch.nn.functional.pad`, reflecting goes on back and forth when an image is smaller than its padding.
    """
    rows, columns = size[0] - image.shape[-2], size[1] - image.shape[-1]
    if rows == 0 and columns == 0:
        return image
    top, left = rows // 2, columns // 2
    if mode == "constant":
        return F.pad(image, (left, columns - left, top, rows - top))
    image = image.index_select(-2, _source_indices(image.shape[-2], top, size[0], mode, image.device))
    return image.index_select(-1, _source_indices(image.shape[-1], left, size[1], mode, image.device))


def _source_indices(length: int, before: int, padded: int, mode: str, device: torch.device) -> Tensor:
    """Return, for each of `padded` places, which of `length` pixels stands there."""
    places = torch.arange(padded, device=device) - before
    if mode == "replicate" or length == 1:
        return places.clamp(0, length - 1)
    if mode == "circular":
        return places.remainder(length)
    period = 2 * (length - 1)
    places = places.remainder(period)
    return torch.where(places < length, places, period - places)


def center_crop(image: Tensor, size: Size) -> Tensor:
    """Cut the last two axes to a size around the center, the inverse of `pad_to`.

    **Shapes:** `(..., H, W)` to `(..., size[0], size[1])`.

    Raises:
        ConfigError: when the image is smaller.
    """
    rows, columns = image.shape[-2] - size[0], image.shape[-1] - size[1]
    if rows < 0 or columns < 0:
        raise ConfigError(
            Fault(
                what="the output can't be larger than the image",
                where="image_size_out",
                got=f"{size[0]} × {size[1]} pixels",
                expected=f"at most {image.shape[-2]} × {image.shape[-1]} pixels",
                mend="choose a smaller image_size_out",
            )
        )
    top, left = rows // 2, columns // 2
    return image[..., top : top + size[0], left : left + size[1]]


def as_size(size: int | Sequence[int]) -> Size:
    """Return (height, width) of a size that may be given as one number."""
    if isinstance(size, int):
        return size, size
    height, width = size
    return int(height), int(width)
