"""A model that says something about every pixel."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.models.image_size import PADDING_MODES, Size, as_size, center_crop, pad_to, padded_size
from geofoundry.models.model import Model, ModelOutput

Images = Tensor | dict[str, Tensor]


class PixelWiseModel(Model):
    """Backbone, necks, decoder and head, for images of any size.

    The image is padded to a size that the backbone takes, alike on both sides; the output is enlarged bilinearly to
    the padded image and cut back to the image (or, with `image_size_out`, to its center).

    **Shapes:** `(B, C, H, W)` or `(B, C, T, H, W)`, or a dictionary of these by modality, to `ModelOutput` whose
    tensors are `(B, num_classes, H, W)`. One class stays an axis of length 1.
    """

    def __init__(
        self,
        task: str,
        encoder: nn.Module,
        decoder: nn.Module,
        head: nn.Module | None,
        *,
        neck: nn.Module | None = None,
        auxiliary_heads: Mapping[str, nn.Module] | None = None,
        size_multiple: int = 1,
        padding: str = "reflect",
        rescale: bool = True,
        image_size_out: int | Sequence[int] | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            task: What the output is, such as `segmentation`.
            encoder: The backbone. One that takes a single size has it as `fixed_size`.
            decoder: From the features to one map.
            head: From the decoder's map to the output; None when the decoder includes it.
            neck: What stands between backbone and decoder. Without it, a backbone's own
                `prepare_features_for_image_model` does.
            auxiliary_heads: Further decoders with heads, by name.
            size_multiple: Height and width that the backbone sees are multiples of this.
            padding: How images are padded: reflect, replicate, circular or constant (with zeros).
            rescale: Enlarge the output to the image's size; otherwise it stays as large as the decoder makes it.
            image_size_out: (height, width) of the output, cut from the center; the image's size unless given.

        Raises:
            ConfigError: when the padding is unknown.
        """
        super().__init__()
        if padding not in PADDING_MODES:
            raise ConfigError(Fault("unknown padding", "padding", repr(padding), f"one of: {', '.join(PADDING_MODES)}"))
        self.task = task
        self.encoder = encoder
        self.neck = neck
        self.decoder = decoder
        self.head = head if head is not None else nn.Identity()
        self.aux_heads = nn.ModuleDict(dict(auxiliary_heads or {}))
        self.size_multiple = size_multiple
        self.fixed_size: Size | None = getattr(encoder, "fixed_size", None)
        self.padding = padding
        self.rescale = rescale
        self.image_size_out = as_size(image_size_out) if image_size_out is not None else None

    def forward(self, x: Images, image_size: Sequence[int] | None = None, **extras: Any) -> ModelOutput:
        """Return the output for a batch; `extras` go to the backbone.

        `image_size` is the (height, width) of the output where the input does not tell it.
        """
        size = _image_size(x)
        target = self.image_size_out or (as_size(image_size) if image_size is not None else size)
        seen = self._seen_size(size)
        features = self._features(_pad(x, size, seen, self.padding), seen, extras)
        output = self._to_image(self.head(self.decoder(list(features))), seen, target)
        auxiliary = {name: self._to_image(head(list(features)), seen, target) for name, head in self.aux_heads.items()}
        return ModelOutput(output, auxiliary)

    def _features(self, x: Images, seen: Size, extras: Mapping[str, Any]) -> list[Tensor]:
        features = self.encoder(x, **extras)
        if self.neck is not None:
            return self.neck(features, image_size=seen)
        prepare = getattr(self.encoder, "prepare_features_for_image_model", None)
        return prepare(features) if prepare is not None else features

    def _seen_size(self, size: Size) -> Size:
        """Return the size that the backbone sees."""
        if self.fixed_size is None:
            return padded_size(size, self.size_multiple)
        if size[0] > self.fixed_size[0] or size[1] > self.fixed_size[1]:
            raise ConfigError(
                Fault(
                    what="the image is larger than the one size that the backbone takes",
                    got=f"{size[0]} × {size[1]} pixels",
                    expected=f"at most {self.fixed_size[0]} × {self.fixed_size[1]} pixels",
                    mend=f"crop images, or build the backbone for yours: backbone_img_size: [{size[0]}, {size[1]}]",
                )
            )
        return self.fixed_size

    def _to_image(self, output: Tensor, seen: Size, target: Size) -> Tensor:
        if self.rescale and tuple(output.shape[-2:]) != seen:
            output = F.interpolate(output, size=seen, mode="bilinear")
        # Without rescaling, an output on a grid of its own has no pixels of the image that could be cut.
        return center_crop(output, target) if tuple(output.shape[-2:]) == seen else output


def size_multiple_of(encoder: nn.Module) -> int:
    """Return what height and width must be multiples of, for a backbone and a pyramid on top of it.

    Of a plain vision transformer it is twice the patch, since pyramids halve the smallest map once more.
    """
    multiple = int(getattr(encoder, "size_multiple", 1))
    reductions = getattr(encoder, "reductions", None)
    if reductions and all(float(reduction).is_integer() for reduction in reductions):
        multiple = math.lcm(multiple, int(max(reductions)))
    patch_size = _patch_size(encoder)
    return math.lcm(multiple, 2 * patch_size) if patch_size else multiple


def _patch_size(encoder: nn.Module) -> int | None:
    """Return the side of a backbone's patches; one that doesn't say is searched, as TerraTorch does."""
    if hasattr(encoder, "patch_size"):
        return _side(encoder.patch_size)
    if hasattr(encoder, "size_multiple") or hasattr(encoder, "reductions"):
        return None
    return next((_side(module.patch_size) for module in encoder.modules() if hasattr(module, "patch_size")), None)


def _side(patch_size: Any) -> int | None:
    if patch_size is None or isinstance(patch_size, int):
        return patch_size
    return math.lcm(*(int(side) for side in tuple(patch_size)[-2:]))


def _image_size(x: Images) -> Size:
    if isinstance(x, Tensor):
        return x.shape[-2], x.shape[-1]
    sizes = {modality: (image.shape[-2], image.shape[-1]) for modality, image in x.items() if image.dim() >= 4}
    if len(set(sizes.values())) > 1:
        warnings.warn(f"modalities differ in size, the largest gives the output's: {sizes}", stacklevel=3)
    return max(sizes.values(), key=math.prod)


def _pad(x: Images, size: Size, seen: Size, mode: str) -> Images:
    if isinstance(x, Tensor):
        return pad_to(x, seen, mode)
    return {
        modality: pad_to(image, seen, mode) if image.dim() >= 4 and tuple(image.shape[-2:]) == size else image
        for modality, image in x.items()
    }
