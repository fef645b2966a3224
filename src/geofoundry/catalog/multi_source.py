"""Several sources of components under one roof, told apart by a prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from geofoundry.catalog.component_registry import Component, ComponentRegistry, unknown_name
from geofoundry.catalog.signatures import StaticSignature
from geofoundry.core.errors import ConfigError, Fault

HOME = "geofoundry"


class Source(Protocol):
    """Where a registry finds names: our own `ComponentRegistry`, or a view of another library.

    None of these may import the library that it lists, except `__getitem__` and `build`.
    """

    def names(self) -> list[str]:
        """Return every name, sorted."""
        ...

    def spellings(self, name: str) -> list[str]:
        """Return the names among which an unknown name's nearest are looked for."""
        ...

    def address(self, name: str) -> str:
        """Return `"package.module:attribute"` of what builds the name; its signature is what `build` takes."""
        ...

    def signature(self, name: str) -> StaticSignature | None:
        """Return what `build` takes for the name, as far as files tell it."""
        ...

    def __contains__(self, name: object) -> bool: ...

    def __getitem__(self, name: str) -> Component: ...

    def build(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Build the component."""
        ...


class MultiSourceRegistry:
    """Component registries of one kind, searched by prefix (`timm_resnet18`) or in order (`resnet18`).

    The first source is always `geofoundry`, which takes what users register.
    """

    def __init__(self, kind: str, home: ComponentRegistry, sources: Mapping[str, Source] | None = None) -> None:
        """Search `home` first, then `sources` in their order."""
        self.kind = kind
        self.sources: dict[str, Source] = {HOME: home, **(sources or {})}

    @property
    def home(self) -> ComponentRegistry:
        """The `geofoundry` source, the one that `register` writes to."""
        registry = self.sources[HOME]
        assert isinstance(registry, ComponentRegistry)
        return registry

    @property
    def register(self) -> Callable[..., Any]:
        """Register into the `geofoundry` source: see `ComponentRegistry.register`."""
        return self.home.register

    def register_source(self, prefix: str, source: Source) -> None:
        """Add a source, searched after those that are here.

        Raises:
            ConfigError: when the prefix is taken.
        """
        if prefix in self.sources:
            raise ConfigError(Fault(f"the source prefix {prefix!r} is taken", expected="a free prefix"))
        self.sources[prefix] = source

    def find(self, name: str) -> tuple[str, str]:
        """Return (source prefix, name within the source) of the first source that has the name.

        Raises:
            UnknownNameError: when no source has it; its text gives the nearest names.
        """
        for prefix, source in self.sources.items():
            if name in source:
                return prefix, name
        prefix, _, rest = name.partition("_")
        if prefix in self.sources and rest:
            if rest in self.sources[prefix]:
                return prefix, rest
            names = [f"{prefix}_{known}" for known in self.sources[prefix].spellings(rest)]
            raise unknown_name(self.kind, name, names)
        candidates = [known for source in self.sources.values() for known in source.spellings(name)]
        raise unknown_name(self.kind, name, candidates)

    def address(self, name: str) -> str:
        """Return where the component that `name` stands for lives, without importing it."""
        prefix, local = self.find(name)
        return self.sources[prefix].address(local)

    def signature(self, name: str) -> StaticSignature | None:
        """Return what `build` takes for the name, without importing the component; None when no file tells it."""
        prefix, local = self.find(name)
        return self.sources[prefix].signature(local)

    def names(self) -> list[str]:
        """Return every name with its source's prefix, source by source."""
        return [f"{prefix}_{name}" for prefix, source in self.sources.items() for name in source.names()]

    def __getitem__(self, name: str) -> Component:
        prefix, local = self.find(name)
        return self.sources[prefix][local]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        if any(name in source for source in self.sources.values()):
            return True
        prefix, _, rest = name.partition("_")
        return prefix in self.sources and rest in self.sources[prefix]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return sum(len(source.names()) for source in self.sources.values())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.kind} names from {', '.join(self.sources)}>"

    def build(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Build the component; its own errors come through unchanged.

        Raises:
            UnknownNameError: when no source has the name.
            ConfigError: when a keyword is not one that the component takes.
        """
        prefix, local = self.find(name)
        return self.sources[prefix].build(local, *args, **kwargs)
