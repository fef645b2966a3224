"""What holds for every composed model, whatever its parts: sizes, gradients, copies, pickles, exports."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

from geofoundry.core.errors import ConfigError
from geofoundry.models import EncoderDecoderFactory, ModelOutput

BANDS = ["BLUE", "GREEN", "RED", "NIR_NARROW"]
TINY_VIT = {"backbone": "vit_tiny_patch16_224", "backbone_embed_dim": 24, "backbone_depth": 4, "backbone_num_heads": 2}
TINY_SWIN = {
    "backbone": "swin_tiny_patch4_window7_224",
    "backbone_embed_dim": 8,
    "backbone_depths": (1, 1, 1, 1),
    "backbone_num_heads": (1, 1, 2, 2),
}
PYRAMID = {"necks": [{"name": "ReshapeTokensToImage"}, {"name": "LearnedInterpolateToPyramidal"}]}
ENLARGED = {"necks": [{"name": "SelectIndices", "indices": [1, 3]}, {"name": "InterpolateToPyramidal"}]}
STEPS = {"decoder_channels": [16, 8, 8, 8, 8]}

MODELS = {
    "resnet, U-Net": {"backbone": "resnet10t", "decoder": "UNetDecoder", **STEPS},
    "resnet, UPerNet": {"backbone": "resnet10t", "decoder": "UperNetDecoder", "decoder_channels": 8},
    "convnext, FCN": {"backbone": "convnext_atto", "decoder": "FCNDecoder", "decoder_channels": 8},
    "swin, smp U-Net": {**TINY_SWIN, "decoder": "Unet", **STEPS},
    "vit, pyramid, U-Net": {**TINY_VIT, **PYRAMID, "decoder": "UNetDecoder", "decoder_channels": [16, 8, 8, 8]},
    "vit, pyramid, UPerNet": {**TINY_VIT, **PYRAMID, "decoder": "UperNetDecoder", "decoder_channels": 8},
    "vit, enlarged, UPerNet": {**TINY_VIT, **ENLARGED, "decoder": "UperNetDecoder", "decoder_channels": 8},
    "vit, FCN": {**TINY_VIT, "decoder": "FCNDecoder", "decoder_channels": 8},
    "vit, smp DPT": {**TINY_VIT, "decoder": "DPT", "decoder_fusion_channels": 8, "decoder_intermediate_channels": [8, 8, 8, 8]},
}  # fmt: skip
SMP_DECODERS = {
    "DPT": {"decoder_fusion_channels": 8, "decoder_intermediate_channels": [8, 8, 8, 8, 8]},
    "DeepLabV3": {"decoder_out_channels": 8},
    "DeepLabV3Plus": {"decoder_out_channels": 8},
    "FPN": {"decoder_pyramid_channels": 8, "decoder_segmentation_channels": 32},
    "Linknet": {},
    "MAnet": {"decoder_decoder_channels": [16, 8, 8, 8, 8]},
    "PAN": {},
    "PSPNet": {"decoder_out_channels": 8},
    "Segformer": {"decoder_segmentation_channels": 8},
    "UPerNet": {"decoder_channels": 8},
    "Unet": {"decoder_channels": [16, 8, 8, 8, 8]},
    "UnetPlusPlus": {"decoder_channels": [16, 8, 8, 8, 8]},
}
MODELS |= {
    f"regnet, smp {name}": {"backbone": "regnety_002", "decoder": name, **keywords}
    for name, keywords in SMP_DECODERS.items()
}
# Exports take seconds each: one per kind of part.
EXPORTED = ["resnet, U-Net", "vit, pyramid, UPerNet", "swin, smp U-Net", "vit, smp DPT"]
EXPORTED_ONNX = ["resnet, U-Net", "vit, pyramid, UPerNet"]
SIDE = {
    "name": "side",
    "decoder": "FCNDecoder",
    "decoder_args": {"decoder_channels": 4, "decoder_num_convs": 1, "decoder_in_index": 0},
}


def build(name):
    torch.manual_seed(0)
    factory = EncoderDecoderFactory()
    return factory.build_model("segmentation", num_classes=3, backbone_bands=BANDS, aux_decoders=[SIDE], **MODELS[name])


def image(height=70, width=93, batch=1):
    return torch.randn(batch, len(BANDS), height, width, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return build(request.param)


@pytest.mark.parametrize("size", [(70, 93), (20, 50)])
def test_output_has_the_size_of_the_image(model, size):
    with torch.no_grad():
        output = model.eval()(image(*size))
    assert output.output.shape == (1, 3, *size)
    assert output.auxiliary_heads["side"].shape == (1, 3, *size)
    assert torch.isfinite(output.output).all()


def test_gradients_reach_every_parameter(model):
    model.train().zero_grad()
    output = model(image(64, 96))
    (output.output.square().mean() + output.auxiliary_heads["side"].square().mean()).backward()
    # A parameter that nothing uses would stop distributed training.
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]
    first = next(iter(model.encoder.parameters()))
    assert first.grad is not None
    assert first.grad.abs().sum() > 0


def test_a_copy_is_independent(model):
    x = image(32, 32, batch=2)
    with torch.no_grad():
        before = model.eval()(x).output
        twin = copy.deepcopy(model)
        for parameter in twin.parameters():
            parameter.zero_()
        assert torch.equal(model(x).output, before)
        assert float(twin(x).output.abs().max()) == 0.0


def test_a_pickled_model_is_the_same(model):
    x = image(32, 32, batch=2)
    again = pickle.loads(pickle.dumps(model.eval()))
    with torch.no_grad():
        assert torch.equal(again(x).output, model(x).output)
        assert again.encoder.band_report == model.encoder.band_report


def test_parameters_are_named_by_part(model):
    parts = {name.partition(".")[0] for name in model.state_dict()}
    assert parts <= {"encoder", "neck", "decoder", "head", "aux_heads"}
    assert parts >= {"encoder", "decoder", "head", "aux_heads"}


@pytest.mark.parametrize("part", ["backbone", "decoder", "head"])
@pytest.mark.parametrize("name", ["resnet, U-Net", "regnet, smp FPN", "vit, FCN"])
def test_an_unknown_keyword_is_refused(name, part):
    with pytest.raises(ConfigError, match="takes no keyword 'misspelt'"):
        EncoderDecoderFactory().build_model("segmentation", num_classes=3, **MODELS[name], **{f"{part}_misspelt": 1})


@pytest.mark.parametrize("name", EXPORTED)
def test_an_exported_program_gives_the_same(name):
    model, x = build(name).eval(), image()
    exported = torch.export.export(model, (x,)).module()(x)
    with torch.no_grad():
        expected = model(x)
    assert isinstance(exported, ModelOutput)
    assert close(exported.output, expected.output)
    assert close(exported.auxiliary_heads["side"], expected.auxiliary_heads["side"])


@pytest.mark.parametrize("name", EXPORTED_ONNX)
def test_an_onnx_file_gives_the_same_at_another_batch_size(name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model, file = build(name).eval(), tmp_path / "model.onnx"
    batch = torch.export.Dim("batch", min=1, max=64)
    torch.onnx.export(
        model, (image(batch=2),), file, dynamo=True, external_data=False, verbose=False,
        dynamic_shapes={"x": {0: batch}},
    )  # fmt: skip
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    x = image(batch=3)
    output, side = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        expected = model(x)
    assert close(torch.from_numpy(np.asarray(output)), expected.output)
    assert close(torch.from_numpy(np.asarray(side)), expected.auxiliary_heads["side"])


def close(got: Tensor, expected: Tensor) -> bool:
    return float((got.detach() - expected).abs().max()) <= 1e-5 * max(1.0, float(expected.abs().max()))
