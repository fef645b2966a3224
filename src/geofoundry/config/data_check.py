"""Check of what our datamodules mean by their arguments: bands, counts, transforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geofoundry.catalog.library_names import TRANSFORMS
from geofoundry.catalog.signatures import read_signature
from geofoundry.config.band_check import check_band_names, check_matches, check_sensor
from geofoundry.config.class_check import ClassCheck, NamedClass, check_arguments, not_installed
from geofoundry.config.report import Report
from geofoundry.config.yaml_reading import Path

# One value for all bands, or one for each; and one for each in any case.
PER_BAND = ("scale", "offset", "nodata")
EACH_BAND = ("means", "stds")
OWN_NAMES = "list the names of the files' bands under dataset_bands"


def check_data(report: Report, classes: ClassCheck, data: NamedClass) -> None:
    """Check a datamodule of ours."""
    if not data.is_ours:
        return
    path, arguments = data.arguments_path, data.arguments
    _check_bands(report, path, arguments)
    for key, value in arguments.items():
        if str(key).endswith(("transforms", "transform")) and isinstance(value, list):
            for index, transform in enumerate(value):
                check_transform(report, classes, (*path, key, index), transform)


def class_count(data: NamedClass) -> int | None:
    """Return how many classes a datamodule declares, or None."""
    classes = data.arguments.get("classes")
    if isinstance(classes, list | Mapping):
        return len(classes)
    return classes if isinstance(classes, int) and not isinstance(classes, bool) else None


def check_transform(report: Report, classes: ClassCheck, path: Path, transform: Any) -> None:
    """Check one transform: `{name: D4}` of ours or of torchvision's, or a class with its arguments."""
    expected = "{name: D4}, or {class_path: my.Transform, init_args: {...}}"
    if not isinstance(transform, Mapping):
        mend = f"write {{name: {transform}}}" if isinstance(transform, str) else ""
        report.error(path, "a transform is a mapping with a name", got=repr(transform), expected=expected, mend=mend)
        return
    if "class_path" in transform:
        return  # checked with all other classes that are named inside arguments
    name = transform.get("name")
    if not isinstance(name, str):
        report.error(path, "a transform has no name", got=repr(dict(transform)), expected=expected)
        return
    known = TRANSFORMS.names()
    if name not in known and not TRANSFORMS.is_installed():
        not_installed(report, (*path, "name"), name, "torchvision")
        return
    if name not in known:
        report.unknown((*path, "name"), "transform", name, known)
        return
    signature = read_signature(known[name])
    if signature is not None:
        arguments = {key: value for key, value in transform.items() if key != "name"}
        check_arguments(report, path, name, signature, arguments)
        classes.check_nested(path, arguments)


def _check_bands(report: Report, path: Path, arguments: Mapping[str, Any]) -> None:
    bands, available = arguments.get("bands"), arguments.get("dataset_bands")
    sensor = check_sensor(report, (*path, "sensor"), arguments.get("sensor"))
    if isinstance(available, list) and all(isinstance(name, str) for name in available):
        check_matches(report, (*path, "bands"), bands, available, sensor)
    else:
        check_band_names(report, (*path, "bands"), bands, sensor, escape=OWN_NAMES)
    counted = bands or available
    if not isinstance(counted, list):
        return
    for key in (*PER_BAND, *EACH_BAND):
        values = arguments.get(key)
        allowed = {len(counted)} if key in EACH_BAND else {1, len(counted)}
        if isinstance(values, list) and len(values) not in allowed:
            report.error(
                (*path, key),
                f"{key} and the bands disagree",
                got=f"{len(values)} values for {len(counted)} bands",
                expected=f"{len(counted)} values" + ("" if key in EACH_BAND else ", or one for all"),
                mend=f"correct {key}",
            )
