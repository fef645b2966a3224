"""The check of a whole configuration: every fault at once, before anything heavy is imported."""

from __future__ import annotations

from typing import Any

from geofoundry.catalog import import_custom_modules
from geofoundry.config.agreement_check import check_agreement, check_model_bands
from geofoundry.config.class_check import ClassCheck
from geofoundry.config.class_names import class_places
from geofoundry.config.data_check import check_data
from geofoundry.config.document import Document
from geofoundry.config.file_check import check_data_files, check_model_files, check_run_files
from geofoundry.config.foreign_check import check_foreign
from geofoundry.config.report import Report
from geofoundry.config.task_check import check_task
from geofoundry.config.trainer_check import check_trainer
from geofoundry.config.value_types import describe, fits
from geofoundry.core.errors import ConfigError, Fault

# Every section: its type, and what it is for, as the schema tells it.
SECTIONS = {
    "seed_everything": ("int | bool | None", "Seed of all random numbers; 0 when left out."),
    "model": ("dict | str", "The task: what is trained, with which model, loss and optimizer."),
    "data": ("dict | str", "The datamodule: which images and labels, how they are read and prepared."),
    "trainer": ("dict | None", "Arguments of Lightning's Trainer: epochs, precision, devices, callbacks, loggers."),
    "optimizer": ("dict | str | None", "An optimizer class that takes the place of the task's."),
    "lr_scheduler": ("dict | str | None", "A scheduler class that takes the place of the task's."),
    "ckpt_path": ("str | None", "`best`, `last`, a run folder or a .ckpt file to go on from."),
    "custom_modules_path": ("str | None", "A folder of Python modules that register parts of your own."),
    "run": ("dict | None", "Name and root folder of the run folder."),
}
RUN_KEYS = {
    "name": ("str | int", "Name of the run; the file's name when left out."),
    "root": ("str", "Folder of all runs; `runs` when left out."),
}
REQUIRED = ("model", "data")


def check_config(document: Document, *, files: bool = True) -> list[Fault]:
    """Return everything that is wrong or doubtful in a configuration, in the order of its lines.

    With `files`, what the datamodule and the model read must be there; a machine that only maps may lack it.

    Our own parts and those of well-known libraries are checked from their files. Other classes are imported and
    looked at after that; nothing is built. Custom modules are imported first, so that their parts are known.
    """
    report = Report(document)
    data = document.data
    _check_sections(report, data)
    _import_custom_modules(report, data)
    classes = ClassCheck(report)
    named = {path: classes.check(path, node, kind) for path, node, kind in class_places(data)}
    check_trainer(report, data.get("trainer"))
    task, datamodule = named.get(("model",)), named.get(("data",))
    if task is not None:
        check_task(report, classes, task)
        check_model_bands(report, task, datamodule)
    if datamodule is not None:
        check_data(report, classes, datamodule)
    if task is not None and datamodule is not None:
        check_agreement(report, task, datamodule)
    if files:
        check_run_files(report, data)
        if task is not None:
            check_model_files(report, task)
        if datamodule is not None:
            check_data_files(report, datamodule)
    check_foreign(classes)
    return report.faults()


def _check_sections(report: Report, data: dict[str, Any]) -> None:
    for key, value in data.items():
        if key not in SECTIONS:
            report.unknown((key,), "section", key, SECTIONS)
        elif fits(value, SECTIONS[key][0]) is False:
            report.error((key,), f"{key} has the wrong type", got=repr(value), expected=describe(SECTIONS[key][0]))
    for key in REQUIRED:
        if data.get(key) is None:
            report.error((), f"the section {key!r} is missing", expected=SECTIONS[key][1], mend=f"add {key}:")
    run = data.get("run")
    for key, value in run.items() if isinstance(run, dict) else ():
        if key not in RUN_KEYS:
            report.unknown(("run", key), "key", key, RUN_KEYS, owner="run")
        elif fits(value, RUN_KEYS[key][0]) is False:
            report.error(("run", key), f"{key} of run has the wrong type", got=repr(value), expected=RUN_KEYS[key][0])


def _import_custom_modules(report: Report, data: dict[str, Any]) -> None:
    folder = data.get("custom_modules_path")
    try:
        import_custom_modules(folder if isinstance(folder, str) else None)
    except ConfigError as error:
        report.raised(("custom_modules_path",), error)
