import pytest

from geofoundry.recipes.band_choice import choose_bands, guess_sensor

LANDSAT_SR = ("SR_B1_blue", "SR_B2_green", "SR_B3_red", "SR_B4_nir", "SR_B5_swir1", "SR_B7_swir2", "BT_B6", "Fmask")


def test_known_sensor_gives_common_names_and_leaves_out_what_is_no_band():
    choice = choose_bands(LANDSAT_SR, ["LE70220491999322.tif"])
    assert choice.sensor == "landsat7_etm"
    assert choice.names == ("BLUE", "GREEN", "RED", "NIR_BROAD", "SWIR_1", "SWIR_2", "THERMAL_INFRARED")
    assert choice.left_out == ("Fmask",)


def test_bands_of_the_atmosphere_are_left_out():
    choice = choose_bands(["B04", "B08", "B09", "B10", "B11"])
    assert choice.sensor == "sentinel2"
    assert choice.names == ("RED", "NIR_BROAD", "SWIR_1")
    assert choice.left_out == ("B09", "B10")


def test_names_that_fit_many_sensors_stay_as_they_are():
    choice = choose_bands(["Blue", "Green", "Red", "NIR"])
    assert choice.names == ("Blue", "Green", "Red", "NIR")
    assert choice.sensor is None


@pytest.mark.parametrize("names", [["", "", ""], ["a", "a"], ["B1", ""]])
def test_files_that_do_not_name_their_bands(names):
    choice = choose_bands(names)
    assert choice.names == ()
    assert choice.count == len(names)


def test_unknown_bands_are_all_used():
    assert choose_bands(["VV", "VH"]).names == ("VV", "VH")


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("LE70220491999322.tif", "landsat7_etm"),
        ("LT05_L1TP_022049_19991118.tif", "landsat5_tm"),
        ("/data/tiles/scene.tif", None),
    ],
)
def test_hint_decides_between_sensors_that_fit(hint, expected):
    assert guess_sensor(LANDSAT_SR, [hint]) == expected


def test_hint_that_does_not_fit_the_bands_is_not_followed():
    assert guess_sensor(LANDSAT_SR, ["S2B_MSIL2A_20200223"]) is None
