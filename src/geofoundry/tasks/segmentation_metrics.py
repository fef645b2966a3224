"""The metrics of semantic segmentation, collected over an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from geofoundry.tasks.boundary_iou import Band, BoundaryIoU
from geofoundry.tasks.confusion import ConfusionMatrix, named_metrics, predict_classes


class SegmentationMetrics:
    """A confusion matrix and, when asked for, the Boundary IoU; every other metric follows from the matrix."""

    def __init__(
        self,
        num_classes: int,
        ignore_index: int | None = None,
        *,
        boundary_iou: bool = False,
        boundary_band: Band = "inner",
        boundary_thickness_px: int = 2,
    ) -> None:
        """Start from zero."""
        self.ignore_index = ignore_index
        self.confusion = ConfusionMatrix(num_classes, ignore_index)
        self.boundary = (
            BoundaryIoU(num_classes, ignore_index, thickness_px=boundary_thickness_px, band=boundary_band)
            if boundary_iou
            else None
        )

    def update(self, scores: Tensor, labels: Tensor) -> None:
        """Add a batch.

        **Shapes:** scores `(B, C, H, W)`, labels `(B, H, W)` int64.

        Raises:
            DataError: when a label is neither a class nor the ignore index.
        """
        predictions = predict_classes(scores)
        self.confusion.update(predictions, labels)
        if self.boundary is not None:
            self.boundary.update(predictions, labels)

    def merge(self, other: SegmentationMetrics) -> None:
        """Add what another one has seen."""
        self.confusion.merge(other.confusion)
        if self.boundary is not None and other.boundary is not None:
            self.boundary.merge(other.boundary)

    def to(self, device: torch.device) -> SegmentationMetrics:
        """Move what was counted, so that processes can sum it."""
        self.confusion.to(device)
        if self.boundary is not None:
            self.boundary.to(device)
        return self

    def compute(self, class_names: Sequence[str]) -> tuple[Tensor, dict[str, float]]:
        """Return the confusion matrix `(C, C)` and every metric by name; every process must call this."""
        matrix = self.confusion.compute()
        values = named_metrics(matrix, class_names, self.ignore_index)
        if self.boundary is not None:
            values["Boundary_mIoU"] = float(self.boundary.compute().nanmean())
        return matrix, values
