"""Check of what our datamodules mean by their arguments: bands, counts, files, transforms; and whether the model agrees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from geofoundry.bands import SENSORS, find_band, match_bands, same_band
from geofoundry.catalog.library_names import TRANSFORMS
from geofoundry.catalog.signatures import read_signature
from geofoundry.config.class_check import NamedClass, check_arguments
from geofoundry.config.report import Report
from geofoundry.config.value_types import PATHS
from geofoundry.config.yaml_reading import Path
from geofoundry.core.errors import ConfigError, UnknownNameError
from geofoundry.core.suggest import nearest

# One value for all bands, or one for each.
PER_BAND = ("means", "stds", "scale", "offset", "nodata")
TRANSFORM_KEYS = ("name", "class_path", "init_args")
GLOB_CHARACTERS = "*?["
# How alike a band's name must be to a known one to count as misspelt rather than as a band of its own kind.
ALIKE = 0.75


def check_data(report: Report, data: NamedClass) -> None:
    """Check a datamodule of ours."""
    if not data.is_ours:
        return
    path, arguments = data.arguments_path, data.arguments
    _check_files(report, data)
    _check_bands(report, path, arguments)
    _check_per_band(report, path, arguments)
    names, count = arguments.get("class_names"), arguments.get("num_classes")
    if isinstance(names, list) and isinstance(count, int) and len(names) != count:
        report.error(
            (*path, "class_names"),
            "class_names and num_classes disagree",
            got=f"{len(names)} names for {count} classes",
            mend="correct one of them",
        )
    for key, value in arguments.items():
        if str(key).endswith(("transforms", "transform")) and isinstance(value, list):
            for index, transform in enumerate(value):
                check_transform(report, (*path, key, index), transform)


def check_agreement(report: Report, task: NamedClass, data: NamedClass) -> None:
    """Check that model and data speak of the same bands and classes."""
    model_args = task.arguments.get("model_args")
    if not (isinstance(model_args, Mapping) and task.is_ours and data.is_ours):
        return
    path = (*task.arguments_path, "model_args")
    model_bands, data_bands = model_args.get("backbone_bands"), data.arguments.get("bands")
    sensor = data.arguments.get("sensor")
    if isinstance(model_bands, list) and isinstance(data_bands, list):
        _compare_bands(report, (*path, "backbone_bands"), model_bands, data_bands, sensor)
    channels = model_args.get("backbone_in_chans")
    if isinstance(channels, int) and isinstance(data_bands, list) and channels != len(data_bands):
        report.error(
            (*path, "backbone_in_chans"),
            "the model takes another number of bands than the data gives",
            got=f"{channels} channels for {len(data_bands)} bands",
            expected=str(len(data_bands)),
            mend="remove backbone_in_chans and name the bands under backbone_bands",
        )
    count, names = model_args.get("num_classes"), data.arguments.get("class_names")
    of_data = len(names) if isinstance(names, list | dict) else data.arguments.get("num_classes")
    if isinstance(count, int) and isinstance(of_data, int) and count != of_data:
        report.error(
            (*path, "num_classes"),
            "model and data disagree on the number of classes",
            got=f"{count} in the model, {of_data} in the data",
            mend=f"write num_classes: {of_data}",
        )
    ignored, of_data = task.arguments.get("ignore_index"), data.arguments.get("ignore_index")
    if ignored is not None and of_data is not None and ignored != of_data:
        report.error(
            (*task.arguments_path, "ignore_index"),
            "model and data disagree on ignore_index",
            got=f"{ignored} in the model, {of_data} in the data",
            expected="one value",
        )


def check_band_names(report: Report, path: Path, bands: Any, sensor: str | None, known: list[str]) -> None:
    """Check that the bands of a list are known and not given twice; `known` are names that the data brings."""
    if not isinstance(bands, list):
        return
    seen: list[tuple[int, str]] = []
    for index, band in enumerate(bands):
        if not isinstance(band, str):
            continue
        if band not in known:
            _check_band(report, (*path, index), band, sensor)
        twin = next((other for _, other in seen if _is_same(band, other, sensor)), None)
        if twin is not None:
            report.error(
                (*path, index), f"the band {band!r} is given twice", got=f"{twin!r} and {band!r}", mend="remove one"
            )
        seen.append((index, band))


def check_transform(report: Report, path: Path, transform: Any) -> None:
    """Check one transform: a name of torchvision's transforms v2, or a mapping with its arguments."""
    known = TRANSFORMS.names()
    if isinstance(transform, str):
        name, arguments, place = transform, {}, path
    elif isinstance(transform, Mapping):
        key = "class_path" if "class_path" in transform else "name"
        name, place = transform.get(key), (*path, key)
        inner = transform.get("init_args")
        arguments = (
            inner if isinstance(inner, Mapping) else {k: v for k, v in transform.items() if k not in TRANSFORM_KEYS}
        )
    else:
        name, arguments, place = None, {}, path
    if not isinstance(name, str):
        report.error(
            path,
            "a transform is named by its class",
            got=repr(transform),
            expected="{class_path: RandomHorizontalFlip}",
        )
        return
    import_path = name if "." in name else known.get(name)
    if import_path is None:
        if known:
            report.unknown(place, "transform", name, known)
        return
    signature = read_signature(import_path)
    if signature is not None:
        check_arguments(report, path, name, signature, arguments)


def _check_band(report: Report, path: Path, band: str, sensor: str | None) -> None:
    try:
        find_band(band, sensor)
    except UnknownNameError as error:
        spellings = [name for s in SENSORS.values() for b in s.bands for name in (b.name, b.common_name, *b.aliases)]
        if nearest(band, spellings, cutoff=ALIKE):
            report.raised(path, error)
        else:
            report.warning(
                path,
                f"no sensor has a band {band!r}",
                got=repr(band),
                expected="a band's name, or one that the files use",
                mend="nothing to mend if the files name a band so",
            )
    except ConfigError:
        # A code such as B4 that depends on the sensor: the files' own names settle it.
        return


def _is_same(a: str, b: str, sensor: str | None) -> bool:
    try:
        return same_band(a, b, sensor)
    except ConfigError:
        return a == b


def _check_bands(report: Report, path: Path, arguments: Mapping[str, Any]) -> None:
    bands, available = arguments.get("bands"), arguments.get("dataset_bands")
    sensor = arguments.get("sensor")
    if isinstance(sensor, str) and sensor not in SENSORS:
        try:
            from geofoundry.bands import find_sensor

            find_sensor(sensor)
        except ConfigError as error:
            report.raised((*path, "sensor"), error)
            sensor = None
    names = [name for name in available if isinstance(name, str)] if isinstance(available, list) else []
    check_band_names(report, (*path, "dataset_bands"), available, sensor, [])
    check_band_names(report, (*path, "bands"), bands, sensor, names)
    if isinstance(bands, list) and names and len(names) == len(available or []):
        for index, band in enumerate(bands):
            try:
                match_bands([band], names, sensor)
            except ConfigError as error:
                report.raised((*path, "bands", index), error)


def _check_per_band(report: Report, path: Path, arguments: Mapping[str, Any]) -> None:
    bands = arguments.get("bands") or arguments.get("dataset_bands")
    if not isinstance(bands, list):
        return
    for key in PER_BAND:
        values = arguments.get(key)
        if isinstance(values, list) and len(values) not in (1, len(bands)):
            report.error(
                (*path, key),
                f"{key} and the bands disagree",
                got=f"{len(values)} values for {len(bands)} bands",
                expected=f"one value, or {len(bands)}",
                mend=f"correct {key}",
            )


def _check_files(report: Report, data: NamedClass) -> None:
    """Check that files and folders which arguments name are there, as far as annotations tell that they are paths."""
    root = data.arguments.get("root")
    base = FilePath(root) if isinstance(root, str) else FilePath()
    for parameter in data.signature.parameters if data.signature else ():
        value = data.arguments.get(parameter.name)
        if not (parameter.annotation and any(word in parameter.annotation for word in PATHS)):
            continue
        path = (*data.arguments_path, parameter.name)
        for place, text in [(path, value)] if isinstance(value, str) else _items(path, value):
            _check_file(report, place, parameter.name, text, base)


def _items(path: Path, value: Any) -> list[tuple[Path, str]]:
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    return [((*path, key), item) for key, item in pairs if isinstance(item, str)]


def _check_file(report: Report, path: Path, name: str, text: str, base: FilePath) -> None:
    if any(character in text for character in GLOB_CHARACTERS):
        return
    candidates = [FilePath(text)] if name == "root" else [FilePath(text), base / text]
    if any(candidate.exists() for candidate in candidates):
        return
    if name != "root" and not base.exists():
        return  # the missing root is said already
    folder = candidates[-1].parent
    siblings = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    near = nearest(candidates[-1].name, siblings, count=1)
    report.error(
        path,
        f"{name}: there is no {text!r}",
        got=str(FilePath(text).absolute()) if name == "root" else text,
        expected="an existing file or folder",
        mend=f"write {str(FilePath(text).parent / near[0])!r}"
        if near
        else "correct the path; it is taken relative to the working directory",
    )


def _compare_bands(report: Report, path: Path, of_model: list[Any], of_data: list[Any], sensor: str | None) -> None:
    if len(of_model) != len(of_data):
        report.error(
            path,
            "model and data have different numbers of bands",
            got=f"{len(of_model)} in the model, {len(of_data)} in the data",
            mend="write the same bands in the same order in both",
        )
        return
    for index, (ours, theirs) in enumerate(zip(of_model, of_data, strict=True)):
        if isinstance(ours, str) and isinstance(theirs, str) and not _may_be_same(ours, theirs, sensor):
            report.error(
                (*path, index),
                "model and data have different bands in the same place",
                got=f"{ours!r} in the model, {theirs!r} in the data",
                expected="the same bands in the same order",
                mend=f"write {theirs!r}, or reorder the bands of the data",
            )


def _may_be_same(a: str, b: str, sensor: str | None) -> bool:
    """Tell whether two names may mean one band: surely not, only if both are known and differ."""
    if _is_same(a, b, sensor):
        return True
    try:
        return find_band(a, sensor).common_name == find_band(b, sensor).common_name
    except ConfigError:
        return True
