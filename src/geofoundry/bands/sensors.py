"""Sentinel-2 and Landsat as data: names, wavelengths, widths, pixel sizes.

**Source**: Sentinel-2 MSI: ESA, "Sentinel-2 MSI spatial and spectral resolution", centre wavelengths and widths per
satellite; the band's own wavelength is the mean of 2A and 2B, the width is 2A's. Landsat 5 TM, 7 ETM+, 8 and 9
OLI/TIRS: USGS, "What are the band designations for the Landsat satellites?"; the centre is the middle of the band's
limits, the width their difference. Common names: NASA HLS User Guide v2, and the STAC EO extension as aliases.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from geofoundry.bands.band import Band, Sensor
from geofoundry.core.errors import Fault, UnknownNameError
from geofoundry.core.suggest import did_you_mean

# Spellings of a common name, whatever the sensor.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "COASTAL_AEROSOL": ("coastal", "aerosol", "ultra_blue", "coastal_blue"),
    "BLUE": ("blue",),
    "GREEN": ("green",),
    "RED": ("red",),
    "RED_EDGE_1": ("rededge1", "rededge071", "vre1", "re1", "veg_red_edge_1"),
    "RED_EDGE_2": ("rededge2", "rededge075", "vre2", "re2", "veg_red_edge_2"),
    "RED_EDGE_3": ("rededge3", "rededge078", "vre3", "re3", "veg_red_edge_3"),
    "NIR_BROAD": ("nir_wide",),
    "NIR_NARROW": ("nir08", "nir_2"),
    "WATER_VAPOR": ("water_vapour", "nir09", "wv"),
    "CIRRUS": ("cirrus",),
    "SWIR_1": ("swir16",),
    "SWIR_2": ("swir22",),
    "PANCHROMATIC": ("pan",),
    "THERMAL_INFRARED_1": ("lwir11", "tir_1", "tirs_1", "thermal_1"),
    "THERMAL_INFRARED_2": ("lwir12", "tir_2", "tirs_2", "thermal_2"),
    "THERMAL_INFRARED": ("lwir", "tir", "thermal"),
}

# A sensor with one near-infrared band answers to every name for it, and so with the thermal infrared.
_ONLY_NIR = ("nir", "nir_broad", "nir_narrow", "nir08")
_ONLY_THERMAL = ("thermal_infrared_1", "thermal_1", "tir_1")


def _band(
    sensor: str, name: str, common_name: str, low_high_nm: tuple[float, float], gsd_m: float, *aliases: str
) -> Band:
    low, high = low_high_nm
    return Band(
        sensor=sensor,
        name=name,
        common_name=common_name,
        aliases=(*_SPELLINGS[common_name], *aliases),
        wavelength_nm=round((low + high) / 2, 1),
        bandwidth_nm=round(high - low, 1),
        gsd_m=gsd_m,
    )


# name: common name, centre of 2A, centre of 2B, width of 2A (all nm), pixel size in metres
_SENTINEL2: Mapping[str, tuple[str, float, float, float, float]] = {
    "B01": ("COASTAL_AEROSOL", 442.7, 442.2, 21, 60),
    "B02": ("BLUE", 492.4, 492.1, 66, 10),
    "B03": ("GREEN", 559.8, 559.0, 36, 10),
    "B04": ("RED", 664.6, 664.9, 31, 10),
    "B05": ("RED_EDGE_1", 704.1, 703.8, 15, 20),
    "B06": ("RED_EDGE_2", 740.5, 739.1, 15, 20),
    "B07": ("RED_EDGE_3", 782.8, 779.7, 20, 20),
    "B08": ("NIR_BROAD", 832.8, 832.9, 106, 10),
    "B8A": ("NIR_NARROW", 864.7, 864.0, 21, 20),
    "B09": ("WATER_VAPOR", 945.1, 943.2, 20, 60),
    "B10": ("CIRRUS", 1373.5, 1376.9, 31, 60),
    "B11": ("SWIR_1", 1613.7, 1610.4, 91, 20),
    "B12": ("SWIR_2", 2202.4, 2185.7, 175, 20),
}


def _sentinel2() -> Sensor:
    bands = []
    for name, (common_name, centre_a, centre_b, width, gsd_m) in _SENTINEL2.items():
        extra = ("nir",) if name == "B08" else ("B08A",) if name == "B8A" else ()
        bands.append(
            Band(
                sensor="sentinel2",
                name=name,
                common_name=common_name,
                aliases=(*_SPELLINGS[common_name], *extra),
                wavelength_nm=round((centre_a + centre_b) / 2, 2),
                bandwidth_nm=width,
                gsd_m=gsd_m,
            )
        )
    return Sensor(
        name="sentinel2",
        title="Sentinel-2 MSI",
        bands=tuple(bands),
        aliases=("s2", "sentinel2a", "sentinel2b", "sentinel2c", "sentinel2_msi", "hls_s30", "s2l1c", "s2l2a"),
        platform_wavelengths_nm=MappingProxyType(
            {
                "Sentinel-2A": MappingProxyType({name: row[1] for name, row in _SENTINEL2.items()}),
                "Sentinel-2B": MappingProxyType({name: row[2] for name, row in _SENTINEL2.items()}),
            }
        ),
    )


def _landsat5() -> Sensor:
    key = "landsat5_tm"
    bands = (
        _band(key, "B1", "BLUE", (450, 520), 30),
        _band(key, "B2", "GREEN", (520, 600), 30),
        _band(key, "B3", "RED", (630, 690), 30),
        _band(key, "B4", "NIR_BROAD", (760, 900), 30, *_ONLY_NIR),
        _band(key, "B5", "SWIR_1", (1550, 1750), 30),
        _band(key, "B6", "THERMAL_INFRARED", (10400, 12500), 120, *_ONLY_THERMAL),
        _band(key, "B7", "SWIR_2", (2080, 2350), 30),
    )
    return Sensor(key, "Landsat 5 TM", bands, ("landsat5", "l5", "lt05", "landsat4_tm", "landsat4", "lt04"))


def _landsat7() -> Sensor:
    key = "landsat7_etm"
    bands = (
        _band(key, "B1", "BLUE", (450, 520), 30),
        _band(key, "B2", "GREEN", (520, 600), 30),
        _band(key, "B3", "RED", (630, 690), 30),
        _band(key, "B4", "NIR_BROAD", (770, 900), 30, *_ONLY_NIR),
        _band(key, "B5", "SWIR_1", (1550, 1750), 30),
        _band(key, "B6", "THERMAL_INFRARED", (10400, 12500), 60, *_ONLY_THERMAL, "B6_VCID_1", "B6_VCID_2"),
        _band(key, "B7", "SWIR_2", (2090, 2350), 30),
        _band(key, "B8", "PANCHROMATIC", (520, 900), 15),
    )
    return Sensor(key, "Landsat 7 ETM+", bands, ("landsat7", "l7", "le07", "landsat7_etm_plus"))


def _landsat8() -> Sensor:
    key = "landsat8_oli"
    bands = (
        _band(key, "B1", "COASTAL_AEROSOL", (435, 451), 30),
        _band(key, "B2", "BLUE", (452, 512), 30),
        _band(key, "B3", "GREEN", (533, 590), 30),
        _band(key, "B4", "RED", (636, 673), 30),
        _band(key, "B5", "NIR_NARROW", (851, 879), 30, *_ONLY_NIR),
        _band(key, "B6", "SWIR_1", (1566, 1651), 30),
        _band(key, "B7", "SWIR_2", (2107, 2294), 30),
        _band(key, "B8", "PANCHROMATIC", (503, 676), 15),
        _band(key, "B9", "CIRRUS", (1363, 1384), 30),
        _band(key, "B10", "THERMAL_INFRARED_1", (10600, 11190), 100, "thermal", "thermal_infrared", "tir", "lwir"),
        _band(key, "B11", "THERMAL_INFRARED_2", (11500, 12510), 100),
    )
    aliases = ("landsat8", "landsat9", "landsat9_oli", "l8", "l9", "lc08", "lc09", "landsat8_oli_tirs", "hls_l30")
    return Sensor(key, "Landsat 8 and 9 OLI/TIRS", bands, aliases)


SENSORS: dict[str, Sensor] = {sensor.name: sensor for sensor in (_sentinel2(), _landsat5(), _landsat7(), _landsat8())}
"""All sensors by name. Sentinel-2 comes first: it stands for a common name when no sensor is said."""


def _fold(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


_BY_SPELLING = {
    _fold(spelling): sensor for sensor in SENSORS.values() for spelling in (sensor.name, sensor.title, *sensor.aliases)
}


def find_sensor(name: str) -> Sensor:
    """Return the sensor of a name such as `sentinel2`, `Sentinel-2`, `Landsat 8` or `hls_l30`.

    Raises:
        UnknownNameError: when no sensor has this name; names the nearest one and all that there are.
    """
    sensor = _BY_SPELLING.get(_fold(name))
    if sensor is None:
        raise UnknownNameError(
            Fault(
                what=f"unknown sensor {name!r}",
                expected="one of " + ", ".join(SENSORS),
                mend=did_you_mean(name, [*SENSORS, *(alias for s in SENSORS.values() for alias in s.aliases)]),
            )
        )
    return sensor
