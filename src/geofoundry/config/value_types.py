"""Does a plain value fit a type annotation? Judged from the annotation's text, and only where the answer is sure."""

from __future__ import annotations

import ast
from functools import cache
from typing import Any

SEQUENCES = {"list", "List", "Sequence", "Iterable", "Collection", "tuple", "Tuple", "set", "Set", "frozenset"}
MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping", "OrderedDict", "TypedDict"}
PATHS = {"Path", "PathLike", "PurePath", "StrPath"}
ANYTHING = {"Any", "object"}

Verdict = bool | None


def fits(value: Any, annotation: str | None) -> Verdict:
    """Tell whether a value fits: True, False, or None when the annotation does not tell."""
    node = parse_annotation(annotation) if annotation else None
    return None if node is None else _fits(value, node)


def describe(annotation: str) -> str:
    """Return an annotation in words for a user of YAML: `int or null`, `one of 'min', 'max'`, `list of str`."""
    node = parse_annotation(annotation)
    return annotation if node is None else _describe(node)


def literal_choices(annotation: str | None) -> list[Any]:
    """Return the values that an annotation spells out by `Literal`, at its top or in a union."""
    node = parse_annotation(annotation) if annotation else None
    return [] if node is None else _choices(node)


@cache
def parse_annotation(annotation: str) -> ast.expr | None:
    """Return the syntax tree of an annotation, or None when it has none."""
    try:
        return ast.parse(annotation, mode="eval").body
    except (SyntaxError, ValueError):
        return None


def union_members(node: ast.expr) -> list[ast.expr]:
    """Return the members of a union or of an optional, or the annotation itself."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*union_members(node.left), *union_members(node.right)]
    if isinstance(node, ast.Subscript):
        name = last_word(node.value)
        if name == "Union":
            return [member for part in subscript_items(node) for member in union_members(part)]
        if name == "Optional":
            return [*union_members(node.slice), ast.Constant(None)]
        if name in ("Annotated", "Final", "ClassVar"):
            return union_members(subscript_items(node)[0])
    return [node]


def last_word(node: ast.expr) -> str:
    """Return `Sequence` of `Sequence` and of `typing.Sequence`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def subscript_items(node: ast.Subscript) -> list[ast.expr]:
    """Return what stands in the brackets of an annotation."""
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]


def literal_values(node: ast.Subscript) -> list[Any]:
    """Return the words of a `Literal`."""
    values = []
    for item in subscript_items(node):
        try:
            values.append(ast.literal_eval(item))
        except ValueError:
            continue
    return values


def _fits(value: Any, node: ast.expr) -> Verdict:
    members = union_members(node)
    if len(members) > 1:
        verdicts = [_fits(value, member) for member in members]
        return True if True in verdicts else None if None in verdicts else False
    node = members[0]
    if isinstance(node, ast.Constant):
        return (value is None) if node.value is None else None
    if isinstance(node, ast.Subscript):
        return _fits_container(value, last_word(node.value), node)
    return _fits_name(value, last_word(node))


def _fits_name(value: Any, name: str) -> Verdict:
    if name in ANYTHING:
        return True
    if name == "None":
        return value is None
    if name == "bool":
        return isinstance(value, bool)
    if name == "int":
        return _fits_number(value, int)
    if name == "float":
        return _fits_number(value, int | float)
    if name == "str":
        # A bare number or word of YAML where text is wanted: whoever reads it next may take it.
        return True if isinstance(value, str) else None if isinstance(value, int | float) else False
    if name in PATHS:
        return True if isinstance(value, str) else None if isinstance(value, int | float) else False
    if name in SEQUENCES:
        return _is_sequence(value)
    if name in MAPPINGS:
        return True if isinstance(value, dict) else None if isinstance(value, str) else False
    return None


def _fits_number(value: Any, wanted: Any) -> Verdict:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return None if _is_number(value) else False
    return isinstance(value, wanted)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_sequence(value: Any, item: ast.expr | None = None) -> Verdict:
    if isinstance(value, str):
        # Text is a sequence of its letters, and may be a list still to be read.
        of_text = item is None or _fits("x", item) is not False
        return None if of_text or value.lstrip().startswith(("[", "(", "{")) else False
    return isinstance(value, list | tuple)


def _fits_container(value: Any, name: str, node: ast.Subscript) -> Verdict:
    if name == "Literal":
        choices = literal_values(node)
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return True
        return None if isinstance(value, str) and value in map(str, choices) else False
    items = subscript_items(node)
    if name in SEQUENCES:
        verdict = _is_sequence(value, items[0])
        if verdict is not True:
            return verdict
        if name in ("tuple", "Tuple") and not (len(items) == 2 and _is_ellipsis(items[1])):
            if len(value) != len(items):
                return False
            return _all([_fits(part, item) for part, item in zip(value, items, strict=True)])
        return _all([_fits(part, items[0]) for part in value])
    if name in MAPPINGS:
        if not isinstance(value, dict):
            return None if isinstance(value, str) else False
        keys = _all([_fits(key, items[0]) for key in value])
        values = _all([_fits(part, items[-1]) for part in value.values()])
        return _all([keys, values])
    return None


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _all(verdicts: list[Verdict]) -> Verdict:
    return False if False in verdicts else None if None in verdicts else True


def _choices(node: ast.expr) -> list[Any]:
    return [
        choice
        for member in union_members(node)
        if isinstance(member, ast.Subscript) and last_word(member.value) == "Literal"
        for choice in literal_values(member)
    ]


def _describe(node: ast.expr) -> str:
    members = union_members(node)
    choices = _choices(node)
    words = ["one of " + ", ".join(map(repr, choices))] if choices else []
    for member in members:
        if isinstance(member, ast.Constant) and member.value is None:
            continue
        if isinstance(member, ast.Subscript):
            if last_word(member.value) != "Literal":
                words.append(_describe_container(member))
        else:
            words.append(last_word(member) or ast.unparse(member))
    if any(isinstance(member, ast.Constant) and member.value is None for member in members):
        words.append("null")
    return " or ".join(dict.fromkeys(words))


def _describe_container(node: ast.Subscript) -> str:
    name, items = last_word(node.value), subscript_items(node)
    if name in ("tuple", "Tuple") and not (len(items) == 2 and _is_ellipsis(items[1])):
        return "[" + ", ".join(_describe(item) for item in items) + "]"
    if name in SEQUENCES:
        return f"list of {_describe(items[0])}"
    if name in MAPPINGS:
        return f"mapping of {_describe(items[0])} to {_describe(items[-1])}"
    return name or ast.unparse(node)
