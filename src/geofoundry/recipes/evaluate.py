"""Measure a trained model on the validation or the test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from geofoundry.recipes.assembly import assemble
from geofoundry.recipes.checkpoints import find_checkpoint, run_of_checkpoint
from geofoundry.recipes.configuration import ConfigSource, read_configuration
from geofoundry.recipes.fit import run_trainer
from geofoundry.recipes.progress_bar import progress_bar
from geofoundry.recipes.run_callbacks import RunLogger, RunRecorder
from geofoundry.runs import RunFolder

Stage = Literal["validate", "test"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured, on which checkpoint, and where it was written."""

    metrics: dict[str, float]
    checkpoint: Path
    run: RunFolder


def evaluate(
    stage: Stage,
    config: ConfigSource,
    overrides: Sequence[str] = (),
    *,
    ckpt_path: str | Path | None = None,
) -> Evaluation:
    """Return every metric of a stage.

    Without `ckpt_path` the best checkpoint of the latest run of this configuration is taken. Results go into the
    run folder of the checkpoint; for a checkpoint that lies in none, into a new one.

    Raises:
        ConfigError: when the configuration is wrong, or there is no checkpoint.
        DataError: with every fault of the data.
    """
    configuration = read_configuration(config, overrides)
    choice = ckpt_path or configuration.resolved.get("ckpt_path")
    checkpoint = find_checkpoint(choice, configuration.runs_root, configuration.name)
    run = run_of_checkpoint(checkpoint) or RunFolder.create(configuration.runs_root, configuration.name)
    recorder = RunRecorder(run, arguments=configuration.arguments, seed=configuration.seed)
    assembly = assemble(
        configuration.resolved,
        seed=configuration.seed,
        loggers=[RunLogger(run)],
        callbacks=[progress_bar(), recorder],
    )
    recorder.config = assembly.config
    verb = getattr(assembly.trainer, stage)
    run_trainer(
        assembly.trainer,
        lambda: verb(
            assembly.task, datamodule=assembly.datamodule, ckpt_path=checkpoint, verbose=False, weights_only=True
        ),
    )
    metrics = {name: float(value) for name, value in assembly.trainer.callback_metrics.items()}
    return Evaluation(metrics, checkpoint, run)
