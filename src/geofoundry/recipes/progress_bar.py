"""Progress of a trainer: a bar on a terminal, a line per epoch in a log; and no chatter beside it."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar

LOG_INTERVAL_S = 10.0
HEADLINE = ("train/loss", "val/loss", "val/mIoU")

# What Lightning says about matters that our recipes have taken care of.
TAKEN_CARE_OF = (
    r".*callbacks used to create the checkpoint need to be provided.*",  # evaluations keep no checkpoints
    r".*does not have many workers.*",
    r".*The number of training batches .* is smaller than the logging interval.*",  # losses are logged per epoch
    r".*isinstance\(treespec, LeafSpec\).*",
    r".*Checkpoint directory .* exists and is not empty.*",  # training goes on in its own folder
    r".*You're resuming from a checkpoint that ended before the epoch ended.*",
)


def quieten_lightning() -> None:
    """Let Lightning's warnings and errors through, not its tips and notes."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in TAKEN_CARE_OF:
        warnings.filterwarnings("ignore", message=message)


def progress_bar() -> ProgressBar:
    """Return what suits the place that stderr goes to."""
    return RichProgressBar(leave=False) if sys.stderr.isatty() else ProgressLines()


class ProgressLines(ProgressBar):
    """Write a line after every epoch, and every few seconds within long ones."""

    def __init__(self) -> None:
        super().__init__()
        self._last_line = time.monotonic()
        self._finished_epoch: int | None = None
        self._enabled = True

    def disable(self) -> None:
        """Say nothing: another process speaks."""
        self._enabled = False

    def enable(self) -> None:
        """Speak again."""
        self._enabled = True

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what the epoch before brought: only now are all its values known."""
        self._epoch_line(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that the epoch is over."""
        self._finished_epoch = trainer.current_epoch

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what the last epoch brought."""
        self._epoch_line(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say where a long epoch is."""
        if batch_idx + 1 < trainer.num_training_batches:
            self._tick(f"epoch {trainer.current_epoch + 1}: step {batch_idx + 1}/{trainer.num_training_batches}")

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Say where a long test is."""
        self._tick(f"test: batch {batch_idx + 1}/{trainer.num_test_batches[dataloader_idx]}")

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Say where a long map is."""
        self._tick(f"map: batch {batch_idx + 1}/{trainer.num_predict_batches[dataloader_idx]}")

    def _epoch_line(self, trainer: Trainer) -> None:
        if self._finished_epoch is None:
            return
        metrics = trainer.callback_metrics
        names = [name for name in HEADLINE if name in metrics] or list(metrics)[:3]
        values = "  ".join(f"{name} {float(metrics[name]):.4f}" for name in names)
        self._line(f"epoch {self._finished_epoch + 1}/{trainer.max_epochs}: {values}")
        self._finished_epoch = None

    def _tick(self, text: str) -> None:
        if time.monotonic() - self._last_line >= LOG_INTERVAL_S:
            self._line(text)

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        if self._enabled:
            sys.stderr.write(f"{text}\n")
