"""Check that model and data speak of the same bands, classes and ignored labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geofoundry.catalog import BACKBONE_REGISTRY
from geofoundry.config.band_check import (
    are_different_bands,
    check_band_names,
    check_named_bands,
    check_repetitions,
    check_sensor,
)
from geofoundry.config.class_check import NamedClass
from geofoundry.config.data_check import class_count
from geofoundry.config.report import Report
from geofoundry.config.yaml_reading import Path

# What a model of timm takes when nothing is said.
OUR_FACTORY = "EncoderDecoderFactory"
USUAL_CHANNELS = 3


def check_model_bands(report: Report, task: NamedClass, data: NamedClass | None) -> None:
    """Check the names of the backbone's bands."""
    model_args = task.arguments.get("model_args")
    if not isinstance(model_args, Mapping):
        return
    path = (*task.arguments_path, "model_args")
    given = data.arguments if data is not None else {}
    sensor = check_sensor(report, (*path, "backbone_sensor"), model_args.get("backbone_sensor"))
    pretrained = model_args.get("backbone_pretrained_bands")
    check_repetitions(report, (*path, "backbone_pretrained_bands"), pretrained, None)
    bands = model_args.get("backbone_bands")
    if _adapts_to_bands(model_args.get("backbone")):
        extra = model_args.get("backbone_extra_bands")
        extra = [name for name in extra if isinstance(name, str)] if isinstance(extra, list) else []
        check_named_bands(report, (*path, "backbone_bands"), bands, sensor, extra=extra)
        check_named_bands(report, (*path, "backbone_pretrained_bands"), pretrained, None, extra=extra)
        return
    known = [name for key in ("bands", "dataset_bands") for name in given.get(key) or () if isinstance(name, str)]
    escape = "write it as the data does"
    check_band_names(report, (*path, "backbone_bands"), bands, sensor, known=known, escape=escape)


def check_agreement(report: Report, task: NamedClass, data: NamedClass) -> None:
    """Check that what the model takes is what the data gives."""
    model_args = task.arguments.get("model_args")
    if not (isinstance(model_args, Mapping) and task.is_ours and data.is_ours):
        return
    path = (*task.arguments_path, "model_args")
    if task.arguments.get("model_factory", OUR_FACTORY) == OUR_FACTORY:  # another one may have its own ways
        _check_bands(report, path, model_args, data)
    in_model, in_data = model_args.get("num_classes"), class_count(data)
    if isinstance(in_model, int) and in_data is not None and in_model != in_data:
        report.error(
            (*path, "num_classes"),
            "model and data disagree on the number of classes",
            got=f"{in_model} in the model, {in_data} in the data",
            mend=f"write num_classes: {in_data}",
        )
    ignored, expected = task.arguments.get("ignore_index"), data.arguments.get("ignore_index")
    if expected is not None and ignored != expected:
        report.error(
            (*task.arguments_path, "ignore_index"),
            "model and data disagree on ignore_index",
            got=f"{'none' if ignored is None else ignored} in the model, {expected} in the data",
            expected="the same in both",
            mend=f"write ignore_index: {expected} under model.init_args",
        )


def _adapts_to_bands(backbone: Any) -> bool:
    """Tell whether a backbone looks up its bands by name."""
    if not isinstance(backbone, str) or backbone not in BACKBONE_REGISTRY:
        return False
    signature = BACKBONE_REGISTRY.signature(backbone)
    return signature is not None and signature.get("extra_bands") is not None


def _check_bands(report: Report, path: Path, model_args: Mapping[str, Any], data: NamedClass) -> None:
    of_data = data.arguments.get("bands") or data.arguments.get("dataset_bands")
    if not isinstance(of_data, list) or data.arguments.get("time_steps", 1) != 1:
        return
    of_model, channels = model_args.get("backbone_bands"), model_args.get("backbone_in_chans")
    if isinstance(of_model, list):
        _compare_bands(report, (*path, "backbone_bands"), of_model, of_data, data.arguments.get("sensor"))
    elif isinstance(channels, int):
        if channels != len(of_data):
            report.error(
                (*path, "backbone_in_chans"),
                "the model takes another number of bands than the data gives",
                got=f"{channels} channels for {len(of_data)} bands",
                expected=str(len(of_data)),
                mend="remove backbone_in_chans and name the bands under backbone_bands",
            )
    elif _adapts_to_bands(model_args.get("backbone")) and len(of_data) != USUAL_CHANNELS:
        report.error(
            (*path, "backbone"),
            "the model is not told which bands it gets",
            got=f"a backbone for red, green and blue, and data with {len(of_data)} bands",
            mend=f"add backbone_bands: [{', '.join(map(str, of_data))}]",
        )


def _compare_bands(report: Report, path: Path, of_model: list[Any], of_data: list[Any], sensor: Any) -> None:
    if len(of_model) != len(of_data):
        report.error(
            path,
            "model and data have different numbers of bands",
            got=f"{len(of_model)} in the model, {len(of_data)} in the data",
            mend="write the same bands in the same order in both",
        )
        return
    sensor = sensor if isinstance(sensor, str) else None
    for index, (ours, theirs) in enumerate(zip(of_model, of_data, strict=True)):
        if isinstance(ours, str) and isinstance(theirs, str) and are_different_bands(ours, theirs, sensor):
            report.error(
                (*path, index),
                "model and data have different bands in the same place",
                got=f"{ours!r} in the model, {theirs!r} in the data",
                expected="the same bands in the same order",
                mend=f"write {theirs!r}, or reorder the bands of the data",
            )
