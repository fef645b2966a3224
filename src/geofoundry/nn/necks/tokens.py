"""From a transformer's tokens to maps."""

from __future__ import annotations

import math
import warnings

from torch import Tensor

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.nn.necks.neck import Neck


class ReshapeTokensToImage(Neck):
    """Lay out tokens as a map; what is a map already passes through.

    **Shapes:** `(B, [1 +] T·h·w, D)` to `(B, T·D, h, w)`; with `temporal_inputs`, `(B, T, [1 +] h·w, D)` to
    `(B, T, D, h, w)`.

    The grid follows from the image's size, so images need not be square; TerraTorch tries a square first, which turns
    an image of 128 × 32 into a wrong map without an error.
    """

    def __init__(
        self,
        channel_list: list[int],
        remove_cls_token: bool = True,
        effective_time_dim: int = 1,
        h: int | None = None,
        temporal_inputs: bool = False,
    ) -> None:
        """Describe the tokens.

        Args:
            channel_list: Channels of each feature; a backbone that folds time into channels counts them as `T·D`.
            remove_cls_token: Drop the first token, which stands for the whole image.
            effective_time_dim: How many time steps the tokens hold, after tubelets.
            h: Height of the grid in tokens, when it can't follow from the image's size.
            temporal_inputs: Time has an axis of its own and keeps it.
        """
        super().__init__(channel_list)
        self.remove_cls_token = remove_cls_token
        self.effective_time_dim = effective_time_dim
        self.h = h
        self.temporal_inputs = temporal_inputs

    def forward(self, features: list[Tensor], image_size: tuple[int, int] | None = None) -> list[Tensor]:
        """Return each feature as a map."""
        return [self._to_map(feature, image_size) for feature in features]

    def _to_map(self, x: Tensor, image_size: tuple[int, int] | None) -> Tensor:
        if self.temporal_inputs and x.dim() == 4:
            steps = x.shape[1]
            return self._to_map_of_one(x.flatten(0, 1), image_size).unflatten(0, (-1, steps))
        if x.dim() >= 4:
            return x
        if x.dim() != 3:
            raise _fault(f"a tensor of shape {tuple(x.shape)}", "tokens (B, N, D) or maps (B, C, h, w)", "")
        return self._to_map_of_one(x, image_size)

    def _to_map_of_one(self, x: Tensor, image_size: tuple[int, int] | None) -> Tensor:
        drop, height, width = self._grid(x.shape[1], image_size)
        x = x[:, drop:]
        # (B, T·h·w, D) -> (B, T·D, h, w)
        x = x.unflatten(1, (self.effective_time_dim, height, width))
        return x.permute(0, 1, 4, 2, 3).flatten(1, 2)

    def _grid(self, tokens: int, image_size: tuple[int, int] | None) -> tuple[int, int, int]:
        """Return how many leading tokens to drop and the grid's height and width."""
        if self.remove_cls_token:
            if grid := self._fit(tokens - 1, image_size):
                return 1, *grid
            if grid := self._fit(tokens, image_size):
                warnings.warn(
                    f"ReshapeTokensToImage: {tokens} tokens fit the image without a cls token, so none is removed; "
                    "write remove_cls_token: false",
                    stacklevel=2,
                )
                return 0, *grid
        elif grid := self._fit(tokens, image_size):
            return 0, *grid
        raise _fault(
            f"{tokens} tokens for an image of {image_size or 'unknown size'}",
            "height · width · time steps tokens, plus one when remove_cls_token is set",
            "set remove_cls_token, effective_time_dim or h",
        )

    def _fit(self, tokens: int, image_size: tuple[int, int] | None) -> tuple[int, int] | None:
        if tokens <= 0 or tokens % self.effective_time_dim:
            return None
        per_step = tokens // self.effective_time_dim
        if self.h is not None:
            return (self.h, per_step // self.h) if per_step % self.h == 0 else None
        image_height, image_width = image_size or (1, 1)
        height = round(math.sqrt(per_step * image_height / image_width))
        width = per_step // height if height else 0
        if height * width != per_step or height * image_width != width * image_height:
            return None
        return height, width


def _fault(got: str, expected: str, mend: str) -> ConfigError:
    return ConfigError(
        Fault(
            what="the tokens can't be laid out as a map",
            where="necks.ReshapeTokensToImage",
            got=got,
            expected=expected,
            mend=mend,
        )
    )
