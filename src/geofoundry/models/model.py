"""What every model is and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class ModelOutput:
    """What a model gives: its output, and the outputs of its auxiliary heads by name.

    A pytree, so that `torch.export` and `torch.onnx.export` take models that return it.
    """

    output: Tensor
    auxiliary_heads: dict[str, Tensor] = field(default_factory=dict)


torch.export.register_dataclass(ModelOutput, serialized_type_name="geofoundry.ModelOutput")


@dataclass(frozen=True)
class AuxiliaryHead:
    """A further decoder and head on the same features, which helps the backbone to learn.

    `decoder_args` hold arguments of the decoder, prefixed with `decoder_`, and of its head, prefixed with `head_`.
    """

    name: str
    decoder: str | nn.Module
    decoder_args: Mapping[str, Any] | None = None


class Model(ABC, nn.Module):
    """A network for a task, of parts that can be frozen.

    Parameters are named by part: `encoder.*`, `neck.*`, `decoder.*`, `head.*`, `aux_heads.*`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.frozen_parts: set[str] = set()

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> ModelOutput:
        """Return the output for a batch."""

    def freeze_encoder(self) -> None:
        """Train the backbone no more."""
        self.freeze("encoder")

    def freeze_decoder(self) -> None:
        """Train the decoder no more."""
        self.freeze("decoder")

    def freeze_head(self) -> None:
        """Train the head no more."""
        self.freeze("head")

    def freeze(self, part: str) -> None:
        """Take a part's gradients away and keep it in evaluation mode.

        In evaluation mode batch norms keep their statistics and dropout is off, also after `train()`; otherwise a
        frozen part would go on changing.
        """
        self.get_submodule(part).requires_grad_(False).eval()
        self.frozen_parts.add(part)

    def train(self, mode: bool = True) -> Model:
        """Set training or evaluation mode on all parts that are not frozen."""
        super().train(mode)
        for part in self.frozen_parts:
            self.get_submodule(part).eval()
        return self
