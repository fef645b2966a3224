"""The logger that writes a run's metrics into its folder."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from geofoundry.runs import RunFolder
from geofoundry.runs.metrics import MetricsWriter


class RunLogger(Logger):
    """Write metrics as CSV and JSON lines; everything logged is in the files when the call returns.

    Lightning's own CSV logger keeps rows in memory, and makes a new table for every resume.
    """

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.run = run
        self._writer: MetricsWriter | None = None
        self._moment: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.run.name

    @property
    def version(self) -> str:
        """The id of the run."""
        return self.run.id

    @property
    def save_dir(self) -> str:
        """The folder of all runs, so that `save_dir/name/version` is the run's."""
        return str(self.run.path.parent.parent)

    @property
    def writer(self) -> MetricsWriter:
        """The files, opened when they are first needed."""
        if self._writer is None:
            self._writer = MetricsWriter(self.run.metrics_csv, self.run.metrics_jsonl)
        return self._writer

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the whole configuration lies beside the metrics."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append one set of values."""
        values = dict(metrics)
        epoch = values.pop("epoch", None)
        if self._moment is not None:
            step, epoch = self._moment
        if values:
            self.writer.write(values, step=step or 0, epoch=None if epoch is None else int(epoch))

    @rank_zero_only
    def go_on_after(self, step: int) -> None:
        """Drop the rows beyond a step: training goes on from there and computes them again."""
        self.writer.drop_after(step)

    @rank_zero_only
    def pin(self, step: int, epoch: int) -> None:
        """Log at this moment from now on: an evaluation in a process of its own has no steps to count."""
        self._moment = (step, epoch)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Bring the files to the disk."""
        if self._writer is not None:
            self._writer.close()
