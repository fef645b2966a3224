"""Type annotations as source text, with aliases written out."""

from __future__ import annotations

import ast

from geofoundry.catalog.source_files import SourceModule, find_expression

MAX_ALIAS_DEPTH = 6

_UNIONS = {"Union", "Optional", "Literal"}
_CONTAINERS = {"List", "Dict", "Tuple", "Sequence", "Iterable", "Mapping", "list", "dict", "tuple", "set"}


def expand_aliases(node: ast.expr, module: SourceModule) -> str:
    """Return an annotation as text, every alias of a union, literal or container replaced by what it stands for."""
    return ast.unparse(_Expander(module, 0).visit(_copy(node)))


def _copy(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body


class _Expander(ast.NodeTransformer):
    """Replaces names that are assigned a typing expression."""

    def __init__(self, module: SourceModule, depth: int) -> None:
        self.module = module
        self.depth = depth

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a name that is an alias."""
        return self._expand(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Replace a dotted name that is an alias."""
        return self._expand(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Leave the words of a `Literal` alone."""
        name = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        if name == "Literal":
            return node
        node.slice = self.visit(node.slice)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Read an annotation that is written as a string."""
        if isinstance(node.value, str):
            try:
                return self.visit(ast.parse(node.value, mode="eval").body)
            except SyntaxError:
                return node
        return node

    def _expand(self, node: ast.Name | ast.Attribute) -> ast.expr:
        if self.depth >= MAX_ALIAS_DEPTH or self._is_of_another_package(node):
            return node
        found = find_expression(self.module, node)
        if found is None or not isinstance(found.node, ast.expr) or not _is_typing_form(found.node):
            return node
        return _Expander(found.module, self.depth + 1).visit(_copy(found.node))

    def _is_of_another_package(self, node: ast.expr) -> bool:
        # A class of another library stays a class; to open that library's files would only cost time.
        first = node
        while isinstance(first, ast.Attribute):
            first = first.value
        source, _ = self.module.imports.get(getattr(first, "id", ""), (self.module.name, ""))
        return source.partition(".")[0] != self.module.name.partition(".")[0]


def _is_typing_form(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):
        name = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        return name in _UNIONS | _CONTAINERS
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr)
    return False
