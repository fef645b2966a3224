"""Check of what our own tasks mean by their arguments: losses, optimizer and scheduler names, class counts."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from geofoundry.catalog.library_names import OPTIMIZERS, SCHEDULERS, LibraryNames
from geofoundry.catalog.signatures import read_signature
from geofoundry.catalog.source_files import read_constant, read_keys
from geofoundry.config.class_check import ClassCheck, NamedClass, check_arguments, not_installed
from geofoundry.config.model_check import ModelCheck
from geofoundry.config.report import Report
from geofoundry.config.yaml_reading import Path

LOSSES = "geofoundry.tasks.losses:LOSSES"
OUTPUTS = "geofoundry.tasks.segmentation:OUTPUTS"
SCHEDULES = "geofoundry.tasks.schedules"


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
    _check_outputs(report, path, arguments)
    _check_auxiliary_losses(report, path, arguments)
    _check_counts(report, task)
    lr = arguments.get("lr")
    if isinstance(lr, int | float) and not isinstance(lr, bool) and not lr > 0:
        report.error((*path, "lr"), "a learning rate must be above 0", got=repr(lr), mend="1.0e-4 is a usual one")


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
    known = read_keys(LOSSES)
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
    not_plain = read_constant(f"{SCHEDULES}:NOT_PLAIN") if key == "scheduler" else None
    known = {word: place for word, place in library.names().items() if word not in (not_plain or ())}
    if not known:
        not_installed(report, (*path, key), name, "torch")
        return
    import_path = known.get(name)
    if import_path is None:
        report.unknown((*path, key), key, name, known)
        return
    signature = read_signature(import_path)
    if signature is None or (hparams is not None and not isinstance(hparams, Mapping)):
        return
    given = dict(hparams or {})
    if key == "scheduler":
        for own in read_constant(f"{SCHEDULES}:TASK_KEYWORDS") or ():
            given.pop(own, None)
        if name == "SequentialLR":
            _check_sequence(report, (*path, hparams_key), given.get("schedulers"), known)
            return
        signature = signature.without(*_filled_in(name, given))
    check_arguments(report, (*path, hparams_key), name, signature.without(*provided), given)


def _filled_in(scheduler: str, given: Mapping[str, Any]) -> list[str]:
    """Return the arguments of a scheduler that the task fills in when they are left out."""
    lengths = read_constant(f"{SCHEDULES}:LENGTH_KEYWORDS") or {}
    filled = [lengths.get(scheduler), "max_lr" if scheduler == "OneCycleLR" else None, "last_epoch"]
    return [name for name in filled if name is not None and name not in given]


def _check_sequence(report: Report, path: Path, schedulers: Any, known: Mapping[str, str]) -> None:
    """Check the schedulers of a sequence, written as a mapping of name to arguments."""
    if not isinstance(schedulers, Mapping):
        expected = "schedulers: a mapping of scheduler to its arguments, in their order"
        report.error(path, "SequentialLR needs schedulers", got=repr(schedulers), expected=expected)
        return
    for name, arguments in schedulers.items():
        place = (*path, "schedulers", name)
        if name == "LambdaLR":
            continue  # a word for a linear warm-up, which is judged by the task
        signature = read_signature(known[name]) if name in known else None
        if name not in known:
            report.unknown(place, "scheduler", name, known)
        elif signature is not None and isinstance(arguments, Mapping):
            signature = signature.without("optimizer", *_filled_in(name, arguments))
            check_arguments(report, place, name, signature, arguments)


def _check_outputs(report: Report, path: Path, arguments: Mapping[str, Any]) -> None:
    known = read_constant(OUTPUTS) or ()
    given = arguments.get("output_on_inference")
    if not known or given is None:
        return
    listed = isinstance(given, list)
    for index, word in enumerate(given if listed else [given]):
        if word not in known:
            place = (*path, "output_on_inference", *([index] if listed else []))
            report.unknown(place, "output", word, known)


def _check_auxiliary_losses(report: Report, path: Path, arguments: Mapping[str, Any]) -> None:
    """Check that every auxiliary head has a weight for its loss, and every weight a head."""
    heads, weights = arguments.get("aux_heads") or [], arguments.get("aux_loss") or {}
    if not isinstance(heads, list) or not isinstance(weights, Mapping) or (not heads and not weights):
        return
    given = [head.get("name") for head in heads if isinstance(head, Mapping)]
    names = [name for name in given if isinstance(name, str)]
    if len(names) < len(heads):
        return
    for name in weights:
        if name not in names:
            report.unknown((*path, "aux_loss", name), "auxiliary head", name, names)
    for index, name in enumerate(names):
        if name not in weights:
            mend = f"add {name}: 0.4 under aux_loss"
            report.error(
                (*path, "aux_heads", index), f"the auxiliary head {name!r} has no weight in aux_loss", mend=mend
            )


def _check_counts(report: Report, task: NamedClass) -> None:
    arguments, path = task.arguments, task.arguments_path
    model_args = arguments.get("model_args")
    count = model_args.get("num_classes") if isinstance(model_args, Mapping) else None
    weights, names = arguments.get("class_weights"), arguments.get("class_names")
    if isinstance(model_args, Mapping) and count is None and not isinstance(names, list):
        mend = "add num_classes: ..."
        report.error((*path, "model_args"), f"{task.name} does not know the number of classes", mend=mend)
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
