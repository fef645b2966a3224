"""`geofoundry catalog`: what it prints, for people and for programs."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from geofoundry.catalog import BACKBONE_REGISTRY
from geofoundry.cli.catalog_commands import app
from geofoundry.core.errors import ConfigError, UnknownNameError


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_overview_names_every_kind_and_source():
    lines = run("list").splitlines()
    heads = {tuple(line.split()[:2]) for line in lines}
    assert {("backbones", "timm"), ("decoders", "smp"), ("necks", "geofoundry"), ("callbacks", "lightning")} <= heads


def test_one_kind_prints_every_name_on_a_line():
    assert run("list", "backbones").split() == list(BACKBONE_REGISTRY)
    assert run("list", "decoder", "--source", "smp").split()[:2] == ["smp_DPT", "smp_DeepLabV3"]


def test_json_lists_names_with_addresses():
    listed = json.loads(run("list", "necks", "--json"))
    assert {"name": "SelectIndices", "kind": "necks", "source": "geofoundry"}.items() <= listed[-1].items()
    assert listed[-1]["address"] == "geofoundry.nn.necks.select:SelectIndices"


def test_show_tells_arguments_types_defaults_and_texts():
    text = run("show", "SelectIndices")
    assert "geofoundry.nn.necks.select:SelectIndices" in text
    assert "indices  list of int required" in text
    shown = json.loads(run("show", "timm_resnet18", "--json"))
    arguments = {argument["name"]: argument for argument in shown[0]["arguments"]}
    assert arguments["out_indices"]["doc"].startswith("Which feature maps")
    assert "output_stride" in arguments
    assert shown[0]["takes_any"] is False


@pytest.mark.parametrize("name", ["Trainer", "lightning.pytorch.Trainer", "AdamW", "D4", "EncoderDecoderFactory"])
def test_show_knows_every_thing_that_a_configuration_names(name: str):
    assert json.loads(run("show", name, "--json"))[0]["address"]


def test_show_of_an_unknown_name_gives_the_nearest():
    with pytest.raises(UnknownNameError, match="write 'UNetDecoder'"):
        run("show", "UNetDecodr")


def test_a_name_in_two_kinds_is_shown_twice_or_by_kind():
    both = json.loads(run("show", "ReduceLROnPlateau", "--json"))
    assert {entry["kind"] for entry in both} == {"schedulers"}
    assert json.loads(run("show", "Unet", "--kind", "decoder", "--json"))[0]["source"] == "smp"


def test_search_finds_by_words_of_name_and_summary():
    assert "backbones        timm_vit_small_patch14_dinov2" in run("search", "small", "dinov2")
    assert "SelectIndices" in run("search", "features", "neck")
    assert "UNetDecoder" in run("search", "unetdecodr")  # the nearest, when no name has the word


def test_search_without_any_likeness_fails():
    result = CliRunner().invoke(app, ["search", "qqqqqqqqqq"])
    assert result.exit_code == 2


def test_unknown_kinds_and_sources_are_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="write 'backbones'"):
        run("list", "bakbones")
    with pytest.raises(ConfigError, match="one of: geofoundry, timm"):
        run("list", "backbones", "--source", "tim")
