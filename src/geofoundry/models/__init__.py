"""Composed models, what builds them, and weights into models. What is imported from here loads torch on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geofoundry.models.encoder_decoder_factory import EncoderDecoderFactory
    from geofoundry.models.factory import ModelFactory, register_factory
    from geofoundry.models.loading import load_model
    from geofoundry.models.model import AuxiliaryHead, Model, ModelOutput
    from geofoundry.models.pixel_wise_model import PixelWiseModel

_MODULES = {
    "AuxiliaryHead": "model",
    "EncoderDecoderFactory": "encoder_decoder_factory",
    "Model": "model",
    "ModelFactory": "factory",
    "ModelOutput": "model",
    "PixelWiseModel": "pixel_wise_model",
    "load_model": "loading",
    "register_factory": "factory",
}

__all__ = [
    "AuxiliaryHead",
    "EncoderDecoderFactory",
    "load_model",
    "Model",
    "ModelFactory",
    "ModelOutput",
    "PixelWiseModel",
    "register_factory",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
