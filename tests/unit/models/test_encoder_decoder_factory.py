import pytest
import torch
from torch import nn

from geofoundry.catalog import DECODER_REGISTRY
from geofoundry.core.errors import ConfigError
from geofoundry.models import AuxiliaryHead, EncoderDecoderFactory


def build(**arguments):
    return EncoderDecoderFactory().build_model(
        "segmentation", **{"backbone": "resnet10t", "num_classes": 3, **arguments}
    )


def faults_of(**arguments):
    with pytest.raises(ConfigError) as caught:
        build(**arguments)
    return caught.value.faults


@pytest.fixture(scope="module")
def model():
    return build(
        decoder="Unet",
        decoder_channels=[16, 8, 8, 8, 8],
        head_dropout=0.1,
        aux_decoders=[
            {"name": "side", "decoder": "FCNDecoder", "decoder_args": {"decoder_channels": 4, "decoder_num_convs": 1, "decoder_in_index": 1, "head_channel_list": [5]}}
        ],
    )  # fmt: skip


def test_parameters_are_named_by_part(model):
    assert {name.partition(".")[0] for name in model.state_dict()} == {"encoder", "decoder", "head", "aux_heads"}
    assert "aux_heads.side.0.convs.0.0.weight" in model.state_dict()
    assert "aux_heads.side.1.head.2.weight" in model.state_dict()


def test_neck_parameters_have_their_place():
    model = build(
        backbone="vit_tiny_patch16_224",
        backbone_embed_dim=24,
        backbone_depth=4,
        backbone_num_heads=2,
        necks=[{"name": "ReshapeTokensToImage"}, {"name": "LearnedInterpolateToPyramidal"}],
        decoder="UNetDecoder",
        decoder_channels=[16, 8, 8, 8],
    )
    assert "neck.1.fpn2.0.weight" in model.state_dict()
    assert model.size_multiple == 32
    assert model(torch.randn(1, 3, 40, 50)).output.shape == (1, 3, 40, 50)


def test_auxiliary_heads_have_arguments_of_their_own(model):
    assert isinstance(model.head.head[1], nn.Dropout)
    assert model.head.head[1].p == 0.1
    side = model.aux_heads["side"]
    assert side[1].head[1].p == 0.0
    assert side[1].head[2].in_channels == 5
    assert model.eval()(torch.randn(1, 3, 32, 32)).auxiliary_heads["side"].shape == (1, 3, 32, 32)


def test_an_auxiliary_head_may_be_an_object():
    model = build(
        decoder="FCNDecoder",
        decoder_channels=4,
        aux_decoders=[AuxiliaryHead("a", "FCNDecoder", {"decoder_channels": 4})],
    )
    assert list(model.aux_heads) == ["a"]


def test_arguments_may_be_given_by_prefix_and_by_mapping():
    model = build(decoder="FCNDecoder", decoder_kwargs={"channels": 4}, decoder_num_convs=2)
    assert len(model.decoder.convs) == 2
    assert model.decoder.out_channels == 4
    assert "given twice" in faults_of(decoder="FCNDecoder", decoder_kwargs={"channels": 4}, decoder_channels=5)[0].what


def test_all_faults_are_told_at_once():
    faults = faults_of(
        backbone="resnet10",
        decoder="UNetDecodr",
        num_classes=None,
        bakbone_bands=["RED"],
        rescal=False,
        necks=[{"name": "SelectIndex"}],
        aux_decoders=[{"name": "a.b", "decoder": "FCN", "decoder_args": {"channels": 3}}],
    )
    text = "\n".join(map(str, faults))
    for words in (
        "number of classes is missing",
        "unknown backbone 'resnet10'",
        "UNetDecoder",
        "no argument 'bakbone_bands'",
        "write 'rescale'",
        "SelectIndices",
        "must be a word",
        "unknown decoder 'FCN'",
        "write 'decoder_channels'",
    ):
        assert words in text
    assert len(faults) == 9


def test_a_misspelt_prefix_finds_its_keyword():
    (fault,) = faults_of(decoder="Unet", decodr_channels=[1])
    assert "decoder_channels" in fault.mend
    (fault,) = faults_of(decoder="Unet", backbon_out_indices=[1])
    assert "backbone_out_indices" in fault.mend


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"decoder": "FCNDecoder", "head_dropuot": 0.1}, "dropout"),
        ({"decoder": "FCNDecoder", "decoder_chanels": 3}, "channels"),
        ({"decoder": "FCNDecoder", "backbone_drop_path": 0.1}, "drop_path_rate"),
        ({"decoder": "FCNDecoder", "backbone_bands": ["GREN"]}, "GREEN"),
        ({"decoder": "FCNDecoder", "num_classes": 0}, "number of classes"),
    ],
)
def test_faults_of_parts_come_through(arguments, words):
    assert any(words in str(fault) for fault in faults_of(**arguments))


def test_tasks_are_checked():
    with pytest.raises(ConfigError, match="one of: segmentation"):
        EncoderDecoderFactory().build_model("segmentatoin", "resnet10t", "FCNDecoder", num_classes=2)
    assert (
        EncoderDecoderFactory().build_model("Segmentation", "resnet10t", "FCNDecoder", num_classes=2).task
        == "segmentation"
    )


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.out_channels = [4]
        self.conv = nn.Conv2d(2, 4, 1)

    def forward(self, x):
        return [self.conv(x)]


class WithHead(nn.Module):
    includes_head = True

    def __init__(self, channel_list, num_classes, width=3):
        super().__init__()
        self.conv = nn.Conv2d(channel_list[0], num_classes, 1)

    def forward(self, features):
        return self.conv(features[0])


@pytest.fixture
def decoder_with_head():
    DECODER_REGISTRY.register(name="WithHead")(WithHead)
    yield
    DECODER_REGISTRY.home._entries.pop("WithHead")


def test_ready_modules_are_taken_as_they_are():
    backbone = Backbone()
    model = build(backbone=backbone, decoder="FCNDecoder", decoder_channels=4)
    assert model.encoder is backbone
    assert model(torch.randn(1, 2, 5, 5)).output.shape == (1, 3, 5, 5)
    assert "module already" in faults_of(backbone=backbone, backbone_bands=["RED"], decoder="FCNDecoder")[0].what
    with pytest.raises(ConfigError, match="out_channels"):
        build(backbone=nn.Identity(), decoder="FCNDecoder")


def test_a_decoder_that_includes_its_head(decoder_with_head):
    model = build(backbone=Backbone(), decoder="WithHead", decoder_width=5)
    assert model(torch.randn(1, 2, 5, 5)).output.shape == (1, 3, 5, 5)
    assert not any(name.startswith("head.") for name in model.state_dict())
    assert "includes its head" in faults_of(backbone=Backbone(), decoder="WithHead", head_dropout=0.1)[0].what
