"""Find bands by name: one band, two names of one band, a list of names in a file's list of bands."""

from __future__ import annotations

from collections.abc import Sequence

from geofoundry.bands.band import Band
from geofoundry.bands.sensors import SENSORS, find_sensor
from geofoundry.bands.spelling import candidates, fold, is_code
from geofoundry.core.errors import ConfigError, Fault, UnknownNameError
from geofoundry.core.suggest import did_you_mean


def find_band(name: str, sensor: str | None = None) -> Band:
    """Return the band that a name means.

    Names ignore case and separators: `B04`, `B4`, `b4`, `RED` and `B4_red` are one band of Sentinel-2.
    Without a sensor, a common name (`RED`) gives the band of the first sensor in `SENSORS` that has it (Sentinel-2
    where it can), since it means the same everywhere; a zero-padded code (`B04`) is Sentinel-2's; another code
    (`B4`: red on Landsat 8, near infrared on Landsat 5) is ambiguous unless all its meanings agree.

    Raises:
        UnknownNameError: when no band has this name.
        ConfigError: when the name means different bands and no sensor says which.
    """
    key = find_sensor(sensor).name if sensor is not None else None
    found = candidates(name, key)
    if not found:
        raise UnknownNameError(_unknown_band(name, key))
    if len({band.common_name for band in found}) > 1 and is_code(name):
        raise ConfigError(_ambiguous_code(name, found))
    return found[0]


def same_band(a: str, b: str, sensor: str | None = None) -> bool:
    """Whether two names mean one band on the given sensor, or else on every sensor that knows both names."""
    if fold(a) == fold(b):
        return True
    key = find_sensor(sensor).name if sensor is not None else None
    by_sensor = [
        bool(set(candidates(a, name)) & set(candidates(b, name)))
        for name in (SENSORS if key is None else (key,))
        if _meanings(a, name, key) and _meanings(b, name, key)
    ]
    return bool(by_sensor) and all(by_sensor)


def infer_sensors(available: Sequence[str]) -> list[str]:
    """Return the sensors that have every band that any sensor has under these names.

    Names that no sensor knows (`Fmask`, `VV`, `elevation`) say nothing and are left out.
    """
    known = [name for name in available if candidates(name)]
    return [key for key in SENSORS if known and all(_meanings(name, key, None) for name in known)]


def match_bands(requested: Sequence[str | int], available: Sequence[str], sensor: str | None = None) -> list[int]:
    """Return, for each requested band, its index in `available`.

    An integer is an index already, counted from 0. A name is looked for as written (without case and separators),
    then as another name of the same band. Without a sensor, those that know the name and fit all of `available` must
    agree on the answer: `RED` in `[B2, B3, B4]` is refused, since Landsat 5 and Landsat 8 disagree.

    Raises:
        ConfigError: with one fault per band that is unknown, missing, ambiguous or out of range.
    """
    key = find_sensor(sensor).name if sensor is not None else None
    sensors = [key] if key is not None else infer_sensors(available)
    indices: list[int] = []
    faults: list[Fault] = []
    for band in requested:
        found = _match_index(band, available) if isinstance(band, int) else _match_name(band, available, sensors, key)
        if isinstance(found, Fault):
            faults.append(found)
        else:
            indices.append(found)
    if faults:
        raise ConfigError(faults)
    return indices


def _match_index(index: int, available: Sequence[str]) -> int | Fault:
    if isinstance(index, bool) or not 0 <= index < len(available):
        return Fault(
            what=f"band index {index!r} is out of range",
            got=_listing(available),
            expected=f"an index from 0 to {len(available) - 1}",
            mend="count bands from 0, or name them",
        )
    return index


def _match_name(name: str, available: Sequence[str], sensors: Sequence[str], sensor: str | None) -> int | Fault:
    literal = [index for index, other in enumerate(available) if fold(other) == fold(name)]
    if len(literal) == 1:
        return literal[0]
    if literal:
        return _several(name, literal, available)
    # A sensor that has no such name has no say: `B04` is spelled like Sentinel-2's.
    answers = {key: _indices_on(name, available, key, sensor) for key in sensors if _meanings(name, key, sensor)}
    found = {index for indices in answers.values() for index in indices}
    if not found:
        return _missing(name, available, sensors)
    if len(found) == 1 and all(answers.values()):
        return found.pop()
    for key, indices in answers.items():
        if len(indices) > 1 and len(answers) == 1:
            return _several(name, indices, available, key)
    return _disagreement(name, available, answers)


def _indices_on(name: str, available: Sequence[str], key: str, sensor: str | None) -> list[int]:
    wanted = set(_meanings(name, key, sensor))
    return [index for index, other in enumerate(available) if wanted & set(_meanings(other, key, sensor))]


def _meanings(name: str, key: str, sensor: str | None) -> tuple[Band, ...]:
    """Return what a name means on sensor `key`; zero-padded Landsat codes count only where the user gave the sensor."""
    if sensor is not None:
        return candidates(name, sensor)
    return tuple(band for band in candidates(name) if band.sensor == key)


def _listing(available: Sequence[str]) -> str:
    return "the bands " + ", ".join(map(str, available)) if available else "no band names"


def _missing(name: str, available: Sequence[str], sensors: Sequence[str]) -> Fault:
    mend = did_you_mean(name, available)
    if not mend and not candidates(name):
        mend = did_you_mean(name, (band.common_name for s in SENSORS.values() for band in s.bands))
    if not mend and not sensors and len(candidates(name)):
        mend = "say which sensor it is, or name the file's bands with dataset_bands"
    return Fault(
        what=f"no band {name!r}",
        got=_listing(available),
        expected="a band's name as listed, another name of one of them, or an index from 0",
        mend=mend or "leave it out, or name the file's bands with dataset_bands",
    )


def _several(name: str, indices: Sequence[int], available: Sequence[str], sensor: str = "") -> Fault:
    return Fault(
        what=f"band {name!r} fits several bands" + (f" of {sensor}" if sensor else ""),
        got=", ".join(f"{index}: {available[index]}" for index in indices),
        expected="one band",
        mend="give the index instead of the name",
    )


def _disagreement(name: str, available: Sequence[str], answers: dict[str, list[int]]) -> Fault:
    meanings = "; ".join(
        f"{key}: " + (", ".join(available[index] for index in indices) if indices else "none of them")
        for key, indices in answers.items()
    )
    return Fault(
        what=f"band {name!r} is ambiguous: it depends on the sensor",
        got=f"{_listing(available)}; {name} would be {meanings}",
        expected="a sensor, or names that say it",
        mend=f"set sensor to one of {', '.join(answers)}",
    )


def _unknown_band(name: str, sensor: str | None) -> Fault:
    sensors = [SENSORS[sensor]] if sensor is not None else list(SENSORS.values())
    names = [spelling for s in sensors for band in s.bands for spelling in (band.name, band.common_name)]
    where = f" of {sensor}" if sensor else ""
    return Fault(
        what=f"unknown band {name!r}{where}",
        expected="one of " + ", ".join(dict.fromkeys(band.common_name for s in sensors for band in s.bands)),
        mend=did_you_mean(name, names),
    )


def _ambiguous_code(name: str, found: Sequence[Band]) -> Fault:
    return Fault(
        what=f"band {name!r} is ambiguous: it depends on the sensor",
        got=", ".join(f"{band.sensor}: {band.common_name}" for band in found),
        expected="a sensor, or a name that means the same on all of them",
        mend=f"set sensor to one of {', '.join(band.sensor for band in found)}, or write {found[0].common_name!r}",
    )
