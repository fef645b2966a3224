"""What a band and a sensor are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

THERMAL_FROM_NM = 8000.0


@dataclass(frozen=True, slots=True)
class Band:
    """One spectral band of one sensor.

    `name` is the agency's (`B04`, `B4`), `common_name` the one that HLS and Prithvi use (`RED`) and that means
    the same on every sensor, `aliases` are further spellings. `wavelength_nm` is the centre.
    """

    sensor: str
    name: str
    common_name: str
    aliases: tuple[str, ...]
    wavelength_nm: float
    bandwidth_nm: float
    gsd_m: float

    @property
    def is_thermal(self) -> bool:
        """Whether the band measures emitted heat, not reflected light."""
        return self.wavelength_nm >= THERMAL_FROM_NM


@dataclass(frozen=True, slots=True)
class Sensor:
    """An instrument and its bands, in the agency's order.

    `platform_wavelengths_nm` holds the centre wavelengths of single satellites where they differ:
    platform, then band name.
    """

    name: str
    title: str
    bands: tuple[Band, ...]
    aliases: tuple[str, ...] = ()
    platform_wavelengths_nm: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def band_names(self) -> tuple[str, ...]:
        """The agency's names of all bands."""
        return tuple(band.name for band in self.bands)
