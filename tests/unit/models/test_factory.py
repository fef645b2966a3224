import pytest

from geofoundry.catalog import MODEL_FACTORY_REGISTRY
from geofoundry.core.errors import ConfigError
from geofoundry.models import EncoderDecoderFactory, register_factory


class OneOfMine:
    def build_model(self, task, **kwargs):
        return task


@pytest.fixture
def clean_registry():
    before = dict(MODEL_FACTORY_REGISTRY._entries)
    yield
    MODEL_FACTORY_REGISTRY._entries.clear()
    MODEL_FACTORY_REGISTRY._entries.update(before)


def test_a_factory_is_registered_under_its_own_or_a_given_name(clean_registry):
    assert register_factory(OneOfMine) is OneOfMine
    register_factory(name="mine")(OneOfMine)
    assert MODEL_FACTORY_REGISTRY.build("OneOfMine").build_model("segmentation") == "segmentation"
    assert isinstance(MODEL_FACTORY_REGISTRY.build("mine"), OneOfMine)


def test_a_taken_name_needs_override(clean_registry):
    with pytest.raises(ConfigError, match="taken"):
        register_factory(name="EncoderDecoderFactory")(OneOfMine)
    register_factory(name="EncoderDecoderFactory", override=True)(OneOfMine)
    assert MODEL_FACTORY_REGISTRY["EncoderDecoderFactory"] is OneOfMine


def test_a_factory_must_build_models():
    with pytest.raises(ConfigError, match="build_model"):
        register_factory(dict)
    assert MODEL_FACTORY_REGISTRY["EncoderDecoderFactory"] is EncoderDecoderFactory
