"""`geofoundry data stats | check | split | prepare`: look at data, and make it ready for training."""

from __future__ import annotations

import json
from typing import Any

import typer

from geofoundry.cli.data_options import (
    AsJson,
    Attribute,
    Bands,
    BlockSizeM,
    BlockSizePx,
    BufferM,
    BufferPx,
    By,
    ChipFolder,
    ChipSize,
    Classes,
    Config,
    DatasetBands,
    Folds,
    IgnoreIndex,
    IgnoreIndexOfChips,
    ImageGlob,
    KeepEmpty,
    LabelGlob,
    Labels,
    Layer,
    MinLabelled,
    Nodata,
    Output,
    OverwriteChips,
    OverwriteSplit,
    Place,
    Polygons,
    Repair,
    ScenePattern,
    Scenes,
    Seed,
    Sensor,
    SplitOutput,
    StatisticsSplit,
    Stride,
    TestFraction,
    ValFraction,
    Virtual,
)
from geofoundry.cli.data_reports import print_check, print_splits, print_statistics, print_summary

EXIT_DATA = 3
app = typer.Typer(help="Look at data, and make it ready for training.", no_args_is_help=True)


@app.command(
    "stats",
    epilog="Examples: `geofoundry data stats -c fit.yaml -o statistics.json` · "
    "`geofoundry data stats data/clouds --bands RED,NIR --ignore-index 255`",
)
def stats(
    data: Place = None,
    config: Config = None,
    split: StatisticsSplit = None,
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
    by: By = "block",
    folds: Folds = None,
    val_fraction: ValFraction = None,
    test_fraction: TestFraction = None,
    seed: Seed = 0,
    block_size_m: BlockSizeM = None,
    block_size_px: BlockSizePx = None,
    buffer_m: BufferM = 0.0,
    buffer_px: BufferPx = 0.0,
    scene_pattern: ScenePattern = None,
    polygons: Polygons = None,
    layer: Layer = None,
    image_glob: ImageGlob = None,
    label_glob: LabelGlob = None,
    ignore_index: IgnoreIndex = None,
    output: SplitOutput = None,
    overwrite: OverwriteSplit = False,
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
    scenes: Scenes,
    labels: Labels,
    output: ChipFolder,
    chip_size: ChipSize = 256,
    stride: Stride = None,
    virtual: Virtual = False,
    min_labelled: MinLabelled = 0.0,
    keep_empty: KeepEmpty = False,
    attribute: Attribute = None,
    layer: Layer = None,
    classes: Classes = None,
    ignore_index: IgnoreIndexOfChips = 255,
    repair: Repair = False,
    overwrite: OverwriteChips = False,
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
