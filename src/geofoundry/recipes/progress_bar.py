"""Progress of a trainer: a bar on a terminal, a line per epoch in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

LOG_INTERVAL_S = 10.0


def progress_bar() -> Callback:
    """Return what suits the place that stderr goes to."""
    return RichProgressBar(leave=False) if sys.stderr.isatty() else ProgressLines()


class ProgressLines(Callback):
    """Write a line after every epoch, and every few seconds within long ones."""

    def __init__(self) -> None:
        self._last_line = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say where a long epoch is."""
        self._tick(f"epoch {trainer.current_epoch}: step {batch_idx + 1}/{trainer.num_training_batches}")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what the epoch brought."""
        shown = {k: v for k, v in trainer.callback_metrics.items() if k in _headline(trainer)}
        values = "  ".join(f"{name} {float(value):.4f}" for name, value in shown.items())
        self._line(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: {values}")

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
        total = trainer.num_predict_batches[dataloader_idx]
        self._tick(f"predict: batch {batch_idx + 1}/{total}")

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

    def _tick(self, text: str) -> None:
        if time.monotonic() - self._last_line >= LOG_INTERVAL_S:
            self._line(text)

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        sys.stderr.write(f"{text}\n")


def _headline(trainer: Trainer) -> list[str]:
    names = [name for name in trainer.callback_metrics if name in ("train/loss", "val/loss", "val/mIoU")]
    return names or list(trainer.callback_metrics)[:3]
