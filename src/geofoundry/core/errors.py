"""What goes wrong, said so that it can be mended.

The tree, with the exit code that the command line answers for each:

    GeofoundryError                 1   a bug or an unclassified failure
    ├── ConfigError                 2   the command line or the YAML is wrong
    │   └── UnknownNameError        2   a name that no catalog knows (also a KeyError)
    ├── DataError                   3   the imagery or the labels are wrong
    ├── IntegrityError              4   bytes are not what a record says they are
    ├── PolicyError                 5   a rule of the house forbids it
    ├── MissingExtraError           6   an optional package is not installed (also an ImportError)
    └── MemoryLimitError            7   it does not fit

Every error carries `Fault`s: all that was found wrong, not only the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

EXIT_DONE = 0
EXIT_REGISTRATION_PENDING = 75
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: what, where, what was got, what was expected, how to mend it."""

    what: str
    where: str = ""
    got: str = ""
    expected: str = ""
    mend: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        details = (("got", self.got), ("expected", self.expected), ("mend", self.mend))
        return "\n".join([head, *(f"    {label:<9} {text}" for label, text in details if text)])

    def as_dict(self) -> dict[str, str]:
        """Return the fault as plain data, for `--json` output."""
        return {name: getattr(self, name) for name in self.__slots__}


class GeofoundryError(Exception):
    """Base of every error that geofoundry raises on purpose."""

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str | Fault | Iterable[Fault], *, summary: str = "") -> None:
        """Take a sentence, a fault, or all faults of one check.

        `summary` is the line above several faults, for example "5 faults in fit.yaml".
        """
        if isinstance(problem, str):
            problem = Fault(problem)
        self.faults: tuple[Fault, ...] = (problem,) if isinstance(problem, Fault) else tuple(problem)
        self.summary = summary
        super().__init__(self._text())

    def _text(self) -> str:
        body = "\n".join(str(fault) for fault in self.faults)
        return f"{self.summary}\n{body}" if self.summary else body

    def __str__(self) -> str:
        return self._text()

    def __reduce__(self) -> tuple[object, ...]:
        # The default rebuilds from `args`, which would lose the faults (data-loader workers pickle errors).
        return _rebuild, (type(self), self.faults, self.summary)


def _rebuild(cls: type[GeofoundryError], faults: tuple[Fault, ...], summary: str) -> GeofoundryError:
    return cls(faults, summary=summary)


class ConfigError(GeofoundryError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class UnknownNameError(ConfigError, KeyError):
    """A name is in no catalog."""


class DataError(GeofoundryError):
    """The imagery or the labels are wrong."""

    exit_code = 3


class IntegrityError(GeofoundryError):
    """Bytes are not what a record says they are."""

    exit_code = 4


class PolicyError(GeofoundryError):
    """A rule of the house forbids it."""

    exit_code = 5


class MissingExtraError(GeofoundryError, ImportError):
    """An optional package is not installed."""

    exit_code = 6


class MemoryLimitError(GeofoundryError):
    """The work does not fit into the memory there is."""

    exit_code = 7


def plural(count: int, noun: str, plural_noun: str = "") -> str:
    """Return `1 fault`, `3 faults`."""
    return f"{count} {noun if count == 1 else plural_noun or noun + 's'}"
