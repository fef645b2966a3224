"""What classes and functions take, read from their source files without importing them.

`read_signature` follows re-exports, base classes and `**kwargs` that are handed on to a parent or to another
function. What can't be followed is said so by `takes_any`: such a signature is not fit to refuse a keyword.
Signatures of other packages are remembered per installed version.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any

from geofoundry.catalog.annotations import expand_aliases
from geofoundry.catalog.docstrings import argument_texts, first_line
from geofoundry.catalog.installed import find_installed, versioned_cache
from geofoundry.catalog.source_files import Found, SourceModule, find_address, find_expression

HOME_PACKAGE = "geofoundry"
MAX_DEPTH = 12
MISSING = object()

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class StaticParameter:
    """One parameter: annotation and default as source text, aliases in the annotation written out."""

    name: str
    annotation: str | None
    default: str | None
    required: bool
    doc: str = ""


@dataclass(frozen=True, slots=True)
class StaticSignature:
    """What a class or a function takes; `takes_any` when it also takes keywords that are not listed."""

    address: str
    summary: str
    parameters: tuple[StaticParameter, ...] = ()
    takes_any: bool = False

    def names(self) -> list[str]:
        """Return the names of the parameters, in order."""
        return [parameter.name for parameter in self.parameters]

    def get(self, name: str) -> StaticParameter | None:
        """Return a parameter by name."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def without(self, *names: str) -> StaticSignature:
        """Return the signature with some parameters left out."""
        return replace(self, parameters=tuple(p for p in self.parameters if p.name not in names))

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, entry: dict[str, Any]) -> StaticSignature:
        """Return the signature that `as_dict` made plain."""
        parameters = tuple(StaticParameter(**parameter) for parameter in entry["parameters"])
        return cls(entry["address"], entry["summary"], parameters, entry["takes_any"])


def read_signature(address: str) -> StaticSignature | None:
    """Return the signature of `"package.module:attribute"` (or a dotted path), or None when no file tells it."""
    top = address.partition(":")[0].partition(".")[0]
    package = None if top == HOME_PACKAGE else find_installed(top)
    # A folder of the user's own modules has no version to be remembered by.
    if package is None or package.version == "unknown":
        return _read(address)
    kept = versioned_cache(package)
    entry = kept.get(address)
    if entry is not None:
        return StaticSignature.from_dict(entry)
    signature = _read(address)
    if signature is not None:
        kept.put(address, signature.as_dict())
    return signature


def signature_of(component: Callable[..., Any]) -> StaticSignature:
    """Return the signature of a living class or function, as `read_signature` would write it."""
    documented = component.__init__ if isinstance(component, type) else component
    texts = argument_texts(inspect.getdoc(component)) | argument_texts(inspect.getdoc(documented))
    parameters: list[StaticParameter] = []
    takes_any = False
    for parameter in inspect.signature(component).parameters.values():
        takes_any = takes_any or parameter.kind is parameter.VAR_KEYWORD
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            continue
        required = parameter.default is parameter.empty
        annotation = None if parameter.annotation is parameter.empty else _annotation_text(parameter.annotation)
        default = None if required else repr(parameter.default)
        parameters.append(StaticParameter(parameter.name, annotation, default, required, texts.get(parameter.name, "")))
    address = f"{component.__module__}:{component.__qualname__}"
    return StaticSignature(address, first_line(inspect.getdoc(component)), tuple(parameters), takes_any)


def extend_builder(builder: str, built: StaticSignature, first: int = 1) -> StaticSignature:
    """Return the signature of a builder that hands what it doesn't take itself to the thing that it builds.

    `first` is how many leading parameters of the builder the caller fills in, such as the name to build.
    """
    own = read_signature(builder)
    if own is None or not own.takes_any:
        return built if own is None else replace(own, summary=built.summary, parameters=own.parameters[first:])
    parameters = {parameter.name: parameter for parameter in (*own.parameters[first:], *built.parameters)}
    parameters.update({parameter.name: parameter for parameter in own.parameters[first:]})
    return StaticSignature(builder, built.summary, tuple(parameters.values()), built.takes_any)


def is_subclass_by_name(found: Found, base: str, depth: int = 0) -> bool:
    """Tell whether a class descends from a class named `base`, as far as the files tell."""
    if not isinstance(found.node, ast.ClassDef) or depth > MAX_DEPTH:
        return False
    if found.name == base:
        return True
    parents = (find_expression(found.module, node) for node in found.node.bases)
    return any(parent is not None and is_subclass_by_name(parent, base, depth + 1) for parent in parents)


def _annotation_text(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _read(address: str) -> StaticSignature | None:
    owner, _, method = address.rpartition(".")
    if ":" in owner:
        return _read_method(owner, method)
    found = find_address(address)
    if found is None:
        return None
    node = found.node
    if isinstance(node, ast.expr):
        return None
    taken = _taken_by(found, 0)
    summary = first_line(ast.get_docstring(node))
    return StaticSignature(found.address, summary, tuple(taken.parameters), taken.takes_any)


def _read_method(owner: str, name: str) -> StaticSignature | None:
    found = find_address(owner)
    if found is None or not isinstance(found.node, ast.ClassDef):
        return None
    lineage = _lineage(found)
    for ancestor in lineage:
        if ancestor is None or not isinstance(ancestor.node, ast.ClassDef):
            return None
        node = _method(ancestor.node, name)
        if node is not None:
            static = any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in node.decorator_list)
            taken = _taken_by_function(ancestor.module, node, lineage, 0, bound=not static)
            summary = first_line(ast.get_docstring(node))
            return StaticSignature(f"{found.address}.{name}", summary, tuple(taken.parameters), taken.takes_any)
    return None


@dataclass(slots=True)
class _Taken:
    """The parameters gathered on the way through a class and what it hands its keywords to."""

    parameters: list[StaticParameter] = field(default_factory=list)
    takes_any: bool = False


def _taken_by(found: Found, depth: int) -> _Taken:
    assert not isinstance(found.node, ast.expr)
    if isinstance(found.node, ast.ClassDef):
        return _taken_by_class(found, _lineage(found), depth)
    return _taken_by_function(found.module, found.node, iter(()), depth, bound=False)


def _lineage(found: Found, depth: int = 0) -> Iterator[Found | None]:
    """Yield the class and its ancestors, depth first; None stands for a base whose file can't be read.

    Files of ancestors are opened when they are reached, which with large libraries above them is often never.
    """
    assert isinstance(found.node, ast.ClassDef)
    yield found
    for base in found.node.bases:
        name = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(name, ast.Name | ast.Attribute) and _last(name) in ("object", "Generic", "ABC", "Protocol"):
            continue
        parent = find_expression(found.module, name) if depth < MAX_DEPTH else None
        if parent is None or not isinstance(parent.node, ast.ClassDef):
            yield None
        else:
            yield from _lineage(parent, depth + 1)


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _taken_by_class(found: Found, lineage: Iterator[Found | None], depth: int) -> _Taken:
    """Read the first `__init__` (or dataclass fields) in the line of ancestors."""
    for ancestor in lineage:
        if ancestor is None:
            return _Taken(takes_any=True)
        assert isinstance(ancestor.node, ast.ClassDef)
        assert isinstance(found.node, ast.ClassDef)
        constructor = _method(ancestor.node, "__init__") or _method(ancestor.node, "__new__")
        if constructor is not None:
            taken = _taken_by_function(ancestor.module, constructor, lineage, depth, bound=True)
            texts = argument_texts(ast.get_docstring(found.node))
            taken.parameters = [replace(p, doc=p.doc or texts.get(p.name, "")) for p in taken.parameters]
            return taken
        if _is_dataclass(ancestor.node):
            return _taken_by_dataclass([ancestor, *lineage])
    return _Taken()


def _method(node: ast.ClassDef, name: str) -> Function | None:
    methods = [item for item in node.body if isinstance(item, Function) and item.name == name]
    return methods[-1] if methods else None


def _is_dataclass(node: ast.ClassDef) -> bool:
    decorators = (item.func if isinstance(item, ast.Call) else item for item in node.decorator_list)
    return any(isinstance(item, ast.Name | ast.Attribute) and _last(item) == "dataclass" for item in decorators)


def _taken_by_dataclass(lineage: list[Found | None]) -> _Taken:
    taken = _Taken()
    fields: dict[str, StaticParameter] = {}
    for ancestor in reversed(lineage):
        if ancestor is None:
            taken.takes_any = True
            continue
        assert isinstance(ancestor.node, ast.ClassDef)
        texts = argument_texts(ast.get_docstring(ancestor.node))
        for item in ancestor.node.body if _is_dataclass(ancestor.node) else []:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                annotation = expand_aliases(item.annotation, ancestor.module)
                name = item.target.id
                if annotation.startswith(("ClassVar", "typing.ClassVar")):
                    continue
                default = None if item.value is None else ast.unparse(item.value)
                fields[name] = StaticParameter(name, annotation, default, item.value is None, texts.get(name, ""))
    taken.parameters = list(fields.values())
    return taken


def _taken_by_function(
    module: SourceModule, node: Function, parents: Iterator[Found | None], depth: int, *, bound: bool
) -> _Taken:
    """Read a function's parameters; follow its `**kwargs` when they go to one known place."""
    taken = _Taken(parameters=_own_parameters(module, node, bound))
    if node.args.kwarg is None:
        return taken
    target = _handed_on(module, node, parents, node.args.kwarg.arg, depth)
    if target is None:
        taken.takes_any = True
        return taken
    own = {parameter.name for parameter in taken.parameters}
    taken.parameters += [parameter for parameter in target.parameters if parameter.name not in own]
    taken.takes_any = target.takes_any
    return taken


def _own_parameters(module: SourceModule, node: Function, bound: bool) -> list[StaticParameter]:
    texts = argument_texts(ast.get_docstring(node))
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = list(zip(positional, defaults, strict=True))[len(arguments.posonlyargs) :]
    if bound and not arguments.posonlyargs and positional:
        pairs = pairs[1:]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [
        StaticParameter(
            argument.arg,
            expand_aliases(argument.annotation, module) if argument.annotation else None,
            ast.unparse(default) if default is not None else None,
            default is None,
            texts.get(argument.arg, ""),
        )
        for argument, default in pairs
    ]


def _handed_on(
    module: SourceModule, node: Function, parents: Iterator[Found | None], keywords: str, depth: int
) -> _Taken | None:
    """Return what the one call that gets `**keywords` takes beyond what the call itself gives it, or None."""
    calls = [
        call
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and any(k.arg is None and isinstance(k.value, ast.Name) and k.value.id == keywords for k in call.keywords)
    ]
    uses = sum(isinstance(item, ast.Name) and item.id == keywords for item in ast.walk(node))
    taken_out = keywords_taken_out(node)
    if len(calls) != 1 or uses != 1 + len(taken_out) or depth >= MAX_DEPTH:
        return None
    call = calls[0]
    positional = [argument for argument in call.args if not isinstance(argument, ast.Starred)]
    if _is_super_init(call.func):
        taken = _taken_by_parents(parents, depth)
    else:
        found = find_expression(module, call.func)
        if found is None or isinstance(found.node, ast.expr):
            return None
        taken = _taken_by(found, depth + 1)
    if taken is not None:
        given = {keyword.arg for keyword in call.keywords}
        rest = [p for p in taken.parameters[len(positional) :] if p.name not in given]
        known = {parameter.name for parameter in rest}
        extra = [StaticParameter(name, None, None, required=False) for name in taken_out if name not in known]
        taken.parameters = rest + extra
    return taken


def keywords_taken_out(node: Function) -> list[str]:
    """Return the keys that a function reads from its own `**kwargs` by `pop("key")` or `get("key")`."""
    if node.args.kwarg is None:
        return []
    return [
        call.args[0].value
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("pop", "get")
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == node.args.kwarg.arg
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    ]


def _is_super_init(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in ("__init__", "__new__")
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == "super"
    )


def _taken_by_parents(parents: Iterator[Found | None], depth: int) -> _Taken | None:
    parent = next(parents, MISSING)
    if parent is MISSING:
        return _Taken()
    if parent is None:
        return None
    assert isinstance(parent, Found)
    return _taken_by_class(parent, chain([parent], parents), depth + 1)
