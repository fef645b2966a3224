"""Convolution, normalization, activation."""

from __future__ import annotations

from torch import Tensor, nn

from geofoundry.nn.normalization import TolerantBatchNorm2d


class ConvNormAct(nn.Module):
    """Convolution without bias, batch normalization, ReLU; keeps the size.

    **Shapes:** `(B, in_channels, h, w)` to `(B, out_channels, h, w)`.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm = TolerantBatchNorm2d(out_channels)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalize, activate."""
        return self.act(self.norm(self.conv(x)))
