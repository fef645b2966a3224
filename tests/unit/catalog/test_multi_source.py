"""Several sources under one roof."""

from __future__ import annotations

import pytest

from geofoundry.catalog import (
    BACKBONE_REGISTRY,
    DECODER_REGISTRY,
    REGISTRIES,
    ComponentRegistry,
    MultiSourceRegistry,
    manifest,
)
from geofoundry.catalog.source_files import find_address
from geofoundry.core.errors import ConfigError, UnknownNameError


@pytest.fixture
def registry() -> MultiSourceRegistry:
    ours = ComponentRegistry("part", {"both": "builtins:list", "mine": "builtins:set"})
    theirs = ComponentRegistry("part", {"both": "builtins:dict", "theirs": "builtins:tuple"})
    return MultiSourceRegistry("part", ours, {"lib": theirs})


def test_the_first_source_wins_and_a_prefix_chooses(registry: MultiSourceRegistry):
    assert registry["both"] is list
    assert registry["lib_both"] is dict
    assert registry["geofoundry_both"] is list
    assert registry.build("theirs") == ()
    assert registry.find("lib_theirs") == ("lib", "theirs")


def test_iteration_membership_and_length(registry: MultiSourceRegistry):
    assert list(registry) == ["geofoundry_both", "geofoundry_mine", "lib_both", "lib_theirs"]
    assert len(registry) == 4
    assert all(name in registry for name in registry)
    assert "geofoundry_theirs" not in registry
    assert 3 not in registry


def test_register_writes_into_our_source(registry: MultiSourceRegistry):
    @registry.register
    class Fresh:
        pass

    assert registry["Fresh"] is Fresh
    assert "Fresh" in registry.home


def test_an_unknown_name_is_searched_in_the_right_source(registry: MultiSourceRegistry):
    with pytest.raises(UnknownNameError, match="write 'lib_theirs'"):
        registry.build("lib_theires")
    with pytest.raises(UnknownNameError, match="write 'mine'"):
        registry.build("minee")


def test_a_taken_prefix_is_refused(registry: MultiSourceRegistry):
    with pytest.raises(ConfigError, match="taken"):
        registry.register_source("lib", ComponentRegistry("part"))


def test_prefixed_and_bare_names_of_the_real_registries():
    assert "timm_resnet18" in BACKBONE_REGISTRY
    assert "resnet18" in BACKBONE_REGISTRY
    assert "timm_resnet18.a1_in1k" in BACKBONE_REGISTRY
    assert DECODER_REGISTRY.find("smp_Unet") == ("smp", "Unet")
    with pytest.raises(UnknownNameError, match="write 'resnet18'"):
        BACKBONE_REGISTRY.find("resnt18")
    with pytest.raises(UnknownNameError, match=r"resnet18\.a1_in1k"):
        BACKBONE_REGISTRY.find("resnet18.a1_in1")


MANIFESTS = {name: value for name, value in vars(manifest).items() if name.isupper() and isinstance(value, dict)}


@pytest.mark.parametrize(
    ("name", "address"), [pytest.param(n, a, id=n) for entries in MANIFESTS.values() for n, a in entries.items()]
)
def test_every_line_of_the_manifest_names_what_is_there(name: str, address: str):
    found = find_address(address)
    assert found is not None, address
    assert address.endswith(f":{name}")


def test_every_kind_of_part_has_a_registry():
    assert set(REGISTRIES) >= {"backbones", "necks", "decoders", "heads", "full-models", "model-factories"}
