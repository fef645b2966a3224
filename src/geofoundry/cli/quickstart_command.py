"""`geofoundry quickstart`: the main job on a generated scene, without data and without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def quickstart(
    folder: Annotated[Path, typer.Option("-o", "--folder", help="Where everything goes.")] = Path("quickstart"),
    seed: Annotated[int, typer.Option(help="Another seed is another landscape.")] = 0,
    size: Annotated[
        int, typer.Option(help="Height and width of the scene in pixels of 10 m.", min=256, max=4096)
    ] = 1024,
    minutes: Annotated[float, typer.Option(help="The longest that training may take.", min=0.05)] = 2.0,
    force: Annotated[bool, typer.Option("--force", help="Do again what is done already.")] = False,
) -> None:
    """Train a model on a generated satellite scene, map the rest of it, and say how good the map is.

    It needs no data and no network. What is done already is not done again: a second call takes a few seconds.
    Edit the `fit.yaml` that it writes and call it again: it trains with your changes.
    """
    from geofoundry.recipes.quickstart import quickstart as run_quickstart

    report = run_quickstart(folder, seed=seed, size=size, minutes=minutes, force=force, say=typer.echo)
    typer.echo(report.text())
