"""A component registry: registering, look-up, aliases, errors that help."""

from __future__ import annotations

import warnings

import pytest

from geofoundry.catalog import ComponentRegistry
from geofoundry.core.errors import ConfigError, UnknownNameError


@pytest.fixture
def registry() -> ComponentRegistry:
    return ComponentRegistry("decoder", {"Counter": "collections:Counter"})


def test_register_a_class_and_a_function_with_and_without_arguments(registry: ComponentRegistry):
    @registry.register
    class Plain:
        pass

    @registry.register(name="other", aliases=["another"])
    def build(size: int = 1) -> int:
        return size

    assert registry["Plain"] is Plain
    assert registry["other"] is registry["another"] is build
    assert registry.build("another", size=3) == 3
    assert list(registry) == ["Counter", "Plain", "another", "other"]
    assert len(registry) == 4
    assert "Plain" in registry
    assert "plain" not in registry


def test_an_address_is_imported_only_when_asked_for(registry: ComponentRegistry):
    registry.add_address("broken", "no_such_package.module:Thing")
    assert "broken" in registry.names()
    assert registry.address("broken") == "no_such_package.module:Thing"
    with pytest.raises(ModuleNotFoundError):
        registry["broken"]


def test_a_duplicate_is_refused_unless_it_overrides(registry: ComponentRegistry):
    with pytest.raises(ConfigError, match="'Counter' is taken"):
        registry.register(dict, name="Counter")
    registry.register(dict, name="Counter", override=True)
    assert registry["Counter"] is dict
    with pytest.raises(ConfigError, match="taken"):
        registry.add_address("Counter", "collections:OrderedDict")


def test_a_deprecated_name_works_and_warns(registry: ComponentRegistry):
    registry.register(list, name="new", deprecated_names=["old"])
    with pytest.warns(DeprecationWarning, match="write 'new'"):
        assert registry["old"] is list
    assert "old" in registry
    assert "old" not in registry.names()


def test_an_unknown_name_answers_with_the_nearest(registry: ComponentRegistry):
    with pytest.raises(UnknownNameError, match="write 'Counter'") as caught:
        registry.build("Countr")
    assert isinstance(caught.value, KeyError)
    assert caught.value.exit_code == 2


def test_a_keyword_that_is_not_taken_names_those_that_are(registry: ComponentRegistry):
    registry.register(lambda width=1, height=2: width * height, name="area")
    with pytest.raises(ConfigError, match="width, height") as caught:
        registry.build("area", widht=3, colour=4)
    assert [fault.mend for fault in caught.value.faults] == ["write 'width'", "remove 'colour'"]


@pytest.mark.parametrize("error", [KeyError("inner"), TypeError("inner"), ValueError("inner")])
def test_an_error_inside_a_constructor_comes_through_as_itself(registry: ComponentRegistry, error: Exception):
    @registry.register
    def explode() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        registry.build("explode")
    assert caught.value is error


def test_only_what_can_be_called_is_registered(registry: ComponentRegistry):
    with pytest.raises(TypeError, match="class or a function"):
        registry.register(3)  # type: ignore[arg-type]


def test_the_signature_of_an_entry_and_of_its_method(registry: ComponentRegistry):
    @registry.register
    class Factory:
        def __init__(self, size: int) -> None: ...

        def build_model(self, task: str, depth: int = 3) -> None: ...

    signature = registry.signature("Factory")
    method = registry.signature_of_method("Factory", "build_model")
    assert signature is not None
    assert signature.names() == ["size"]
    assert method is not None
    assert method.names() == ["task", "depth"]


def test_registering_again_under_an_old_alias_frees_the_alias(registry: ComponentRegistry):
    registry.register(list, name="first", aliases=["short"])
    registry.register(dict, name="short", override=True)
    assert registry["short"] is dict
    assert registry["first"] is list
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        registry.canonical("short")
