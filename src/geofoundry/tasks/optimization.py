"""How a task is optimized: optimizer, learning rates and their schedule, held together and checked together."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from lightning.pytorch import Trainer
from torch import nn

from geofoundry.core.errors import Fault
from geofoundry.tasks.optimizers import build_optimizer, check_optimizer
from geofoundry.tasks.parameter_groups import check_against_parameters, check_parameter_options, parameter_groups
from geofoundry.tasks.schedules import RunLength, Schedule, build_schedules, check_schedule


@dataclass(frozen=True, slots=True)
class Optimization:
    """What the user wrote about optimizing.

    Attributes:
        lr: The learning rate.
        optimizer: A class of `torch.optim`.
        optimizer_hparams: Its other keywords.
        schedule: What becomes of the learning rate over time.
        lr_overrides: Learning rates by a part of a parameter's name.
        layer_decay: The factor on the learning rate from one layer of the encoder to the one below it.
        decay_norm_and_bias: Whether weight decay reaches vectors and scalars too.
    """

    lr: float
    optimizer: str
    optimizer_hparams: Mapping[str, Any] = field(default_factory=dict)
    schedule: Schedule = field(default_factory=lambda: Schedule(None))
    lr_overrides: Mapping[str, float] = field(default_factory=dict)
    layer_decay: float | None = None
    decay_norm_and_bias: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Take from a task's options what is about optimizing; every task has them under the same names."""
        schedule = Schedule(
            options["scheduler"],
            options["scheduler_hparams"] or {},
            options["warmup_steps"],
            options["warmup_epochs"],
        )
        return cls(
            lr=options["lr"],
            optimizer=options["optimizer"],
            optimizer_hparams=options["optimizer_hparams"] or {},
            schedule=schedule,
            lr_overrides=options["lr_overrides"] or {},
            layer_decay=options["layer_decay"],
            decay_norm_and_bias=options["decay_norm_and_bias"],
        )

    def check(self) -> list[Fault]:
        """Return all that is wrong with it, before there is a model."""
        return [
            *check_parameter_options(self.lr, self.lr_overrides, self.layer_decay),
            *check_optimizer(self.optimizer, self.optimizer_hparams),
            *check_schedule(self.schedule),
        ]

    def check_against(self, module: nn.Module) -> list[Fault]:
        """Return what of it doesn't fit the parameters of a module."""
        return check_against_parameters(module, self.lr_overrides, self.layer_decay)

    def build(self, module: nn.Module, length: RunLength) -> tuple[list[torch.optim.Optimizer], list[dict[str, Any]]]:
        """Return optimizer and schedulers in the form that Lightning takes."""
        takes_decay = "weight_decay" in inspect.signature(getattr(torch.optim, self.optimizer)).parameters
        groups = parameter_groups(
            module,
            lr=self.lr,
            lr_overrides=self.lr_overrides,
            layer_decay=self.layer_decay,
            decay_norm_and_bias=self.decay_norm_and_bias or not takes_decay,
        )
        optimizer = build_optimizer(self.optimizer, groups, self.lr, self.optimizer_hparams)
        return [optimizer], build_schedules(self.schedule, optimizer, length)


def run_length(trainer: Trainer) -> RunLength:
    """Return how long a trainer will train."""
    steps = trainer.estimated_stepping_batches
    batches = trainer.num_training_batches
    end = None if math.isinf(steps) else int(steps)
    if math.isinf(batches):
        return RunLength(end, steps_per_epoch=end or 1)
    return RunLength(end, steps_per_epoch=max(1, math.ceil(batches / trainer.accumulate_grad_batches)))
