"""Boundary IoU: how well the outlines of the classes agree.

The band of a class is what lies within some pixels of its outline, in labels and in predictions; the score is the
IoU of the two bands. All classes are done at once: a pixel is near an outline if the window around it holds more
than one class, whichever they are, and that takes one sliding minimum and one sliding maximum.

The edge of an image is no outline. An ignored pixel is neither an outline nor part of a band, so a prediction that is
right wherever there are labels scores 1.

Source: Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, 2021, equation 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from geofoundry.tasks.confusion import count_values, sum_over_processes

Band = Literal["inner", "both"]

CLASSES_PER_BYTE = 8


class BoundaryIoU:
    """Intersections and unions of boundary bands per class, over many batches and all processes."""

    def __init__(
        self, num_classes: int, ignore_index: int | None = None, *, thickness_px: int = 2, band: Band = "inner"
    ) -> None:
        """Start from zero.

        Args:
            num_classes: How many classes there are.
            ignore_index: The label that is not counted.
            thickness_px: How far the band reaches from the outline, counted as a king walks on a chess board.
            band: `inner` takes the class's own pixels near its outline, as the paper does; `both` takes the pixels
                on either side of it, as TerraTorch's `BoundaryMeanIoU` does.
        """
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.thickness_px = thickness_px
        self.band = band
        self._counts = torch.zeros(2, num_classes, dtype=torch.int64)  # intersections, unions

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Add a batch; no label may be outside the classes.

        **Shapes:** both `(B, H, W)`, integers.
        """
        dtype = torch.uint8 if self.num_classes < 255 else torch.int16
        ignored = None if self.ignore_index is None else labels == self.ignore_index
        if ignored is not None:
            labels = labels.masked_fill(ignored, 0)
        predictions, labels = predictions.to(dtype), labels.to(dtype)
        count = self._count_inner if self.band == "inner" else self._count_both
        self._counts = self._counts.to(labels.device) + count(predictions, labels, ignored)

    def compute(self) -> Tensor:
        """Return the IoU of each class `(C,)` float64, NaN for one without an outline; every process must call this."""
        intersections, unions = sum_over_processes(self._counts).double()
        scores = torch.where(unions > 0, intersections / unions.clamp_min(1), torch.nan)
        if self.ignore_index is not None and 0 <= self.ignore_index < self.num_classes:
            scores[self.ignore_index] = torch.nan
        return scores

    def to(self, device: torch.device) -> BoundaryIoU:
        """Move the counts; a process that saw no batch must still be able to sum with the others."""
        self._counts = self._counts.to(device)
        return self

    def merge(self, other: BoundaryIoU) -> None:
        """Add what another one has counted."""
        self._counts = self._counts + other._counts.to(self._counts.device)

    def reset(self) -> None:
        """Start from zero again."""
        self._counts = torch.zeros_like(self._counts)

    def _count_inner(self, predictions: Tensor, labels: Tensor, ignored: Tensor | None) -> Tensor:
        outside = self.num_classes  # stands for "in no band"
        bands = [
            torch.where(self._near_outline(classes, ignored), classes, outside) for classes in (labels, predictions)
        ]
        side = outside + 1
        table = count_values(torch.add(bands[1].to(torch.int32), bands[0], alpha=side), side**2).view(side, side)
        table = table[:outside, :], table[:, :outside]
        intersections = table[0].diagonal()[:outside]
        return torch.stack([intersections, table[0].sum(dim=1) + table[1].sum(dim=0) - intersections])

    def _count_both(self, predictions: Tensor, labels: Tensor, ignored: Tensor | None) -> Tensor:
        near = [self._near_outline(classes, ignored) for classes in (predictions, labels)]
        counts = []
        for first in range(0, self.num_classes, CLASSES_PER_BYTE):
            predicted, labeled = (
                torch.where(is_near, self._classes_around(classes, first, ignored), 0)
                for classes, is_near in zip((predictions, labels), near, strict=True)
            )
            counts.append(torch.stack([_count_bits(predicted & labeled), _count_bits(predicted | labeled)]))
        return torch.cat(counts, dim=1)[:, : self.num_classes]

    def _near_outline(self, classes: Tensor, ignored: Tensor | None) -> Tensor:
        """Return where the window around a pixel holds more than one class, and the pixel itself counts."""
        if ignored is None:
            low, high = classes, classes
        else:
            high = classes.masked_fill(ignored, 0)
            low = classes.masked_fill(ignored, torch.iinfo(classes.dtype).max)
        near = _slide(torch.maximum, high, self.thickness_px) != _slide(torch.minimum, low, self.thickness_px)
        return near if ignored is None else near & ~ignored

    def _classes_around(self, classes: Tensor, first: int, ignored: Tensor | None) -> Tensor:
        """Return, for eight classes from `first` on, a bit for each that the window around a pixel holds."""
        bits = torch.zeros(torch.iinfo(classes.dtype).max + 1, dtype=torch.uint8)
        bits[first : first + CLASSES_PER_BYTE] = 2 ** torch.arange(CLASSES_PER_BYTE)
        present = bits.to(classes.device)[classes.int()]
        if ignored is not None:
            present = present.masked_fill(ignored, 0)
        return _slide(torch.bitwise_or, present, self.thickness_px)


def _slide(combine: Callable[..., Tensor], values: Tensor, radius: int) -> Tensor:
    """Combine each pixel with all within `radius` of it, along rows and then along columns."""
    for axis in (-1, -2):
        size = values.shape[axis]
        result = values.clone()
        for step in range(1, min(radius, size - 1) + 1):
            for target, source in ((step, 0), (0, step)):
                part = result.narrow(axis, target, size - step)
                combine(part, values.narrow(axis, source, size - step), out=part)
        values = result
    return values


def _count_bits(sets: Tensor) -> Tensor:
    """Return how often each of the eight bits is set."""
    numbers = torch.arange(2**CLASSES_PER_BYTE, device=sets.device)
    has_bit = numbers.unsqueeze(0) >> torch.arange(CLASSES_PER_BYTE, device=sets.device).unsqueeze(1) & 1
    return (has_bit * count_values(sets, 2**CLASSES_PER_BYTE)).sum(dim=1)
