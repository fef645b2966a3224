"""Where a configuration names classes, and what a bare name means in each of these places."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from geofoundry.catalog import DATAMODULE_REGISTRY, TASK_REGISTRY, ComponentRegistry
from geofoundry.catalog.library_names import (
    CALLBACKS,
    LOGGERS,
    OPTIMIZERS,
    PROFILERS,
    SCHEDULERS,
    STRATEGIES,
    LibraryNames,
)
from geofoundry.config.yaml_reading import Path

# LightningCLI wants its own form of this scheduler, which also says what to monitor.
PLATEAU = "lightning.pytorch.cli.ReduceLROnPlateau"


@dataclass(frozen=True, slots=True)
class ClassKind:
    """One kind of class: the word for it, where its bare names come from, and what is not the user's to give."""

    word: str
    source: ComponentRegistry | LibraryNames
    provided: tuple[str, ...] = ()

    def names(self) -> dict[str, str]:
        """Return bare name to dotted import path."""
        if isinstance(self.source, ComponentRegistry):
            return {name: _dotted(self.source.address(name)) for name in self.source.names()}
        names = self.source.names()
        return {**names, "ReduceLROnPlateau": PLATEAU} if self.source is SCHEDULERS and names else names

    def find(self, name: str) -> str | None:
        """Return the dotted import path of a bare name, or None."""
        if isinstance(self.source, ComponentRegistry) and name in self.source:
            return _dotted(self.source.address(find_registered(self.source, name)[0]))
        return self.names().get(name)

    def deprecation(self, name: str) -> str:
        """Return a sentence when a bare name is deprecated, else an empty text."""
        if isinstance(self.source, ComponentRegistry) and name in self.source:
            return find_registered(self.source, name)[1]
        return ""


def find_registered(registry: ComponentRegistry, name: str) -> tuple[str, str]:
    """Return the name to use and, when `name` is deprecated, a sentence that says so."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DeprecationWarning)
        canonical = registry.canonical(name)
    return canonical, str(caught[0].message) if caught else ""


def _dotted(address: str) -> str:
    return address.replace(":", ".")


TASK = ClassKind("task", TASK_REGISTRY)
DATAMODULE = ClassKind("datamodule", DATAMODULE_REGISTRY)
OPTIMIZER = ClassKind("optimizer", OPTIMIZERS, ("params",))
SCHEDULER = ClassKind("scheduler", SCHEDULERS, ("optimizer",))
CALLBACK = ClassKind("callback", CALLBACKS)
LOGGER = ClassKind("logger", LOGGERS)
PROFILER = ClassKind("profiler", PROFILERS)
STRATEGY = ClassKind("strategy", STRATEGIES)

SECTIONS = {"model": TASK, "data": DATAMODULE, "optimizer": OPTIMIZER, "lr_scheduler": SCHEDULER}
# In these two a single class may stand where a list is meant, and text always names a class.
TRAINER_LISTS = {"callbacks": CALLBACK, "logger": LOGGER}
# In these, text is a word of Lightning's own (`ddp`, `simple`); only a mapping names a class.
TRAINER_CHOICES = {"profiler": PROFILER, "strategy": STRATEGY}


def class_places(data: dict[str, Any]) -> Iterator[tuple[Path, Any, ClassKind]]:
    """Yield path, node and kind of every place that names a class; the node is text or a mapping, or wrong."""
    for section, kind in SECTIONS.items():
        if data.get(section) is not None:
            yield (section,), data[section], kind
    trainer = data.get("trainer")
    if not isinstance(trainer, dict):
        return
    for key, kind in TRAINER_LISTS.items():
        value = trainer.get(key)
        if isinstance(value, list):
            yield from ((("trainer", key, index), item, kind) for index, item in enumerate(value))
        elif isinstance(value, str | dict):
            yield ("trainer", key), value, kind
    for key, kind in TRAINER_CHOICES.items():
        if isinstance(trainer.get(key), dict):
            yield ("trainer", key), trainer[key], kind
