"""Augmentation: flips and turns of our own, and everything in torchvision.transforms.v2, for bands, mask and dates.

All randomness comes from a generator that belongs to one draw, so a resumed run sees what the unbroken one had seen.
"""

from __future__ import annotations

import importlib
import inspect
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from geofoundry.core.errors import ConfigError, Fault, UnknownNameError
from geofoundry.core.suggest import did_you_mean
from geofoundry.data import orientation
from geofoundry.data.label_spec import OUTSIDE
from geofoundry.data.orientation import Orientation, OrientationTransform

# Ours are told from torchvision's by name: they draw from the sample's generator and work on integers.
OWN_TRANSFORMS: dict[str, type[OrientationTransform]] = {
    cls.__name__: cls
    for cls in (
        orientation.D4,
        orientation.RandomHorizontalFlip,
        orientation.RandomRotate90,
        orientation.RandomVerticalFlip,
    )
}

Transform = OrientationTransform | nn.Module | Callable[..., Any]


def transform_names() -> list[str]:
    """Return every name that a transform can be asked for by."""
    theirs = [name for name, value in vars(v2).items() if inspect.isclass(value) and issubclass(value, v2.Transform)]
    return sorted({*OWN_TRANSFORMS, *(name for name in theirs if name != "Transform")})


def build_transforms(specifications: Sequence[Mapping[str, Any]], where: str = "train_transforms") -> list[Transform]:
    """Build transforms from `{name: RandomErasing, p: 0.1}` or `{class_path: my.Transform, init_args: {...}}`.

    Raises:
        ConfigError: with one fault per transform that is unknown or does not take its arguments.
    """
    built: list[Transform] = []
    faults: list[Fault] = []
    for number, specification in enumerate(specifications):
        try:
            built.append(_build_one(specification, f"{where}[{number}]"))
        except ConfigError as error:
            faults.extend(error.faults)
    if faults:
        raise ConfigError(faults)
    return built


class Augmentation:
    """Applies transforms to one chip.

    As long as all of them are flips and turns, chips stay as stored; `needs_values` says otherwise: then images have
    to be physical values in float32.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = tuple(transforms)
        self.needs_values = any(not isinstance(transform, OrientationTransform) for transform in transforms)

    def draw_orientation(self, generator: np.random.Generator, *, square: bool) -> Orientation:
        """Draw the product of all transforms, where they are flips and turns only."""
        product = Orientation()
        for transform in self.transforms:
            assert isinstance(transform, OrientationTransform)
            product = product.then(transform.draw(generator, square=square))
        return product

    def __call__(
        self, image: Tensor, mask: Tensor, missing: Tensor, generator: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Transform an image, its mask, and which of its values are nodata.

        Interpolation takes the nearest pixel for the mask. What comes in from beyond the edge is nodata in the image
        and `OUTSIDE` in the mask.

        **Shapes**: image (bands, H, W) float32 without NaN; mask (H, W) int16; missing (bands, H, W) bool.
        """
        present = (~missing).to(torch.int16)
        sample: tuple[Any, ...] = (tv_tensors.Image(image), tv_tensors.Mask(mask[None]), tv_tensors.Mask(present))
        with _seeded(int(generator.integers(2**31))):
            for transform in self.transforms:
                if isinstance(transform, OrientationTransform):
                    drawn = transform.draw(generator, square=sample[0].shape[-1] == sample[0].shape[-2])
                    sample = tuple(type(part)(drawn.apply(part.as_subclass(Tensor))) for part in sample)
                else:
                    sample = transform(*sample)
        image_out, mask_out, present_out = (part.as_subclass(Tensor) for part in sample)
        return image_out, mask_out[0], present_out != 1


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the generators that foreign transforms draw from, and leave them afterwards as they were."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)


def _build_one(specification: Mapping[str, Any], where: str) -> Transform:
    given = dict(specification)
    if "class_path" in given:
        arguments = dict(given.pop("init_args", None) or {})
        cls = _import_class(str(given.pop("class_path")), where)
        if given:
            raise ConfigError(Fault("unknown keys", where, got=", ".join(given), expected="class_path, init_args"))
    elif "name" in given:
        name, arguments = str(given.pop("name")), given
        cls = OWN_TRANSFORMS.get(name) or _torchvision_class(name, where)
    else:
        expected = "{name: D4}, or {class_path: ..., init_args: {...}}"
        raise ConfigError(Fault("a transform without a name", where, got=str(given), expected=expected))
    _check_arguments(cls, arguments, where)
    if "fill" in inspect.signature(cls).parameters and "fill" not in arguments:
        arguments["fill"] = {tv_tensors.Image: 0.0, tv_tensors.Mask: OUTSIDE}
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(Fault(f"{cls.__name__} can't be built", where, got=str(error))) from error


def _torchvision_class(name: str, where: str) -> type:
    if name not in transform_names():
        raise UnknownNameError(
            Fault(
                what=f"unknown transform {name!r}",
                where=where,
                expected="a transform of ours (" + ", ".join(OWN_TRANSFORMS) + ") or of torchvision.transforms.v2",
                mend=did_you_mean(name, transform_names()),
            )
        )
    return getattr(v2, name)


def _import_class(path: str, where: str) -> type:
    module_name, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        expected = "the full path of a class, such as torchvision.transforms.v2.RandomErasing"
        raise ConfigError(Fault(f"{path!r} can't be imported", where, got=str(error), expected=expected)) from error


def _check_arguments(cls: type, arguments: Mapping[str, Any], where: str) -> None:
    parameters = inspect.signature(cls).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    unknown = [name for name in arguments if name not in parameters]
    required = [n for n, p in parameters.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    missing = [name for name in required if name not in arguments]
    faults = [
        Fault(
            what=f"{cls.__name__} takes no {name!r}",
            where=where,
            expected=", ".join(parameters) or "no arguments",
            mend=did_you_mean(name, parameters),
        )
        for name in unknown
    ]
    faults += [Fault(f"{cls.__name__} needs {name!r}", where, expected=", ".join(parameters)) for name in missing]
    if faults:
        raise ConfigError(faults)
