"""JSON Schema of a type annotation, from its text."""

from __future__ import annotations

import ast
from typing import Any

from geofoundry.config.value_types import (
    MAPPINGS,
    PATHS,
    SEQUENCES,
    last_word,
    literal_values,
    parse_annotation,
    subscript_items,
    union_members,
)

Schema = dict[str, Any]

SIMPLE = {"int": "integer", "float": "number", "bool": "boolean", "str": "string", "None": "null"}


def annotation_schema(annotation: str | None) -> Schema:
    """Return the schema of the values that an annotation allows; an empty one, which allows all, when in doubt."""
    node = parse_annotation(annotation) if annotation else None
    return {} if node is None else _schema(node)


def _schema(node: ast.expr) -> Schema:
    members = union_members(node)
    if len(members) > 1:
        schemas = [_schema(member) for member in members]
        if {} in schemas:
            return {}
        unique = [schema for index, schema in enumerate(schemas) if schema not in schemas[:index]]
        return unique[0] if len(unique) == 1 else {"anyOf": unique}
    node = members[0]
    if isinstance(node, ast.Constant):
        return {"type": "null"} if node.value is None else {}
    if isinstance(node, ast.Subscript):
        return _container(last_word(node.value), node)
    return _named(last_word(node))


def _named(name: str) -> Schema:
    if name in SIMPLE:
        return {"type": SIMPLE[name]}
    if name in PATHS:
        return {"type": "string"}
    if name in SEQUENCES:
        return {"type": "array"}
    if name in MAPPINGS:
        return {"type": "object"}
    return {}


def _container(name: str, node: ast.Subscript) -> Schema:
    items = subscript_items(node)
    if name == "Literal":
        return {"enum": literal_values(node)}
    if name in MAPPINGS:
        values = _schema(items[-1])
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    if name not in SEQUENCES:
        return {}
    is_open = len(items) == 2 and isinstance(items[1], ast.Constant) and items[1].value is ...
    if name in ("tuple", "Tuple") and not is_open:
        prefix = [_schema(item) for item in items]
        return {"type": "array", "prefixItems": prefix, "minItems": len(items), "maxItems": len(items)}
    inner = _schema(items[0])
    return {"type": "array", **({"items": inner} if inner else {})}
