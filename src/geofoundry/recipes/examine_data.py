"""Statistics and checks of a dataset, as a configuration or a folder describes it."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from geofoundry.core.errors import ConfigError, DataError, Fault, plural
from geofoundry.core.suggest import did_you_mean
from geofoundry.data.class_naming import label_arguments, name_classes_of
from geofoundry.data.class_weights import suggest_class_weights
from geofoundry.data.inventory import Inventory, splits_of
from geofoundry.data.segmentation_datamodule import SegmentationDataModule
from geofoundry.data.statistics import Statistics, compute_statistics
from geofoundry.recipes.data_selection import DataSelection


@dataclass(frozen=True, slots=True)
class StatisticsReport:
    """Statistics of a split, and the class weights that they suggest."""

    statistics: Statistics
    class_weights: list[float]

    def as_dict(self) -> dict[str, Any]:
        """Return what the datamodule's option `statistics` reads, with the weights beside it."""
        return {**self.statistics.as_dict(), "suggested_class_weights": self.class_weights}


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What there is, and everything that is wrong or odd about it."""

    faults: list[Fault]
    bands: list[str]
    sizes: dict[str, int]
    grids: dict[str, int]
    dtypes: dict[str, int]
    samples: dict[str, int]
    class_shares: dict[str, dict[str, float]]

    @property
    def errors(self) -> int:
        """The number of faults that are not merely warnings."""
        return sum(fault.severity == "error" for fault in self.faults)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "errors": self.errors,
            "warnings": len(self.faults) - self.errors,
            "samples": self.samples,
            "bands": self.bands,
            "sizes": self.sizes,
            "grids": self.grids,
            "dtypes": self.dtypes,
            "class_shares": self.class_shares,
            "faults": [fault.as_dict() for fault in self.faults],
        }


def data_statistics(selection: DataSelection, options: Mapping[str, Any], split: str | None = None) -> StatisticsReport:
    """Compute the statistics of a split: by default the training split of a configuration, or all of a folder.

    `options` are arguments of the datamodule that take the place of those in the configuration.

    Raises:
        ConfigError: when an argument is unknown or wrong.
        DataError: with every fault of the data.
    """
    module = _datamodule(selection, {**options, "statistics": None, "means": None, "stds": None})
    faults = [fault for fault in module.check(strict=False) if fault.severity == "error"]
    if faults:
        raise DataError(faults, summary=f"{plural(len(faults), 'fault')} in the data")
    statistics = compute_statistics(module.inventory, split or "train")
    return StatisticsReport(statistics, suggest_class_weights(statistics.class_shares))


def check_data(selection: DataSelection, options: Mapping[str, Any]) -> CheckReport:
    """Look at every file, and report all faults and warnings; splits that share ground are a fault.

    Raises:
        ConfigError: when an argument is unknown or wrong.
    """
    module = _datamodule(selection, options)
    faults = module.check(strict=True)
    if selection.options is None:
        # A folder has no splits, and needn't.
        faults = [fault for fault in faults if fault.where != "val"]
    inventory = module.inventory
    images = [
        inventory.headers[p]
        for p in dict.fromkeys(s.image for s in inventory.partition.all_samples)
        if p in inventory.headers
    ]
    return CheckReport(
        faults=faults,
        bands=list(inventory.band_names),
        sizes=_counted(f"{h.height} x {h.width}" for h in images),
        grids=_counted(_grid_name(h.grid) for h in images),
        dtypes=_counted(", ".join(sorted(set(h.dtypes))) for h in images),
        samples={name: len(samples) for name, samples in splits_of(inventory).items()},
        class_shares={name: _class_shares(inventory, name) for name in splits_of(inventory)},
    )


def _datamodule(selection: DataSelection, options: Mapping[str, Any]) -> SegmentationDataModule:
    if selection.options is not None:
        arguments = {**selection.options, **_given(options)}
    else:
        arguments = {"root": str(selection.root), "val_fraction": 0.0, "test_fraction": 0.0}
        if selection.windows is not None:
            arguments["windows"] = str(selection.windows)
        else:
            arguments |= {"image_glob": selection.image_glob, "label_glob": selection.label_glob}
        arguments |= _given({"ignore_index": selection.ignore_index, **options})
        if "classes" not in arguments:
            arguments |= _classes_of(selection, arguments.get("ignore_index"))
    _refuse_unknown(arguments)
    return SegmentationDataModule(**arguments)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    # These three are taken away on purpose; other options that are None were just not given.
    taken_away = ("statistics", "means", "stds")
    return {name: value for name, value in options.items() if value is not None or name in taken_away}


def _classes_of(selection: DataSelection, ignore_index: int | None) -> dict[str, Any]:
    """Return classes and ignore index as a legend beside the labels has them, or as the labels' values say."""
    labels = list(dict.fromkeys(row.sample.label for row in selection.rows() if row.sample.label is not None))
    try:
        naming = name_classes_of(labels)
    except DataError:
        return {}  # the check says what is wrong with them
    ignore = naming.ignore if ignore_index is None else ignore_index
    return label_arguments({v: n for v, n in naming.names.items() if v != ignore}, ignore)


def _refuse_unknown(arguments: Mapping[str, Any]) -> None:
    known = list(inspect.signature(SegmentationDataModule).parameters)
    faults = [
        Fault(f"SegmentationDataModule takes no {name!r}", f"data.init_args.{name}", mend=did_you_mean(name, known))
        for name in arguments
        if name not in known
    ]
    if faults:
        raise ConfigError(faults)


def _class_shares(inventory: Inventory, split: str) -> dict[str, float]:
    counts = inventory.class_pixels(split)[:-1]
    return dict(zip(inventory.label_spec.class_names, (counts / max(counts.sum(), 1)).tolist(), strict=True))


def _counted(names: Any) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _grid_name(grid: Any) -> str:
    if grid.crs is None:
        return "no CRS"
    code = grid.crs.to_epsg()
    height, _ = grid.pixel_size
    return f"{f'EPSG:{code}' if code else grid.crs.to_string()[:60]}, {height:.6g} {'degrees' if grid.crs.is_geographic else 'm'}"
