"""Every check of a dataset in one answer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

from rasterio.windows import Window

from geofoundry.bands import Unit
from geofoundry.core.errors import DataError, Fault, plural
from geofoundry.data.data_warning import DataWarning
from geofoundry.data.header_checks import check_headers
from geofoundry.data.inventory import Inventory, splits_of
from geofoundry.data.overlaps import find_overlaps
from geofoundry.data.pairing import Sample
from geofoundry.data.split_items import SplitItem
from geofoundry.data.value_checks import check_values


def check_dataset(inventory: Inventory, *, unit: Unit | None = None, strict: bool = True) -> list[Fault]:
    """Return all faults and warnings of a dataset: its files, headers, pixels, labels and splits.

    Splits that share ground are a fault when `strict`, else a warning: scores flatter, but training works.
    """
    remarks = [Fault(remark, severity="warning") for remark in inventory.partition.remarks]
    faults = [*inventory.faults, *remarks, *check_headers(inventory), *check_values(inventory, unit)]
    overlaps = [] if inventory.faults else shared_ground(inventory)
    return [*faults, *(overlaps if strict else [replace(fault, severity="warning") for fault in overlaps])]


def shared_ground(inventory: Inventory) -> list[Fault]:
    """Return a fault for every two splits whose samples overlap on the ground, or in their file."""
    items = {
        split: [_item(sample, inventory) for sample in samples if sample.image in inventory.headers]
        for split, samples in splits_of(inventory).items()
    }
    return find_overlaps(items) if len(items) > 1 else []


def raise_or_warn(faults: Sequence[Fault]) -> None:
    """Give out the warnings, or raise all errors at once.

    Raises:
        DataError: when any of the faults is an error.
    """
    errors = [fault for fault in faults if fault.severity == "error"]
    if errors:
        raise DataError(errors, summary=f"{plural(len(errors), 'fault')} in the data")
    for fault in faults:
        warnings.warn(str(fault), DataWarning, stacklevel=3)


def _item(sample: Sample, inventory: Inventory) -> SplitItem:
    header = inventory.headers[sample.image]
    window = sample.window or Window(0, 0, header.width, header.height)  # type: ignore[call-arg]
    return SplitItem(sample.key, sample.image, header.grid.of_window(window), window, sample.label)
