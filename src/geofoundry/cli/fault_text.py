"""Faults and warnings on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from geofoundry.core.errors import Fault


def print_faults(faults: Sequence[Fault], subject: str) -> None:
    """Print every fault, then how many there are of what was looked at."""
    from geofoundry.core.errors import plural

    colored = sys.stdout.isatty()
    for fault in faults:
        typer.echo(_painted(fault) if colored else _plain(fault))
    errors = sum(fault.severity == "error" for fault in faults)
    warnings = len(faults) - errors
    counts = [plural(errors, "fault")] if errors else ["no faults"]
    if warnings:
        counts.append(plural(warnings, "warning"))
    summary = f"{subject}: {', '.join(counts)}"
    typer.echo(typer.style(summary, fg=typer.colors.RED if errors else typer.colors.GREEN) if colored else summary)


def _plain(fault: Fault) -> str:
    text = str(fault)
    if fault.severity == "error":
        return text
    head, _, rest = text.partition("\n")
    place = f"{fault.where}: " if fault.where else ""
    head = place + "warning: " + head.removeprefix(place)
    return f"{head}\n{rest}" if rest else head


def _painted(fault: Fault) -> str:
    lines = _plain(fault).splitlines()
    color = typer.colors.YELLOW if fault.severity == "warning" else typer.colors.RED
    painted = [typer.style(lines[0], fg=color, bold=True)]
    for line in lines[1:]:
        is_mend = line.strip().startswith("mend")
        painted.append(typer.style(line, fg=typer.colors.GREEN) if is_mend else line)
    return "\n".join(painted)
