"""Everything but the training: check, build, one measured step, and what a full run will ask for."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers.logger import DummyLogger
from torch import Tensor, nn

from geofoundry.recipes.assembly import Assembly, assemble
from geofoundry.recipes.configuration import ConfigSource, read_configuration
from geofoundry.recipes.fit import run_trainer

GIB = 2**30
# The first step also pays for lazy initialisation, so the second one is timed.
STEPS = 2
SHORT_TRAINING = {
    "max_epochs": 1,
    "max_steps": STEPS,
    "limit_val_batches": 1,
    "num_sanity_val_steps": 0,
    "enable_progress_bar": False,
    "log_every_n_steps": 1,
    "logger": False,
}


@dataclass
class StepProbe(Callback):
    """Measure training steps: shapes of every stage, seconds, peak memory."""

    shapes: dict[str, str] = field(default_factory=dict)
    step_s: float = float("nan")
    batches_per_epoch: int = 0
    peak_gpu_gib: float | None = None
    _started: float = 0.0
    _hooks: list[Any] = field(default_factory=list)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Watch what the parts of the model give."""
        model = getattr(pl_module, "model", pl_module)
        for name, module in model.named_children():
            if next(module.parameters(), None) is not None or name in ("neck", "encoder", "decoder"):
                self._hooks.append(module.register_forward_hook(self._recorder(name)))

    def _recorder(self, name: str) -> Any:
        def record(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self.shapes[name] = describe_shapes(output)

        return record

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Start the clock."""
        if isinstance(batch, dict):
            self.shapes |= {k: describe_shapes(v) for k, v in batch.items() if isinstance(v, (Tensor, dict))}
        self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop the clock, after the device has finished."""
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
            self.peak_gpu_gib = torch.cuda.max_memory_allocated(pl_module.device) / GIB
        self.step_s = time.perf_counter() - self._started

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the hooks away."""
        for hook in self._hooks:
            hook.remove()


def describe_shapes(value: Any) -> str:
    """Return the shapes within tensors, lists and dictionaries, as text: `2×6×64×64`."""
    if isinstance(value, Tensor):
        return "×".join(map(str, value.shape)) or "scalar"
    if isinstance(value, dict):
        return ", ".join(f"{key} {describe_shapes(item)}" for key, item in value.items() if item is not None)
    if isinstance(value, (list, tuple)):
        return ", ".join(describe_shapes(item) for item in value)
    return type(value).__name__


def dry_run(config: ConfigSource, overrides: Sequence[str] = ()) -> str:
    """Build everything, take real steps on real data, write nothing; return a report.

    Raises:
        ConfigError: with every fault of the configuration.
        DataError: with every fault of the data.
    """
    configuration = read_configuration(config, overrides)
    epochs = (configuration.resolved.get("trainer") or {}).get("max_epochs")
    short = configuration.with_values({f"trainer.{name}": value for name, value in SHORT_TRAINING.items()})
    before = peak_memory_gib()
    probe = StepProbe()
    assembly = assemble(short.resolved, seed=configuration.seed, loggers=[DummyLogger()], callbacks=[probe])
    assembly.trainer.callbacks = [c for c in assembly.trainer.callbacks if not isinstance(c, Checkpoint)]  # type: ignore[attr-defined]
    run_trainer(assembly.trainer, lambda: assembly.trainer.fit(assembly.task, datamodule=assembly.datamodule))
    probe.batches_per_epoch = len(assembly.datamodule.train_dataloader())
    return _report(assembly, probe, epochs, before)


def peak_memory_gib() -> float:
    """Return the peak resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak * (1 if sys.platform == "darwin" else 1024) / GIB


def count_parameters(task: LightningModule) -> dict[str, tuple[int, int]]:
    """Return (all, trainable) parameters by part of the model."""
    model = getattr(task, "model", task)
    counts: dict[str, tuple[int, int]] = {}
    for name, parameter in model.named_parameters():
        part = name.partition(".")[0]
        total, trainable = counts.get(part, (0, 0))
        counts[part] = (total + parameter.numel(), trainable + parameter.numel() * parameter.requires_grad)
    return counts


def _report(assembly: Assembly, probe: StepProbe, epochs: int | None, before_gib: float) -> str:
    lines = [
        "dry run: everything works; nothing was written",
        "",
        "shapes of a training batch and of what each part gives",
    ]
    lines += [f"  {name:<10} {shape}" for name, shape in probe.shapes.items()]
    lines += ["", "parameters"]
    counts = count_parameters(assembly.task)
    for part, (total, trainable) in counts.items():
        lines.append(f"  {part:<10} {total:>13,}" + ("" if trainable == total else f"  of which trained {trainable:,}"))
    lines.append(f"  {'all':<10} {sum(total for total, _ in counts.values()):>13,}")
    lines += ["", f"device      {assembly.task.device}, precision {assembly.trainer.precision}"]
    if probe.peak_gpu_gib is not None:
        lines.append(f"memory      {probe.peak_gpu_gib:.2f} GiB on the device at the peak")
    lines.append(f"memory      {peak_memory_gib():.2f} GiB of RAM at the peak, {before_gib:.2f} GiB before building")
    epoch_s = probe.step_s * probe.batches_per_epoch
    lines.append(
        f"time        {probe.step_s:.3f} s a step, {probe.batches_per_epoch} steps an epoch: {_duration(epoch_s)}"
    )
    if epochs and epochs > 0:
        lines.append(f"            about {_duration(epoch_s * epochs)} for {epochs} epochs, without validation")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
