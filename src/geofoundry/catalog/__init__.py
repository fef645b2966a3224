"""Look-up of code by name: the component registries, their sources, and plug-ins.

Importing this package imports no machine-learning library. Names of other libraries are read from their
files; a component's own module is imported when the component is first built.
"""

from __future__ import annotations

from geofoundry.catalog import manifest
from geofoundry.catalog.component_registry import Component, ComponentRegistry
from geofoundry.catalog.multi_source import MultiSourceRegistry, Source
from geofoundry.catalog.plugins import add_entry_points, import_custom_modules
from geofoundry.catalog.sources.smp import SmpDecoderSource
from geofoundry.catalog.sources.timm import TimmBackboneSource

BACKBONE_REGISTRY = MultiSourceRegistry(
    "backbone", ComponentRegistry("backbone", manifest.BACKBONES), {"timm": TimmBackboneSource()}
)
NECK_REGISTRY = MultiSourceRegistry("neck", ComponentRegistry("neck", manifest.NECKS))
DECODER_REGISTRY = MultiSourceRegistry(
    "decoder", ComponentRegistry("decoder", manifest.DECODERS), {"smp": SmpDecoderSource()}
)
FULL_MODEL_REGISTRY = MultiSourceRegistry("full model", ComponentRegistry("full model", manifest.FULL_MODELS))
MODEL_FACTORY_REGISTRY = ComponentRegistry("model factory", manifest.MODEL_FACTORIES)

HEAD_REGISTRY = ComponentRegistry("head", manifest.HEADS)
TASK_REGISTRY = ComponentRegistry("task", manifest.TASKS)
DATAMODULE_REGISTRY = ComponentRegistry("datamodule", manifest.DATAMODULES)

REGISTRIES: dict[str, ComponentRegistry | MultiSourceRegistry] = {
    "backbones": BACKBONE_REGISTRY,
    "necks": NECK_REGISTRY,
    "decoders": DECODER_REGISTRY,
    "heads": HEAD_REGISTRY,
    "full-models": FULL_MODEL_REGISTRY,
    "model-factories": MODEL_FACTORY_REGISTRY,
    "tasks": TASK_REGISTRY,
    "datamodules": DATAMODULE_REGISTRY,
}

add_entry_points(REGISTRIES)

__all__ = [
    "BACKBONE_REGISTRY",
    "Component",
    "ComponentRegistry",
    "DATAMODULE_REGISTRY",
    "DECODER_REGISTRY",
    "FULL_MODEL_REGISTRY",
    "HEAD_REGISTRY",
    "MODEL_FACTORY_REGISTRY",
    "MultiSourceRegistry",
    "NECK_REGISTRY",
    "REGISTRIES",
    "Source",
    "TASK_REGISTRY",
    "import_custom_modules",
]
