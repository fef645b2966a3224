"""Which keywords a timm model takes: its entry point followed, as text, down to the model class."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from geofoundry.catalog.signatures import StaticParameter, StaticSignature, keywords_taken_out, read_signature
from geofoundry.catalog.source_files import Found, SourceModule, find_definition, find_expression

BUILD = "build_model_with_cfg"
CREATE = "timm.models:create_model"

# Set by our builder, which makes every model a feature extractor.
OURS = ("features_only", "model_name", "variant", "model_cls", "model_cfg", "pretrained_filter_fn", "kwargs_filter")

MAX_FUNCTIONS = 20


def read_model_signature(module: str, name: str) -> StaticSignature:
    """Return what a timm model takes as keywords: the model class's own, and those that timm takes out on the way."""
    entry = find_definition(module, name)
    if entry is None or isinstance(entry.node, ast.expr):
        return StaticSignature(f"{module}:{name}", "", takes_any=True)
    classes, taken_out = _follow(entry)
    signatures = [signature for found in classes if (signature := read_signature(found.address)) is not None]
    parameters: dict[str, StaticParameter] = {}
    create = read_signature(CREATE)
    for signature in [*signatures, *([create] if create else [])]:
        for parameter in signature.parameters:
            # What the class can't do without, the entry point supplies.
            parameters.setdefault(parameter.name, replace(parameter, required=False))
    for keyword in taken_out:
        parameters.setdefault(keyword, StaticParameter(keyword, None, None, required=False))
    for keyword in OURS:
        parameters.pop(keyword, None)
    summary = " ".join((ast.get_docstring(entry.node) or "").split())
    takes_any = not signatures or len(signatures) < len(classes) or any(found.takes_any for found in signatures)
    return StaticSignature(entry.address, summary, tuple(parameters.values()), takes_any)


def _follow(entry: Found) -> tuple[list[Found], list[str]]:
    """Return the model classes that an entry point may build, and the keywords that functions on the way consume."""
    classes: dict[str, Found] = {}
    taken_out: list[str] = []
    waiting, seen = [entry], {entry.address}
    while waiting and len(seen) < MAX_FUNCTIONS:
        function = waiting.pop()
        assert isinstance(function.node, ast.FunctionDef | ast.AsyncFunctionDef)
        taken_out += keywords_taken_out(function.node)
        for call in (item for item in ast.walk(function.node) if isinstance(item, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id == BUILD:
                if call.args:
                    for found in _classes(call.args[0], function.module, function.node):
                        classes[found.address] = found
            elif any(keyword.arg is None for keyword in call.keywords):
                target = find_expression(function.module, call.func)
                if target is not None and _is_function(target) and target.address not in seen:
                    seen.add(target.address)
                    waiting.append(target)
    return list(classes.values()), taken_out


def _is_function(found: Found) -> bool:
    return isinstance(found.node, ast.FunctionDef) and found.module.name.startswith("timm.models.")


def _classes(node: ast.expr, module: SourceModule, function: ast.AST, hops: int = 0) -> Iterator[Found]:
    """Yield the classes that an expression may stand for: a name, a choice, a local variable."""
    if hops > 4:
        return
    if isinstance(node, ast.IfExp):
        yield from _classes(node.body, module, function, hops + 1)
        yield from _classes(node.orelse, module, function, hops + 1)
    elif isinstance(node, ast.Name):
        found = find_definition(module.name, node.id)
        if found is not None and isinstance(found.node, ast.ClassDef):
            yield found
            return
        for statement in ast.walk(function):
            if isinstance(statement, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == node.id for target in statement.targets
            ):
                yield from _classes(statement.value, module, function, hops + 1)
