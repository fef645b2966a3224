"""Check of what our own tasks mean by their arguments: losses, optimizer and scheduler names, class counts."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from geofoundry.catalog.library_names import OPTIMIZERS, SCHEDULERS, LibraryNames
from geofoundry.catalog.signatures import read_signature
from geofoundry.catalog.source_files import find_address
from geofoundry.config.class_check import ClassCheck, NamedClass, check_arguments
from geofoundry.config.model_check import ModelCheck
from geofoundry.config.report import Report
from geofoundry.config.yaml_reading import Path

LOSSES = "geofoundry.tasks.losses:LOSSES"


def check_task(report: Report, classes: ClassCheck, task: NamedClass) -> None:
    """Check a task of ours; of a class from elsewhere only its model is checked, if it has a model factory."""
    names = task.signature.names() if task.signature else []
    arguments, path = task.arguments, task.arguments_path
    if "model_factory" in names and "model_args" in names and arguments.get("model") is None:
        _check_model(report, classes, task)
    if not task.is_ours:
        return
    if "loss" in arguments:
        _check_loss(report, (*path, "loss"), arguments["loss"])
    _check_named(report, path, arguments, "optimizer", "optimizer_hparams", OPTIMIZERS, ("params", "lr"))
    _check_named(report, path, arguments, "scheduler", "scheduler_hparams", SCHEDULERS, ("optimizer",))
    _check_counts(report, task)


def static_keys(address: str) -> list[str]:
    """Return the text keys of a dictionary that a module spells out, read from its file."""
    found = find_address(address)
    if found is None or not isinstance(found.node, ast.Dict):
        return []
    return [key.value for key in found.node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]


def _check_model(report: Report, classes: ClassCheck, task: NamedClass) -> None:
    assert task.signature is not None
    path, arguments = task.arguments_path, task.arguments
    factory = arguments.get("model_factory", _default(task, "model_factory"))
    model_args = arguments.get("model_args")
    if factory is None:
        report.error(
            path,
            f"{task.name} needs a model",
            expected="model_factory and model_args",
            mend="add model_factory: EncoderDecoderFactory",
        )
        return
    if model_args is None:
        report.error(
            path, f"{task.name} needs model_args", expected="backbone, decoder, num_classes", mend="add model_args:"
        )
        return
    check = ModelCheck(report, classes, task.import_path.rpartition(".")[2])
    if isinstance(model_args, Mapping):
        check.check((*path, "model_args"), factory, model_args, (*path, "model_factory"))
    for key in ("aux_heads", "auxiliary_heads"):
        check.check_auxiliary_heads((*path, key), arguments.get(key))


def _default(task: NamedClass, name: str) -> Any:
    parameter = task.signature.get(name) if task.signature else None
    if parameter is None or parameter.default is None:
        return None
    try:
        return ast.literal_eval(parameter.default)
    except ValueError:
        return None


def _check_loss(report: Report, path: Path, loss: Any) -> None:
    known = static_keys(LOSSES)
    if not known or (isinstance(loss, Mapping) and "class_path" in loss):
        return
    if isinstance(loss, str):
        named = [(path, loss)]
    elif isinstance(loss, list):
        named = [((*path, index), name) for index, name in enumerate(loss)]
    elif isinstance(loss, Mapping):
        named = [((*path, name), name) for name in loss]
        _check_weights(report, path, loss)
    else:
        return
    if not named:
        report.error(path, "no loss is named", got=repr(loss), expected=f"one or several of: {', '.join(known)}")
    for place, name in named:
        if name not in known:
            report.unknown(place, "loss", name, known)


def _check_weights(report: Report, path: Path, weights: Mapping[str, Any]) -> None:
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
            report.error(
                (*path, name), f"the weight of the loss {name!r} is no number ≥ 0", got=repr(weight), expected="0.5"
            )


def _check_named(
    report: Report,
    path: Path,
    arguments: Mapping[str, Any],
    key: str,
    hparams_key: str,
    library: LibraryNames,
    provided: tuple[str, ...],
) -> None:
    """Check an optimizer or a scheduler that is named by text, and its hyper-parameters."""
    name, hparams = arguments.get(key), arguments.get(hparams_key)
    if not isinstance(name, str):
        return
    known = library.names()
    if not known:
        return
    import_path = name if "." in name else known.get(name)
    if import_path is None:
        report.unknown((*path, key), key, name, known)
        return
    signature = read_signature(import_path)
    if signature is None or (hparams is not None and not isinstance(hparams, Mapping)):
        return
    given = {name: value for name, value in (hparams or {}).items() if name not in ("interval", "monitor", "frequency")}
    # A sequence of schedulers is written as a mapping of their names.
    if key == "scheduler" and name == "SequentialLR":
        return
    signature = signature.without(*(p for p in provided if p not in given))
    check_arguments(report, (*path, hparams_key), name, signature, given, provided=provided)


def _check_counts(report: Report, task: NamedClass) -> None:
    arguments, path = task.arguments, task.arguments_path
    model_args = arguments.get("model_args")
    count = model_args.get("num_classes") if isinstance(model_args, Mapping) else None
    weights, names = arguments.get("class_weights"), arguments.get("class_names")
    if not isinstance(count, int):
        return
    for key, values in (("class_weights", weights), ("class_names", names)):
        if isinstance(values, list) and len(values) != count:
            report.error(
                (*path, key),
                f"{key} and num_classes disagree",
                got=f"{len(values)} {key} for {count} classes",
                expected=f"{count} of them",
                mend=f"correct num_classes or {key}",
            )
