"""What of a batch goes to the model and to the loss.

A batch is TorchGeo's dictionary. `image` always goes to the model; of the other keys only those of `OPTIONAL_INPUTS`,
and only to a model that takes them by name. Whatever else a datamodule puts into a batch is left alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from geofoundry.core.errors import DataError, Fault

IMAGE = "image"
OPTIONAL_INPUTS = (
    "temporal_coords",  # (B, T, 2): year, day of the year
    "location_coords",  # (B, 2): latitude, longitude, degrees
    "wavelengths",  # (C,) or (B, C): nm
    "gsd_m",  # (B,)
)


def accepted_inputs(model: nn.Module) -> tuple[str, ...]:
    """Return which optional inputs a model takes.

    A model that takes any keyword hands them on to its encoder, whose signature then counts.
    """
    for module in (model, getattr(model, "encoder", None)):
        if module is None:
            continue
        parameters = inspect.signature(module.forward).parameters
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return tuple(name for name in OPTIONAL_INPUTS if name in parameters)
    return OPTIONAL_INPUTS


def model_inputs(batch: Mapping[str, Any], accepted: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """Return the image and the optional inputs of a batch.

    Raises:
        DataError: when there is no image.
    """
    extras = {name: batch[name] for name in accepted if name in batch}
    return required(batch, IMAGE), extras


def required(batch: Mapping[str, Any], key: str) -> Any:
    """Return an entry of a batch.

    Raises:
        DataError: when it isn't there.
    """
    if key in batch:
        return batch[key]
    raise DataError(
        Fault(
            what=f"the batch has no {key!r}",
            where="datamodule",
            got=f"keys: {', '.join(map(str, batch))}",
            expected=f"a dictionary with {key!r}, as TorchGeo's datasets give it",
        )
    )


def batch_size(image: Any) -> int:
    """Return how many samples an image batch holds, a tensor or a dictionary of modalities."""
    while isinstance(image, Mapping):
        image = next(iter(image.values()))
    return len(image)


def class_labels(mask: Tensor) -> Tensor:
    """Return labels as int64 without a channel dimension.

    **Shapes:** `(B, H, W)` or `(B, 1, H, W)` to `(B, H, W)`.

    Raises:
        DataError: when labels are no whole numbers; on an accelerator, which is not waited for, such labels become
            one that is outside the classes.
    """
    if mask.ndim == 4 and mask.shape[1] == 1:
        mask = mask.squeeze(1)
    if not mask.is_floating_point():
        return mask.long()
    labels = mask.long()
    whole = mask == labels
    if mask.device.type != "cpu":
        return labels.where(whole, torch.iinfo(torch.int32).min)
    if not whole.all():
        example = mask[~whole][0].item()
        raise DataError(
            Fault(
                what="a label is not a whole number",
                where="mask",
                got=f"{example:g} and {int((~whole).sum()) - 1} more",
                mend="labels must be resampled by nearest neighbor, never interpolated",
            )
        )
    return labels
