"""Record what TerraTorch's models give, for `test_terratorch_models.py`; run under an environment that has it.

    /path/to/terratorch/python tests/parity/record_terratorch_models.py

Weights and images are formulas of names and places, so that a few numbers of each output are all there is to keep.
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

FIXTURE = Path(__file__).with_name("terratorch_models.json")
CLASSES, BANDS, SAMPLED = 3, 4, 40

_PYRAMID = [{"name": "ReshapeTokensToImage", "remove_cls_token": False}, {"name": "LearnedInterpolateToPyramidal"}]
_VIT = {"backbone": "timm_test_vit", "backbone_out_indices": [2, 3, 4, 5], "necks": _PYRAMID}

# Name: (height, width), what the two factories take alike.
CASES: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "resnet, UPerNet": (
        (64, 96),
        {"backbone": "timm_test_resnet", "decoder": "UperNetDecoder", "decoder_channels": 8},
    ),
    "convnext, FCN, larger head": (
        (96, 64),
        {"backbone": "timm_test_convnext", "decoder": "FCNDecoder", "decoder_channels": 8, "head_channel_list": [6]},
    ),
    "vit, pyramid, U-Net, padded": ((70, 93), {**_VIT, "decoder": "UNetDecoder", "decoder_channels": [16, 8, 8, 4]}),
    "vit, pyramid, UPerNet, padded": ((50, 40), {**_VIT, "decoder": "UperNetDecoder", "decoder_channels": 8}),
}


def our_name(name: str) -> str:
    """Return what a tensor of TerraTorch is called here: the backbone's are named as in timm."""
    part, _, rest = name.partition(".")
    if part != "encoder":
        return name
    for prefix in ("_timm_module.", "model."):
        rest = rest.removeprefix(prefix)
    return f"encoder.model.{rest.replace('stages_', 'stages.').replace('stem_', 'stem.')}"


def wave(name: str, shape: tuple[int, ...]) -> Tensor:
    """Return values between -1 and 1 that depend on a name only."""
    places = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(places * 0.7391 + zlib.crc32(name.encode()) % 1000).reshape(shape)


def fill(model: nn.Module) -> nn.Module:
    """Give every tensor of a model the values of its name here."""
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        values = wave(our_name(name), tuple(tensor.shape))
        if tensor.dim() > 1:
            values = 2.5 * values / math.sqrt(tensor[0].numel())  # keeps the scale of activations
        elif name.endswith(("weight", "running_var")):
            values = 1 + 0.3 * values
        tensor.copy_(values * (1 if tensor.dim() > 1 or name.endswith(("weight", "running_var")) else 0.1))
    return model.eval()


def image(size: tuple[int, int]) -> Tensor:
    return wave("image", (1, BANDS, *size)).float()


def sample(output: Tensor) -> list[float]:
    values = output.flatten()
    return [float(values[place]) for place in torch.linspace(0, values.numel() - 1, SAMPLED).long()]


def main() -> None:
    from terratorch.models import EncoderDecoderFactory

    recorded = {}
    for name, (size, arguments) in CASES.items():
        keywords = {"dynamic_img_size": True} if "vit" in arguments["backbone"] else {}
        model = EncoderDecoderFactory().build_model(
            "segmentation",
            num_classes=CLASSES,
            backbone_pretrained=False,
            backbone_in_chans=BANDS,
            **{f"backbone_{key}": value for key, value in keywords.items()},
            **arguments,
        )
        with torch.no_grad():
            output = fill(model)(image(size)).output
        recorded[name] = {
            "shape": list(output.shape),
            "values": sample(output),
            "tensors": sorted(our_name(key) for key in model.state_dict()),
        }
    FIXTURE.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
