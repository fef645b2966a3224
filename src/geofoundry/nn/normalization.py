"""Normalization layers that hold where the standard ones break."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelLayerNorm(nn.Module):
    """Layer normalization over the channels of a map.

    **Shapes:** `(B, C, H, W)` to the same.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize each pixel's channels."""
        return self.ln(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()


class TolerantBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization that uses its running statistics where a batch gives one value per channel.

    Global pooling leaves one value per channel and image; with one image in a batch (often the last one of an epoch)
    the standard layer stops the training with an error, since one value has no variance.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # the name that nn.BatchNorm2d gives it
        """Normalize each channel over batch and space."""
        if self.training and self.track_running_stats and input.shape[0] * input.shape[2] * input.shape[3] == 1:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(input)


def tolerate_single_values(module: nn.Module) -> None:
    """Replace each `nn.BatchNorm2d` below `module` by `TolerantBatchNorm2d` with the same tensors."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, _tolerant(child))


def _tolerant(norm: nn.BatchNorm2d) -> TolerantBatchNorm2d:
    with torch.device("meta"):  # its own tensors are replaced at once
        tolerant = TolerantBatchNorm2d(
            norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
        )
    tolerant._parameters.update(norm._parameters)
    tolerant._buffers.update(norm._buffers)
    return tolerant.train(norm.training)
