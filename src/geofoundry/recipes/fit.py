"""Train from one YAML into one run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerStatus

from geofoundry.core.files import require_writable_folder
from geofoundry.recipes.assembly import Assembly, assemble
from geofoundry.recipes.checkpoints import checkpoint_callbacks, find_checkpoint, run_of_checkpoint
from geofoundry.recipes.configuration import ConfigSource, Configuration, read_configuration
from geofoundry.recipes.epoch_seed import EpochSeed
from geofoundry.recipes.progress_bar import progress_bar
from geofoundry.recipes.run_callbacks import RunLogger, RunRecorder
from geofoundry.runs import RunFolder


def fit(config: ConfigSource, overrides: Sequence[str] = (), *, ckpt_path: str | Path | None = None) -> RunFolder:
    """Train, and return the run folder with everything that came of it.

    `overrides` are written as on the command line: `["--trainer.max_epochs=3"]`. With `ckpt_path` (`last`, a run
    folder or a file) training goes on from there; a checkpoint of a run folder goes on in that folder.

    Raises:
        ConfigError: with every fault of the configuration, before anything is built.
        DataError: with every fault of the data, before the first step.
        KeyboardInterrupt: when the user stopped it; checkpoints and metrics so far are in the folder.
    """
    configuration = read_configuration(config, overrides)
    require_writable_folder(configuration.runs_root)
    ckpt_path = ckpt_path or configuration.resolved.get("ckpt_path")
    checkpoint = find_checkpoint(ckpt_path, configuration.runs_root, configuration.name) if ckpt_path else None
    resumed = run_of_checkpoint(checkpoint) if checkpoint else None
    run = resumed or RunFolder.create(configuration.runs_root, configuration.name)
    try:
        assembly = assemble_for_training(configuration, run)
        assembly.datamodule.setup("fit")  # all data faults at once, before the trainer prepares anything
    except BaseException:
        if resumed is None:
            run.discard()
        raise
    run_trainer(
        assembly.trainer,
        lambda: assembly.trainer.fit(
            assembly.task, datamodule=assembly.datamodule, ckpt_path=checkpoint, weights_only=True
        ),
    )
    return run


def assemble_for_training(configuration: Configuration, run: RunFolder) -> Assembly:
    """Build task, datamodule and a trainer that keeps checkpoints, metrics, figures and a card in the run folder."""
    recorder = RunRecorder(run, arguments=configuration.arguments, seed=configuration.seed)
    callbacks: list[Callback] = [
        *checkpoint_callbacks(run.checkpoints, *monitored_metric(configuration)),
        EpochSeed(configuration.seed),
        progress_bar(),
        recorder,
    ]
    assembly = assemble(configuration.resolved, seed=configuration.seed, loggers=[RunLogger(run)], callbacks=callbacks)
    recorder.config = assembly.config
    return assembly


def monitored_metric(configuration: Configuration) -> tuple[str, str]:
    """Return (metric, mode) that decides which checkpoint is the best: the task's, or the validation loss."""
    from geofoundry.catalog.component_registry import import_address

    module, _, name = configuration.resolved["model"]["class_path"].rpartition(".")
    task_class: type[LightningModule] = import_address(f"{module}:{name}")
    return getattr(task_class, "monitor", ("val/loss", "min"))


def run_trainer(trainer: Trainer, work: object) -> object:
    """Call `work`; an interruption, which Lightning turns into an exit, comes out as `KeyboardInterrupt`."""
    assert callable(work)
    try:
        return work()
    except SystemExit as error:
        if trainer.state.status == TrainerStatus.INTERRUPTED:
            raise KeyboardInterrupt from error
        raise
