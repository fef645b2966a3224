import pytest
import torch
from torch import nn

from geofoundry.core.errors import ConfigError
from geofoundry.nn.backbones.band_adaptation import adapt_filters, plan_bands, plan_unnamed_bands, report


def how(plan):
    return {origin["band"]: (origin["how"], origin["from"]) for origin in plan.origins}


def test_bands_are_matched_by_any_of_their_names():
    plan = plan_bands(["B02", "green", "B8A", "B04"], sensor="sentinel2")
    assert how(plan) == {
        "B02": ("copied", ["BLUE"]),
        "green": ("copied", ["GREEN"]),
        "B8A": ("averaged", ["RED", "GREEN", "BLUE"]),
        "B04": ("copied", ["RED"]),
    }
    assert plan.scale == 0.75


def test_what_a_code_means_depends_on_the_sensor():
    assert how(plan_bands(["B4"], sensor="landsat8_oli"))["B4"] == ("copied", ["RED"])
    assert how(plan_bands(["B4"], sensor="landsat5_tm"))["B4"][0] == "averaged"
    with pytest.raises(ConfigError, match="ambiguous"):
        plan_bands(["B4"])


def test_a_permutation_of_bands_gives_the_same_activations():
    conv = nn.Conv2d(3, 4, 3)
    x = torch.randn(1, 3, 6, 6)
    plan = plan_bands(["BLUE", "GREEN", "RED"])
    weight = adapt_filters(conv.weight.data, plan, axis=1)
    assert torch.equal(weight, conv.weight.data.flip(1))
    assert torch.allclose(nn.functional.conv2d(x.flip(1), weight, conv.bias), conv(x), atol=1e-6)


@pytest.mark.parametrize("bands", [["RED", "GREEN", "BLUE", "NIR_NARROW", "SWIR_1", "SWIR_2"], ["NIR_NARROW"]])
def test_an_image_constant_over_bands_keeps_its_activations(bands):
    weight = torch.randn(4, 3, 3, 3)
    adapted = adapt_filters(weight, plan_bands(bands), axis=1)
    assert adapted.shape == (4, len(bands), 3, 3)
    assert torch.allclose(adapted.sum(1), weight.sum(1), atol=1e-5)


def test_bands_are_the_faster_index_where_space_is_folded_into_channels():
    weight = torch.arange(6.0).reshape(1, 6, 1, 1)  # two places of three bands
    got = adapt_filters(weight, plan_bands(["BLUE", "GREEN", "RED"]), axis=1)
    assert got.flatten().tolist() == [2.0, 1.0, 0.0, 5.0, 4.0, 3.0]


def test_wavelengths_mix_the_two_nearest_filters():
    plan = plan_bands(["RED_EDGE_1", "COASTAL_AEROSOL", "RED"], ["RED", "NIR_NARROW"], fill="wavelength")
    first, beyond, known = plan.mixture
    assert sum(first) == pytest.approx(1)
    assert 0 < first[1] < first[0]  # 704 nm lies nearer to red (665) than to the near infrared (865)
    assert beyond == (1.0, 0.0)
    assert known == (1.0, 0.0)
    assert how(plan)["RED_EDGE_1"] == ("interpolated", ["RED", "NIR_NARROW"])


def test_extra_bands_are_new_on_purpose():
    plan = plan_bands(["RED", "elevation"], extra_bands=["elevation"], fill="wavelength")
    assert how(plan)["elevation"][0] == "averaged"


def test_all_faults_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        plan_bands(["GREN", "RED", "B04", 3, "elevation"], extra_bands=["slope"], fill="median")
    whats = [fault.what for fault in caught.value.faults]
    assert whats == [
        "unknown band 'GREN'",
        "a band is given twice: 'RED' and 'B04'",
        "a band has no name",
        "unknown band 'elevation'",
        "extra band 'slope' is not among the bands",
        "unknown filling of new bands",
    ]
    assert "GREEN" in caught.value.faults[0].mend
    assert caught.value.faults[0].where == "backbone_bands[0]"


def test_unnamed_bands():
    assert plan_unnamed_bands(3).keeps_weights
    assert plan_unnamed_bands(2).origins[1] == {"band": "band 1", "how": "averaged", "from": ["RED", "GREEN", "BLUE"]}


def test_nothing_is_claimed_without_weights():
    plan = plan_bands(["RED", "NIR_NARROW"])
    assert {band["how"] for band in report(plan, None, [])["bands"]} == {"initialised"}
    told = report(plan, "w.pt", ["conv1"])
    assert [band["how"] for band in told["bands"]] == ["copied", "averaged"]
    assert told["scale"] == 1.5
