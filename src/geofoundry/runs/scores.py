"""Scores from a confusion matrix, in numpy: for figures and cards, without torch.

Means are those that training logs: over the classes that occur in the labels or in the predictions (one that is
only predicted counts as 0), without the class whose number is ignored. They are torchmetrics' means, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geofoundry.core.errors import DataError, Fault


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class was told apart. NaN where nothing can be said (the class never occurs)."""

    name: str
    iou: float
    precision: float
    recall: float
    f1: float
    true_pixels: int
    predicted_pixels: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one evaluation; `miou_labelled` is the mean over the classes that occur in the labels alone."""

    classes: tuple[ClassScore, ...]
    miou: float
    miou_labelled: float
    f1: float
    accuracy: float
    pixels: int


def score_confusion(matrix: NDArray[np.integer], class_names: Sequence[str], ignore_index: int | None = None) -> Scores:
    """Return the scores of a confusion matrix.

    **Shapes:** `matrix` is (C, C), rows are the labels, columns the predictions.

    Raises:
        DataError: when the matrix is not square or does not fit the names.
    """
    matrix = check_confusion(matrix, class_names)
    hits = np.diag(matrix).astype(np.float64)
    labelled, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    counted = np.arange(len(class_names)) != ignore_index
    iou = _ratio(hits, labelled + predicted - hits, counted)
    precision, recall = _ratio(hits, predicted, counted), _ratio(hits, labelled, counted)
    f1 = _ratio(2 * hits, labelled + predicted, counted)
    total = int(matrix.sum())
    return Scores(
        classes=tuple(
            ClassScore(
                name=name,
                iou=float(iou[i]),
                precision=float(precision[i]),
                recall=float(recall[i]),
                f1=float(f1[i]),
                true_pixels=int(labelled[i]),
                predicted_pixels=int(predicted[i]),
            )
            for i, name in enumerate(class_names)
        ),
        miou=_mean(iou),
        miou_labelled=_mean(iou[labelled > 0]),
        f1=_mean(f1),
        accuracy=float(hits.sum() / total) if total else float("nan"),
        pixels=total,
    )


def check_confusion(matrix: NDArray[np.integer], class_names: Sequence[str]) -> NDArray[np.int64]:
    """Return the matrix as int64 after proving that it is square and as large as there are names.

    Raises:
        DataError: when it is not.
    """
    matrix = np.asarray(matrix)
    expected = (len(class_names), len(class_names))
    if matrix.shape != expected or not np.issubdtype(matrix.dtype, np.integer):
        raise DataError(
            Fault(
                what="the confusion matrix does not fit the classes",
                got=f"shape {matrix.shape}, {matrix.dtype}",
                expected=f"shape {expected} of whole numbers, one row and column per class name",
            )
        )
    return matrix.astype(np.int64)


def count_confusion(
    labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: int, ignore_index: int | None
) -> NDArray[np.int64]:
    """Return the (classes, classes) confusion matrix of two arrays; rows are the labels.

    Pixels whose label is `ignore_index` do not count. **Shapes:** both arrays alike, any shape.

    Raises:
        DataError: when a counted label or prediction is no class.
    """
    counted = np.ones(labels.shape, dtype=bool) if ignore_index is None else labels != ignore_index
    truth, guess = labels[counted].astype(np.int64), predictions[counted].astype(np.int64)
    outside = [
        Fault(f"{what} lies outside the classes", got=str(int(values[wrong][0])), expected=f"0 to {classes - 1}")
        for what, values in (("a label", truth), ("a prediction", guess))
        if (wrong := (values < 0) | (values >= classes)).any()
    ]
    if outside:
        raise DataError(outside)
    return np.bincount(truth * classes + guess, minlength=classes * classes).reshape(classes, classes)


def _ratio(part: NDArray[np.floating], whole: NDArray[np.number], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    whole = whole.astype(np.float64)
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=(whole > 0) & counted)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
