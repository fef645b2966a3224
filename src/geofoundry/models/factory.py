"""What builds models, and how one's own is put under a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, overload

from geofoundry.catalog import MODEL_FACTORY_REGISTRY
from geofoundry.core.errors import ConfigError, Fault
from geofoundry.models.model import Model


class ModelFactory(Protocol):
    """Builds a model for a task from what a config says under `model_args`."""

    def build_model(self, task: str, *args: Any, **kwargs: Any) -> Model:
        """Return the model."""
        ...


FactoryClass = TypeVar("FactoryClass", bound=Callable[..., Any])


@overload
def register_factory(factory: FactoryClass, /) -> FactoryClass: ...
@overload
def register_factory(
    factory: None = None, /, *, name: str | None = None, override: bool = False
) -> Callable[[FactoryClass], FactoryClass]: ...


def register_factory(factory: Any = None, /, *, name: str | None = None, override: bool = False) -> Any:
    """Register a model factory, as a decorator with or without arguments; its name is the class's unless given.

    Raises:
        ConfigError: when it has no `build_model`, or the name is taken and `override` is not set.
    """
    if factory is None:
        return lambda later: _register(later, name, override)
    return _register(factory, name, override)


def _register(factory: Any, name: str | None, override: bool) -> Any:
    if not callable(getattr(factory, "build_model", None)):
        raise ConfigError(
            Fault(
                what="a model factory needs the method build_model",
                where=f"{getattr(factory, '__module__', '')}.{getattr(factory, '__qualname__', factory)}",
                expected="build_model(task, ...) that returns a Model",
            )
        )
    return MODEL_FACTORY_REGISTRY.register(name=name, override=override)(factory)
