"""From maps of one size, as plain vision transformers give them, to a pyramid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.nn.necks.neck import Neck


class LearnedInterpolateToPyramidal(Neck):
    """Make a pyramid of exactly four maps with transposed convolutions and pooling.

    **Shapes:** four maps `(B, C, h, w)` to `(B, C/4, 4h, 4w)`, `(B, C/2, 2h, 2w)`, `(B, C, h, w)`,
    `(B, C, h/2, w/2)`.

    **Source:** the pyramid in Bao et al., "BEiT: BERT Pre-Training of Image Transformers", 2022, appendix on
    semantic segmentation; layer names as in TerraTorch, so that its weights fit.
    """

    def __init__(self, channel_list: list[int]) -> None:
        """Take the channels of the four maps.

        Raises:
            ConfigError: when there are not four.
        """
        super().__init__(channel_list)
        if len(channel_list) != 4:
            raise ConfigError(
                Fault(
                    what="LearnedInterpolateToPyramidal takes exactly four maps",
                    where="necks.LearnedInterpolateToPyramidal",
                    got=f"{len(channel_list)} maps",
                    expected="4 maps",
                    mend="put {name: SelectIndices, indices: [i, j, k, l]} before it",
                )
            )
        first, second = channel_list[:2]
        self.fpn1 = nn.Sequential(
            nn.ConvTranspose2d(first, first // 2, 2, 2),
            nn.BatchNorm2d(first // 2),
            nn.GELU(),
            nn.ConvTranspose2d(first // 2, first // 4, 2, 2),
        )
        self.fpn2 = nn.Sequential(nn.ConvTranspose2d(second, second // 2, 2, 2))
        self.fpn3 = nn.Identity()
        self.fpn4 = nn.MaxPool2d(kernel_size=2, stride=2)

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return a quarter, a half, and twice the whole of the channels."""
        first, second, third, fourth = channel_list
        return [first // 4, second // 2, third, fourth]

    def process_reductions(self, reductions: list[float]) -> list[float]:
        """Return the reductions of the pyramid."""
        first, second, third, fourth = reductions
        return [first / 4, second / 2, third, fourth * 2]

    def forward(self, features: list[Tensor], image_size: tuple[int, int] | None = None) -> list[Tensor]:
        """Return the pyramid, largest map first."""
        first, second, third, fourth = features
        return [self.fpn1(first), self.fpn2(second), self.fpn3(third), self.fpn4(fourth)]


class InterpolateToPyramidal(Neck):
    """Enlarge maps so that each becomes `scale_factor` times as large as the next.

    **Shapes:** n maps `(B, C, h, w)`; the i-th, counted from 0, becomes `(B, C, h·s, w·s)` with
    `s = scale_factor ** (n - i)`, so the last one grows by `scale_factor`.
    """

    def __init__(self, channel_list: list[int], scale_factor: int = 2, mode: str = "nearest") -> None:
        """Take the step between maps and the mode of `torch.nn.functional.interpolate`."""
        super().__init__(channel_list)
        self.scale_factor = scale_factor
        self.mode = mode

    def _scales(self, count: int) -> list[int]:
        return [self.scale_factor**exponent for exponent in range(count, 0, -1)]

    def process_reductions(self, reductions: list[float]) -> list[float]:
        """Return the reductions of the pyramid."""
        return [reduction / s for reduction, s in zip(reductions, self._scales(len(reductions)), strict=True)]

    def forward(self, features: list[Tensor], image_size: tuple[int, int] | None = None) -> list[Tensor]:
        """Return the pyramid, largest map first."""
        scales = self._scales(len(features))
        return [F.interpolate(x, scale_factor=s, mode=self.mode) for x, s in zip(features, scales, strict=True)]
