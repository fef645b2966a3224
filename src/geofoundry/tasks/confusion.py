"""One confusion matrix per epoch, and every pixel metric as a function of it.

Which classes a mean is taken over is the same for all of them, and the same as torchmetrics':

* a class that occurs neither in the labels nor in the predictions is left out: NaN by itself, no part of a mean;
* a class that is predicted but never labeled counts as 0;
* a class whose number is the ignore index is left out (torchmetrics counts it as 0 in F1 and accuracy,
  where its pixels can't be right).

**Shapes:** a matrix is `(C, C)` int64, `[true class, predicted class]`; per-class results are `(C,)` float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from geofoundry.core.errors import DataError, Fault

LARGEST_TABLE = 2**16  # cells of a table with a row for every label between the lowest and the highest


def predict_classes(scores: Tensor) -> Tensor:
    """Return the class with the highest score, the first of equals.

    **Shapes:** `(B, C, ...)` to `(B, ...)`, uint8, or int16 when there are more than 255 classes.

    On a CPU this is a running maximum: `argmax` over a dimension that isn't the last takes forty times as long.
    """
    classes = scores.shape[1]
    dtype = torch.uint8 if classes <= 255 else torch.int16
    if scores.device.type != "cpu":
        return scores.argmax(dim=1).to(dtype)
    best = scores[:, 0]
    winner = torch.zeros(best.shape, dtype=dtype)
    for index in range(1, classes):
        candidate = scores[:, index]
        wins = (candidate > best).view(torch.uint8).to(dtype)
        winner = torch.maximum(winner, wins.mul_(index))  # the later class has the higher number
        if index + 1 < classes:
            best = torch.maximum(best, candidate)
    return winner


def check_labels(labels: Tensor, num_classes: int, ignore_index: int | None, where: str = "mask") -> None:
    """Refuse labels that are neither a class nor the ignore index; on an accelerator this waits for the device.

    Raises:
        DataError: with the labels that are wrong and how often they occur.
    """
    if labels.numel() == 0:
        return
    lowest, highest = (int(bound) for bound in labels.aminmax())
    if lowest >= 0 and highest < num_classes:
        return
    if highest - lowest < LARGEST_TABLE:
        counts = torch.bincount((labels - lowest).flatten())
        values = counts.nonzero().flatten()
        values, counts = values + lowest, counts[values]
    else:
        values, counts = labels.unique(return_counts=True)
    _refuse_outside(values.tolist(), counts.tolist(), num_classes, ignore_index, where)


def _refuse_outside(
    values: list[int], counts: list[int], num_classes: int, ignore_index: int | None, where: str
) -> None:
    wrong = [
        f"{value} ({count} px)"
        for value, count in zip(values, counts, strict=True)
        if count and value != ignore_index and not 0 <= value < num_classes
    ]
    if not wrong:
        return
    raise DataError(
        Fault(
            what="a label is outside the classes",
            where=where,
            got=", ".join(wrong[:5]) + (", ..." if len(wrong) > 5 else ""),
            expected=_what_is_expected(num_classes, ignore_index),
            mend="set ignore_index to the label that means 'unknown', raise num_classes, or replace the label in the data",
        )
    )


def labels_outside(labels: Tensor, num_classes: int, ignore_index: int | None) -> Tensor:
    """Return where a label is neither a class nor the ignore index, without waiting for an accelerator."""
    outside = (labels < 0) | (labels >= num_classes)
    return outside if ignore_index is None else outside & (labels != ignore_index)


def refuse_outside(count: int, num_classes: int, ignore_index: int | None) -> None:
    """Raise a `DataError` when labels outside the classes were counted, whose values are no longer known."""
    if count:
        raise DataError(
            Fault(
                what="a label is outside the classes",
                where="mask",
                got=f"{count} px",
                expected=_what_is_expected(num_classes, ignore_index),
                mend="geofoundry data check names the files",
            )
        )


def _what_is_expected(num_classes: int, ignore_index: int | None) -> str:
    ignored = "no label is ignored" if ignore_index is None else f"{ignore_index} is ignored"
    return f"0 to {num_classes - 1}; {ignored}"


class ConfusionMatrix:
    """Counts of (true class, predicted class) over many batches and all processes.

    The counts are a plain tensor, not a buffer: DDP would overwrite a buffer with the first process's at each step.
    """

    def __init__(self, num_classes: int, ignore_index: int | None = None) -> None:
        """Start from zero; labels equal to `ignore_index` are not counted."""
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        # One cell more than the matrix has, for labels outside the classes.
        self._cells = torch.zeros(num_classes**2 + 1, dtype=torch.int64)

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count a batch; without waiting for the device when that is an accelerator.

        **Shapes:** predictions and labels have the same shape, any; both are integers.

        Raises:
            DataError: when a label is neither a class nor the ignore index; on an accelerator `compute` raises it.
        """
        on_cpu = labels.device.type == "cpu"
        count = self._count_on_cpu if on_cpu else self._count_without_waiting
        # Not in place: a tensor made in inference mode can't be changed outside of it.
        self._cells = self._cells.to(labels.device) + count(predictions, labels)

    def compute(self) -> Tensor:
        """Return the matrix on the CPU, summed over all processes; every process must call this.

        Raises:
            DataError: when a label was outside the classes.
        """
        cells = sum_over_processes(self._cells)
        refuse_outside(int(cells[-1]), self.num_classes, self.ignore_index)
        return cells[:-1].reshape(self.num_classes, self.num_classes)

    def to(self, device: torch.device) -> ConfusionMatrix:
        """Move the counts; a process that saw no batch must still be able to sum with the others."""
        self._cells = self._cells.to(device)
        return self

    def merge(self, other: ConfusionMatrix) -> None:
        """Add what another one has counted."""
        self._cells = self._cells + other._cells.to(self._cells.device)

    def reset(self) -> None:
        """Start from zero again."""
        self._cells = torch.zeros_like(self._cells)

    def _count_on_cpu(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """Count in one pass over all labels that occur, so that neither ignoring nor checking needs a pass of its own."""
        if labels.numel() == 0:
            return torch.zeros_like(self._cells)
        classes = self.num_classes
        lowest, highest = (int(bound) for bound in labels.aminmax())
        rows = highest - lowest + 1
        if rows * classes > max(LARGEST_TABLE, classes**2):
            check_labels(labels, classes, self.ignore_index)
            kept = labels != self.ignore_index
            return self._count_on_cpu(predictions[kept], labels[kept])
        # Two bytes are a quarter of the memory to pass over; with few labels and classes they are enough.
        enough = rows * classes < 2**15 and lowest >= -(2**15) and highest < 2**15
        offsets = labels.to(torch.int16 if enough else torch.int64) - lowest
        cells = torch.add(predictions, offsets, alpha=classes)
        table = torch.bincount(cells.flatten(), minlength=rows * classes).view(rows, classes)
        _refuse_outside(list(range(lowest, highest + 1)), table.sum(dim=1).tolist(), classes, self.ignore_index, "mask")
        counts = torch.zeros(classes, classes, dtype=torch.int64)
        first, last = max(lowest, 0), max(min(highest, classes - 1), -1)
        counts[first : last + 1] = table[first - lowest : last - lowest + 1]
        if self.ignore_index is not None and 0 <= self.ignore_index < classes:
            counts[self.ignore_index] = 0
        return torch.cat([counts.flatten(), torch.zeros(1, dtype=torch.int64)])

    def _count_without_waiting(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """Count without reading anything back from the device; labels that are wrong go into the last cell."""
        classes, labels = self.num_classes, labels.long()
        cells = torch.add(predictions, labels, alpha=classes)
        cells = cells.masked_fill_(labels_outside(labels, classes, self.ignore_index), classes**2)
        if self.ignore_index is not None:
            cells = cells.masked_fill_(labels == self.ignore_index, classes**2 + 1)
        return count_values(cells, classes**2 + 2)[:-1]


def count_values(values: Tensor, bins: int) -> Tensor:
    """Return how often each of 0 ... bins - 1 occurs, without waiting for an accelerator."""
    values = values.flatten()
    if values.device.type == "cpu":
        return torch.bincount(values, minlength=bins)
    # bincount would read the largest value back before it counts.
    counts = torch.zeros(bins, dtype=torch.int64, device=values.device)
    return counts.scatter_add_(0, values.long(), torch.ones_like(values, dtype=torch.int64))


def sum_over_processes(counts: Tensor) -> Tensor:
    """Return the sum over all processes, on the CPU; every process must call this."""
    if dist.is_available() and dist.is_initialized():
        counts = counts.clone()
        dist.all_reduce(counts)
    return counts.cpu()


def iou_per_class(matrix: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return TP / (TP + FP + FN) of each class."""
    hit, predicted, labeled = _counts(matrix)
    return _ratio(hit, predicted + labeled - hit, seen_classes(matrix, ignore_index))


def mean_iou(matrix: Tensor, ignore_index: int | None = None, *, labeled_only: bool = False) -> float:
    """Return the mean IoU over the classes seen, or over those that occur in the labels."""
    return _mean(iou_per_class(matrix, ignore_index), matrix, labeled_only)


def micro_iou(matrix: Tensor, ignore_index: int | None = None) -> float:
    """Return the hits of all classes over the unions of all classes."""
    hit, predicted, labeled = _counts(matrix)
    counted = seen_classes(matrix, ignore_index)
    return float(hit[counted].sum() / (predicted + labeled - hit)[counted].sum())


def f1_per_class(matrix: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return 2 TP / (2 TP + FP + FN) of each class."""
    hit, predicted, labeled = _counts(matrix)
    return _ratio(2 * hit, predicted + labeled, seen_classes(matrix, ignore_index))


def f1(matrix: Tensor, ignore_index: int | None = None, *, labeled_only: bool = False) -> float:
    """Return the mean F1 score over the classes seen, or over those that occur in the labels."""
    return _mean(f1_per_class(matrix, ignore_index), matrix, labeled_only)


def class_accuracy(matrix: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return TP / (TP + FN) of each class: which share of its pixels was found."""
    hit, _, labeled = _counts(matrix)
    return _ratio(hit, labeled, seen_classes(matrix, ignore_index))


def mean_class_accuracy(matrix: Tensor, ignore_index: int | None = None, *, labeled_only: bool = False) -> float:
    """Return the mean class accuracy over the classes seen, or over those that occur in the labels."""
    return _mean(class_accuracy(matrix, ignore_index), matrix, labeled_only)


def pixel_accuracy(matrix: Tensor) -> float:
    """Return which share of all counted pixels is right; NaN when none was counted."""
    hit, _, labeled = _counts(matrix)
    return float(hit.sum() / labeled.sum())


def seen_classes(matrix: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return which classes count `(C,)`: those in the labels or the predictions, except the ignored one."""
    seen = (matrix.sum(dim=0) + matrix.sum(dim=1)) > 0
    if ignore_index is not None and 0 <= ignore_index < len(seen):
        seen[ignore_index] = False
    return seen


def named_metrics(matrix: Tensor, class_names: Sequence[str], ignore_index: int | None = None) -> dict[str, float]:
    """Return every metric of a matrix under the name that it is logged with."""
    values = {
        "mIoU": mean_iou(matrix, ignore_index),
        "mIoU_Micro": micro_iou(matrix, ignore_index),
        "F1_Score": f1(matrix, ignore_index),
        "Accuracy": mean_class_accuracy(matrix, ignore_index),
        "Pixel_Accuracy": pixel_accuracy(matrix),
    }
    for prefix, per_class in (("IoU", iou_per_class), ("Class_Accuracy", class_accuracy)):
        results = per_class(matrix, ignore_index).tolist()
        values |= {f"{prefix}_{name}": value for name, value in zip(class_names, results, strict=True)}
    return values


def _counts(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return, per class, the pixels that are right, predicted and labeled."""
    matrix = matrix.double()
    return matrix.diagonal(), matrix.sum(dim=0), matrix.sum(dim=1)


def _ratio(part: Tensor, whole: Tensor, counted: Tensor) -> Tensor:
    return torch.where(counted, part / whole.clamp_min(1), torch.nan)


def _mean(per_class: Tensor, matrix: Tensor, labeled_only: bool) -> float:
    if labeled_only:
        per_class = torch.where(matrix.sum(dim=1) > 0, per_class, torch.nan)
    return float(per_class.nanmean())
