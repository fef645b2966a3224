import pytest
import timm
import torch
from safetensors.torch import save_file

from geofoundry.core.errors import ConfigError, IntegrityError
from geofoundry.nn.backbones.timm_backbone import build_timm_backbone
from geofoundry.nn.deferred_weights import parameters_on_meta

TINY_VIT = {"embed_dim": 24, "depth": 4, "num_heads": 2}


@pytest.fixture(scope="module")
def resnet_file(tmp_path_factory):
    torch.manual_seed(1)
    model = timm.create_model("resnet10t", num_classes=7)
    file = tmp_path_factory.mktemp("weights") / "resnet10t.safetensors"
    save_file(model.state_dict(), file)
    return file, model.eval()


def features_of(model, x):
    with torch.no_grad():
        return model.forward_intermediates(x, intermediates_only=True)


def test_convolutional_backbone_gives_a_pyramid():
    backbone = build_timm_backbone("resnet10t", in_chans=5)
    maps = backbone(torch.randn(2, 5, 64, 96))
    assert backbone.reductions == [2, 4, 8, 16, 32]
    assert [x.shape[1] for x in maps] == backbone.out_channels
    assert [64 / x.shape[2] for x in maps] == [96 / x.shape[3] for x in maps] == backbone.reductions
    assert backbone.patch_size is None
    assert backbone.size_multiple == 32


def test_vision_transformer_gives_a_map_per_block_at_any_size():
    backbone = build_timm_backbone("vit_tiny_patch16_224", in_chans=2, **TINY_VIT)
    assert backbone.out_channels == [24] * 4
    assert (backbone.patch_size, backbone.size_multiple) == (16, 16)
    assert [tuple(x.shape) for x in backbone(torch.randn(1, 2, 48, 80))] == [(1, 24, 3, 5)] * 4


@pytest.mark.parametrize(("asked", "kept"), [([1, 3], [1, 3]), ([-3, -1], [1, 3]), ([0], [0])])
def test_out_indices_choose_maps_and_drop_what_follows(asked, kept):
    whole = build_timm_backbone("vit_tiny_patch16_224", **TINY_VIT).eval()
    some = build_timm_backbone("vit_tiny_patch16_224", out_indices=asked, **TINY_VIT).eval()
    some.load_state_dict(whole.state_dict(), strict=False)
    assert not any(name.startswith(f"model.blocks.{max(kept) + 1}.") for name in some.state_dict())
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        everything, chosen = whole(x), some(x)
    assert len(chosen) == len(kept)
    assert all(torch.equal(a, everything[i]) for a, i in zip(chosen, kept, strict=True))


@pytest.mark.parametrize("indices", [[5], [-6], [1, 0], [1, 1], []])
def test_wrong_out_indices_are_refused(indices):
    with pytest.raises(ConfigError, match="from 0 to 4"):
        build_timm_backbone("resnet10t", out_indices=indices)


def test_features_are_channels_first_also_where_timm_has_them_last():
    keywords = {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)}
    backbone = build_timm_backbone("swin_tiny_patch4_window7_224", **keywords)
    assert [tuple(x.shape[1:]) for x in backbone(torch.randn(1, 3, 64, 96))] == [
        (8, 16, 24), (16, 8, 12), (32, 4, 6), (64, 2, 3)
    ]  # fmt: skip


def test_norm_applies_the_final_norm():
    backbone = build_timm_backbone("vit_tiny_patch16_224", norm=True, **TINY_VIT).eval()
    x = backbone(torch.randn(1, 3, 32, 32))[0]
    assert torch.allclose(x.mean(1), torch.zeros(1, 2, 2), atol=1e-5)
    with pytest.raises(ConfigError, match="no final norm"):
        build_timm_backbone("resnet10t", norm=True)


def test_a_backbone_of_one_size_says_so():
    keywords = {"embed_dim": 24, "depth": 2, "num_heads": 2}
    backbone = build_timm_backbone("beit_base_patch16_224", **keywords)
    assert backbone.fixed_size == (224, 224)
    with pytest.raises(ConfigError, match="one size only") as caught:
        backbone(torch.randn(1, 3, 64, 96))
    assert "backbone_img_size: [64, 96]" in caught.value.faults[0].mend
    other = build_timm_backbone("beit_base_patch16_224", img_size=[64, 96], **keywords)
    assert other(torch.randn(1, 3, 64, 96))[0].shape == (1, 24, 4, 6)


def test_a_backbone_of_three_bands_says_so():
    # It turns its input back into the colors of a photograph.
    with pytest.raises(ConfigError, match="images of 3 bands only"):
        build_timm_backbone("csatv2", in_chans=4)
    assert build_timm_backbone("csatv2").fixed_size is None


@pytest.mark.parametrize(
    ("keywords", "mend"),
    [
        ({"drop_pathrate": 0.1}, "drop_path_rate"),
        ({"num_classes": 3}, "no classifier"),
        ({"global_pool": "avg"}, "gives maps"),
        ({"dynamic_img_size": True}, "remove 'dynamic_img_size'"),
    ],
)
def test_keywords_that_the_model_does_not_take_are_refused(keywords, mend):
    with pytest.raises(ConfigError, match="takes no keyword") as caught:
        build_timm_backbone("resnet10t", **keywords)
    assert mend in caught.value.faults[0].mend


@pytest.mark.parametrize("name", ["maxvit_rmlp_pico_rw_256", "regnety_002", "naflexvit_base_patch16_gap"])
def test_models_that_take_further_keywords_refuse_unknown_ones_too(name):
    with pytest.raises(ConfigError, match="takes no keyword 'misspelt'"):
        build_timm_backbone(name, misspelt=1)


def test_errors_of_the_model_come_through():
    with pytest.raises((AssertionError, ValueError, ZeroDivisionError)):
        build_timm_backbone("vit_tiny_patch16_224", embed_dim=25, num_heads=2)


def test_contradictions_are_refused():
    with pytest.raises(ConfigError, match="given twice"):
        build_timm_backbone("resnet10t", bands=["RED"], in_chans=2)
    with pytest.raises(ConfigError, match="not from both"):
        build_timm_backbone("resnet10t", weights="w.pt", pretrained=True)


def test_random_weights_claim_nothing():
    assert {b["how"] for b in build_timm_backbone("resnet10t", bands=["RED", "NIR_NARROW"]).band_report["bands"]} == {
        "initialised"
    }
    assert build_timm_backbone("resnet10t", bands=[0, 4]).model.conv1[0].in_channels == 2


def test_a_misspelt_band_is_refused_with_random_weights_too():
    with pytest.raises(ConfigError, match="GREEN"):
        build_timm_backbone("resnet10t", bands=["GREN"])


def test_weights_from_a_file_are_those_of_the_model(resnet_file):
    file, model = resnet_file
    backbone = build_timm_backbone("resnet10t", weights=str(file)).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(backbone(x), features_of(model, x), strict=True))
    assert backbone.band_report["weights"] == str(file)


@pytest.mark.parametrize("order", [["BLUE", "GREEN", "RED"], ["B04", "B02", "B03"]])
def test_bands_in_another_order_give_the_same_features(resnet_file, order):
    file, model = resnet_file
    backbone = build_timm_backbone("resnet10t", weights=str(file), bands=order, sensor="sentinel2").eval()
    x = torch.randn(1, 3, 64, 64)  # red, green, blue
    places = {"RED": 0, "B04": 0, "GREEN": 1, "B03": 1, "BLUE": 2, "B02": 2}
    with torch.no_grad():
        got = backbone(x[:, [places[name] for name in order]])
    for a, b in zip(got, features_of(model, x), strict=True):
        assert torch.allclose(a, b, atol=1e-5 * float(b.abs().max()))
    assert {band["how"] for band in backbone.band_report["bands"]} == {"copied"}


def test_more_bands_keep_the_response_to_a_gray_image(resnet_file):
    file, model = resnet_file
    bands = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
    backbone = build_timm_backbone("resnet10t", weights=str(file), bands=bands).eval()
    gray = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        got = backbone(gray.expand(1, 6, 64, 64))
    for a, b in zip(got, features_of(model, gray.expand(1, 3, 64, 64)), strict=True):
        assert torch.allclose(a, b, atol=1e-4 * float(b.abs().max()))
    assert [band["how"] for band in backbone.band_report["bands"]] == ["copied"] * 3 + ["averaged"] * 3
    assert backbone.band_report["layers"] == ["conv1.0"]


def test_weights_are_loaded_strictly(tmp_path, resnet_file):
    state = dict(resnet_file[1].state_dict())
    state.pop("layer1.0.conv1.weight")
    state["layer9.weight"] = torch.zeros(1)
    state["layer2.0.conv1.weight"] = torch.zeros(1, 1, 3, 3)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(IntegrityError, match="don't fit the backbone ResNet") as caught:
        build_timm_backbone("resnet10t", weights=str(tmp_path / "w.pt"))
    told = " ".join(fault.got for fault in caught.value.faults)
    assert all(name in told for name in ("layer1.0.conv1.weight", "layer9.weight", "layer2.0.conv1.weight"))


def test_files_of_an_older_kind_are_converted_by_timm(tmp_path):
    keywords = {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)}
    model = timm.create_model("swin_tiny_patch4_window7_224", num_classes=3, **keywords)
    # Once, timm's Swin kept what merges patches at the end of a stage instead of the start of the next.
    old = {name.replace("head.fc.", "head."): tensor for name, tensor in model.state_dict().items()}
    for stage in (1, 2, 3):
        for name in [name for name in old if name.startswith(f"layers.{stage}.downsample.")]:
            old[name.replace(f"layers.{stage}.", f"layers.{stage - 1}.")] = old.pop(name)
    torch.save({"model": old}, tmp_path / "swin.pt")
    backbone = build_timm_backbone("swin_tiny_patch4_window7_224", weights=str(tmp_path / "swin.pt"), **keywords)
    assert torch.equal(
        backbone.state_dict()["model.layers.1.downsample.reduction.weight"],
        model.state_dict()["layers.1.downsample.reduction.weight"],
    )


def test_weights_are_left_alone_when_others_follow():
    with parameters_on_meta():
        backbone = build_timm_backbone("resnet10t", weights="not there.pt", bands=["RED"])
    assert all(p.is_meta for p in backbone.parameters())
    assert backbone.band_report["weights"] is None


def test_gradient_checkpointing_gives_the_same_gradients():
    torch.manual_seed(0)
    backbone = build_timm_backbone("vit_tiny_patch16_224", **TINY_VIT)
    x = torch.randn(1, 3, 32, 32)
    gradients = []
    for enable in (False, True):
        backbone.set_grad_checkpointing(enable)
        backbone.zero_grad()
        backbone(x)[-1].square().sum().backward()
        gradients.append(backbone.model.blocks[0].attn.qkv.weight.grad.clone())
    assert torch.allclose(*gradients, rtol=1e-4)
