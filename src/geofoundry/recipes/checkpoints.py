"""Which checkpoint a verb starts from, and where checkpoints are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from geofoundry.core.errors import ConfigError, Fault, GeofoundryError
from geofoundry.core.files import atomic_path
from geofoundry.runs import RunFolder

BEST, LAST = "best", "last"


def checkpoint_callbacks(folder: Path, monitor: str | None, mode: str) -> list[ModelCheckpoint]:
    """Return callbacks that keep `last.ckpt` after every epoch and `best.ckpt` by a metric.

    They are two, because Lightning's own `save_last` writes only when the best changes. Files are replaced
    atomically. Without a metric to monitor there is no best.
    """
    last = ModelCheckpoint(folder, filename=LAST, save_top_k=1, enable_version_counter=False)
    if monitor is None:
        return [last]
    best = BestCheckpoint(folder, filename=BEST, monitor=monitor, mode=mode, enable_version_counter=False)
    return [best, last]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write checkpoints beside their place and rename them into it, with no second copy in memory.

    Lightning's own goes through the system's temporary folder; where that is another disk, a kill at the wrong moment
    leaves half a file in place of the last good one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save a checkpoint as one file.

        Raises:
            GeofoundryError: when it can't be written; an older file of that name stays as it was.
        """
        try:
            with atomic_path(path) as temporary:
                torch.save(checkpoint, temporary)
        except (OSError, RuntimeError) as error:  # torch's writer reports a full disk as a RuntimeError
            raise GeofoundryError(
                Fault(
                    what="a checkpoint can't be written; is the disk full?",
                    where=str(path),
                    got=str(error).strip(),
                    mend="free space, then go on where the last checkpoint was taken, with --ckpt_path last",
                )
            ) from error


class BestCheckpoint(ModelCheckpoint):
    """Keep the best weights by a validation metric; without a validation split there is no best, and that is fine."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save only what was measured."""
        if trainer.enable_validation:
            super().on_train_epoch_end(trainer, pl_module)


def find_checkpoint(choice: str | Path | None, runs_root: Path, name: str) -> Path:
    """Return the checkpoint for `best`, `last`, a path, or None (the best of the latest run of that name).

    Raises:
        ConfigError: when there is none; the text names every place that was looked at.
    """
    kinds = [str(choice)] if choice in (BEST, LAST) else [BEST, LAST]
    if choice in (None, BEST, LAST):
        # A younger run may have been stopped before its first checkpoint.
        runs = [run.path for run in reversed(RunFolder.all(runs_root, name))]
        places = [folder / "checkpoints" / f"{kind}.ckpt" for folder in runs for kind in kinds] or [runs_root / name]
    elif Path(choice).is_dir():
        places = [Path(choice) / "checkpoints" / f"{kind}.ckpt" for kind in kinds]
    else:
        places = [Path(choice)]
    for place in places:
        if place.is_file():
            return place
    raise _missing(places, name)


def run_of_checkpoint(checkpoint: Path) -> RunFolder | None:
    """Return the run folder that a checkpoint lies in, or None when it lies elsewhere."""
    folder = checkpoint.resolve().parent.parent
    return RunFolder.open(folder) if (folder / "run.json").is_file() else None


def _missing(places: list[Path], name: str) -> ConfigError:
    return ConfigError(
        Fault(
            what="there is no checkpoint to start from",
            where="ckpt_path",
            got="nothing at " + ", ".join(str(place) for place in places),
            expected="a .ckpt file, a run folder, or `best` or `last` of an earlier run",
            mend=f"train first (geofoundry fit), or name a file with --ckpt_path; runs are looked up by the name {name!r}",
        )
    )
