"""Progress of long work: a bar on a terminal, a line every few seconds in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

LOG_INTERVAL_S = 5.0


def track(items: Iterable[Item], description: str, *, total: int | None = None) -> Iterator[Item]:
    """Yield the items while telling, on stderr, how far the work is."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]  # narrowed by hasattr
    if sys.stderr.isatty():
        yield from _with_bar(items, description, total)
    else:
        yield from _with_lines(items, description, total)


def _with_bar(items: Iterable[Item], description: str, total: int | None) -> Iterator[Item]:
    # rich belongs to the base install; imported here so that core costs nothing at start-up.
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, description, total=total, console=Console(stderr=True), transient=True)


def _with_lines(items: Iterable[Item], description: str, total: int | None) -> Iterator[Item]:
    of_total = f"/{total}" if total is not None else ""
    last_line = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - last_line >= LOG_INTERVAL_S:
            sys.stderr.write(f"{description}: {done}{of_total}\n")
            last_line = time.monotonic()
