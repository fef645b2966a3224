"""Nearest names, for errors that help."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, candidates: Iterable[str], *, count: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return up to `count` candidates that look like `name`, best first, ignoring case."""
    by_folded: dict[str, str] = {}
    for candidate in candidates:
        by_folded.setdefault(candidate.casefold(), candidate)
    matches = difflib.get_close_matches(name.casefold(), list(by_folded), n=count, cutoff=cutoff)
    return [by_folded[match] for match in matches]


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return `write 'x'` for the nearest candidate, or an empty text when nothing is near."""
    matches = nearest(name, candidates, count=1)
    return f"write {matches[0]!r}" if matches else ""
