"""Earth-observation foundation models, from weights on disk to an approved, deployable model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geofoundry.recipes.evaluate import evaluate
    from geofoundry.recipes.fit import fit
    from geofoundry.recipes.predict import predict

__version__ = "0.1.0"

__all__ = ["__version__", "evaluate", "fit", "predict"]

# Imported when first used: importing the package costs nothing.
_RECIPES = {
    "evaluate": "geofoundry.recipes.evaluate",
    "fit": "geofoundry.recipes.fit",
    "predict": "geofoundry.recipes.predict",
}


def __getattr__(name: str) -> Any:
    if name in _RECIPES:
        return getattr(import_module(_RECIPES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
