"""What every supervised task shares: steps, losses and metrics per epoch, optimizer, frozen parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from geofoundry.core.errors import ConfigError, Fault, plural
from geofoundry.tasks.batches import accepted_inputs, batch_size, model_inputs
from geofoundry.tasks.epoch_mean import EpochMean
from geofoundry.tasks.freezing import check_parts, freeze, hold_still
from geofoundry.tasks.model_outputs import check_aux_loss, output_losses, split_output
from geofoundry.tasks.optimization import Optimization, run_length


class Metrics(Protocol):
    """What a task measures besides its loss, collected over an epoch."""

    def update(self, scores: Tensor, labels: Tensor, /) -> None:
        """Add a batch."""
        ...

    def merge(self, other: Self, /) -> None:
        """Add what another one has seen."""
        ...

    def to(self, device: torch.device, /) -> Self:
        """Move what was collected."""
        ...


@dataclass(slots=True)
class Meter:
    """Losses and metrics of one data loader over one epoch."""

    metrics: Metrics | None
    losses: EpochMean = field(default_factory=EpochMean)


class BaseTask(LightningModule):
    """Train a model: the base of all tasks.

    A task says how to read the labels of a batch (`read_labels`), what to measure (`build_metrics`) and what to
    make of it (`compute_metrics`); all else is here. Losses and metrics are logged once per epoch, as `train/loss`
    or `val/mIoU`; besides, `train/loss_step` is logged every `log_every_n_steps` steps. Nothing is read back from
    the device in between.

    With several data loaders in a stage the totals are logged as always, and those of each loader as
    `test/<name>/loss`, where the name is the loader's number unless `test_dataloaders_names` gives another.
    """

    monitor: ClassVar[tuple[str, str]] = ("val/loss", "min")  # what the best checkpoint is best in

    model: nn.Module
    criterion: nn.Module

    def assemble(
        self,
        *,
        model: nn.Module,
        criterion: nn.Module,
        optimization: Optimization,
        frozen: Sequence[str] = (),
        aux_loss: Mapping[str, float] | None = None,
        train_metrics: bool = False,
        test_dataloaders_names: Sequence[str] | None = None,
    ) -> None:
        """Put the parts together.

        Raises:
            ConfigError: with everything that doesn't fit the model.
        """
        self.model = model
        faults = check_parts(model, frozen)
        if not faults:
            freeze(model, frozen)
            faults = optimization.check_against(self)
        faults += check_aux_loss(model, aux_loss)
        if faults:
            raise ConfigError(faults)
        self.criterion = criterion
        self.optimization = optimization
        self.frozen = list(frozen)
        self.aux_loss = dict(aux_loss or {})
        self.train_metrics = train_metrics
        self.test_dataloaders_names = list(test_dataloaders_names or [])
        self._accepted_inputs = accepted_inputs(model)
        self._meters: dict[str, list[Meter]] = {"train": [], "val": [], "test": []}

    # What a task adds.

    def read_labels(self, batch: Mapping[str, Any]) -> Tensor:
        """Return the labels of a batch, in the form that the loss takes."""
        raise NotImplementedError

    def check_output(self, output: Tensor, labels: Tensor) -> None:
        """Raise a `ConfigError` when the model's output can't be held against the labels."""

    def raise_what_was_seen(self) -> None:
        """Raise what was found wrong in batches while the device was not waited for."""

    def build_metrics(self) -> Metrics | None:
        """Return fresh metrics for one data loader of an epoch."""
        return None

    def compute_metrics(self, stage: str, metrics: Metrics) -> dict[str, float]:
        """Return metrics by name; `stage` is `val`, `test` or, for one of several loaders, `test/<name>`."""
        raise NotImplementedError

    # Steps.

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model."""
        return self.model(*args, **kwargs)

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        loss = self._shared_step("train", batch, 0)
        every = getattr(self.trainer, "log_every_n_steps", 0)
        if every and (self.global_step + 1) % every == 0:  # when Lightning writes to the loggers, too
            # At each step, Lightning's log would cost more than a small model's whole step, and a check would stall.
            self.raise_what_was_seen()
            self.log("train/loss_step", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Collect the loss and the metrics of a batch."""
        self._shared_step("val", batch, dataloader_idx)

    def test_step(self, batch: Mapping[str, Any], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Collect the loss and the metrics of a batch."""
        self._shared_step("test", batch, dataloader_idx)

    def _shared_step(self, stage: str, batch: Mapping[str, Any], loader: int) -> Tensor:
        image, extras = model_inputs(batch, self._accepted_inputs)
        labels = self.read_labels(batch)
        output, auxiliary = split_output(self.model(image, **extras))
        self.check_output(output, labels)
        losses = output_losses(self.criterion, output, auxiliary, labels, self.aux_loss)
        meter = self._meter(stage, loader)
        meter.losses.update(losses, batch_size(image))
        if meter.metrics is not None:
            meter.metrics.update(output.detach(), labels)
        return losses["loss"]

    def predict_output(self, batch: Mapping[str, Any]) -> Tensor:
        """Return the model's main output for a batch."""
        image, extras = model_inputs(batch, self._accepted_inputs)
        return split_output(self.model(image, **extras))[0]

    # Epochs.

    def on_train_epoch_start(self) -> None:
        """Forget the last epoch; frozen parts are in evaluation mode from the first step on."""
        self._meters["train"] = []
        hold_still(self.model, self.frozen)

    def on_validation_epoch_start(self) -> None:
        """Forget the last epoch."""
        self._meters["val"] = []

    def on_test_epoch_start(self) -> None:
        """Forget the last epoch; hold the names of the data loaders against their number.

        Raises:
            ConfigError: when there are more or fewer names than data loaders.
        """
        self._meters["test"] = []
        loaders, names = len(self.trainer.num_test_batches), self.test_dataloaders_names
        if names and len(names) != loaders:
            raise ConfigError(
                Fault(
                    what="every test data loader needs a name",
                    where="test_dataloaders_names",
                    got=f"{plural(len(names), 'name')}: {', '.join(names)}",
                    expected=plural(loaders, "name"),
                )
            )

    def on_train_epoch_end(self) -> None:
        """Log the epoch."""
        self._log_epoch("train")

    def on_validation_epoch_end(self) -> None:
        """Log the epoch."""
        self._log_epoch("val")

    def on_test_epoch_end(self) -> None:
        """Log the epoch."""
        self._log_epoch("test")

    def _meter(self, stage: str, loader: int) -> Meter:
        meters = self._meters[stage]
        while len(meters) <= loader:
            measured = stage != "train" or self.train_metrics
            meters.append(Meter(self.build_metrics() if measured else None))
        return meters[loader]

    def _log_epoch(self, stage: str) -> None:
        self.raise_what_was_seen()
        meters = self._meters[stage]
        if len(meters) > 1:
            names = self.test_dataloaders_names if stage == "test" else []
            for index, meter in enumerate(meters):
                self._log_meter(f"{stage}/{names[index] if names else index}", meter)
            total = Meter(self.build_metrics() if meters[0].metrics is not None else None)
            for meter in meters:
                total.losses.merge(meter.losses)
                if total.metrics is not None and meter.metrics is not None:
                    total.metrics.merge(meter.metrics)
            meters = [total]
        elif stage == "test" and self.test_dataloaders_names and meters:
            self._log_meter(f"test/{self.test_dataloaders_names[0]}", meters[0])
        for meter in meters:
            self._log_meter(stage, meter)
        self._meters[stage] = []

    def _log_meter(self, stage: str, meter: Meter) -> None:
        values = meter.losses.compute()
        if meter.metrics is not None:
            values |= self.compute_metrics(stage, meter.metrics.to(self.device))
        shown = {"loss", self.monitor[0].rpartition("/")[2]}
        for name, value in values.items():
            # Every process has the same value; `sync_dist` only keeps Lightning from warning that they might not.
            self.log(f"{stage}/{name}", value, prog_bar=stage in ("train", "val") and name in shown, sync_dist=True)

    # Training.

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedules."""
        return self.optimization.build(self, run_length(self.trainer))

    def train(self, mode: bool = True) -> Self:
        """Set the training mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        if mode and getattr(self, "frozen", None):
            hold_still(self.model, self.frozen)
        return self
