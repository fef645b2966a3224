"""Check of the `trainer` section against the signature of the installed Lightning's Trainer."""

from __future__ import annotations

from typing import Any

from geofoundry.catalog.signatures import read_signature
from geofoundry.config.class_check import check_arguments, not_installed
from geofoundry.config.report import Report
from geofoundry.core.suggest import nearest

TRAINER = "lightning.pytorch:Trainer"

# Words that Lightning takes as text; plug-ins may add to them, so only a near miss is an error.
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")
STRATEGIES = (
    "auto",
    "ddp",
    "ddp_spawn",
    "ddp_fork",
    "ddp_notebook",
    "ddp_find_unused_parameters_true",
    "ddp_find_unused_parameters_false",
    "fsdp",
    "fsdp_cpu_offload",
    "deepspeed",
    "deepspeed_stage_1",
    "deepspeed_stage_2",
    "deepspeed_stage_2_offload",
    "deepspeed_stage_3",
    "deepspeed_stage_3_offload",
    "single_device",
)
PROFILERS = ("simple", "advanced", "pytorch", "xla")
CLIPPING = ("norm", "value")
WORDS = {
    "accelerator": ACCELERATORS,
    "strategy": STRATEGIES,
    "profiler": PROFILERS,
    "gradient_clip_algorithm": CLIPPING,
}
CLOSED = ("profiler", "gradient_clip_algorithm")


def check_trainer(report: Report, trainer: Any) -> None:
    """Check the trainer's keys and values; classes named in it are checked with the other classes."""
    path = ("trainer",)
    if trainer is None:
        return
    if not isinstance(trainer, dict):
        report.error(
            path, "trainer is a mapping of the Trainer's arguments", got=repr(trainer), expected="max_epochs: 50"
        )
        return
    signature = read_signature(TRAINER)
    if signature is None:
        not_installed(report, path, "trainer", "lightning")
        return
    arguments = {key: value for key, value in trainer.items() if not _names_classes(key, value)}
    check_arguments(report, path, "Trainer", signature, arguments)
    for key, words in WORDS.items():
        _check_word(report, key, trainer.get(key), words)
    for key in ("max_epochs", "max_steps"):
        value = trainer.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value < -1:
            report.error(
                (*path, key), f"{key} is negative", got=str(value), expected="a number of them, or -1 for no limit"
            )


def _names_classes(key: Any, value: Any) -> bool:
    """Tell whether a value is one or several classes rather than plain data."""
    if key == "callbacks":
        return True
    items = value if isinstance(value, list) else [value]
    return key in ("logger", "profiler", "strategy", "plugins") and all(isinstance(item, str | dict) for item in items)


def _check_word(report: Report, key: str, value: Any, words: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value.lower() in words or "." in value:
        return
    near = nearest(value, words, count=1)
    expected = f"one of: {', '.join(words)}"
    if near or key in CLOSED:
        report.error(
            ("trainer", key),
            f"unknown {key} {value!r}",
            got=repr(value),
            expected=expected,
            mend=f"write {near[0]!r}" if near else "",
        )
    else:
        report.warning(
            ("trainer", key),
            f"no {key} {value!r} comes with Lightning",
            got=repr(value),
            expected=f"{expected}, or one of a plug-in",
        )
