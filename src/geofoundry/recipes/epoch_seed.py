"""Randomness that starts anew at every epoch, so that a resumed run equals an unbroken one."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer


def seed_of_epoch(seed: int, epoch: int) -> int:
    """Return a 32-bit seed that depends on the run's seed and the epoch alone."""
    digest = hashlib.sha256(f"{seed}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:4], "little")


class EpochSeed(Callback):
    """Seed every generator at the start of each training epoch.

    Checkpoints are taken between epochs and hold no generator's state. With the state a function of (seed, epoch)
    none is needed: dropout and drop-path after a resume are those of the unbroken run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed Python, NumPy and torch (every device)."""
        self._seed_all(trainer.current_epoch)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed again at the first batch.

        A data loader's iterator draws from torch's generator, in the first epoch after a resume before the epoch
        starts, in all others afterwards.
        """
        if batch_idx == 0:
            self._seed_all(trainer.current_epoch)

    def _seed_all(self, epoch: int) -> None:
        seed = seed_of_epoch(self.seed, epoch)
        random.seed(seed)
        np.random.seed(seed)  # transforms of other libraries draw from the global generator
        torch.manual_seed(seed)
