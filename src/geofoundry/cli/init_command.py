"""`geofoundry init IMAGES LABELS`: a ready configuration for data that lies there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def init(
    images: Annotated[str, typer.Argument(help="A folder, a quoted glob, or a scene.")],
    labels: Annotated[
        str, typer.Argument(help="The same with masks; or polygons (GeoJSON, GeoPackage) with a class attribute.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The configuration to write.")] = Path("fit.yaml"),
    attribute: Annotated[
        str | None, typer.Option(help="The polygons' field that holds the class.", show_default=False)
    ] = None,
    layer: Annotated[str | None, typer.Option(help="The layer of the polygons' file.", show_default=False)] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Class names with commas between, in the order of their ids from 0.", show_default=False),
    ] = None,
    ignore_index: Annotated[
        int | None, typer.Option(help="The label value that means unlabelled.", show_default=False)
    ] = None,
    chip_size: Annotated[
        int | None, typer.Option(help="Side of the windows that scenes are cut into, in pixels.", show_default=False)
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Repair polygons that cross themselves.")] = False,
    seed: Annotated[int, typer.Option(help="Decides the split.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older configuration.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a configuration that trains as it stands, from what the files say.

    Bands and sensor are read from band names, classes from legends or attributes; the split is honest (by block, by
    scene, or by polygon), statistics are computed, and a model is chosen by the amount of data. Comments give the
    reason of every choice. Split, statistics and windows lie beside the configuration, in `NAME_data/`.

    Examples: `geofoundry init chips/images chips/masks` ·
    `geofoundry init scene.tif training_polygons.gpkg -o fields.yaml --attribute crop` ·
    `geofoundry init 'data/*_image.tif' 'data/*_mask.tif'`
    """
    from geofoundry.recipes.init_config import init_config
    from geofoundry.recipes.init_layout import InitOptions

    options = InitOptions(
        attribute=attribute,
        layer=layer,
        classes=tuple(name.strip() for name in classes.split(",")) if classes else None,
        chip_size_px=chip_size,
        ignore_index=ignore_index,
        repair=repair,
        seed=seed,
    )
    report = init_config(images, labels, output, options, overwrite=overwrite)
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
        return
    typer.echo(f"bands    {', '.join(report.bands)}")
    typer.echo(f"classes  {', '.join(report.classes)}")
    typer.echo("split    " + ", ".join(f"{count} {name}" for name, count in report.samples.items()))
    for remark in report.remarks:
        typer.echo(f"note: {remark}")
    typer.echo(f"wrote {report.config} and {report.folder}/")
    typer.echo(f"next: geofoundry fit -c {report.config} --dry-run")
