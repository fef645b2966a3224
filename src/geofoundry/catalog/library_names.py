"""Classes that other libraries offer under a bare name: optimizers, schedulers, callbacks, loggers, transforms.

Names are read from the libraries' files and remembered per installed version; nothing is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from geofoundry.catalog import manifest
from geofoundry.catalog.installed import find_installed, versioned_cache
from geofoundry.catalog.signatures import is_subclass_by_name
from geofoundry.catalog.source_files import exported_names, find_definition


@dataclass(frozen=True, slots=True)
class LibraryNames:
    """The public subclasses of one base class in one module of a library, and what we put in front of them."""

    kind: str
    module: str
    base: str
    ours: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> dict[str, str]:
        """Return name to dotted import path, sorted by name; only ours when the library is not installed."""
        ours = {name: address.replace(":", ".") for name, address in self.ours.items()}
        return dict(sorted((self._of_library() | ours).items()))

    def _of_library(self) -> dict[str, str]:
        package = find_installed(self.module.partition(".")[0])
        if package is None:
            return {}
        kept = versioned_cache(package)
        key = f"names {self.module} {self.base}"
        names = kept.get(key)
        if names is None:
            names = self._read()
            kept.put(key, names)
        return {name: f"{self.module}.{name}" for name in names}

    def is_installed(self) -> bool:
        """Whether the library is there to be read."""
        return find_installed(self.module.partition(".")[0]) is not None

    def _read(self) -> list[str]:
        found = ((name, find_definition(self.module, name)) for name in exported_names(self.module))
        return sorted(
            name for name, place in found if place and place.name != self.base and is_subclass_by_name(place, self.base)
        )


OPTIMIZERS = LibraryNames("optimizer", "torch.optim", "Optimizer")
SCHEDULERS = LibraryNames("scheduler", "torch.optim.lr_scheduler", "LRScheduler")
CALLBACKS = LibraryNames("callback", "lightning.pytorch.callbacks", "Callback")
LOGGERS = LibraryNames("logger", "lightning.pytorch.loggers", "Logger")
PROFILERS = LibraryNames("profiler", "lightning.pytorch.profilers", "Profiler")
STRATEGIES = LibraryNames("strategy", "lightning.pytorch.strategies", "Strategy")
TRANSFORMS = LibraryNames("transform", "torchvision.transforms.v2", "Transform", manifest.TRANSFORMS)
