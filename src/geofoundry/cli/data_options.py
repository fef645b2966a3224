"""The options of the `data` commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
StatisticsSplit = Annotated[
    str | None,
    typer.Option(metavar="train|val|test", help="Of this split.  [default: train; of a folder, all]"),
]
By = Annotated[
    str,
    typer.Option(
        metavar="block|scene|polygon",
        help="What stays together: squares on the ground, whole scenes, or whatever shares a label polygon.",
    ),
]
Folds = Annotated[
    int | None, typer.Option(help="Make k folds for cross-validation in place of one split.", show_default=False)
]
ValFraction = Annotated[float | None, typer.Option(help="Share for validation.  [default: 0.15]", show_default=False)]
TestFraction = Annotated[float | None, typer.Option(help="Share for testing.  [default: 0.15]", show_default=False)]
Seed = Annotated[int, typer.Option(help="The same data and seed give the same split.")]
BlockSizeM = Annotated[
    float | None,
    typer.Option(
        help="Side of a block in meters. Choose it larger than the distance over which land cover looks alike.  "
        "[default: as large as leaves 30 blocks]",
        show_default=False,
    ),
]
BlockSizePx = Annotated[int | None, typer.Option(help="The same in pixels.", show_default=False)]
BufferM = Annotated[
    float, typer.Option(help="Leave out what lies nearer than this to a split of higher rank (test, then val).")
]
BufferPx = Annotated[float, typer.Option(help="The same in pixels.")]
ScenePattern = Annotated[
    str | None,
    typer.Option(help="Regular expression; what it finds in a key is the scene.", show_default=False),
]
Polygons = Annotated[Path | None, typer.Option(help="The label polygons, for `--by polygon`.", show_default=False)]
Layer = Annotated[str | None, typer.Option(help="The layer of the polygons' file.", show_default=False)]
SplitOutput = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help="Folder for train.txt, val.txt and test.txt; for windows, the CSV to write.  "
        "[default: DATA/splits, or NAME_split.csv]",
        show_default=False,
    ),
]
OverwriteSplit = Annotated[bool, typer.Option("--overwrite", help="Replace another split.")]
Scenes = Annotated[list[str], typer.Argument(help="Scenes: raster files, folders, quoted globs.")]
Labels = Annotated[
    str,
    typer.Option(
        "-l",
        "--labels",
        help="Polygons (GeoJSON, GeoPackage, ...), one label raster for all scenes, or a folder or quoted glob of "
        "one for each.",
    ),
]
ChipFolder = Annotated[Path, typer.Option("-o", "--output", help="Folder for chips or windows.")]
ChipSize = Annotated[int, typer.Option(help="Side of a chip in pixels.")]
Stride = Annotated[
    int | None, typer.Option(help="Pixels from chip to chip.  [default: the chip size]", show_default=False)
]
Virtual = Annotated[
    bool, typer.Option("--virtual", help="Write windows.csv, to read from the scenes, in place of chips.")
]
MinLabelled = Annotated[float, typer.Option(help="Least share of labelled pixels in a chip, from 0 to 1.")]
KeepEmpty = Annotated[bool, typer.Option("--keep-empty", help="Keep chips without any labelled pixel.")]
Attribute = Annotated[str | None, typer.Option(help="The polygons' field that holds the class.", show_default=False)]
IgnoreIndexOfChips = Annotated[int, typer.Option(help="The value for unlabelled pixels.")]
Repair = Annotated[bool, typer.Option("--repair", help="Repair polygons that cross themselves.")]
OverwriteChips = Annotated[bool, typer.Option("--overwrite", help="Replace chips made with other settings.")]
