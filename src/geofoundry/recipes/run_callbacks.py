"""What ties Lightning to the run folder: status, configuration, origins, results, figures, card.

Nothing here draws a random number or changes a tensor of the training.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException

from geofoundry.core.errors import GeofoundryError
from geofoundry.core.files import write_json, write_text
from geofoundry.recipes.panel_samples import Panels, PanelSamples
from geofoundry.recipes.run_logger import RunLogger
from geofoundry.runs import RunFolder, RunStatus
from geofoundry.runs.card import write_card
from geofoundry.runs.card_facts import facts_of_run, read_provenance
from geofoundry.runs.figures import plot_class_iou, plot_confusion, plot_learning_curves, plot_panels
from geofoundry.runs.provenance import collect_provenance, find_weights, hash_weights, time_stamp
from geofoundry.runs.results import StageResult, read_results, write_results

__all__ = ["RunLogger", "RunRecorder"]


class RunRecorder(Callback):
    """Keep the run folder up to date, from the first hook to the last.

    The results of the validation split are those of the epoch that checkpoints count as best, or else of the last
    one. Figures and the card are made at the end, also at one that nobody wished for.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        arguments: Sequence[str] = (),
        seed: int | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Record into `run`; `config` is the resolved configuration, `arguments` what overrode the YAML."""
        self.run = run
        self.arguments = list(arguments)
        self.seed = seed
        self.config = config
        self._samples = PanelSamples()
        self._panels: dict[str, Panels] = {}
        self._results: dict[str, StageResult] = {}
        self._owns_status = False
        self._is_recording = False
        self._began = time.monotonic()

    # The beginning.

    @rank_zero_only
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the configuration, and that the run is running."""
        self._began = time.monotonic()
        self._results = read_results(self.run.scores)
        if stage == "fit":
            self.run.mark(RunStatus.RUNNING)
        self._owns_status = stage == "fit" or self._made_by_this_process()
        self._is_recording = True
        if self.config is not None and (stage == "fit" or not self.run.config.exists()):
            self._write_config()

    @rank_zero_only
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record where the run comes from, while code and data are still as they are."""
        self._write_provenance("fit", trainer, pl_module)

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """When training goes on, drop the metrics that it is about to compute again."""
        if trainer.global_step > 0:
            for logger in self._loggers(trainer):
                logger.go_on_after(trainer.fit_loop.epoch_loop._batches_that_stepped)

    @rank_zero_only
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the origins of a validation that no training called for."""
        if trainer.state.fn == "validate":
            self._begin_evaluation("validate", trainer, pl_module)

    @rank_zero_only
    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the origins of a test."""
        self._begin_evaluation("test", trainer, pl_module)

    # Evaluations.

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a few chips."""
        if not trainer.sanity_checking:
            self._collect(trainer, pl_module, batch, batch_idx, dataloader_idx, trainer.num_val_batches)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a few chips."""
        self._collect(trainer, pl_module, batch, batch_idx, dataloader_idx, trainer.num_test_batches)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the confusion matrix of the epoch, if it is the best so far."""
        if not trainer.sanity_checking:
            self._take_results("val", trainer, pl_module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the confusion matrices of every test set."""
        self._take_results("test", trainer, pl_module)

    # The end.

    @rank_zero_only
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Say what became of the run, then save what there is to save."""
        if not self._is_recording:
            return
        stopped = isinstance(exception, (KeyboardInterrupt, SIGTERMException))
        status = RunStatus.INTERRUPTED if stopped else RunStatus.FAILED
        reason = f"{type(exception).__name__}: {exception}".strip().rstrip(":")
        try:
            if self._owns_status:
                self.run.mark(status, reason[:2000])
            self._finish(trainer)
        except (OSError, GeofoundryError) as error:
            # The disk may be full. What went wrong first is what the user must see.
            warnings.warn(f"the run folder is incomplete: {error}", stacklevel=2)

    @rank_zero_only
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Draw the figures, write the card, close the run."""
        if self._owns_status:
            self.run.mark(RunStatus.FINISHED)
        self._finish(trainer)

    def _finish(self, trainer: Trainer) -> None:
        for logger in self._loggers(trainer):
            logger.finalize("finished")
        self._close_provenance()
        self._draw(trainer)
        write_card(self.run.card, facts_of_run(self.run))

    def _draw(self, trainer: Trainer) -> None:
        figures = self.run.figures
        if self.run.metrics_csv.is_file():
            plot_learning_curves(self.run.metrics_csv, figures / "learning_curves.png")
        for stage, result in self._results.items():
            name = stage.replace("/", "_")
            title = f"{stage} split, {result.weights.replace('`', '')}".rstrip(", ")
            if result.confusion.sum():
                plot_confusion(
                    result.confusion,
                    result.class_names,
                    figures / f"confusion_{name}.png",
                    title=f"Confusion matrix, {title}",
                )
                plot_class_iou(
                    result.confusion,
                    result.class_names,
                    figures / f"class_iou_{name}.png",
                    title=f"IoU of each class, {title}",
                    ignore_index=result.ignore_index,
                )
            if stage in self._panels:
                panels = self._panels[stage]
                bands = getattr(getattr(trainer, "datamodule", None), "bands", None) or ()
                plot_panels(
                    panels.images,
                    panels.labels,
                    panels.predictions,
                    result.class_names,
                    figures / f"panels_{name}.png",
                    titles=panels.titles,
                    ignore_index=result.ignore_index,
                    bands=bands if len(bands) == panels.images.shape[1] else (),
                )

    # Results.

    def _collect(
        self,
        trainer: Trainer,
        task: LightningModule,
        batch: Any,
        batch_index: int,
        loader: int,
        batches: Sequence[float],
    ) -> None:
        if loader > 0 or not hasattr(task, "confusion"):
            return
        if batch_index == 0:
            self._samples.clear()
        self._samples.collect(trainer, task, batch, batch_index, batches[0])

    @rank_zero_only
    def _take_results(self, stage: str, trainer: Trainer, task: LightningModule) -> None:
        matrices: Mapping[str, torch.Tensor] = getattr(task, "confusion", {})
        panels = self._samples.result()
        value, is_better = self._judge(stage, trainer)
        if panels is not None and (is_better or stage not in self._panels):
            self._panels[stage] = panels
        if not is_better:
            return
        for key, matrix in matrices.items():
            if key == stage or key.startswith(f"{stage}/"):
                self._results[key] = StageResult(
                    stage=key,
                    confusion=matrix.numpy(),
                    class_names=tuple(getattr(task, "class_names", None) or map(str, range(len(matrix)))),
                    ignore_index=getattr(task, "ignore_index", None),
                    metrics={n: float(v) for n, v in trainer.callback_metrics.items() if n.startswith(f"{key}/")},
                    epoch=trainer.current_epoch if trainer.state.fn == "fit" else None,
                    step=trainer.fit_loop.epoch_loop._batches_that_stepped if trainer.state.fn == "fit" else None,
                    checkpoint=self._checkpoint(trainer),
                    monitored=value,
                )
        write_results(self.run.scores, self._results)

    def _judge(self, stage: str, trainer: Trainer) -> tuple[float | None, bool]:
        """Return the value that checkpoints are chosen by, and whether it is the best so far."""
        if stage != "val" or trainer.state.fn != "fit":
            return None, True
        chooser = next((c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint) and c.monitor), None)
        value = trainer.callback_metrics.get(chooser.monitor) if chooser is not None and chooser.monitor else None
        if chooser is None or value is None:
            return None, True
        value = float(value)
        best = self._results["val"].monitored if "val" in self._results else None
        if best is None or not math.isfinite(best):
            return value, True
        return value, value > best if chooser.mode == "max" else value < best

    @staticmethod
    def _checkpoint(trainer: Trainer) -> str:
        """Return the name of the file whose weights are evaluated, or nothing in the middle of a training."""
        return Path(trainer.ckpt_path).name if trainer.ckpt_path and trainer.state.fn != "fit" else ""

    # Configuration and origins.

    def _made_by_this_process(self) -> bool:
        record = self.run.record()
        return record["status"] == RunStatus.RUNNING and record.get("process", {}).get("pid") == os.getpid()

    def _write_config(self) -> None:
        config = {**(self.config or {}), "run": {"name": self.run.name, "root": str(self.run.path.parent.parent)}}
        head = "# The configuration as it ran, every default filled in. `geofoundry fit -c` trains it again.\n"
        write_text(self.run.config, head + yaml.safe_dump(config, sort_keys=False, allow_unicode=True))

    def _begin_evaluation(self, verb: str, trainer: Trainer, task: LightningModule) -> None:
        self._write_provenance(verb, trainer, task)
        rows = self._results.get("val")
        if rows is not None and rows.step is not None:
            for logger in self._loggers(trainer):
                logger.pin(rows.step, rows.epoch or 0)

    def _write_provenance(self, verb: str, trainer: Trainer, task: LightningModule) -> None:
        known = read_provenance(self.run)
        config = self.config or {}
        weights = find_weights(config)
        if self._checkpoint(trainer):
            weights["checkpoint"] = Path(str(trainer.ckpt_path))
        datamodule: Any = getattr(trainer, "datamodule", None)
        has_origins = callable(getattr(datamodule, "provenance", None))
        record = collect_provenance(
            verb=verb,
            arguments=self.arguments,
            seed=self.seed,
            config=config,
            data=datamodule.provenance() if has_origins else None,
            weights=weights,
            accelerators=_accelerators(trainer),
            started=datetime.now(UTC),
            patch_folder=self.run.path,
        )
        record["session"] = _session(task, datamodule)
        if verb == "fit" and "duration_s" in known:
            record["duration_s"] = known["duration_s"]
        # A test must not cover up what the training was made from.
        shown = record if verb == "fit" or not known else known
        write_json(self.run.provenance, {**shown, "sessions": [*known.get("sessions", []), _digest(record)]})

    def _close_provenance(self) -> None:
        known = read_provenance(self.run)
        sessions = known.get("sessions", [])
        if not sessions:
            return
        sessions[-1] |= {"ended": time_stamp(datetime.now(UTC)), "status": str(self.run.status)}
        if sessions[-1]["verb"] == known.get("verb"):
            known["ended"] = sessions[-1]["ended"]
            known["duration_s"] = round(known.get("duration_s", 0.0) + time.monotonic() - self._began, 1)
        files = sorted(self.run.checkpoints.glob("*.ckpt")) if self.run.checkpoints.is_dir() else []
        known["checkpoints"] = {file.name: hash_weights(file) for file in files}
        write_json(self.run.provenance, known)

    def _loggers(self, trainer: Trainer) -> list[RunLogger]:
        return [logger for logger in trainer.loggers if isinstance(logger, RunLogger)]


def _session(task: LightningModule, datamodule: object) -> dict[str, Any]:
    """Return what only the living objects know: size of the model, classes, bands."""
    parameters = sum(parameter.numel() for parameter in task.parameters())
    trained = sum(parameter.numel() for parameter in task.parameters() if parameter.requires_grad)
    spec = getattr(datamodule, "image_spec", None)
    return {
        "model": {"parameters": f"{parameters:,}", "trained parameters": f"{trained:,}"},
        "class_names": [str(name) for name in getattr(task, "class_names", None) or ()],
        "bands": [str(band) for band in getattr(datamodule, "bands", None) or ()],
        "sensor": getattr(spec, "sensor", None),
    }


def _digest(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a record that tells sessions of one run apart."""
    git = record["code"]["geofoundry"]["git"] or {}
    kept = {key: record[key] for key in ("verb", "started", "ended", "argv", "overrides", "config_sha256", "weights")}
    return {**kept, "geofoundry": record["code"]["geofoundry"]["version"], "commit": git.get("commit")}


def _accelerators(trainer: Trainer) -> list[str]:
    if trainer.strategy.root_device.type != "cuda":
        return []
    return [torch.cuda.get_device_name(index) for index in trainer.device_ids] * trainer.num_nodes
