"""The results of a run's evaluations: `scores.json`, one entry per split, with the confusion matrix it stands on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geofoundry.core.errors import DataError, Fault
from geofoundry.core.files import write_json
from geofoundry.runs.scores import Scores, score_confusion


@dataclass(frozen=True, slots=True)
class StageResult:
    """One evaluation: of which split, of which weights, and the confusion matrix (rows are the labels).

    `stage` is `val`, `test`, or `test/<name>` for one of several test sets. `monitored` is the value that checkpoints
    were chosen by, when there was one.
    """

    stage: str
    confusion: NDArray[np.int64]
    class_names: tuple[str, ...]
    ignore_index: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    epoch: int | None = None
    step: int | None = None
    checkpoint: str = ""
    monitored: float | None = None

    @property
    def scores(self) -> Scores:
        """The scores of the confusion matrix."""
        return score_confusion(self.confusion, self.class_names, self.ignore_index)

    @property
    def weights(self) -> str:
        """Which weights were evaluated, in words."""
        if self.checkpoint:
            return f"`{self.checkpoint}`"
        return f"epoch {self.epoch + 1}" if self.epoch is not None else ""


def write_results(path: str | Path, results: Mapping[str, StageResult]) -> None:
    """Write all results, atomically."""
    write_json(path, {stage: _as_dict(result) for stage, result in results.items()})


def read_results(path: str | Path) -> dict[str, StageResult]:
    """Return the results by stage; none when there is no such file.

    Raises:
        DataError: when the file is damaged.
    """
    path = Path(path)
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {stage: _from_dict(stage, entry) for stage, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            Fault(
                what="the results of a run can't be read",
                where=str(path),
                got=f"{type(error).__name__}: {error}",
                expected="the file as geofoundry wrote it",
                mend="move it away, then run `geofoundry test` again",
            )
        ) from error


def _as_dict(result: StageResult) -> dict[str, Any]:
    scores = result.scores
    return {
        "mIoU": _finite(scores.miou),
        "mIoU_of_labelled_classes": _finite(scores.miou_labelled),
        "pixel_accuracy": _finite(scores.accuracy),
        "IoU": {score.name: _finite(score.iou) for score in scores.classes},
        "class_names": list(result.class_names),
        "ignore_index": result.ignore_index,
        "confusion": result.confusion.tolist(),
        "metrics": {name: _finite(value) for name, value in result.metrics.items()},
        "epoch": result.epoch,
        "step": result.step,
        "checkpoint": result.checkpoint,
        "monitored": _finite(result.monitored),
    }


def _from_dict(stage: str, entry: Mapping[str, Any]) -> StageResult:
    return StageResult(
        stage=stage,
        confusion=np.array(entry["confusion"], dtype=np.int64),
        class_names=tuple(entry["class_names"]),
        ignore_index=entry["ignore_index"],
        metrics={name: math.nan if value is None else float(value) for name, value in entry["metrics"].items()},
        epoch=entry["epoch"],
        step=entry["step"],
        checkpoint=entry["checkpoint"],
        monitored=entry["monitored"],
    )


def _finite(value: float | None) -> float | None:
    """Return the value, or None for what JSON has no word for."""
    return value if value is not None and math.isfinite(value) else None
