"""The fully convolutional decoder."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.nn.normalization import ChannelLayerNorm


class FCNDecoder(nn.Module):
    """Enlarge one map by 2 in each of several steps of transposed convolution, convolution, norm and GELU.

    **Shapes:** a list whose map `in_index` is `(B, C, h, w)` to `(B, channels, h · 2^num_convs, w · 2^num_convs)`:
    four steps bring a map of patches of 16 back to the image's size.
    """

    def __init__(self, channel_list: list[int], channels: int = 256, num_convs: int = 4, in_index: int = -1) -> None:
        """Take the channels of each map, the width, the number of steps, and which map to use.

        Raises:
            ConfigError: when there is no step, or no such map.
        """
        super().__init__()
        faults = []
        if num_convs < 1:
            faults.append(Fault("FCNDecoder needs a step", "decoder_num_convs", str(num_convs), "1 or more"))
        if not -len(channel_list) <= in_index < len(channel_list):
            faults.append(
                Fault("FCNDecoder gets no such map", "decoder_in_index", str(in_index), f"{len(channel_list)} maps")
            )
        if faults:
            raise ConfigError(faults)
        self.in_index = in_index
        self.out_channels = channels
        widths = [channel_list[in_index], *[channels] * num_convs]
        self.convs = nn.Sequential(*[_step(a, b) for a, b in pairwise(widths)])

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return the enlarged map."""
        return self.convs(features[self.in_index])


def _step(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2),
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
        ChannelLayerNorm(out_channels),
        nn.GELU(),
    )
