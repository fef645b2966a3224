"""The contracting path of a U-Net: full resolution first, for small data and small objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from geofoundry.core.errors import ConfigError, Fault


class UNetEncoder(nn.Module):
    """Convolutions at full resolution, then at a half, a quarter and so on.

    Most backbones start with a stride of four; objects of a few pixels are gone before the first feature. This one
    keeps them, and it is small enough to be trained from nothing on a few dozen chips.

    **Shapes**: (B, C, H, W) to a list with one map per entry of `channels`: (B, channels[i], H / 2^i, W / 2^i),
    rounded down.

    **Source**: Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015,
    figure 1, left half; with batch normalization and same-size padding.
    """

    def __init__(
        self,
        bands: Sequence[str | int] | None = None,
        in_chans: int | None = None,
        channels: Sequence[int] = (32, 64, 128, 256),
        num_convs: int = 2,
        spectral_stem: bool = False,
        pooling: Literal["max", "avg"] = "max",
    ) -> None:
        """Build with as many input channels as there are `bands`, or `in_chans` of them.

        `spectral_stem` makes the first convolution 1×1, so that it mixes bands before it mixes pixels: rare classes
        that are told apart by their spectrum alone are learned sooner. `pooling` by `avg` keeps mean reflectances,
        by `max` the brightest pixel.

        Raises:
            ConfigError: when neither or contradicting numbers of input channels are given, or a size or the pooling is wrong.
        """
        super().__init__()
        self.in_chans = _count_input_channels(bands, in_chans)
        if not channels or min(channels) < 1 or num_convs < 1 or pooling not in ("max", "avg"):
            raise ConfigError(
                Fault(
                    what="UNetEncoder can't be built so",
                    got=f"channels={list(channels)}, num_convs={num_convs}, pooling={pooling!r}",
                    expected="positive sizes; pooling max or avg",
                )
            )
        self.out_channels = list(channels)
        self.reductions = [2**level for level in range(len(channels))]
        pool = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}[pooling]
        levels, width = [], self.in_chans
        for level, out in enumerate(channels):
            first_kernel = 1 if spectral_stem and level == 0 else 3
            convs = [_conv(width, out, first_kernel), *(_conv(out, out) for _ in range(num_convs - 1))]
            levels.append(nn.Sequential(*([pool(2)] if level else []), *convs))
            width = out
        self.levels = nn.ModuleList(levels)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of every level, finest first."""
        # Bands last in memory: convolutions with few channels take two thirds of the time on a CPU.
        x = x.contiguous(memory_format=torch.channels_last)
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


def _conv(in_channels: int, out_channels: int, kernel_size: int = 3) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


def _count_input_channels(bands: Sequence[str | int] | None, in_chans: int | None) -> int:
    if bands is None and in_chans is None:
        raise ConfigError(
            Fault(
                what="UNetEncoder doesn't know how many bands come in",
                expected="bands or in_chans",
                mend="set backbone_bands to the bands of the data",
            )
        )
    if bands is not None and in_chans is not None and len(bands) != in_chans:
        raise ConfigError(Fault("bands and in_chans disagree", got=f"{len(bands)} bands, in_chans={in_chans}"))
    return len(bands) if bands is not None else int(in_chans or 0)
