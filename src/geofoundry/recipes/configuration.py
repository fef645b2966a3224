"""From YAML files and overrides to a checked, resolved configuration, before anything heavy is imported."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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

    def with_values(self, values: Mapping[str, Any]) -> Configuration:
        """Return a copy in which dotted paths have other values; what isn't there is made."""
        resolved = deepcopy(self.resolved)
        for path, value in values.items():
            *parents, key = path.split(".")
            section = resolved
            for parent in parents:
                if section.get(parent) is None:
                    section[parent] = {}
                section = section[parent]
            section[key] = value
        return replace(self, resolved=resolved)


ConfigSource = str | Path | Sequence[str | Path] | Configuration


def read_configuration(config: ConfigSource, overrides: Sequence[str] = (), *, files: bool = True) -> Configuration:
    """Load, check and resolve a configuration; one that was read before is returned as it is.

    Without `files` nothing is said of files and folders that are missing: who only maps has no training data.

    Raises:
        ConfigError: with every fault of the files and overrides at once.
    """
    if isinstance(config, Configuration):
        return config
    paths = [config] if isinstance(config, (str, Path)) else list(config)
    document = load_document(paths, overrides)
    faults = check_config(document, files=files)
    errors = [fault for fault in faults if fault.severity == "error"]
    if errors:
        names = ", ".join(str(path) for path in paths)
        raise ConfigError(errors, summary=f"{plural(len(errors), 'fault')} in {names}")
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
