"""Python modules as text: where a name is defined, found by reading files and following imports, importing nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from geofoundry.catalog.installed import find_installed, find_single_file

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.expr

MAX_HOPS = 12


@dataclass(slots=True)
class SourceModule:
    """A parsed module: what it defines at its top level, and what it imports from where."""

    name: str
    file: Path
    definitions: dict[str, Definition] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    star_imports: list[str] = field(default_factory=list)

    @property
    def is_package(self) -> bool:
        """Whether the file is a package's `__init__.py`."""
        return self.file.name == "__init__.py"


@dataclass(frozen=True, slots=True)
class Found:
    """Where a name is defined: the module, the name there, and its syntax tree."""

    module: SourceModule
    name: str
    node: Definition

    @property
    def address(self) -> str:
        """The definition's own address, `"package.module:attribute"`."""
        return f"{self.module.name}:{self.name}"


def module_file(name: str) -> Path | None:
    """Return the `.py` file of a module, or None when there is none to read."""
    top, *rest = name.split(".")
    package = find_installed(top)
    if package is None:
        return find_single_file(top) if not rest else None
    place = package.folder.joinpath(*rest)
    candidates = [place / "__init__.py"] if not rest else [place / "__init__.py", place.with_name(place.name + ".py")]
    return next((file for file in candidates if file.is_file()), None)


def is_compiled(name: str) -> bool:
    """Tell whether a module of a package is there, but as compiled code."""
    top, *rest = name.split(".")
    package = find_installed(top)
    if package is None or not rest:
        return False
    place = package.folder.joinpath(*rest)
    return any(place.parent.glob(f"{place.name}.*so")) or any(place.parent.glob(f"{place.name}.*pyd"))


@cache
def read_module(name: str) -> SourceModule | None:
    """Parse a module's file; None when it has none or does not parse."""
    file = module_file(name)
    if file is None:
        return None
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return None
    module = SourceModule(name, file)
    _collect(tree.body, module, overwrite=True)
    return module


def find_definition(module_name: str, name: str, hops: int = 0) -> Found | None:
    """Find the class, function or assigned expression behind `module_name.name`, through re-exports."""
    module = read_module(module_name)
    if module is None or hops > MAX_HOPS:
        return None
    if (node := module.definitions.get(name)) is not None:
        if isinstance(node, ast.Name) and node.id != name:  # an alias: New = Old
            return find_definition(module_name, node.id, hops + 1)
        return Found(module, name, node)
    if name in module.imports:
        source, attribute = module.imports[name]
        return find_definition(source, attribute, hops + 1) if attribute else None
    for source in module.star_imports:
        if not name.startswith("_") and (found := find_definition(source, name, hops + 1)):
            return found
    return None


def find_expression(module: SourceModule, node: ast.expr) -> Found | None:
    """Find what a name or a dotted name stands for inside a module."""
    parts = _dotted(node)
    if parts is None:
        return None
    first, *rest = parts
    if not rest:
        return find_definition(module.name, first)
    if first not in module.imports:
        return None
    source, attribute = module.imports[first]
    place = f"{source}.{attribute}" if attribute else source
    return find_definition(".".join([place, *rest[:-1]]), rest[-1])


def find_address(address: str) -> Found | None:
    """Find what an address `"package.module:attribute"`, or a dotted import path, stands for."""
    module_name, colon, attribute = address.partition(":")
    if not colon:
        module_name, _, attribute = address.rpartition(".")
    return find_definition(module_name, attribute) if module_name and attribute else None


def read_constant(address: str) -> Any:
    """Return plain data that a module assigns to a name, or None when it is not spelled out there."""
    found = find_address(address)
    if found is None or not isinstance(found.node, ast.expr):
        return None
    node = found.node
    if isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.func, ast.Name):
        node = node.args[0]  # frozenset({...}), tuple([...])
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def read_keys(address: str) -> list[str]:
    """Return the text keys of a dictionary that a module spells out, whatever its values are."""
    found = find_address(address)
    if found is None or not isinstance(found.node, ast.Dict):
        return []
    return [key.value for key in found.node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]


def exported_names(module_name: str) -> list[str]:
    """Return the public names that a module defines or imports."""
    module = read_module(module_name)
    if module is None:
        return []
    return [name for name in (*module.definitions, *module.imports) if not name.startswith("_")]


def _dotted(node: ast.expr) -> list[str] | None:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        parts = _dotted(node.value)
        return [*parts, node.attr] if parts else None
    return None


def _collect(body: list[ast.stmt], module: SourceModule, *, overwrite: bool) -> None:
    """Note the statements of a block; the first branch of an `if` or a `try` counts, as the usual case."""
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _define(module, statement.name, statement, overwrite)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            for name in _assigned_names(statement):
                if statement.value is not None:
                    _define(module, name, statement.value, overwrite)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            _note_import(statement, module)
        elif isinstance(statement, ast.If):
            _collect(statement.body, module, overwrite=False)
            _collect(statement.orelse, module, overwrite=False)
        elif isinstance(statement, ast.Try):
            _collect(statement.body, module, overwrite=False)
            for handler in statement.handlers:
                _collect(handler.body, module, overwrite=False)
            _collect(statement.orelse, module, overwrite=False)


def _define(module: SourceModule, name: str, node: Definition, overwrite: bool) -> None:
    if overwrite or (name not in module.definitions and name not in module.imports):
        module.definitions[name] = node


def _assigned_names(statement: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return (target.id for target in targets if isinstance(target, ast.Name))


def _note_import(statement: ast.Import | ast.ImportFrom, module: SourceModule) -> None:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            # `import a.b` binds `a`; `import a.b as c` binds the submodule.
            target = alias.name if alias.asname else alias.name.partition(".")[0]
            module.imports.setdefault(alias.asname or target, (target, ""))
        return
    source = _absolute(statement, module)
    for alias in statement.names:
        if alias.name == "*":
            module.star_imports.append(source)
        else:
            module.imports.setdefault(alias.asname or alias.name, (source, alias.name))


def _absolute(statement: ast.ImportFrom, module: SourceModule) -> str:
    if not statement.level:
        return statement.module or ""
    parts = module.name.split(".")
    keep = len(parts) - statement.level + (1 if module.is_package else 0)
    return ".".join([*parts[:keep], *([statement.module] if statement.module else [])])
