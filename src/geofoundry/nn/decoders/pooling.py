"""Pooling to a fixed grid, also in exported models."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AveragePoolTo(nn.AdaptiveAvgPool2d):
    """Average a map into `size` × `size` cells.

    **Shapes:** `(B, C, h, w)` to `(B, C, size, size)`.

    The same numbers as `nn.AdaptiveAvgPool2d`. That one has no counterpart in ONNX unless the cells divide the map,
    so in an export the average is written as two matrix products.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # the name that nn.AdaptiveAvgPool2d gives it
        """Return the cells' averages."""
        if not torch.compiler.is_exporting():
            return super().forward(input)
        size = self.output_size
        assert isinstance(size, int)
        rows = _cell_weights(input.shape[-2], size).to(input)
        columns = _cell_weights(input.shape[-1], size).to(input)
        return rows @ input @ columns.T


def _cell_weights(length: int, cells: int) -> Tensor:
    """Return the `(cells, length)` matrix whose rows average the cells; neighbors may share an element."""
    weights = torch.zeros(cells, length)
    for cell in range(cells):
        start, end = cell * length // cells, -(-(cell + 1) * length // cells)
        weights[cell, start:end] = 1.0 / (end - start)
    return weights
