"""The JSON Schema (draft 2020-12) of configurations, for completion and first checks in an editor.

It is made from the same signatures as the check, so it knows the parts that are installed here. What a schema can't
say (whether model and data agree, whether files are there) stays with `geofoundry config check`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from typing import Any

from geofoundry.catalog import (
    BACKBONE_REGISTRY,
    DECODER_REGISTRY,
    MODEL_FACTORY_REGISTRY,
    NECK_REGISTRY,
    MultiSourceRegistry,
)
from geofoundry.catalog.multi_source import HOME
from geofoundry.catalog.signatures import StaticParameter, StaticSignature, read_signature
from geofoundry.catalog.source_files import read_keys
from geofoundry.config.annotation_schema import annotation_schema
from geofoundry.config.check import REQUIRED, RUN_KEYS, SECTIONS
from geofoundry.config.class_names import CALLBACK, LOGGER, ClassKind
from geofoundry.config.class_names import SECTIONS as CLASS_SECTIONS
from geofoundry.config.model_check import DECODER, GIVEN_BY_TASK, HEAD, HEAD_OF_TASK, NECK, Part
from geofoundry.config.task_check import LOSSES
from geofoundry.config.trainer_check import TRAINER, WORDS

DRAFT = "https://json-schema.org/draft/2020-12/schema"
DOTTED = r"^[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)+$"

Schema = dict[str, Any]


def config_schema() -> Schema:
    """Return the schema of a whole configuration."""
    properties: Schema = {
        key: {**annotation_schema(annotation), "description": text} for key, (annotation, text) in SECTIONS.items()
    }
    for section in CLASS_SECTIONS:
        described = {"description": SECTIONS[section][1]}
        properties[section] = described | {"$ref": f"#/$defs/{section}"}
        if section not in REQUIRED:
            properties[section] = described | {"anyOf": [{"$ref": f"#/$defs/{section}"}, {"type": "null"}]}
    properties["trainer"] = {
        "description": SECTIONS["trainer"][1],
        "anyOf": [{"$ref": "#/$defs/trainer"}, {"type": "null"}],
    }
    properties["run"] = {
        "description": SECTIONS["run"][1],
        "type": ["object", "null"],
        "properties": {key: {**annotation_schema(a), "description": text} for key, (a, text) in RUN_KEYS.items()},
        "additionalProperties": False,
    }
    return {
        "$schema": DRAFT,
        "title": "geofoundry configuration",
        "type": "object",
        "properties": properties,
        "required": list(REQUIRED),
        "additionalProperties": False,
        "$defs": {
            **{section: class_schema(kind) for section, kind in CLASS_SECTIONS.items()},
            "callback": class_schema(CALLBACK),
            "logger": class_schema(LOGGER),
            "trainer": _trainer_schema(),
            "model_args": _model_args_schema(),
        },
    }


def class_schema(kind: ClassKind) -> Schema:
    """Return the schema of a class named by text, or by class_path with init_args; other classes by import path."""
    names = kind.names()
    name: Schema = {"anyOf": [{"enum": sorted(names)}, {"type": "string", "pattern": DOTTED}]}
    branches = []
    for each, import_path in sorted(names.items()):
        signature = read_signature(import_path)
        if signature is None:
            continue
        arguments = _arguments_schema(signature, kind.provided, overrides=_overrides_of(import_path, signature))
        branches.append(
            {
                "if": {"properties": {"class_path": {"enum": [each, import_path]}}, "required": ["class_path"]},
                "then": {"properties": {"init_args": arguments}},
            }
        )
    node: Schema = {
        "type": "object",
        "properties": {
            "class_path": name,
            "init_args": {"type": ["object", "null"]},
            "dict_kwargs": {"type": "object"},
        },
        "required": ["class_path"],
        "additionalProperties": False,
    }
    if branches:
        node["allOf"] = branches
    return {"anyOf": [{**name, "type": "string"}, node]}


def _arguments_schema(
    signature: StaticSignature, provided: Iterable[str] = (), *, overrides: Mapping[str, Schema] | None = None
) -> Schema:
    """Return the schema of the arguments that a signature takes."""
    taken = [parameter for parameter in signature.parameters if parameter.name not in set(provided)]
    properties = {parameter.name: _parameter_schema(parameter) for parameter in taken}
    for name, schema in (overrides or {}).items():
        if name in properties:
            about = properties[name].get("description")
            properties[name] = {**schema, **({"description": about} if about else {})}
    found: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": signature.takes_any,
    }
    required = [parameter.name for parameter in taken if parameter.required]
    if required:
        found["required"] = required
    else:
        found["type"] = ["object", "null"]
    if signature.summary:
        found["description"] = signature.summary
    return found


def _parameter_schema(parameter: StaticParameter) -> Schema:
    schema = annotation_schema(parameter.annotation)
    if parameter.default == "None" and schema and "type" not in schema:
        schema = {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}
    elif parameter.default == "None" and isinstance(schema.get("type"), str) and schema["type"] != "null":
        schema = {"anyOf": [schema, {"type": "null"}]}
    schema = dict(schema)
    if parameter.doc:
        schema["description"] = parameter.doc
    try:
        default = ast.literal_eval(parameter.default) if parameter.default is not None else None
        json.dumps(default)
    except (ValueError, SyntaxError, TypeError):
        return schema
    if default is not None:
        schema["default"] = list(default) if isinstance(default, tuple) else default
    return schema


def _overrides_of(import_path: str, signature: StaticSignature) -> dict[str, Schema]:
    """Return what we know of a task's arguments beyond their types."""
    if not import_path.startswith(f"{HOME}.") or "model_args" not in signature.names():
        return {}
    losses = read_keys(LOSSES)
    named: Schema = {"enum": losses}
    weighted: Schema = {
        "type": "object",
        "properties": {name: {"type": "number", "minimum": 0} for name in losses},
        "additionalProperties": False,
    }
    by_class: Schema = {"type": "object", "required": ["class_path"]}
    overrides: dict[str, Schema] = {
        "model_factory": {"enum": [*MODEL_FACTORY_REGISTRY.names(), None]},
        "model_args": {"anyOf": [{"$ref": "#/$defs/model_args"}, {"type": "null"}]},
    }
    if losses:
        overrides["loss"] = {"anyOf": [named, {"type": "array", "items": named, "minItems": 1}, weighted, by_class]}
    return overrides


def _trainer_schema() -> Schema:
    signature = read_signature(TRAINER)
    if signature is None:
        return {"type": "object"}
    words = {
        key: {"anyOf": [{"enum": list(choices)}, annotation_schema(_annotation_of(signature, key)), {"type": "object"}]}
        for key, choices in WORDS.items()
        if key != "gradient_clip_algorithm"
    }
    words["gradient_clip_algorithm"] = {"enum": [*WORDS["gradient_clip_algorithm"], None]}
    callback, logger = {"$ref": "#/$defs/callback"}, {"$ref": "#/$defs/logger"}
    words["callbacks"] = {"anyOf": [{"type": "array", "items": callback}, callback, {"type": "null"}]}
    words["logger"] = {"anyOf": [{"type": ["boolean", "null"]}, {"type": "array", "items": logger}, logger]}
    return _arguments_schema(signature, overrides=words)


def _annotation_of(signature: StaticSignature, name: str) -> str | None:
    parameter = signature.get(name)
    return parameter.annotation if parameter else None


def _model_args_schema() -> Schema:
    """Return the schema of what `EncoderDecoderFactory` takes, its parts' arguments with their prefixes."""
    factory = "EncoderDecoderFactory"
    signature = MODEL_FACTORY_REGISTRY.signature_of_method(factory, "build_model")
    if signature is None:
        return {"type": "object"}
    own = _arguments_schema(signature.without(*GIVEN_BY_TASK))
    properties: Schema = own["properties"]
    properties["backbone"] = _name_schema(BACKBONE_REGISTRY, tagged=True)
    properties["decoder"] = _name_schema(DECODER_REGISTRY)
    properties["necks"] = {"anyOf": [{"type": "array", "items": _neck_schema()}, {"type": "null"}]}
    # Any backbone may be named, so what the one or the other takes can't be told apart here.
    first = next((name for name in BACKBONE_REGISTRY if name.startswith("timm_")), None)
    builder = BACKBONE_REGISTRY.signature(first) if first else None
    for parameter in builder.parameters if builder else ():
        if parameter.doc:
            properties[f"backbone_{parameter.name}"] = _parameter_schema(parameter)
    for part, names in ((DECODER, DECODER_REGISTRY.names()), (HEAD, list(HEAD_OF_TASK.values()))):
        properties.update(_prefixed_schemas(part, names))
    return {**own, "additionalProperties": False, "patternProperties": {"^backbone_": {}}}


def _prefixed_schemas(part: Part, names: Iterable[str]) -> Schema:
    found: dict[str, list[Schema]] = {}
    for name in names:
        signature = part.registry.signature(name)
        for parameter in signature.parameters if signature else ():
            if parameter.name not in part.provided:
                schemas = found.setdefault(f"{part.prefix}{parameter.name}", [])
                schema = {k: v for k, v in _parameter_schema(parameter).items() if k != "default"}
                if schema not in schemas:
                    schemas.append(schema)
    return {key: schemas[0] if len(schemas) == 1 else {"anyOf": schemas} for key, schemas in found.items()}


def _name_schema(registry: MultiSourceRegistry, *, tagged: bool = False) -> Schema:
    names = dict.fromkeys(name for source in registry.sources.values() for name in source.names())
    choices: list[Schema] = [{"enum": [*names, *registry.names()]}]
    if tagged:
        choices.append({"type": "string", "pattern": r"^\w+\.[\w.-]+$"})
    return {"anyOf": [*choices, {"type": "object", "required": ["class_path"]}]}


def _neck_schema() -> Schema:
    branches = []
    for name in [name for source in NECK_REGISTRY.sources.values() for name in source.names()]:
        signature = NECK_REGISTRY.signature(name)
        if signature is None:
            continue
        arguments = _arguments_schema(signature, NECK.provided)
        then = {
            "properties": {"name": {}, **arguments["properties"]},
            "additionalProperties": signature.takes_any,
            "required": arguments.get("required", []),
        }
        prefixed = [f"{prefix}_{name}" for prefix, source in NECK_REGISTRY.sources.items() if name in source]
        branches.append({"if": {"properties": {"name": {"enum": [name, *prefixed]}}}, "then": then})
    return {
        "type": "object",
        "properties": {"name": _name_schema(NECK_REGISTRY)["anyOf"][0]},
        "required": ["name"],
        "allOf": branches,
    }
