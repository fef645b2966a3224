"""From YAML files and overrides to a checked, resolved configuration, before anything heavy is imported."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geofoundry.catalog import import_custom_modules
from geofoundry.config import check_config, load_document, resolve_config
from geofoundry.core.errors import ConfigError, plural


class ConfigWarning(UserWarning):
    """Something in a configuration that works, but probably not as meant."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration that passed its check.

    `resolved` is plain data in which bare class names are full import paths; `name` names the run;
    `source` is the first file.
    """

    resolved: dict[str, Any]
    name: str
    runs_root: Path
    source: Path
    arguments: tuple[str, ...]

    @property
    def seed(self) -> int:
        """The seed of the run; 0 when none is given, so that two runs of one file agree."""
        seed = self.resolved.get("seed_everything")
        return 0 if seed is None or seed is True else int(seed)


def read_configuration(paths: Sequence[str | Path], overrides: Sequence[str] = ()) -> Configuration:
    """Load, check and resolve a configuration.

    Raises:
        ConfigError: with every fault of the files and overrides at once.
    """
    document = load_document(paths, overrides)
    import_custom_modules(document.data.get("custom_modules_path"))
    faults = check_config(document)
    errors = [fault for fault in faults if fault.severity == "error"]
    if errors:
        files = ", ".join(str(path) for path in paths)
        raise ConfigError(errors, summary=f"{plural(len(errors), 'fault')} in {files}")
    for fault in faults:
        warnings.warn(str(fault), ConfigWarning, stacklevel=2)
    run = document.data.get("run") or {}
    return Configuration(
        resolved=resolve_config(document),
        name=run.get("name") or Path(paths[0]).stem,
        runs_root=Path(run.get("root") or "runs"),
        source=Path(paths[0]),
        arguments=tuple(overrides),
    )
