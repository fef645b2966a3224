"""The faults of one check, gathered with their places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from geofoundry.config.document import Document
from geofoundry.config.yaml_reading import Path
from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.suggest import did_you_mean, nearest

LONGEST_LIST = 12
# What can be left out; other unknown names stand where some name is needed.
REMOVABLE = ("argument", "key", "section")


class Report:
    """Gathers faults; every method takes the path of what is wrong and finds the line itself."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._found: list[tuple[Path, Fault]] = [((), fault) for fault in document.faults]

    def error(self, path: Path, what: str, *, got: str = "", expected: str = "", mend: str = "") -> None:
        """Note something that is wrong."""
        self._add(path, Fault(what, got=got, expected=expected, mend=mend))

    def warning(self, path: Path, what: str, *, got: str = "", expected: str = "", mend: str = "") -> None:
        """Note something that is doubtful."""
        self._add(path, Fault(what, got=got, expected=expected, mend=mend, severity="warning"))

    def unknown(
        self, path: Path, kind: str, name: Any, known: Iterable[str], *, owner: str = "", mend: str = ""
    ) -> None:
        """Note a name that is not among the known ones, with the nearest."""
        known = list(known)
        where = f" of {owner}" if owner else ""
        self.error(
            path,
            f"unknown {kind} {name!r}{where}",
            got=repr(name),
            expected=listing(str(name), known),
            mend=did_you_mean(str(name), known) or mend or (f"remove {name!r}" if kind in REMOVABLE else ""),
        )

    def raised(self, path: Path, error: ConfigError) -> None:
        """Note the faults of an error that a look-up raised."""
        for fault in error.faults:
            self._add(path, fault)

    def _add(self, path: Path, fault: Fault) -> None:
        self._found.append((path, replace(fault, where=self.document.where(path))))

    def faults(self) -> list[Fault]:
        """Return every fault once, in the order of the files and lines."""
        order = {source: index for index, source in enumerate(self.document.sources)}

        def place(item: tuple[Path, Fault]) -> tuple[int, int]:
            source, _, line = item[1].where.rpartition(":")
            known = source in order and line.isdigit()
            return (order[source], int(line)) if known else (len(order), 0)

        return list(dict.fromkeys(fault for _, fault in sorted(self._found, key=place)))


def listing(name: str, known: list[str]) -> str:
    """Return the names to choose from: all when few, else the nearest and how many there are."""
    if not known:
        return "no names are known"
    if len(known) <= LONGEST_LIST:
        return f"one of: {', '.join(known)}"
    near = nearest(name, known)
    return f"one of {len(known)} names" + (f"; nearest: {', '.join(near)}" if near else "")
