"""Which bands of a set of images a first model should see, and of which sensor they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from geofoundry.bands import Band, find_band, infer_sensors, match_bands
from geofoundry.core.errors import ConfigError

# How product names begin: LC08_L1TP_..., LE70220491999322, S2B_MSIL2A_...
SENSOR_HINTS = (
    (r"S2[ABCD]?_?MSI", "sentinel2"),
    (r"(?<![A-Z0-9])L[CO]0?[89](?=[_\d])", "landsat8_oli"),
    (r"(?<![A-Z0-9])LE0?7(?=[_\d])", "landsat7_etm"),
    (r"(?<![A-Z0-9])LT0?5(?=[_\d])", "landsat5_tm"),
)
# Bands that look at the atmosphere, not at the ground.
ATMOSPHERIC = frozenset({"WATER_VAPOR", "CIRRUS"})


@dataclass(frozen=True, slots=True)
class BandChoice:
    """The bands to use, in words for a configuration.

    `names` is empty when the files don't name their bands: then all `count` of them are used. `left_out` are bands
    of the files that are not used. `sensor` is None when it isn't known, or doesn't matter for the names.
    """

    names: tuple[str, ...]
    count: int
    left_out: tuple[str, ...] = ()
    sensor: str | None = None


def choose_bands(descriptions: Sequence[str], hints: Sequence[str] = ()) -> BandChoice:
    """Choose the bands of known sensors that look at the ground; all bands when none is known.

    `descriptions` are the names in the files, `hints` file names and tags that may tell the sensor. Where the sensor
    is known the bands are written by their common names (`RED`), else as in the files.
    """
    if not all(descriptions) or len(set(descriptions)) < len(descriptions):
        return BandChoice((), len(descriptions))
    sensor = guess_sensor(descriptions, hints)
    bands = {name: band for name in descriptions if (band := _known(name, sensor)) is not None}
    useful = [name for name, band in bands.items() if band.common_name not in ATMOSPHERIC]
    if not useful:
        return BandChoice(tuple(descriptions), len(descriptions), sensor=sensor)
    left_out = tuple(name for name in descriptions if name not in useful)
    common = [bands[name].common_name for name in useful]
    wanted = [list(descriptions).index(name) for name in useful]
    if sensor is not None and _matches(common, descriptions, sensor) == wanted:
        return BandChoice(tuple(common), len(useful), left_out, sensor)
    return BandChoice(tuple(useful), len(useful), left_out, sensor)


def guess_sensor(descriptions: Sequence[str], hints: Sequence[str]) -> str | None:
    """Return the one sensor that fits the bands' names and, where several do, the hints."""
    fitting = infer_sensors(descriptions)
    if len(fitting) == 1:
        return fitting[0]
    hinted = {sensor for pattern, sensor in SENSOR_HINTS for hint in hints if re.search(pattern, hint.upper())}
    both = hinted & set(fitting)
    return both.pop() if len(both) == 1 else None


def _known(name: str, sensor: str | None) -> Band | None:
    try:
        return find_band(name, sensor)
    except ConfigError:
        return None


def _matches(names: Sequence[str], descriptions: Sequence[str], sensor: str) -> list[int]:
    try:
        return match_bands(names, descriptions, sensor)
    except ConfigError:
        return []
