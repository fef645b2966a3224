"""Optional packages, asked for when they are needed and not before."""

from __future__ import annotations

import importlib
from types import ModuleType

from geofoundry.core.errors import Fault, MissingExtraError


def require(module: str, extra: str, *, purpose: str = "this") -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Raises:
        MissingExtraError: when the module, or a module that it needs, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        raise MissingExtraError(
            Fault(
                what=f"{purpose} needs the package {missing!r}, which is not installed",
                expected=f"geofoundry with the extra [{extra}]",
                mend=f"pip install '.[{extra}]'",
            )
        ) from error
