"""`geofoundry data stats | check | split | prepare`: look at data, and make it ready for training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from geofoundry.cli.data_reports import print_check, print_splits, print_statistics, print_summary

EXIT_DATA = 3
app = typer.Typer(help="Look at data, and make it ready for training.", no_args_is_help=True)

Place = Annotated[
    Path | None,
    typer.Argument(metavar="[DATA]", help="A folder with images and labels, or a windows.csv.", show_default=False),
]
Config = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="Take the data from the `data` section of this YAML.", show_default=False),
]
ImageGlob = Annotated[str | None, typer.Option(help="Images, below DATA.  [default: images/*.tif]", show_default=False)]
LabelGlob = Annotated[
    str | None,
    typer.Option(help="Labels, below DATA; '' for none.  [default: masks/*.tif]", show_default=False),
]
IgnoreIndex = Annotated[int | None, typer.Option(help="The label value that means unlabelled.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Bands = Annotated[
    str | None,
    typer.Option(help="Only these bands: names or indexes from 0, with commas between.", show_default=False),
]
DatasetBands = Annotated[
    str | None, typer.Option(help="Names of all bands, where the files have none.", show_default=False)
]
Sensor = Annotated[
    str | None, typer.Option(help="The sensor that band names belong to, such as sentinel2.", show_default=False)
]
Nodata = Annotated[str | None, typer.Option(help="The images' nodata value; nan for NaN.", show_default=False)]
Classes = Annotated[
    str | None,
    typer.Option(
        help="Class names with commas between, in the order of their values from 0.  [default: as found]",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="Write JSON to this file as well.", show_default=False)
]


@app.command(
    "stats",
    epilog="Examples: `geofoundry data stats -c fit.yaml -o statistics.json` · "
    "`geofoundry data stats data/clouds --bands RED,NIR --ignore-index 255`",
)
def stats(
    data: Place = None,
    config: Config = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="train|val|test", help="Of this split.  [default: train; of a folder, all]"),
    ] = None,
    bands: Bands = None,
    dataset_bands: DatasetBands = None,
    sensor: Sensor = None,
    classes: Classes = None,
    ignore_index: IgnoreIndex = None,
    nodata: Nodata = None,
    image_glob: ImageGlob = None,
    label_glob: LabelGlob = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Print mean, spread, range and nodata share of each band, and the classes' pixels and shares.

    The file of `-o` is what the datamodule's option `statistics` reads. Class weights are suggestions for
    `model.init_args.class_weights`: one over the square root of the share.
    """
    from geofoundry.core.files import write_json
    from geofoundry.recipes.data_selection import select_data
    from geofoundry.recipes.examine_data import data_statistics

    if split is not None:
        _choice("--split", split, ("train", "val", "test"))
    selection = select_data(data, config, image_glob=image_glob, label_glob=label_glob, ignore_index=ignore_index)
    options = _data_options(bands, dataset_bands, sensor, classes, nodata, ignore_index, image_glob, label_glob)
    report = data_statistics(selection, options, split)
    if output is not None:
        write_json(output, report.as_dict())
    if as_json:
        _print_json(report.as_dict())
        return
    print_statistics(report)
    if output is not None:
        typer.echo(f"wrote {output}")


@app.command(
    "check",
    epilog="Examples: `geofoundry data check -c fit.yaml` · `geofoundry data check data/clouds --label-glob 'labels/*.tif'`",
)
def check(
    data: Place = None,
    config: Config = None,
    bands: Bands = None,
    dataset_bands: DatasetBands = None,
    sensor: Sensor = None,
    classes: Classes = None,
    ignore_index: IgnoreIndex = None,
    nodata: Nodata = None,
    image_glob: ImageGlob = None,
    label_glob: LabelGlob = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Look at every file and report everything that is wrong or odd; exit with 3 if anything is wrong.

    Pairs, sizes, grids, bands, nodata, undeclared NaN, labels outside the classes, classes that never occur, values in
    a wrong unit, identical files, and splits that share ground.
    """
    from geofoundry.core.files import write_json
    from geofoundry.recipes.data_selection import select_data
    from geofoundry.recipes.examine_data import check_data

    selection = select_data(data, config, image_glob=image_glob, label_glob=label_glob, ignore_index=ignore_index)
    options = _data_options(bands, dataset_bands, sensor, classes, nodata, ignore_index, image_glob, label_glob)
    report = check_data(selection, options)
    if output is not None:
        write_json(output, report.as_dict())
    if as_json:
        _print_json(report.as_dict())
    else:
        print_check(report, str(config or data))
        if output is not None:
            typer.echo(f"wrote {output}")
    if report.errors:
        raise typer.Exit(EXIT_DATA)


@app.command(
    "split",
    epilog="Examples: `geofoundry data split data/clouds --by block --block-size-m 5000` · "
    "`geofoundry data split -c fit.yaml --by scene --scene-pattern '(landsat._r.)' --folds 4` · "
    "`geofoundry data split chips/windows.csv --by polygon --polygons labels.gpkg`",
)
def split(
    data: Place = None,
    config: Config = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="block|scene|polygon",
            help="What stays together: squares on the ground, whole scenes, or whatever shares a label polygon.",
        ),
    ] = "block",
    folds: Annotated[
        int | None, typer.Option(help="Make k folds for cross-validation in place of one split.", show_default=False)
    ] = None,
    val_fraction: Annotated[
        float | None, typer.Option(help="Share for validation.  [default: 0.15]", show_default=False)
    ] = None,
    test_fraction: Annotated[
        float | None, typer.Option(help="Share for testing.  [default: 0.15]", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="The same data and seed give the same split.")] = 0,
    block_size_m: Annotated[
        float | None,
        typer.Option(
            help="Side of a block in meters. Choose it larger than the distance over which land cover looks alike.  "
            "[default: as large as leaves 30 blocks]",
            show_default=False,
        ),
    ] = None,
    block_size_px: Annotated[int | None, typer.Option(help="The same in pixels.", show_default=False)] = None,
    buffer_m: Annotated[
        float, typer.Option(help="Leave out what lies nearer than this to a split of higher rank (test, then val).")
    ] = 0.0,
    buffer_px: Annotated[float, typer.Option(help="The same in pixels.")] = 0.0,
    scene_pattern: Annotated[
        str | None,
        typer.Option(help="Regular expression; what it finds in a key is the scene.", show_default=False),
    ] = None,
    polygons: Annotated[
        Path | None, typer.Option(help="The label polygons, for `--by polygon`.", show_default=False)
    ] = None,
    layer: Annotated[str | None, typer.Option(help="The layer of the polygons' file.", show_default=False)] = None,
    image_glob: ImageGlob = None,
    label_glob: LabelGlob = None,
    ignore_index: IgnoreIndex = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for train.txt, val.txt and test.txt; for windows, the CSV to write.  "
            "[default: DATA/splits, or NAME_split.csv]",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another split.")] = False,
    as_json: AsJson = False,
) -> None:
    """Split chips or windows into train, val and test so that no two share ground.

    Groups that stay together are dealt out greedily so that every split gets its share of the images and of each
    class; classes are counted in the labels, rare ones weigh as much as common ones. What overlaps a split of higher
    rank (windows with a stride below their size, or a buffer) is left out, and said.
    """
    from geofoundry.recipes.data_selection import select_data
    from geofoundry.recipes.split_data import SplitSettings, split_data

    selection = select_data(data, config, image_glob=image_glob, label_glob=label_glob, ignore_index=ignore_index)
    settings = SplitSettings(
        by=_choice("--by", by, ("block", "scene", "polygon")),
        folds=folds,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        seed=seed,
        block_size_m=block_size_m,
        block_size_px=block_size_px,
        buffer_m=buffer_m,
        buffer_px=buffer_px,
        scene_pattern=scene_pattern,
        polygons=polygons,
        layer=layer,
    )
    report = split_data(selection, settings, output, overwrite=overwrite)
    if as_json:
        _print_json(report.as_dict())
    else:
        print_splits(report)


@app.command(
    "prepare",
    epilog="Examples: `geofoundry data prepare scene.tif --labels fields.gpkg -o data/fields` · "
    "`geofoundry data prepare 'scenes/*_image.tif' --labels 'scenes/*_mask.tif' -o chips --chip-size 512` · "
    "`geofoundry data prepare scenes/ --labels nlcd.tif -o data/nlcd --virtual --stride 128`",
)
def prepare(
    scenes: Annotated[list[str], typer.Argument(help="Scenes: raster files, folders, quoted globs.")],
    labels: Annotated[
        str,
        typer.Option(
            "-l",
            "--labels",
            help="Polygons (GeoJSON, GeoPackage, ...), one label raster for all scenes, or a folder or quoted glob of "
            "one for each.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for chips or windows.")],
    chip_size: Annotated[int, typer.Option(help="Side of a chip in pixels.")] = 256,
    stride: Annotated[
        int | None, typer.Option(help="Pixels from chip to chip.  [default: the chip size]", show_default=False)
    ] = None,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="Write windows.csv, to read from the scenes, in place of chips.")
    ] = False,
    min_labelled: Annotated[float, typer.Option(help="Least share of labelled pixels in a chip, from 0 to 1.")] = 0.0,
    keep_empty: Annotated[bool, typer.Option("--keep-empty", help="Keep chips without any labelled pixel.")] = False,
    attribute: Annotated[
        str | None, typer.Option(help="The polygons' field that holds the class.", show_default=False)
    ] = None,
    layer: Annotated[str | None, typer.Option(help="The layer of the polygons' file.", show_default=False)] = None,
    classes: Classes = None,
    ignore_index: Annotated[int, typer.Option(help="The value for unlabelled pixels.")] = 255,
    repair: Annotated[bool, typer.Option("--repair", help="Repair polygons that cross themselves.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace chips made with other settings.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cut scenes and their labels into chips on disk, or into virtual windows.

    Unlabelled pixels, and pixels where the scene has no data, get the ignore index. Run again after an interruption,
    it goes on where it stopped.
    """
    from geofoundry.data.prepare import CutSettings
    from geofoundry.recipes.prepare_data import prepare_data

    settings = CutSettings(
        chip_size_px=chip_size,
        stride_px=stride,
        min_labelled=min_labelled,
        keep_empty=keep_empty,
        virtual=virtual,
        ignore_index=ignore_index,
    )
    summary = prepare_data(
        scenes,
        labels,
        output,
        settings,
        attribute=attribute,
        layer=layer,
        classes=_words(classes) if classes else None,
        repair=repair,
        overwrite=overwrite,
    )
    if as_json:
        _print_json(summary.as_dict())
    else:
        print_summary(summary, virtual)


def _data_options(
    bands: str | None,
    dataset_bands: str | None,
    sensor: str | None,
    classes: str | None,
    nodata: str | None,
    ignore_index: int | None,
    image_glob: str | None,
    label_glob: str | None,
) -> dict[str, Any]:
    """Return what was given on the command line as arguments of the datamodule."""
    return {
        "bands": [int(b) if b.isdigit() else b for b in _words(bands)] if bands else None,
        "dataset_bands": _words(dataset_bands) if dataset_bands else None,
        "sensor": sensor,
        "classes": _words(classes) if classes else None,
        "nodata": nodata,
        "ignore_index": ignore_index,
        "image_glob": image_glob,
        "label_glob": label_glob,
    }


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _choice(option: str, value: str, choices: tuple[str, ...]) -> Any:
    from geofoundry.core.errors import ConfigError, Fault
    from geofoundry.core.suggest import did_you_mean

    if value not in choices:
        raise ConfigError(
            Fault(f"{option} can't be {value!r}", expected=", ".join(choices), mend=did_you_mean(value, choices))
        )
    return value


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
