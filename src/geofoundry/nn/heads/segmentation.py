"""The head of segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class SegmentationHead(nn.Module):
    """Optional 3 × 3 convolutions, dropout, and a 1 × 1 convolution to one logit per class.

    **Shapes:** `(B, in_channels, h, w)` to `(B, num_classes, h, w)`.
    """

    def __init__(
        self, in_channels: int, num_classes: int, channel_list: Sequence[int] | None = None, dropout: float = 0.0
    ) -> None:
        """Take the decoder's channels, the classes, the widths of the convolutions before, and the dropout."""
        super().__init__()
        self.num_classes = num_classes
        widths = [in_channels, *(channel_list or [])]
        before = [nn.Sequential(nn.Conv2d(a, b, kernel_size=3, padding=1), nn.ReLU()) for a, b in pairwise(widths)]
        self.head = nn.Sequential(
            nn.Sequential(*before), nn.Dropout(dropout), nn.Conv2d(widths[-1], num_classes, kernel_size=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.head(x)
