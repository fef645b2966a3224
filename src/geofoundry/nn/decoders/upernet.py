"""UPerNet: pyramid pooling on the smallest map, a feature pyramid over all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geofoundry.nn.decoders.conv_block import ConvNormAct
from geofoundry.nn.decoders.pooling import AveragePoolTo


class UperNetDecoder(nn.Module):
    """Fuse a pyramid of maps at the size of its largest.

    **Shapes:** n maps `(B, C_i, h_i, w_i)`, largest first, to `(B, channels, h_0, w_0)`.

    **Source:** Xiao et al., "Unified Perceptual Parsing for Scene Understanding", 2018; layers as MMSegmentation's
    `UPerHead` defines them, and named as in TerraTorch, so that its weights fit.
    """

    def __init__(
        self,
        channel_list: list[int],
        pool_scales: Sequence[int] = (1, 2, 3, 6),
        channels: int = 256,
        align_corners: bool = True,
    ) -> None:
        """Take the channels of each map, the grids to pool the smallest one to, and the width."""
        super().__init__()
        self.align_corners = align_corners
        self.out_channels = channels
        deepest = channel_list[-1]
        self.psp_modules = nn.ModuleList(
            nn.Sequential(AveragePoolTo(scale), ConvNormAct(deepest, channels, 1)) for scale in pool_scales
        )
        self.bottleneck = ConvNormAct(deepest + len(pool_scales) * channels, channels, 3)
        self.lateral_convs = nn.ModuleList(ConvNormAct(width, channels, 1) for width in channel_list[:-1])
        self.fpn_convs = nn.ModuleList(ConvNormAct(channels, channels, 3) for _ in channel_list[:-1])
        self.fpn_bottleneck = ConvNormAct(len(channel_list) * channels, channels, 3)

    def _resize(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=self.align_corners)

    def _pool(self, x: Tensor) -> Tensor:
        pooled = [self._resize(module(x), x) for module in self.psp_modules]
        return self.bottleneck(torch.cat([x, *pooled], dim=1))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return the fused map."""
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, features[:-1], strict=True)]
        laterals.append(self._pool(features[-1]))
        for level in range(len(laterals) - 1, 0, -1):
            laterals[level - 1] = laterals[level - 1] + self._resize(laterals[level], laterals[level - 1])
        fused = [conv(x) for conv, x in zip(self.fpn_convs, laterals[:-1], strict=True)]
        fused.append(laterals[-1])
        return self.fpn_bottleneck(torch.cat([fused[0], *[self._resize(x, fused[0]) for x in fused[1:]]], dim=1))
