"""Bands by name: one band, two names of one band, names in a file's list."""

import subprocess
import sys

import pytest

from geofoundry.bands import (
    SENSORS,
    Unit,
    find_band,
    find_sensor,
    guess_unit,
    implausibility,
    infer_sensors,
    match_bands,
    same_band,
)
from geofoundry.core.errors import ConfigError, UnknownNameError


@pytest.mark.parametrize(
    ("name", "sensor", "band"),
    [
        ("B04", None, ("sentinel2", "B04")),
        ("b04", None, ("sentinel2", "B04")),
        ("B4", "sentinel2", ("sentinel2", "B04")),
        ("B4", "landsat8_oli", ("landsat8_oli", "B4")),
        ("B04", "landsat8_oli", ("landsat8_oli", "B4")),
        ("Band 4", "Landsat 5", ("landsat5_tm", "B4")),
        ("RED", None, ("sentinel2", "B04")),
        ("B8A", None, ("sentinel2", "B8A")),
        ("B08A", None, ("sentinel2", "B8A")),
        ("NIR_NARROW", None, ("sentinel2", "B8A")),
        ("nir", None, ("sentinel2", "B08")),
        ("NIR_NARROW", "landsat8_oli", ("landsat8_oli", "B5")),
        ("NIR_NARROW", "landsat7_etm", ("landsat7_etm", "B4")),
        ("SWIR16", "s2", ("sentinel2", "B11")),
        ("swir22", "hls_l30", ("landsat8_oli", "B7")),
        ("B2_blue", None, ("sentinel2", "B02")),
        ("SR_B1_blue", None, ("landsat5_tm", "B1")),
        ("BT_B6", None, ("landsat5_tm", "B6")),
        ("B11_20m", "sentinel2", ("sentinel2", "B11")),
        ("THERMAL_INFRARED_2", None, ("landsat8_oli", "B11")),
        ("CIRRUS", None, ("sentinel2", "B10")),
        ("WATER_VAPOR", None, ("sentinel2", "B09")),
        ("Blue (B2)", "landsat8_oli", ("landsat8_oli", "B2")),
        ("RED_EDGE_3", None, ("sentinel2", "B07")),
    ],
)
def test_names_of_a_band(name, sensor, band):
    found = find_band(name, sensor)
    assert (found.sensor, found.name) == band


def test_every_band_answers_to_its_own_names():
    for sensor in SENSORS.values():
        for band in sensor.bands:
            for name in (band.name, band.common_name, band.common_name.lower(), *band.aliases):
                assert find_band(name, sensor.name) == band, name


def test_no_name_means_two_bands_of_one_sensor():
    for sensor in SENSORS.values():
        for name in {n for band in sensor.bands for n in (band.name, band.common_name, *band.aliases)}:
            assert match_bands([name], sensor.band_names, sensor.name)


def test_a_bare_code_is_ambiguous_between_sensors():
    with pytest.raises(ConfigError, match="ambiguous") as caught:
        find_band("B4")
    (fault,) = caught.value.faults
    assert "landsat5_tm: NIR_BROAD" in fault.got
    assert "landsat8_oli: RED" in fault.got


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="GREEN"):
        find_band("GREN")
    with pytest.raises(UnknownNameError, match="sentinel2"):
        find_sensor("sentinal2")


def test_wavelengths_lie_in_the_order_of_the_spectrum():
    order = ["COASTAL_AEROSOL", "BLUE", "GREEN", "RED", "RED_EDGE_1", "RED_EDGE_2", "RED_EDGE_3", "NIR_BROAD"]
    wavelengths = [find_band(name, "sentinel2").wavelength_nm for name in order]
    assert wavelengths == sorted(wavelengths)
    assert find_band("RED", "sentinel2").wavelength_nm == pytest.approx(664.75)
    assert SENSORS["sentinel2"].platform_wavelengths_nm["Sentinel-2B"]["B12"] == 2185.7


@pytest.mark.parametrize(
    ("a", "b", "sensor", "same"),
    [
        ("B04", "RED", None, True),
        ("B4", "RED", None, False),
        ("B4", "RED", "landsat8_oli", True),
        ("B4", "RED", "landsat5_tm", False),
        ("SWIR16", "SWIR_1", None, True),
        ("NIR", "NIR_NARROW", None, False),
        ("NIR", "NIR_NARROW", "landsat7_etm", True),
        ("Fmask", "fmask", None, True),
        ("Fmask", "RED", None, False),
        ("B2_blue", "BLUE", None, True),
    ],
)
def test_two_names_of_one_band(a, b, sensor, same):
    assert same_band(a, b, sensor) is same
    assert same_band(b, a, sensor) is same


CSMASK = ["Blue", "Green", "Red", "NIR", "SWIR16", "SWIR22"]
ZION = ["B2_blue", "B3_green", "B4_red", "B5_nir"]
MEXICO = ["SR_B1_blue", "SR_B2_green", "SR_B3_red", "SR_B4_nir", "SR_B5_swir1", "SR_B7_swir2", "BT_B6", "Fmask"]
AMAZON = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"]
THAILAND = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]
HLS = ["COASTAL_AEROSOL", "BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2", "CIRRUS"]
PRITHVI = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]


@pytest.mark.parametrize(
    ("requested", "available", "sensor", "indices"),
    [
        (["RED", "NIR", "swir_1"], CSMASK, None, [2, 3, 4]),
        (PRITHVI, CSMASK, "landsat5_tm", [0, 1, 2, 3, 4, 5]),
        (["RED", "NIR_NARROW", "B2"], ZION, None, [2, 3, 0]),
        (["RED", "NIR", "Fmask", "thermal"], MEXICO, None, [2, 3, 7, 6]),
        (PRITHVI, AMAZON, None, [1, 2, 3, 8, 10, 11]),
        (PRITHVI, THAILAND, None, [1, 2, 3, 8, 10, 11]),
        (["B04", 0, "B4", "NIR"], THAILAND, None, [3, 0, 3, 7]),
        (PRITHVI, HLS, None, [1, 2, 3, 4, 5, 6]),
        (["B5", "B6"], HLS, "landsat8_oli", [4, 5]),
        (["VH", "vv"], ["VV", "VH"], None, [1, 0]),
        (["B04"], CSMASK, None, [2]),
    ],
)
def test_names_in_a_list(requested, available, sensor, indices):
    assert match_bands(requested, available, sensor) == indices


def test_all_faults_of_a_request_come_at_once():
    with pytest.raises(ConfigError) as caught:
        match_bands(["RED", "GREN", 9, "RED_EDGE_1", -1], CSMASK)
    assert len(caught.value.faults) == 4
    assert "Green" in str(caught.value.faults[0])


def test_disagreeing_sensors_are_ambiguous():
    with pytest.raises(ConfigError, match="depends on the sensor") as caught:
        match_bands(["RED"], ["B2", "B3", "B4"])
    assert "landsat5_tm: B3" in str(caught.value)
    assert match_bands(["RED"], ["B2", "B3", "B4"], "landsat5_tm") == [1]
    with pytest.raises(ConfigError, match="set sensor"):
        match_bands(["NIR_NARROW"], CSMASK)


def test_a_repeated_name_needs_an_index():
    with pytest.raises(ConfigError, match="several"):
        match_bands(["RED"], ["red", "RED"])


def test_sensors_are_inferred_from_all_names():
    assert infer_sensors(AMAZON) == ["sentinel2"]
    assert infer_sensors(ZION) == ["landsat8_oli"]
    assert infer_sensors(MEXICO) == ["landsat5_tm", "landsat7_etm"]
    assert infer_sensors(["VV", "VH"]) == []


@pytest.mark.parametrize(
    ("low", "high", "is_integer", "unit"),
    [
        (0.0, 1.2, False, Unit.REFLECTANCE),
        (0, 9000, True, Unit.REFLECTANCE_X10000),
        (-300.0, 9000.0, False, Unit.REFLECTANCE_X10000),
        (0, 255, True, Unit.DN),
        (5000, 60000, True, Unit.DN),
        (-25.0, 3.0, False, Unit.DB),
        (float("nan"), 3.0, False, None),
    ],
)
def test_units_are_guessed(low, high, is_integer, unit):
    assert guess_unit(low, high, is_integer=is_integer) is unit


def test_implausible_values_are_named():
    assert "between" in implausibility(Unit.REFLECTANCE, 100, 9000)
    assert "thousands" in implausibility(Unit.REFLECTANCE_X10000, 0.0, 0.9)
    assert implausibility(Unit.REFLECTANCE, -0.01, 1.3) == ""
    assert Unit.REFLECTANCE_X10000.scale == 1e-4


def test_bands_import_no_numpy():
    code = "import sys, geofoundry.bands; assert not {'numpy', 'torch', 'rasterio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
