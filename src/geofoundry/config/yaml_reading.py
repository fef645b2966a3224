"""YAML to plain data, remembering where everything was written.

Scalars follow YAML 1.2 where 1.1 surprises: `1e-4` is a number, a date is text, `012` is twelve. Tags that build
Python objects are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from geofoundry.core.errors import ConfigError, Fault

Path = tuple[str | int, ...]

# Aliases of aliases can grow without bound; no honest configuration comes near this.
MAX_NODES = 50_000

COLLECTION_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_MERGE_TAG = "tag:yaml.org,2002:merge"
_MENDS = {
    "mapping values are not allowed": "put the value in quotes, or correct the indentation of this line",
    "could not find expected ':'": "write `key: value`, with a colon and a space",
    "expected <block end>": "align this line with the other keys of its block",
    "expected ',' or ']'": "close the list with ]",
    "expected ',' or '}'": "close the mapping with }",
    "undefined alias": "put the text in quotes; a leading * names an anchor",
    "while scanning an alias": "put the text in quotes; a leading * names an anchor",
}


@dataclass(frozen=True, slots=True)
class Position:
    """Where something was written: a file with line and column counted from 1, or the command line."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(slots=True)
class YamlText:
    """The plain data of a YAML text, the position of each path in it, and what was wrong but readable."""

    data: Any
    positions: dict[Path, Position] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    is_plain_text: bool = False


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """A safe loader with the number formats of YAML 1.2."""


# Resolvers are shared with the parent until they are copied.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":int", ":float", ":timestamp"))]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9][0-9_]*$|^0o[0-7]+$|^0x[0-9a-fA-F]+$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)


def _construct_int(_loader: Any, node: yaml.ScalarNode) -> int:
    text = node.value.replace("_", "")
    bases = {"0o": 8, "0x": 16}
    return int(text, bases.get(text[:2], 10))


def _construct_float(_loader: Any, node: yaml.ScalarNode) -> float:
    text = node.value.replace("_", "").lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def read_yaml(text: str, source: str) -> YamlText:
    """Read one YAML document.

    Raises:
        ConfigError: when the text is not YAML; the fault gives the line.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        result = YamlText(None)
        if node is not None:
            result.is_plain_text = isinstance(node, yaml.ScalarNode) and not node.style
            result.data = _Builder(loader, source, result).build(node, ())
    except yaml.YAMLError as error:
        raise ConfigError(_syntax_fault(error, source, text)) from error
    finally:
        loader.dispose()
    return result


class _Builder:
    """Turns nodes into plain data and notes positions and duplicate keys."""

    def __init__(self, loader: Any, source: str, result: YamlText) -> None:
        self.loader = loader
        self.source = source
        self.result = result
        self.open_nodes: set[int] = set()
        self.count = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.count += 1
        if id(node) in self.open_nodes or self.count > MAX_NODES:
            problem = "an anchor contains itself" if id(node) in self.open_nodes else "the aliases grow without bound"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        self.result.positions.setdefault(path, self._position(node))
        if isinstance(node, yaml.ScalarNode):
            return self.loader.construct_object(node)
        if node.tag not in COLLECTION_TAGS:
            raise yaml.constructor.ConstructorError(None, None, f"unknown tag {node.tag!r}", node.start_mark)
        self.open_nodes.add(id(node))
        value = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        self.open_nodes.discard(id(node))
        return value

    def _sequence(self, node: Any, path: Path) -> list[Any]:
        return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: Any, path: Path) -> dict[Any, Any]:
        merged: dict[Any, Any] = {}
        own: dict[Any, Any] = {}
        merges = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE_TAG:
                merges.append(value_node)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
            key = self.loader.construct_object(key_node)
            if key in own:
                self._refuse_duplicate(key, key_node, (*path, key))
            else:
                self.result.positions[(*path, key)] = self._position(key_node)
            own[key] = self.build(value_node, (*path, key))
        for value_node in merges:
            sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            for source_node in reversed(sources):
                value = self.build(source_node, path)
                if not isinstance(value, dict):
                    raise yaml.constructor.ConstructorError(None, None, "<< needs a mapping", source_node.start_mark)
                merged.update(value)
        return merged | own

    def _refuse_duplicate(self, key: Any, key_node: yaml.Node, path: Path) -> None:
        first = self.result.positions[path]
        self.result.faults.append(
            Fault(
                what=f"the key {key!r} is given twice",
                where=str(self._position(key_node)),
                got=f"first given in line {first.line}",
                expected="every key once",
                mend="remove one of them",
            )
        )

    def _position(self, node: yaml.Node) -> Position:
        return Position(self.source, node.start_mark.line + 1, node.start_mark.column + 1)


def _syntax_fault(error: yaml.YAMLError, source: str, written: str) -> Fault:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    context = getattr(error, "context", None) or ""
    text = f"{context} {problem}".strip()
    where = str(Position(source, mark.line + 1, mark.column + 1)) if mark is not None else source
    mend = next((mend for part, mend in _MENDS.items() if part in text), "")
    lines = written.splitlines()
    if mark is not None and mark.line < len(lines) and lines[mark.line].lstrip(" ").startswith("\t"):
        mend = "indent with spaces, not with tabs"
    if "could not determine a constructor" in text or "unknown tag" in text:
        return Fault("a tag that builds an object is refused", where, got=problem, mend="write plain values only")
    return Fault("this is not YAML", where, got=text, mend=mend)
