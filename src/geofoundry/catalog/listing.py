"""Everything that a configuration can name, as one list: our parts, plug-ins, and what libraries bring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from geofoundry.catalog import MODEL_FACTORY_REGISTRY, REGISTRIES, ComponentRegistry, MultiSourceRegistry
from geofoundry.catalog.component_registry import unknown_name
from geofoundry.catalog.library_names import (
    CALLBACKS,
    LOGGERS,
    OPTIMIZERS,
    PROFILERS,
    SCHEDULERS,
    STRATEGIES,
    TRANSFORMS,
    LibraryNames,
)
from geofoundry.catalog.multi_source import HOME
from geofoundry.catalog.signatures import StaticSignature, read_signature
from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.suggest import did_you_mean, nearest

LIBRARY_KINDS: dict[str, LibraryNames] = {
    "optimizers": OPTIMIZERS,
    "schedulers": SCHEDULERS,
    "transforms": TRANSFORMS,
    "callbacks": CALLBACKS,
    "loggers": LOGGERS,
    "profilers": PROFILERS,
    "strategies": STRATEGIES,
}
KINDS = (*REGISTRIES, *LIBRARY_KINDS)


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One name of the catalog: its kind, its source, and the address of what it stands for."""

    kind: str
    source: str
    name: str
    address: str

    def signature(self) -> StaticSignature | None:
        """Return what it takes, without importing it; None when no file tells it.

        Of a model factory that is what its `build_model` takes, which is what a configuration gives to it.
        """
        if self.kind in LIBRARY_KINDS:
            return read_signature(self.address)
        registry = REGISTRIES[self.kind]
        if self.kind == "model-factories":
            return MODEL_FACTORY_REGISTRY.signature_of_method(self.name, "build_model")
        if isinstance(registry, MultiSourceRegistry):
            return registry.sources[self.source].signature(self.name)
        return registry.signature(self.name)


def read_kind(word: str) -> str:
    """Return the kind that a word means: `backbones`, `backbone`, `full model`.

    Raises:
        ConfigError: when there is no such kind.
    """
    folded = word.lower().replace(" ", "-").replace("_", "-")
    plurals = {"strategy": "strategies", "model-factory": "model-factories", "factories": "model-factories"}
    for candidate in (folded, plurals.get(folded, ""), f"{folded}s"):
        if candidate in KINDS:
            return candidate
    raise ConfigError(
        Fault(
            what=f"the catalog has no kind {word!r}",
            got=repr(word),
            expected=f"one of: {', '.join(KINDS)}",
            mend=did_you_mean(word, KINDS),
        )
    )


def entries(kind: str | None = None, source: str | None = None) -> Iterator[CatalogEntry]:
    """Yield the names of one kind or of all kinds, of one source or of all."""
    for each in (kind,) if kind else KINDS:
        for entry in _entries_of(each):
            if source in (None, entry.source):
                yield entry


def sources(kind: str | None = None) -> list[str]:
    """Return the names of the sources, in the order in which they are searched."""
    found: dict[str, None] = {}
    for each in (kind,) if kind else KINDS:
        if each in LIBRARY_KINDS:
            found.update(dict.fromkeys(map(_package, LIBRARY_KINDS[each].names().values())))
        else:
            registry = REGISTRIES[each]
            found.update(dict.fromkeys(registry.sources if isinstance(registry, MultiSourceRegistry) else [HOME]))
    return list(found)


def find_entries(name: str, kind: str | None = None) -> list[CatalogEntry]:
    """Return what a name stands for, in every kind that has it; a source's prefix is understood.

    Raises:
        UnknownNameError: when nothing has this name; its text gives the nearest.
    """
    found: list[CatalogEntry] = []
    for each in (kind,) if kind else KINDS:
        if each in LIBRARY_KINDS:
            names = LIBRARY_KINDS[each].names()
            if name in names:
                found.append(CatalogEntry(each, _package(names[name]), name, names[name]))
            continue
        registry = REGISTRIES[each]
        if name not in registry:
            continue
        if isinstance(registry, MultiSourceRegistry):
            prefix, local = registry.find(name)
            found.append(CatalogEntry(each, prefix, local, registry.sources[prefix].address(local)))
        else:
            found.append(CatalogEntry(each, HOME, name, registry.address(name)))
    if not found:
        raise unknown_name(kind or "name", name, [entry.name for entry in entries(kind)])
    return found


def search_entries(text: str) -> list[CatalogEntry]:
    """Return every entry whose name, kind or summary has all words of a text; without any, the nearest names.

    Summaries are read for the parts of geofoundry only.
    """
    words = text.lower().split()
    found = [entry for entry in entries() if _matches(entry, words)]
    if found:
        return found
    near = nearest(text, dict.fromkeys(entry.name for entry in entries()), count=10)
    return [entry for entry in entries() if entry.name in near]


def _matches(entry: CatalogEntry, words: list[str]) -> bool:
    name = f"{entry.kind} {entry.source}_{entry.name}".lower()
    if all(word in name for word in words):
        return True
    if entry.source != HOME:
        return False
    signature = entry.signature()
    text = f"{name} {signature.summary.lower() if signature else ''}"
    return all(word in text for word in words)


def _entries_of(kind: str) -> Iterator[CatalogEntry]:
    if kind in LIBRARY_KINDS:
        for name, address in LIBRARY_KINDS[kind].names().items():
            yield CatalogEntry(kind, _package(address), name, address)
        return
    registry = REGISTRIES[kind]
    if isinstance(registry, ComponentRegistry):
        for name in registry.names():
            yield CatalogEntry(kind, HOME, name, registry.address(name))
        return
    for prefix, source in registry.sources.items():
        for name in source.names():
            yield CatalogEntry(kind, prefix, name, source.address(name))


def _package(address: str) -> str:
    return address.partition(".")[0]
