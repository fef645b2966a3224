"""Check of band names: known to a sensor or to the files, and none given twice."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from geofoundry.bands import SENSORS, find_band, find_sensor, match_bands, same_band
from geofoundry.config.report import Report
from geofoundry.config.yaml_reading import Path
from geofoundry.core.errors import ConfigError, UnknownNameError
from geofoundry.core.suggest import nearest

# How alike a band's name must be to a known one to count as misspelt rather than as a band of its own kind.
ALIKE = 0.75


def check_sensor(report: Report, path: Path, sensor: Any) -> str | None:
    """Return the sensor if it is one; report it if it is not."""
    if not isinstance(sensor, str):
        return None
    try:
        return find_sensor(sensor).name
    except ConfigError as error:
        report.raised(path, error)
        return None


def check_band_names(
    report: Report, path: Path, bands: Any, sensor: str | None, *, known: Collection[str] = (), escape: str
) -> None:
    """Check the bands of a list where nothing but their names tells what they are.

    A name that is like one of a sensor's but isn't counts as misspelt, another unknown one as doubtful. `known` are
    names that need no sensor, and `escape` says how to make a name one of them.
    """
    for index, band in _names(bands):
        if band in known:
            continue
        try:
            find_band(band, sensor)
        except UnknownNameError as error:
            near = nearest(band, _spellings(), count=1, cutoff=ALIKE)
            if near:
                mend = f"write {near[0]!r}, or {escape}"
                report.error((*path, index), error.faults[0].what, got=repr(band), mend=mend)
            else:
                report.warning((*path, index), f"no sensor has a band {band!r}", got=repr(band), mend=escape)
        except ConfigError:
            continue  # a code such as B4 depends on the sensor: the files' own names settle it
    check_repetitions(report, path, bands, sensor)


def check_named_bands(report: Report, path: Path, bands: Any, sensor: str | None, *, extra: Collection[str]) -> None:
    """Check bands that must be known to a sensor, all but the `extra` ones, as a backbone that adapts to them asks."""
    for index, band in _names(bands):
        if band in extra:
            continue
        try:
            find_band(band, sensor)
        except ConfigError as error:
            fault = error.faults[0]
            mend = fault.mend or "list it under backbone_extra_bands as well, if it is a band of its own kind"
            report.error((*path, index), fault.what, got=fault.got or repr(band), expected=fault.expected, mend=mend)
    check_repetitions(report, path, bands, sensor)


def check_matches(report: Report, path: Path, bands: Any, available: list[str], sensor: str | None) -> None:
    """Check that each of the bands is one of those that the files have."""
    for index, band in enumerate(bands if isinstance(bands, list) else ()):
        try:
            match_bands([band], available, sensor)
        except ConfigError as error:
            report.raised((*path, index), error)
    check_repetitions(report, path, bands, sensor)


def check_repetitions(report: Report, path: Path, bands: Any, sensor: str | None) -> None:
    """Report bands that are given twice, under one name or two."""
    seen: list[str] = []
    for index, band in _names(bands):
        twin = next((other for other in seen if is_same_band(band, other, sensor)), None)
        if twin is not None:
            got = f"{twin!r} and {band!r}"
            report.error((*path, index), f"the band {band!r} is given twice", got=got, mend="remove one")
        seen.append(band)


def is_same_band(a: str, b: str, sensor: str | None) -> bool:
    """Tell whether two names mean one band."""
    try:
        return same_band(a, b, sensor)
    except ConfigError:
        return a == b


def are_different_bands(a: str, b: str, sensor: str | None) -> bool:
    """Tell whether two names surely mean different bands: both are known, and to different things."""
    if is_same_band(a, b, sensor):
        return False
    try:
        return find_band(a, sensor).common_name != find_band(b, sensor).common_name
    except ConfigError:
        return False


def _names(bands: Any) -> list[tuple[int, str]]:
    return [(i, band) for i, band in enumerate(bands) if isinstance(band, str)] if isinstance(bands, list) else []


def _spellings() -> list[str]:
    bands = [band for sensor in SENSORS.values() for band in sensor.bands]
    return list(dict.fromkeys(name for band in bands for name in (band.name, band.common_name, *band.aliases)))
