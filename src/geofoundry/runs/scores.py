"""Scores from a confusion matrix, in numpy: for figures and cards, without torch."""

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
    """Scores of one evaluation. Means are over the classes that occur in the labels."""

    classes: tuple[ClassScore, ...]
    miou: float
    f1: float
    accuracy: float
    pixels: int


def score_confusion(matrix: NDArray[np.integer], class_names: Sequence[str]) -> Scores:
    """Return the scores of a confusion matrix.

    Means are taken over classes with at least one labelled pixel: a class that is only predicted lowers the others
    by the pixels it takes from them, and has no score of its own to average.

    **Shapes:** `matrix` is (C, C), rows are the labels, columns the predictions.

    Raises:
        DataError: when the matrix is not square or does not fit the names.
    """
    matrix = check_confusion(matrix, class_names)
    hits = np.diag(matrix).astype(np.float64)
    labelled, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    iou = _ratio(hits, labelled + predicted - hits)
    precision, recall = _ratio(hits, predicted), _ratio(hits, labelled)
    f1 = _ratio(2 * hits, labelled + predicted)
    classes = tuple(
        ClassScore(
            name,
            float(iou[i]),
            float(precision[i]),
            float(recall[i]),
            float(f1[i]),
            int(labelled[i]),
            int(predicted[i]),
        )
        for i, name in enumerate(class_names)
    )
    occurs = labelled > 0
    total = int(matrix.sum())
    return Scores(
        classes=classes,
        miou=float(iou[occurs].mean()) if occurs.any() else float("nan"),
        f1=float(f1[occurs].mean()) if occurs.any() else float("nan"),
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


def _ratio(part: NDArray[np.floating], whole: NDArray[np.number]) -> NDArray[np.float64]:
    whole = whole.astype(np.float64)
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
