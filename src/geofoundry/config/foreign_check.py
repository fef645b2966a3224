"""Check of classes that only their import can tell about: the user's own, and those of packages that we don't read.

These are imported, whatever that brings with it; nothing of them is built.
"""

from __future__ import annotations

import importlib
import inspect

from geofoundry.catalog.installed import find_installed, find_single_file
from geofoundry.catalog.signatures import signature_of
from geofoundry.config.class_check import ClassCheck, NamedClass, nearest_class
from geofoundry.core.suggest import did_you_mean


def check_foreign(classes: ClassCheck) -> None:
    """Import every class that was put aside, and check what it is given."""
    # Arguments may name further foreign classes, which are then put aside in turn.
    while classes.foreign:
        _check_one(classes, classes.foreign.pop(0))


def _check_one(classes: ClassCheck, found: NamedClass) -> None:
    report = classes.report
    path = (*found.path, "class_path")
    module_name, _, name = found.import_path.rpartition(".")
    top = module_name.partition(".")[0]
    if find_installed(top) is None and find_single_file(top) is None:
        report.error(
            path,
            f"there is no package {top!r}",
            got=found.name,
            expected="an installed package, or a module in the working directory",
            mend=nearest_class(found)
            or "correct the name, install the package, or put the module into custom_modules/",
        )
        return
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001 - whatever a foreign module raises belongs into the report
        report.error(
            path,
            f"the module {module_name!r} can't be imported",
            got=f"{type(error).__name__}: {error}",
            mend="correct the module or its name" if top == error_package(error) else "",
        )
        return
    component = getattr(module, name, None)
    if component is None:
        near = did_you_mean(name, vars(module))
        report.error(path, f"the module {module_name!r} has no {name!r}", got=found.name, mend=near)
    elif not callable(component):
        report.error(path, f"{found.name!r} is no class", got=type(component).__name__)
    else:
        try:
            signature = signature_of(component)
        except (ValueError, TypeError):  # written in C, and silent about what it takes
            return
        assert not inspect.ismodule(component)
        classes.check_arguments(found, signature)


def error_package(error: Exception) -> str:
    """Return the top-level package that an import error is about."""
    return (getattr(error, "name", "") or "").partition(".")[0]
