import pytest

from geofoundry.core.errors import ConfigError
from geofoundry.geo.colors import MIN_DISTANCE, _distance, color_code, default_palette, parse_color


def codes(names):
    return {names[i]: color_code(color) for i, color in default_palette(dict(enumerate(names))).items()}


def test_names_of_a_published_legend_get_its_colors():
    worldcover = codes(["Tree cover", "Shrubland", "Grassland", "Cropland", "Built-up"])
    assert worldcover == {
        "Tree cover": "#006400",
        "Shrubland": "#ffbb22",
        "Grassland": "#ffff4c",
        "Cropland": "#f096ff",
        "Built-up": "#fa0000",
    }
    nlcd = codes(["Water", "Developed", "Barren", "Forest", "Shrubland"])
    assert nlcd["Developed"] == "#eb0000"
    assert nlcd["Shrubland"] == "#ccb879"


def test_remarks_case_and_separators_do_not_matter():
    assert codes(["Snow/Ice (absent)"])["Snow/Ice (absent)"] == codes(["snow_ice"])["snow_ice"]


def test_clouds_are_white_and_shadows_dark():
    palette = codes(["cloud shadow", "water", "snow/ice", "land", "cloud"])
    assert palette["cloud"] == "#ffffff"
    assert sum(parse_color(palette["cloud shadow"])) < 255


@pytest.mark.parametrize("count", [1, 8, 17, 60])
def test_colors_can_be_told_apart(count):
    colors = list(default_palette({i: f"zone {i}" for i in range(count)}).values())
    distances = [_distance(a, b) for i, a in enumerate(colors) for b in colors[:i]]
    assert min(distances, default=MIN_DISTANCE) >= MIN_DISTANCE


def test_names_for_one_thing_still_get_different_colors():
    palette = codes(["forest", "tree", "trees", "vegetation"])
    assert len(set(palette.values())) == 4


def test_255_classes_have_255_colors():
    assert len(set(default_palette({i: f"zone {i}" for i in range(255)}).values())) == 255


@pytest.mark.parametrize("wrong", ["red", "#12345", (1, 2), (0, 0, 256), (0.5, 0, 0)])
def test_color_that_cannot_be_read_is_refused(wrong):
    with pytest.raises(ConfigError, match="color"):
        parse_color(wrong)
