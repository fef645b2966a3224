"""A ready configuration for images and labels: what is found is written down, every choice with its reason."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geofoundry.core.errors import ConfigError, DataError, Fault, plural
from geofoundry.core.files import write_json, write_text
from geofoundry.data.checks import check_dataset
from geofoundry.data.class_naming import label_arguments
from geofoundry.data.image_spec import ImageSpec
from geofoundry.data.inventory import ClassOptions, Inventory, take_inventory
from geofoundry.data.pairing import Sample
from geofoundry.data.sources import SampleSource
from geofoundry.data.statistics import Statistics, compute_statistics
from geofoundry.geo.reading import open_raster, opening
from geofoundry.recipes.band_choice import BandChoice, choose_bands
from geofoundry.recipes.config_text import config_text
from geofoundry.recipes.init_layout import InitOptions, Layout, lay_out, shown_path

CROP_PX = 256
FEW_CHIPS, SMALL_CHIP_PX = 100, 128
WANTED_STEPS = 1500
ARGUMENTS_OF_SOURCE = ("root", "image_glob", "label_glob", "windows")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the text of a configuration says."""

    layout: Layout
    bands: BandChoice
    statistics: Statistics
    chip_px: int
    crop_px: int | None
    train_chips: int
    batch_size: int
    epochs: int
    is_small: bool
    data: dict[str, Any]
    seed: int


@dataclass(frozen=True, slots=True)
class InitReport:
    """What was written, and what a user should know about it."""

    config: Path
    folder: Path
    bands: tuple[str, ...]
    classes: tuple[str, ...]
    samples: dict[str, int]
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "config": str(self.config),
            "folder": str(self.folder),
            "bands": list(self.bands),
            "classes": list(self.classes),
            "samples": self.samples,
            "remarks": self.remarks,
        }


def init_config(
    images: str, labels: str, output: str | Path, options: InitOptions | None = None, *, overwrite: bool = False
) -> InitReport:
    """Write a configuration for images and labels, and beside it a folder with split, statistics and windows.

    `images` is a folder, a glob or a raster; `labels` the same, or polygons. The configuration names bands, sensor,
    classes, ignore index, statistics and split as they were found, and a model that suits the amount of data.

    Raises:
        ConfigError: when the file exists and `overwrite` is not set, or options don't fit the data.
        DataError: with everything that is wrong with the data.
    """
    options = options or InitOptions()
    target = Path(output)
    folder = target.with_name(f"{target.stem}_data")
    if target.exists() and not overwrite:
        mend = "choose another name with -o, or pass --overwrite"
        raise ConfigError(Fault("the configuration exists already", str(target), mend=mend))
    layout = lay_out(images, labels, folder, options, overwrite=overwrite)
    bands = _bands_of(layout)
    inventory, remarks = _look(layout, bands, options.seed)
    layout.remarks += remarks
    plan = _plan(layout, bands, inventory, folder, options.seed)
    write_json(folder / "statistics.json", plan.statistics.as_dict())
    write_text(target, config_text(plan, shlex.join(["geofoundry", "init", images, labels]), shown_path(target)))
    samples = {name: len(inventory.partition.samples(name)) for name in ("train", "val", "test")}
    return InitReport(target, folder, inventory.band_names, inventory.label_spec.class_names, samples, layout.remarks)


def _bands_of(layout: Layout) -> BandChoice:
    first = layout.samples[0].image
    with opening(), open_raster(first) as dataset:
        descriptions = [description or "" for description in dataset.descriptions]
        hints = [first.name, *dataset.tags().values()]
    return choose_bands(descriptions, hints)


def _label_arguments(layout: Layout) -> dict[str, Any]:
    return label_arguments(layout.naming.names, layout.naming.ignore)


def _look(layout: Layout, bands: BandChoice, seed: int) -> tuple[Inventory, list[str]]:
    """Check the data as it will be trained on.

    Raises:
        DataError: with every error of the check.
    """
    arguments, labels = layout.arguments, _label_arguments(layout)
    source = SampleSource(
        split_files={n: arguments[f"{n}_split"] for n in ("train", "val", "test") if f"{n}_split" in arguments},
        seed=seed,
        **{name: arguments[name] for name in ARGUMENTS_OF_SOURCE if name in arguments},
    )
    inventory = take_inventory(
        source, ImageSpec(bands=bands.names, sensor=bands.sensor), ClassOptions(**labels), crop_size=None, content=True
    )
    faults = check_dataset(inventory)
    errors = [fault for fault in faults if fault.severity == "error"]
    if errors:
        raise DataError(errors, summary=f"{plural(len(errors), 'fault')} in the data; no configuration was written")
    return inventory, [fault.what for fault in faults]


def _plan(layout: Layout, bands: BandChoice, inventory: Inventory, folder: Path, seed: int) -> Plan:
    shapes = {_shape(inventory, sample) for sample in inventory.partition.all_samples}
    chip = min(min(shape) for shape in shapes)
    crop = None if len(shapes) == 1 and max(max(shapes)) <= 2 * CROP_PX else min(CROP_PX, chip // 32 * 32 or chip)
    area = sum(math.prod(_shape(inventory, sample)) for sample in inventory.partition.train)
    chips = len(inventory.partition.train) if crop is None else max(area // crop**2, 1)
    side = crop or chip
    largest = 8 if side >= 256 else 16 if side >= 128 else 32
    batch = min(largest, 2 ** int(math.log2(max(chips // 2, 2))))
    epochs = min(max(math.ceil(WANTED_STEPS * batch / max(chips, 1)), 20), 200)
    return Plan(
        layout=layout,
        bands=bands,
        statistics=compute_statistics(inventory),
        chip_px=side,
        crop_px=crop,
        train_chips=chips,
        batch_size=batch,
        epochs=epochs,
        is_small=side < SMALL_CHIP_PX or chips < FEW_CHIPS,
        data={**layout.arguments, **_label_arguments(layout), "statistics": shown_path(folder / "statistics.json")},
        seed=seed,
    )


def _shape(inventory: Inventory, sample: Sample) -> tuple[int, int]:
    if sample.window is None:
        return inventory.headers[sample.image].shape
    return int(sample.window.height), int(sample.window.width)
