"""Our models against segmentation-models-pytorch's own, and UPerNet against its definition, with the same weights."""

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F

from geofoundry.models import EncoderDecoderFactory
from geofoundry.nn.decoders.smp_decoder import build_smp_decoder
from geofoundry.nn.decoders.upernet import UperNetDecoder


def scattered(module):
    """Give norms statistics and weights that are not the identity, so that leaving one out is seen."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and tensor.dim() == 1:
            noise = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(noise + 0.5 if "var" in name or "weight" in name else noise - 0.5)
    return module.eval()


def close(got, expected):
    return float((got - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


@pytest.mark.parametrize("backbone", ["resnet18", "convnext_atto"])
def test_a_whole_unet_is_smps(backbone):
    theirs = scattered(smp.Unet(f"tu-{backbone}", encoder_weights=None, in_channels=4, classes=3))
    ours = EncoderDecoderFactory().build_model(
        "segmentation", backbone, "Unet", backbone_in_chans=4, num_classes=3, head_channel_list=[16]
    )
    encoder = {
        name.replace("stages_", "stages.").replace("stem_", "stem."): t
        for name, t in theirs.encoder.state_dict().items()
    }
    ours.encoder.load_state_dict(encoder)
    ours.decoder.decoder.load_state_dict(theirs.decoder.state_dict())
    x = torch.randn(1, 4, 64, 96)
    with torch.no_grad():
        features = ours.eval().encoder(x)
        assert all(close(a, b) for a, b in zip(features[::-1], theirs.encoder(x)[::-1], strict=False))
        got = theirs.segmentation_head(ours.decoder(features))
        assert close(got, theirs(x))


@pytest.mark.parametrize(
    ("name", "architecture", "options"),
    [
        ("FPN", smp.FPN, {}),
        ("Linknet", smp.Linknet, {}),
        ("MAnet", smp.MAnet, {}),
        ("PAN", smp.PAN, {"encoder_output_stride": 32}),
        ("Segformer", smp.Segformer, {}),
        ("UPerNet", smp.UPerNet, {}),
        ("UnetPlusPlus", smp.UnetPlusPlus, {}),
        ("DeepLabV3", smp.DeepLabV3, {"encoder_output_stride": 16}),
        ("DeepLabV3Plus", smp.DeepLabV3Plus, {"encoder_output_stride": 16}),
        ("PSPNet", smp.PSPNet, {"encoder_depth": 5}),
    ],
)
def test_a_decoder_is_smps(name, architecture, options):
    theirs = scattered(architecture("resnet18", encoder_weights=None, **options))
    x = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        features = theirs.encoder(x)
        channels = [f.shape[1] for f in features[1:]]
        reductions = [256 / f.shape[-1] for f in features[1:]]
        ours = build_smp_decoder(name, channels, reductions=reductions).eval()
        ours.decoder.load_state_dict(theirs.decoder.state_dict())
        assert close(ours(list(features[1:])), theirs.decoder(list(features)))


def conv_norm_relu(state, name, x, padding):
    x = F.conv2d(x, state[f"{name}.conv.weight"], padding=padding)
    mean, var = (state[f"{name}.norm.running_{kind}"][None, :, None, None] for kind in ("mean", "var"))
    x = (x - mean) / (var + 1e-5).sqrt()
    scale, shift = (state[f"{name}.norm.{kind}"][None, :, None, None] for kind in ("weight", "bias"))
    return (x * scale + shift).clamp(min=0)


@pytest.mark.parametrize("align_corners", [True, False])
def test_upernet_follows_its_definition(align_corners):
    channels, scales = [6, 8, 10], (1, 3)
    decoder = scattered(UperNetDecoder(channels, pool_scales=scales, channels=7, align_corners=align_corners))
    state = decoder.state_dict()
    maps = [torch.randn(2, c, 16 >> i, 24 >> i) for i, c in enumerate(channels)]

    def resize(x, size):
        return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)

    with torch.no_grad():
        # The pyramid of pooled maps, joined to the smallest map.
        pooled = [
            resize(conv_norm_relu(state, f"psp_modules.{i}.1", F.adaptive_avg_pool2d(maps[2], s), 0), (4, 6))
            for i, s in enumerate(scales)
        ]
        top = conv_norm_relu(state, "bottleneck", torch.cat([maps[2], *pooled], 1), 1)
        # Top down: each level takes what the smaller ones gathered.
        middle = conv_norm_relu(state, "lateral_convs.1", maps[1], 0) + resize(top, (8, 12))
        large = conv_norm_relu(state, "lateral_convs.0", maps[0], 0) + resize(middle, (16, 24))
        levels = [conv_norm_relu(state, "fpn_convs.0", large, 1), conv_norm_relu(state, "fpn_convs.1", middle, 1), top]
        expected = conv_norm_relu(state, "fpn_bottleneck", torch.cat([resize(x, (16, 24)) for x in levels], 1), 1)
        assert close(decoder(maps), expected)
