"""Learning-rate schedules by their name in `torch.optim.lr_scheduler`, after a linear warm-up."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, SequentialLR

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.tasks.optimizers import keyword_faults, unknown_choice

PLATEAU = "ReduceLROnPlateau"
SEQUENCE = "SequentialLR"
INTERVALS = ("step", "epoch")
# What says how long a schedule lasts; left out, it lasts as long as the training.
LENGTH_KEYWORDS = {"CosineAnnealingLR": "T_max", "PolynomialLR": "total_iters", "OneCycleLR": "total_steps"}
# These take functions or other schedulers, which plain data can't hold.
NOT_PLAIN = {"LRScheduler", "_LRScheduler", "ChainedScheduler", "LambdaLR", "MultiplicativeLR"}
OWN_WARM_UP = {
    "OneCycleLR": "write pct_start in scheduler_hparams instead",
    "CyclicLR": "write step_size_up in scheduler_hparams instead",
    SEQUENCE: "make LinearLR the first of its schedulers instead",
}
TASK_KEYWORDS = {"interval", "monitor"}


@dataclass(frozen=True, slots=True)
class RunLength:
    """How long a training lasts: optimizer steps in all (None: no end), and steps in an epoch."""

    steps: int | None
    steps_per_epoch: int

    @property
    def epochs(self) -> int | None:
        """Epochs in all, the last one perhaps not whole."""
        return None if self.steps is None else math.ceil(self.steps / self.steps_per_epoch)


@dataclass(frozen=True, slots=True)
class Schedule:
    """What the user wrote about the learning rate over time.

    Attributes:
        name: A class of `torch.optim.lr_scheduler`, or None for a rate that stays.
        hparams: Its keywords, and besides `interval` (`step` or `epoch`) and, for `ReduceLROnPlateau`, `monitor`.
        warmup_steps: Optimizer steps over which the rate rises linearly to its value before the schedule begins.
        warmup_epochs: The same in epochs, whole ones when the schedule counts epochs.
    """

    name: str | None
    hparams: Mapping[str, Any] = field(default_factory=dict)
    warmup_steps: int = 0
    warmup_epochs: float = 0.0

    @property
    def keywords(self) -> dict[str, Any]:
        """What the scheduler itself takes."""
        return {key: value for key, value in self.hparams.items() if key not in TASK_KEYWORDS}

    @property
    def interval(self) -> str:
        """What the schedule counts: as written, steps when its length is left out, else epochs as in torch."""
        lasts_the_run = LENGTH_KEYWORDS.get(self.name or "") not in (None, *self.hparams)
        return self.hparams.get("interval", "step" if lasts_the_run or self.name is None else "epoch")


def scheduler_names() -> list[str]:
    """Return the schedulers that can be written in a configuration."""
    found = inspect.getmembers(lr_scheduler, inspect.isclass)
    return sorted(name for name, item in found if issubclass(item, LRScheduler) and name not in NOT_PLAIN)


def check_schedule(schedule: Schedule) -> list[Fault]:
    """Return all that is wrong with a schedule."""
    faults = _warmup_faults(schedule)
    if schedule.name is None:
        if schedule.hparams:
            faults.append(
                Fault(
                    "scheduler_hparams without a scheduler do nothing", "scheduler_hparams", str(dict(schedule.hparams))
                )
            )
        return faults
    names = scheduler_names()
    if schedule.name not in names:
        return [*faults, unknown_choice("scheduler", schedule.name, names)]
    if schedule.interval not in INTERVALS:
        faults.append(unknown_choice("scheduler_hparams.interval", schedule.interval, INTERVALS))
    if schedule.name == PLATEAU:
        faults += _plateau_faults(schedule)
    elif "monitor" in schedule.hparams:
        faults.append(Fault(f"{schedule.name} watches no metric", "scheduler_hparams.monitor", mend="remove it"))
    if schedule.name == SEQUENCE:
        return faults + _sequence_faults(schedule)
    return faults + _keyword_faults("scheduler_hparams", schedule.name, schedule.keywords)


def build_schedules(schedule: Schedule, optimizer: Optimizer, length: RunLength) -> list[dict[str, Any]]:
    """Return the schedulers in the form that Lightning takes: none, one, or a warm-up beside a plateau.

    Raises:
        ConfigError: when the schedule should last as long as a training that has no end.
    """
    interval = schedule.interval
    per_epoch = length.steps_per_epoch if interval == "step" else 1
    warmup = schedule.warmup_steps or round(schedule.warmup_epochs * per_epoch)
    if schedule.name == PLATEAU:
        plateau = lr_scheduler.ReduceLROnPlateau(optimizer, **schedule.keywords)
        monitor = schedule.hparams.get("monitor", "val/loss")
        entries = [{"scheduler": plateau, "interval": interval, "monitor": monitor}]
        steps = schedule.warmup_steps or round(schedule.warmup_epochs * length.steps_per_epoch)
        # Lightning drives the two apart: one by steps, one by the metric.
        return entries + ([{"scheduler": _warm_up(optimizer, steps), "interval": "step"}] if steps else [])
    total = length.steps if interval == "step" else length.epochs
    if total is not None and warmup >= total:
        warnings.warn(
            f"the warm-up takes {warmup} {interval}s and the training {total}: the learning rate stays below its value",
            stacklevel=2,
        )
    if schedule.name is None:
        return [{"scheduler": _warm_up(optimizer, warmup), "interval": "step"}] if warmup else []
    rest = None if total is None else max(total - warmup, 1)
    # torch's schedulers change the optimizer when they are made, in the order in which they take effect.
    first = [_warm_up(optimizer, warmup)] if warmup else []
    main = _build_one(schedule.name, schedule.keywords, optimizer, rest)
    whole = SequentialLR(optimizer, [*first, main], milestones=[warmup]) if first else main
    return [{"scheduler": whole, "interval": interval}]


def _warm_up(optimizer: Optimizer, count: int) -> LRScheduler:
    return lr_scheduler.LinearLR(optimizer, start_factor=1 / (count + 1), total_iters=count)


def _build_one(name: str, keywords: Mapping[str, Any], optimizer: Optimizer, total: int | None) -> LRScheduler:
    if name == SEQUENCE:
        return _build_sequence(keywords, optimizer, total)
    keywords = dict(keywords)
    length = LENGTH_KEYWORDS.get(name)
    if length is not None and length not in keywords:
        if total is None:
            raise ConfigError(
                Fault(
                    what=f"{name} lasts as long as the training, which has no end",
                    where="scheduler",
                    got="a trainer without max_epochs or max_steps",
                    expected=f"an end, or {length} in scheduler_hparams",
                    mend="set trainer.max_epochs, or scheduler: null for a rate that stays",
                )
            )
        keywords[length] = total
    if name == "OneCycleLR":
        keywords.setdefault("max_lr", [group["lr"] for group in optimizer.param_groups])
    return getattr(lr_scheduler, name)(optimizer, **keywords)


def _build_sequence(keywords: Mapping[str, Any], optimizer: Optimizer, total: int | None) -> LRScheduler:
    milestones = list(keywords.get("milestones", []))
    ends = [*milestones, total]
    parts: list[LRScheduler] = []
    begin = 0
    for (name, own), end in zip(keywords["schedulers"].items(), ends, strict=True):
        own = dict(own or {})
        if name == "LambdaLR":
            parts.append(lr_scheduler.LinearLR(optimizer, start_factor=1 / end, total_iters=max(end - 1, 1)))
        else:
            parts.append(_build_one(name, own, optimizer, None if end is None else max(end - begin, 1)))
        begin = end or begin
    return SequentialLR(optimizer, parts, milestones=milestones)


def _warmup_faults(schedule: Schedule) -> list[Fault]:
    faults = [
        Fault("a warm-up can't be negative", where=where, got=repr(value), expected="0 or more")
        for where, value in (("warmup_steps", schedule.warmup_steps), ("warmup_epochs", schedule.warmup_epochs))
        if value < 0
    ]
    if schedule.warmup_steps and schedule.warmup_epochs:
        faults.append(Fault("the warm-up is given twice", "warmup_steps, warmup_epochs", mend="keep one of them"))
    if schedule.name in OWN_WARM_UP and (schedule.warmup_steps or schedule.warmup_epochs):
        faults.append(
            Fault(
                what=f"{schedule.name} brings its own warm-up",
                where="warmup_steps" if schedule.warmup_steps else "warmup_epochs",
                mend=OWN_WARM_UP[schedule.name],
            )
        )
        return faults
    if schedule.name in (None, PLATEAU) or schedule.interval != "epoch":
        return faults
    if schedule.warmup_steps:
        faults.append(
            Fault(
                what="the warm-up counts steps while the schedule counts epochs",
                where="warmup_steps",
                got=f"{schedule.name} with interval: epoch",
                mend="write warmup_epochs, or interval: step in scheduler_hparams",
            )
        )
    if schedule.warmup_epochs != int(schedule.warmup_epochs):
        faults.append(
            Fault(
                what="the warm-up ends within an epoch while the schedule counts epochs",
                where="warmup_epochs",
                got=str(schedule.warmup_epochs),
                expected="a whole number",
                mend="round it, or write interval: step in scheduler_hparams",
            )
        )
    return faults


def _plateau_faults(schedule: Schedule) -> list[Fault]:
    monitor = str(schedule.hparams.get("monitor", "val/loss"))
    if "loss" in monitor or "mode" in schedule.hparams:
        return []
    return [
        Fault(
            what=f"whether {monitor} should rise or fall is not said",
            where="scheduler_hparams.mode",
            expected="mode: max or mode: min",
            mend="write mode: max for a score that should rise",
        )
    ]


def _sequence_faults(schedule: Schedule) -> list[Fault]:
    where = "scheduler_hparams"
    faults = _keyword_faults(where, SEQUENCE, schedule.keywords)
    parts, milestones = schedule.hparams.get("schedulers"), list(schedule.hparams.get("milestones") or [])
    if not isinstance(parts, Mapping) or not parts:
        expected = "a mapping of scheduler to its keywords, in their order"
        return [*faults, Fault("SequentialLR needs schedulers", f"{where}.schedulers", repr(parts), expected)]
    names = [name for name in scheduler_names() if name not in (PLATEAU, SEQUENCE)]
    for name, keywords in parts.items():
        here = f"{where}.schedulers.{name}"
        if name == "LambdaLR":
            if (keywords or {}).get("lr_lambda", "linear_warmup") != "linear_warmup" or name == list(parts)[-1]:
                faults.append(
                    Fault("LambdaLR stands for a linear warm-up before other schedulers", here, str(keywords))
                )
        elif name not in names:
            faults.append(unknown_choice(here, name, names))
        else:
            faults += _keyword_faults(here, name, keywords or {})
    rising = all(isinstance(m, int) and m > before for before, m in zip([0, *milestones], milestones, strict=False))
    if len(milestones) != len(parts) - 1 or not rising:
        expected = f"{len(parts) - 1} rising whole numbers, one for each change of scheduler"
        faults.append(Fault("milestones don't fit the schedulers", f"{where}.milestones", str(milestones), expected))
    return faults


def _keyword_faults(where: str, name: str, keywords: Mapping[str, Any]) -> list[Fault]:
    component = getattr(lr_scheduler, name)
    faults = keyword_faults(where, name, component, keywords, {"optimizer", "last_epoch"})
    filled = {LENGTH_KEYWORDS.get(name), "max_lr" if name == "OneCycleLR" else None}
    missing = [
        parameter.name
        for parameter in inspect.signature(component).parameters.values()
        if parameter.default is parameter.empty and parameter.name not in {"optimizer", *filled, *keywords}
    ]
    if name == SEQUENCE:
        return faults  # what it lacks is said with what it should be
    return faults + [Fault(f"{name} needs {key!r}", f"{where}.{key}", mend=f"write {key}: ...") for key in missing]
