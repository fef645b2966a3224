"""Fit the first layer of a pretrained backbone to other bands than it was trained on, by band name.

A layer with a filter per pretrained band gets one per band of the data: the band's own filter where there is one,
otherwise the mean of all, or a mixture of those nearest in wavelength. All are scaled by the number of pretrained
bands over the number of bands, which keeps the sum of the filters, and with it the magnitude of the activations
(except in networks that standardize their filters anyway, such as NFNets).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from geofoundry.bands import find_band, same_band
from geofoundry.core.errors import ConfigError, Fault

BandFill = Literal["mean", "wavelength"]
RGB = ("RED", "GREEN", "BLUE")


@dataclass(frozen=True, slots=True)
class BandPlan:
    """How each band's filter is mixed from the pretrained ones.

    `mixture` has a row per band and a column per pretrained band, `origins` says in words what each row is, and
    `scale` multiplies all filters.
    """

    bands: tuple[str, ...]
    pretrained_bands: tuple[str, ...]
    mixture: tuple[tuple[float, ...], ...]
    origins: tuple[dict[str, Any], ...]

    @property
    def scale(self) -> float:
        """The number of pretrained bands over the number of bands."""
        return len(self.pretrained_bands) / len(self.bands)

    @property
    def keeps_weights(self) -> bool:
        """Whether the bands are the pretrained ones in their order, so that nothing changes."""
        count = len(self.pretrained_bands)
        identity = tuple(tuple(float(row == column) for column in range(count)) for row in range(count))
        return self.mixture == identity


def plan_bands(
    bands: Sequence[str | int],
    pretrained_bands: Sequence[str] = RGB,
    *,
    sensor: str | None = None,
    extra_bands: Sequence[str] = (),
    fill: BandFill = "mean",
) -> BandPlan:
    """Decide for each band which pretrained filters it is made of.

    Args:
        bands: Names of the data's bands, in order.
        pretrained_bands: Names of the bands that the weights were trained on, in order.
        sensor: The sensor that the names in `bands` belong to, where they depend on it.
        extra_bands: Names among `bands` that no sensor has (elevation, an index), taken as new bands.
        fill: What new bands get: the mean of all pretrained filters, or a mixture of the two nearest in wavelength.

    Raises:
        ConfigError: when a name is unknown, ambiguous or given twice; all such names in one error.
    """
    _check_names(bands, pretrained_bands, sensor, extra_bands, fill)
    names = [str(band) for band in bands]
    rows, origins = [], []
    for band in names:
        row, origin = _mix(band, pretrained_bands, sensor, set(extra_bands), fill)
        rows.append(row)
        origins.append({"band": band, **origin})
    return BandPlan(tuple(names), tuple(pretrained_bands), tuple(rows), tuple(origins))


def plan_unnamed_bands(count: int, pretrained_bands: Sequence[str] = RGB) -> BandPlan:
    """Decide for bands without names: the pretrained ones when the count is theirs, otherwise the mean of all."""
    if count == len(pretrained_bands):
        rows = tuple(tuple(float(i == j) for j in range(count)) for i in range(count))
        origins = tuple({"band": name, "how": "copied", "from": [name]} for name in pretrained_bands)
        return BandPlan(tuple(pretrained_bands), tuple(pretrained_bands), rows, origins)
    mean = (1.0 / len(pretrained_bands),) * len(pretrained_bands)
    names = tuple(f"band {index}" for index in range(count))
    origins = tuple({"band": name, "how": "averaged", "from": list(pretrained_bands)} for name in names)
    return BandPlan(names, tuple(pretrained_bands), (mean,) * count, origins)


def adapt_filters(weight: Tensor, plan: BandPlan, axis: int) -> Tensor:
    """Return the weight with its pretrained bands replaced by the plan's.

    **Shapes:** along `axis`, `groups · len(pretrained_bands)` to `groups · len(bands)`, with the band as the faster
    index, as in layers that move space into channels before they convolve; the other axes stay.
    """
    mixture = torch.tensor(plan.mixture, dtype=torch.float32) * plan.scale
    grouped = weight.float().movedim(axis, -1).unflatten(-1, (-1, len(plan.pretrained_bands)))
    return (grouped @ mixture.T).flatten(-2).movedim(-1, axis).to(weight.dtype).contiguous()


def report(plan: BandPlan, weights: str | None, layers: Sequence[str]) -> dict[str, Any]:
    """Return, as plain data, what each band's filter is; without weights every filter is `initialised`."""
    if weights is None:
        bands = [{"band": band, "how": "initialised", "from": []} for band in plan.bands]
        return {"weights": None, "layers": [], "scale": None, "bands": bands}
    return {"weights": weights, "layers": list(layers), "scale": plan.scale, "bands": [dict(o) for o in plan.origins]}


def _check_names(
    bands: Sequence[str | int], pretrained_bands: Sequence[str], sensor: str | None, extra: Sequence[str], fill: str
) -> None:
    faults: list[Fault] = []
    for names, owner, key in ((bands, sensor, "backbone_bands"), (pretrained_bands, None, "backbone_pretrained_bands")):
        for position, name in enumerate(names):
            where = f"{key}[{position}]"
            if not isinstance(name, str):
                faults.append(
                    Fault("a band has no name", where, repr(name), "a name such as RED or B04", "name the band")
                )
            elif name not in extra:
                faults += _faults_of_name(name, owner, where)
            faults += _faults_of_repetition(name, names[:position], owner, where)
    faults += [
        Fault(f"extra band {name!r} is not among the bands", "backbone_extra_bands", mend="add it to backbone_bands")
        for name in extra
        if name not in bands
    ]
    if not bands or not pretrained_bands:
        faults.append(Fault("there are no bands", "backbone_bands", expected="one name or more"))
    if fill not in ("mean", "wavelength"):
        faults.append(Fault("unknown filling of new bands", "backbone_band_fill", repr(fill), "mean or wavelength"))
    if faults:
        raise ConfigError(faults)


def _faults_of_repetition(name: str | int, before: Sequence[str | int], sensor: str | None, where: str) -> list[Fault]:
    if not isinstance(name, str):
        return []
    others = [other for other in before if isinstance(other, str)]
    twins = [other for other in others if other == name or same_band(other, name, sensor)]
    return [Fault(f"a band is given twice: {twin!r} and {name!r}", where, mend="remove one") for twin in twins[:1]]


def _faults_of_name(name: str, sensor: str | None, where: str) -> list[Fault]:
    try:
        find_band(name, sensor)
    except ConfigError as error:
        listed = "or, if no sensor has it, list it in backbone_extra_bands"
        return [
            Fault(
                fault.what,
                fault.where or where,
                fault.got or repr(name),
                fault.expected,
                f"{fault.mend}, {listed}" if fault.mend else listed.removeprefix("or, "),
            )
            for fault in error.faults
        ]
    return []


def _mix(
    band: str, pretrained: Sequence[str], sensor: str | None, extra: set[str], fill: str
) -> tuple[tuple[float, ...], dict[str, Any]]:
    count = len(pretrained)
    if band not in extra:
        match = next((i for i, name in enumerate(pretrained) if same_band(band, name, sensor)), None)
        if match is not None:
            return tuple(float(i == match) for i in range(count)), {"how": "copied", "from": [pretrained[match]]}
        if fill == "wavelength":
            return _interpolate(band, pretrained, sensor)
    return (1.0 / count,) * count, {"how": "averaged", "from": list(pretrained)}


def _interpolate(band: str, pretrained: Sequence[str], sensor: str | None) -> tuple[tuple[float, ...], dict[str, Any]]:
    """Mix the two pretrained bands around a wavelength linearly; beyond the last one, take that one."""
    wanted = find_band(band, sensor).wavelength_nm
    known = sorted((find_band(name).wavelength_nm, index) for index, name in enumerate(pretrained))
    below = [entry for entry in known if entry[0] <= wanted]
    above = [entry for entry in known if entry[0] >= wanted]
    low, high = (below or above[:1])[-1], (above or below[-1:])[0]
    row = [0.0] * len(pretrained)
    share = 0.0 if high[0] == low[0] else (wanted - low[0]) / (high[0] - low[0])
    row[low[1]] += 1.0 - share
    row[high[1]] += share
    sources = [pretrained[index] for index, part in enumerate(row) if part]
    return tuple(row), {"how": "interpolated", "from": sources}
