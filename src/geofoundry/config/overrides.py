"""Overrides from the command line: `--model.init_args.lr 1e-3`, or shorter `--model.lr=1e-3`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from geofoundry.config.yaml_reading import Path, Position, read_yaml
from geofoundry.core.errors import ConfigError, Fault

# Sections that are classes even where the files leave them out.
CLASS_SECTIONS = ("model", "data", "optimizer", "lr_scheduler")
CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")


@dataclass(frozen=True, slots=True)
class Override:
    """One override: the words of its path, its value, and whether it is appended to a list."""

    option: str
    words: tuple[str | int, ...]
    value: Any
    append: bool = False

    @property
    def position(self) -> Position:
        """What errors say about the place."""
        return Position(f"command line, {self.option}")


def read_overrides(arguments: Sequence[str]) -> tuple[list[Override], list[Fault]]:
    """Return the overrides among command-line arguments, and what could not be read as one."""
    overrides: list[Override] = []
    faults: list[Fault] = []
    for option, text in _pairs(arguments, faults):
        name = option.removeprefix("--")
        append = name.endswith("+")
        words = tuple(int(word) if word.isdigit() else word for word in name.removesuffix("+").split("."))
        try:
            overrides.append(Override(option, words, _read_value(text, option), append))
        except ConfigError as error:
            faults.extend(error.faults)
    return overrides, faults


def apply_override(data: dict[str, Any], positions: dict[Path, Position], override: Override) -> Fault | None:
    """Set one value in place; a class's arguments may be given without the word `init_args`.

    Returns:
        A fault when the path leads through something that is not a mapping or a list.
    """
    node: Any = data
    path: Path = ()
    words = list(override.words)
    if len(words) == 1 and words[0] in CLASS_SECTIONS and isinstance(override.value, str):
        words.append("class_path")  # `--optimizer AdamW`
    while words:
        word = words.pop(0)
        node, path = _enter_arguments(node, path, word)
        if not (isinstance(node, dict) or (isinstance(node, list) and isinstance(word, int) and word < len(node))):
            return _no_way(override, path, node)
        path = (*path, word)
        if words:
            node = _step(node, word, path, positions, override)
        else:
            _set(node, word, override, path, positions)
    return None


def _step(node: Any, word: str | int, path: Path, positions: dict[Path, Position], override: Override) -> Any:
    """Return what lies below a word, made ready to be stepped into."""
    inner = node.get(word) if hasattr(node, "get") else node[word]
    if inner is None or (isinstance(inner, str) and len(path) == 1 and word in CLASS_SECTIONS):
        # Nothing is there yet, or a class named by text only.
        inner = {} if inner is None else {"class_path": inner}
        node[word] = inner
        positions.setdefault(path, override.position)
    return inner


def _pairs(arguments: Sequence[str], faults: list[Fault]) -> Iterator[tuple[str, str]]:
    waiting = list(arguments)
    while waiting:
        option = waiting.pop(0)
        if not option.startswith("--") or option == "--":
            faults.append(
                Fault(
                    what=f"{option!r} is not an option",
                    where="command line",
                    expected="--section.key value",
                    mend=f"write --{option.lstrip('-')}" if option.lstrip("-") else "remove it",
                )
            )
            continue
        name, equals, value = option.partition("=")
        if equals:
            yield name, value
        elif waiting and not waiting[0].startswith("--"):
            yield name, waiting.pop(0)
        else:
            faults.append(
                Fault(
                    what=f"{name} has no value",
                    where="command line",
                    expected=f"{name} value",
                    mend=f"write {name} true, to switch it on",
                )
            )


def _read_value(text: str, option: str) -> Any:
    source = f"command line, {option}"
    try:
        read = read_yaml(text, source)
    except ConfigError as error:
        # `*.tif` is no YAML, and is meant as it stands; a broken list is not.
        if text.lstrip().startswith(("[", "{", '"', "'")):
            raise ConfigError(
                [Fault(fault.what, source, got=text, mend=fault.mend) for fault in error.faults]
            ) from error
        return text
    if isinstance(read.data, str) and read.is_plain_text:
        return text  # a `#` on the command line begins no comment
    return read.data


def _enter_arguments(node: Any, path: Path, word: str | int) -> tuple[Any, Path]:
    """Step into `init_args` when a class's argument is named directly."""
    is_class = isinstance(node, dict) and ("class_path" in node or (len(path) == 1 and path[0] in CLASS_SECTIONS))
    if not is_class or word in CLASS_KEYS:
        return node, path
    if not isinstance(node.get("init_args"), dict):
        node["init_args"] = {}
    return node["init_args"], (*path, "init_args")


def _set(node: Any, word: str | int, override: Override, path: Path, positions: dict[Path, Position]) -> None:
    value = override.value
    if override.append:
        held = node.get(word) if isinstance(node, dict) else node[word]
        before = held if isinstance(held, list) else [] if held is None else [held]
        value = [*before, *(value if isinstance(value, list) else [value])]
        path = (*path, len(before))
    else:
        for old in [known for known in positions if known[: len(path)] == path]:
            del positions[old]
    positions[path] = override.position
    node[word] = value


def _no_way(override: Override, path: Path, value: Any) -> Fault:
    return Fault(
        what=f"{override.option} leads through {'.'.join(map(str, path))!r}, which holds a value",
        where=str(override.position),
        got=repr(value),
        expected="a mapping there",
        mend="correct the path",
    )
