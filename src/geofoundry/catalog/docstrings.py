"""Docstrings as data: the first line, and what is said about each argument."""

from __future__ import annotations

import re
import textwrap

_SECTION = re.compile(r"^(Args|Arguments|Parameters|Attributes|Keyword Args):\s*$")
_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\(.*?\))?\s*:\s*(.*)$")


def first_line(docstring: str | None) -> str:
    """Return the first paragraph of a docstring as one line."""
    if not docstring:
        return ""
    paragraph = textwrap.dedent(docstring).strip().split("\n\n")[0]
    return " ".join(paragraph.split())


def argument_texts(docstring: str | None) -> dict[str, str]:
    """Return what the `Args:` section of a Google-style docstring says of each argument."""
    texts: dict[str, str] = {}
    indent: int | None = None
    inside, current = False, ""
    for line in _dedent(docstring or "").splitlines():
        if _SECTION.match(line.strip()):
            inside, indent, current = True, None, ""
            continue
        if not inside or not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        indent = depth if indent is None else indent
        if depth == 0 or depth < indent:
            inside = False
        elif depth == indent and (entry := _ENTRY.match(line.strip())):
            current = entry[1]
            texts[current] = entry[2].strip()
        elif current:
            texts[current] = f"{texts[current]} {line.strip()}".strip()
    return texts


def _dedent(docstring: str) -> str:
    first, _, rest = docstring.partition("\n")
    return f"{first.strip()}\n{textwrap.dedent(rest)}"
