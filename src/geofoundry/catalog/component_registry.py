"""A component registry: names to classes and functions, known before anything is imported."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

from geofoundry.catalog.signatures import StaticSignature, read_signature, signature_of
from geofoundry.core.errors import ConfigError, Fault, UnknownNameError
from geofoundry.core.suggest import did_you_mean, nearest

Component = Callable[..., Any]
Registered = TypeVar("Registered", bound=Component)


class ComponentRegistry:
    """Names of one kind of component, each standing for a class or a function.

    An entry is either the component itself, put here by `@registry.register`, or its address
    `"package.module:attribute"`, which is imported when the component is first asked for. Listing names
    therefore imports nothing.
    """

    def __init__(self, kind: str, entries: Mapping[str, str] | None = None) -> None:
        """Start with `entries`, a mapping of name to address; `kind` is the word that errors use."""
        self.kind = kind
        self._entries: dict[str, str | Component] = dict(entries or {})
        self._aliases: dict[str, str] = {}
        self._deprecated: dict[str, str] = {}

    @overload
    def register(self, component: Registered, /) -> Registered: ...
    @overload
    def register(
        self,
        component: None = None,
        /,
        *,
        name: str | None = None,
        aliases: Iterable[str] = (),
        deprecated_names: Iterable[str] = (),
        override: bool = False,
    ) -> Callable[[Registered], Registered]: ...

    def register(
        self,
        component: Component | None = None,
        /,
        *,
        name: str | None = None,
        aliases: Iterable[str] = (),
        deprecated_names: Iterable[str] = (),
        override: bool = False,
    ) -> Any:
        """Register a class or a function, as a decorator with or without arguments.

        The name is the component's own unless `name` is given. A deprecated name works with a warning.

        Raises:
            TypeError: when the component can't be called.
            ConfigError: when a name is taken and `override` is not set.
        """
        if component is None:
            return lambda later: self._add(later, name, aliases, deprecated_names, override)
        return self._add(component, name, aliases, deprecated_names, override)

    def _add(
        self,
        component: Any,
        name: str | None,
        aliases: Iterable[str],
        deprecated_names: Iterable[str],
        override: bool,
    ) -> Any:
        if not callable(component):
            raise TypeError(f"a {self.kind} must be a class or a function, got {component!r}")
        name = name or component.__name__
        aliases, deprecated_names = tuple(aliases), tuple(deprecated_names)
        for taken in (name, *aliases, *deprecated_names):
            if taken in self and not override:
                self._refuse_duplicate(taken, component)
        for freed in (name, *aliases, *deprecated_names):
            self._aliases.pop(freed, None)
            self._deprecated.pop(freed, None)
        self._entries[name] = component
        self._aliases.update(dict.fromkeys(aliases, name))
        self._deprecated.update(dict.fromkeys(deprecated_names, name))
        return component

    def _refuse_duplicate(self, name: str, component: Any) -> None:
        raise ConfigError(
            Fault(
                what=f"the {self.kind} name {name!r} is taken",
                where=f"{component.__module__}.{component.__qualname__}",
                got=f"a second {self.kind} under the name of {self.address(name)}",
                mend="choose another name, or pass override=True to replace it",
            )
        )

    def add_address(self, name: str, address: str) -> None:
        """Add a name by its address `"package.module:attribute"`, importing nothing."""
        if name in self:
            raise ConfigError(Fault(f"the {self.kind} name {name!r} is taken", got=address, expected="a free name"))
        self._entries[name] = address

    def canonical(self, name: str) -> str:
        """Return the name that an alias or a deprecated name stands for; warn about the latter.

        Raises:
            UnknownNameError: when the name is not here; its text gives the nearest names.
        """
        if name in self._entries:
            return name
        if name in self._aliases:
            return self._aliases[name]
        if name in self._deprecated:
            successor = self._deprecated[name]
            warnings.warn(
                f"the {self.kind} name {name!r} is deprecated: write {successor!r}", DeprecationWarning, stacklevel=3
            )
            return successor
        raise unknown_name(self.kind, name, self.names())

    def names(self) -> list[str]:
        """Return every name that may be written: registered names and aliases, sorted, without deprecated ones."""
        return sorted({*self._entries, *self._aliases})

    def spellings(self, name: str) -> list[str]:
        """Return the names among which an unknown name's nearest are looked for."""
        return self.names()

    def address(self, name: str) -> str:
        """Return where the component lives, as `"package.module:attribute"`, without importing it."""
        entry = self._entries[self.canonical(name)]
        return entry if isinstance(entry, str) else f"{entry.__module__}:{entry.__qualname__}"

    def signature(self, name: str) -> StaticSignature | None:
        """Return what the component takes, read from its file; None when no file tells it."""
        entry = self._entries[self.canonical(name)]
        return read_signature(entry) if isinstance(entry, str) else signature_of(entry)

    def signature_of_method(self, name: str, method: str) -> StaticSignature | None:
        """Return what a method of the component takes, without `self`; None when no file tells it."""
        entry = self._entries[self.canonical(name)]
        if isinstance(entry, str):
            return read_signature(f"{entry}.{method}")
        found = signature_of(getattr(entry, method))
        return found.without(*found.names()[:1]) if isinstance(entry, type) else found

    def __getitem__(self, name: str) -> Component:
        key = self.canonical(name)
        entry = self._entries[key]
        if isinstance(entry, str):
            entry = import_address(entry)
            self._entries[key] = entry
        return entry

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._aliases or name in self._deprecated

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} {self.kind} names>"

    def build(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call the component; its own errors come through unchanged.

        Raises:
            UnknownNameError: when the name is not here.
            ConfigError: when a keyword is not one that the component takes.
        """
        component = self[name]
        refuse_unknown_keywords(self.kind, name, component, kwargs)
        return component(*args, **kwargs)


def import_address(address: str) -> Any:
    """Import what an address `"package.module:attribute"` stands for."""
    module, _, attribute = address.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def unknown_name(kind: str, name: str, candidates: Iterable[str]) -> UnknownNameError:
    """Return the error for a name that is in no catalog, with the nearest names."""
    candidates = list(candidates)
    near = nearest(name, candidates)
    return UnknownNameError(
        Fault(
            what=f"unknown {kind} {name!r}",
            got=repr(name),
            expected=f"one of {len(candidates)} names" + (f"; nearest: {', '.join(near)}" if near else ""),
            mend=did_you_mean(name, near) or f"geofoundry catalog list {kind.replace(' ', '-')}",
        )
    )


def refuse_unknown_keywords(kind: str, name: str, component: Component, keywords: Mapping[str, Any]) -> None:
    """Raise a `ConfigError` for each keyword that the component's signature does not take.

    A component that takes `**kwargs` is left to check them itself.
    """
    parameters = inspect.signature(component).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    taken = [p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY and p.kind is not p.VAR_POSITIONAL]
    faults = [
        Fault(
            what=f"the {kind} {name!r} takes no keyword {keyword!r}",
            got=keyword,
            expected=f"one of: {', '.join(taken)}",
            mend=did_you_mean(keyword, taken) or f"remove {keyword!r}",
        )
        for keyword in keywords
        if keyword not in taken
    ]
    if faults:
        raise ConfigError(faults)
