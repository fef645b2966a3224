"""What a pixel's number means physically, and whether the numbers look like it."""

from __future__ import annotations

import math
from enum import Enum


class Unit(Enum):
    """The unit of pixel values, as stored or after scaling."""

    DN = "dn"
    REFLECTANCE = "reflectance"
    REFLECTANCE_X10000 = "reflectance_x10000"
    DB = "db"
    CELSIUS_X100 = "celsius_x100"
    METRES = "metres"

    @property
    def scale(self) -> float:
        """The factor from this unit to the plain one: reflectance, decibel, degree Celsius, metre, or the DN itself."""
        return {Unit.REFLECTANCE_X10000: 1e-4, Unit.CELSIUS_X100: 1e-2}.get(self, 1.0)


# What real scenes hold, generously: saturated clouds and sun glint above, over-corrected shadows below.
_PLAUSIBLE: dict[Unit, tuple[float, float]] = {
    Unit.DN: (0.0, 65535.0),
    Unit.REFLECTANCE: (-1.0, 2.5),
    Unit.REFLECTANCE_X10000: (-10000.0, 25000.0),
    Unit.DB: (-80.0, 50.0),
    Unit.CELSIUS_X100: (-15000.0, 15000.0),
    Unit.METRES: (-12000.0, 9000.0),
}
_SMALLEST_MAXIMUM: dict[Unit, float] = {Unit.REFLECTANCE_X10000: 10.0, Unit.CELSIUS_X100: 100.0}


def guess_unit(minimum: float, maximum: float, *, is_integer: bool = False, is_thermal: bool = False) -> Unit | None:
    """Guess the unit from the range of a band's valid values, or return None when nothing fits.

    It is a guess: metres are never guessed, 8-bit values are taken for DN, and Level-1 DN between 256 and 25000
    can't be told from reflectance x 10000.
    """
    if not (math.isfinite(minimum) and math.isfinite(maximum)) or minimum > maximum:
        return None
    if is_thermal:
        fits = minimum >= -15000 and maximum <= 15000 and maximum > 400
        return Unit.CELSIUS_X100 if fits else Unit.DN if minimum >= 0 else None
    if not is_integer and minimum >= -1.0 and maximum <= 2.5:
        return Unit.REFLECTANCE
    if not is_integer and -80.0 <= minimum < -1.0 and maximum <= 50.0:
        return Unit.DB
    if is_integer and minimum >= 0 and maximum <= 255:
        return Unit.DN
    if minimum >= -10000 and 10 < maximum <= 25000:
        return Unit.REFLECTANCE_X10000
    return Unit.DN if minimum >= 0 and maximum <= 65535 else None


def implausibility(unit: Unit, minimum: float, maximum: float) -> str:
    """Say why a range of values does not look like a unit, or return an empty text."""
    low, high = _PLAUSIBLE[unit]
    if minimum < low or maximum > high:
        return f"values from {minimum:g} to {maximum:g}, where {unit.value} lies between {low:g} and {high:g}"
    smallest = _SMALLEST_MAXIMUM.get(unit)
    if smallest is not None and 0 < maximum < smallest and minimum >= 0:
        return f"values from {minimum:g} to {maximum:g}, where {unit.value} reaches into the thousands"
    return ""
