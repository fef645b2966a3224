"""Components from outside: entry points of installed packages, and folders of modules.

An installed package offers a component in its `pyproject.toml`, without being imported until it is built:

    [project.entry-points."geofoundry.backbones"]
    my_backbone = "my_package.backbones:MyBackbone"

The groups are `geofoundry.` plus `backbones`, `necks`, `decoders`, `heads`, `full_models`,
`model_factories`, `tasks` and `datamodules`.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

from geofoundry.catalog.component_registry import ComponentRegistry
from geofoundry.catalog.multi_source import MultiSourceRegistry
from geofoundry.core.errors import ConfigError, Fault, GeofoundryError

DEFAULT_FOLDER = "custom_modules"


def add_entry_points(registries: Mapping[str, ComponentRegistry | MultiSourceRegistry]) -> None:
    """Add the entry points of every kind by name and address; nothing is imported.

    A name that is taken is left as it was, with a warning: one bad package must not close the catalog.
    """
    installed = entry_points()
    for kind, registry in registries.items():
        home = registry.home if isinstance(registry, MultiSourceRegistry) else registry
        for point in installed.select(group=f"geofoundry.{kind.replace('-', '_')}"):
            try:
                home.add_address(point.name, point.value)
            except ConfigError as error:
                warnings.warn(f"an entry point was left out: {error}", stacklevel=2)


def import_custom_modules(path: str | Path | None = None) -> list[str]:
    """Import a folder of modules, so that what they register is in the catalog; return the modules' names.

    Without a path, `custom_modules` in the working directory is used when it is there. The folder becomes an
    importable package of its own name, so its modules may import each other (`from custom_modules.x import y`).
    A folder that was imported before is not imported again.

    Raises:
        ConfigError: when the folder is missing, or one of its modules can't be imported.
    """
    folder = Path(path or DEFAULT_FOLDER).resolve()
    if not folder.is_dir():
        if path is None:
            return []
        raise ConfigError(
            Fault(
                what="the folder of custom modules is not there",
                where="custom_modules_path",
                got=str(folder),
                expected="a folder of Python modules",
                mend="correct the path; it is taken relative to the working directory",
            )
        )
    if str(folder.parent) not in sys.path:
        sys.path.insert(0, str(folder.parent))
    names = [folder.name] if (folder / "__init__.py").is_file() else []
    names += [f"{folder.name}.{name}" for name in _module_names(folder)]
    for name in names:
        _import_one(name, folder)
    return names


def _module_names(folder: Path) -> list[str]:
    modules = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    return sorted(modules | packages)


def _import_one(name: str, folder: Path) -> None:
    try:
        module = importlib.import_module(name)
    except GeofoundryError:
        raise
    except Exception as error:  # whatever a user's module raises is reported as the user's
        raise ConfigError(
            Fault(
                what=f"the custom module {name!r} can't be imported",
                where=str(folder),
                got=f"{type(error).__name__}: {error}",
                mend="correct the module, or move it out of the folder",
            )
        ) from error
    origin = getattr(module, "__file__", None) or next(iter(module.__path__))
    if folder not in Path(origin).resolve().parents:
        raise ConfigError(
            Fault(
                what=f"the custom module {name!r} is hidden by another module of that name",
                where=str(folder),
                got=origin,
                mend="rename the folder",
            )
        )
