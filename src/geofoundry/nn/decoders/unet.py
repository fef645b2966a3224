"""U-Net's decoder on any pyramid of maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segmentation_models_pytorch.base.initialization import initialize_decoder
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import Tensor, nn

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.nn.normalization import tolerate_single_values
from geofoundry.nn.reductions import require_pyramid


class UNetDecoder(nn.Module):
    """Enlarge the smallest map step by step, joining the next larger one in each.

    **Shapes:** n maps `(B, C_i, h_i, w_i)`, largest first, to `(B, channels[-1], 2 h_0, 2 w_0)`, or
    `(B, channels[-1], h_0, w_0)` without `enlarge_last`.

    **Source:** Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015; the
    blocks are those of segmentation-models-pytorch, named as in TerraTorch, so that its weights fit. TerraTorch does
    not enlarge in the last step (since segmentation-models-pytorch 0.5): set `enlarge_last` to False for its numbers.
    """

    def __init__(
        self,
        channel_list: list[int],
        channels: Sequence[int] | None = None,
        use_batchnorm: bool | str | dict[str, Any] = "batchnorm",
        attention_type: str | None = None,
        enlarge_last: bool = True,
        reductions: Sequence[float] | None = None,
    ) -> None:
        """Take the channels of each map and of each step.

        Args:
            channel_list: Channels of each map, largest map first.
            channels: Channels after each step, from the smallest map on, as many as there are maps; 256, 128, 64,
                and so on unless given.
            use_batchnorm: The norm, as segmentation-models-pytorch takes it: batchnorm, groupnorm, identity, ...
            attention_type: Attention in each step: `scse`, or none.
            enlarge_last: Whether the last step, which joins nothing, doubles the size; it never goes beyond the image.
            reductions: How many times smaller than the image each map is, when known.

        Raises:
            ConfigError: when `channels` has another length, or the maps are not a pyramid.
        """
        super().__init__()
        channels = default_channels(len(channel_list)) if channels is None else list(channels)
        if len(channel_list) != len(channels):
            raise ConfigError(
                Fault(
                    what="UNetDecoder needs as many channels as there are maps",
                    where="decoder_channels",
                    got=f"{len(channels)} numbers of channels for {len(channel_list)} maps",
                    expected=f"{len(channel_list)} numbers, such as {default_channels(len(channel_list))}",
                    mend="change decoder_channels, or select maps with backbone_out_indices or the neck SelectIndices",
                )
            )
        if reductions is not None:
            require_pyramid("UNetDecoder", reductions, halving=False)
        self.decoder = UnetDecoder(
            # The first entry stands for the image, of which U-Net uses the size only.
            encoder_channels=[0, *channel_list],
            decoder_channels=channels,
            n_blocks=len(channels),
            use_norm=use_batchnorm,
            add_center_block=False,
            attention_type=attention_type,
        )
        initialize_decoder(self.decoder)
        tolerate_single_values(self.decoder)
        starts_at_full_size = reductions is not None and reductions[0] <= 1
        self.enlarge_last = enlarge_last and not starts_at_full_size
        self.out_channels = channels[-1]

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return the enlarged map."""
        largest = features[0]
        factor = 2 if self.enlarge_last else 1
        height, width = largest.shape[-2] * factor, largest.shape[-1] * factor
        return self.decoder([largest.new_empty((largest.shape[0], 0, height, width)), *features])


def default_channels(steps: int) -> list[int]:
    """Return the usual channels of `steps` steps: 256, 128, 64, 32, 16."""
    return [max(16, 256 >> step) for step in range(steps)]
