"""Sensors, their bands, the many names of a band, and the units of pixel values. Standard library only."""

from geofoundry.bands.band import Band, Sensor
from geofoundry.bands.matching import find_band, infer_sensors, match_bands, same_band
from geofoundry.bands.sensors import SENSORS, find_sensor
from geofoundry.bands.units import Unit, guess_unit, implausibility

__all__ = [
    "Band",
    "SENSORS",
    "Sensor",
    "Unit",
    "find_band",
    "find_sensor",
    "guess_unit",
    "implausibility",
    "infer_sensors",
    "match_bands",
    "same_band",
]
