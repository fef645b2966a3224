"""How an image file becomes an array: which bands, which values are nodata, which scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geofoundry.bands import match_bands
from geofoundry.core.errors import ConfigError, DataError, Fault, GeofoundryError
from geofoundry.geo.reading import RasterHeader, open_raster, opening, read_pixels

# What a batch can hold as it is; anything else is converted to float32 while it is decoded.
KEPT_DTYPES = frozenset({"uint8", "uint16", "int16", "float32"})

NodataRule = Literal["all", "any"]


@dataclass(frozen=True, slots=True)
class BandPlan:
    """What to read from one file: band indexes counted from 1, their names, and the nodata value of each."""

    indexes: tuple[int, ...]
    names: tuple[str, ...]
    nodata: tuple[float | None, ...]
    dtype: str

    @property
    def declares_nodata(self) -> bool:
        """Whether any of the bands has a nodata value."""
        return any(value is not None for value in self.nodata)


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """Bands, nodata and scale of a set of images.

    `bands` are names or indexes from 0 in the order wanted, empty for all; `dataset_bands` names what is in the
    files, where their band descriptions don't. `scale` and `offset` (one number, or one per band) turn stored values
    into physical ones: `value * scale + offset`. `nodata` (one value, or one per band, NaN included) takes the place
    of what the files declare; None leaves it to them. `allow_nan` takes every NaN and infinity for nodata.

    A pixel is nodata when `all` or `any` of its bands are (`nodata_rule`); such a pixel's label is not learnt from.
    `nodata_replace` is what the model sees in place of nodata, after normalization: 0 is the band's mean.
    `time_steps` says how many dates a file stacks, date after date, all with the same bands.
    """

    bands: tuple[str | int, ...] = ()
    dataset_bands: tuple[str, ...] = ()
    sensor: str | None = None
    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    nodata: tuple[float | None, ...] | None = None
    allow_nan: bool = False
    nodata_rule: NodataRule = "all"
    nodata_replace: float = 0.0
    time_steps: int = 1

    def plan(self, header: RasterHeader) -> BandPlan:
        """Return what to read from a file with this header.

        Raises:
            GeofoundryError: with one fault per band or option that does not fit the file.
        """
        per_step = self._bands_per_step(header)
        names = self._file_band_names(header, per_step)
        requested: Sequence[str | int] = self.bands or range(per_step)
        if not any(names) and any(isinstance(band, str) for band in requested):
            raise DataError(_unnamed_bands(header))
        first_step = match_bands(requested, names, self.sensor)
        steps = [step * per_step for step in range(self.time_steps)]
        indexes = tuple(start + index + 1 for start in steps for index in first_step)
        chosen = tuple(names[index] or f"band {index}" for index in first_step)
        return BandPlan(
            indexes=indexes,
            names=tuple(b if isinstance(b, str) else chosen[i] for i, b in enumerate(requested)),
            nodata=self._nodata_of(header, indexes),
            dtype=_kept_dtype([header.dtypes[index - 1] for index in indexes]),
        )

    def of_all_bands(self) -> ImageSpec:
        """Return the same specification without a choice of bands."""
        return replace(self, bands=())

    def read(self, path: str | Path, window: Window | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Read a window of an image in physical values, before normalization.

        Nodata is NaN, band by band. A window may reach beyond the image; what lies outside is nodata.

        **Shapes**: image (bands, height, width) float32, with dates one after the other; valid (height, width) bool.

        Raises:
            GeofoundryError: when the file can't be read or does not have the bands.
        """
        with opening(), open_raster(path) as dataset:
            plan = self.plan(RasterHeader.of(dataset, path))
            return self.read_planned(dataset, plan, window)

    def read_planned(
        self, dataset: DatasetReader, plan: BandPlan, window: Window | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a window of an open image; otherwise as `read`."""
        image, inside = _read_as_float(dataset, plan.indexes, window)
        missing = self.mark_nodata(image, plan.nodata)
        if inside is not None:
            missing |= ~inside
        return self.to_physical(image), ~missing

    def mark_nodata(self, image: np.ndarray, nodata: Sequence[float | None]) -> np.ndarray:
        """Put NaN where a float32 image of stored values has nodata, and return which pixels are nodata.

        **Shapes**: image (bands, height, width), changed in place; the answer (height, width) bool.
        """
        for plane, value in zip(image, nodata, strict=True):
            if value is not None and not math.isnan(value):
                plane[plane == as_float32(value)] = np.nan
        if self.allow_nan:
            image[np.isinf(image)] = np.nan
        missing = np.isnan(image)
        combine = np.logical_and if self.nodata_rule == "all" else np.logical_or
        return combine.reduce(missing, axis=0)

    def to_physical(self, image: np.ndarray) -> np.ndarray:
        """Apply scale and offset to a float32 image, in place."""
        if self.is_scaled:
            image *= np.asarray(self.per_band(self.scale, len(image)), np.float32)[:, None, None]
            image += np.asarray(self.per_band(self.offset, len(image)), np.float32)[:, None, None]
        return image

    @property
    def is_scaled(self) -> bool:
        """Whether physical values differ from stored ones."""
        return any(scale != 1.0 for scale in self.scale) or any(offset != 0.0 for offset in self.offset)

    def per_band(self, values: tuple[float, ...], count: int) -> tuple[float, ...]:
        """Return one value for each of `count` planes, from one for all or one for each band of a date."""
        return values * (count // len(values))

    def _bands_per_step(self, header: RasterHeader) -> int:
        if header.count % self.time_steps:
            raise DataError(
                Fault(
                    what="the bands can't be shared out over the dates",
                    where=str(header.path),
                    got=f"{header.count} bands",
                    expected=f"a multiple of time_steps: {self.time_steps}",
                    mend="correct time_steps, or stack all dates with the same bands",
                )
            )
        return header.count // self.time_steps

    def _file_band_names(self, header: RasterHeader, per_step: int) -> tuple[str, ...]:
        if not self.dataset_bands:
            return header.descriptions[:per_step]
        if len(self.dataset_bands) != per_step:
            raise DataError(
                Fault(
                    what="dataset_bands does not name every band of the file",
                    where=str(header.path),
                    got=f"{len(self.dataset_bands)} names for {per_step} bands" + self._per_date(),
                    expected="one name per band, in the file's order",
                    mend="correct dataset_bands, or leave out files of another kind",
                )
            )
        return self.dataset_bands

    def _per_date(self) -> str:
        return " per date" if self.time_steps > 1 else ""

    def _nodata_of(self, header: RasterHeader, indexes: Sequence[int]) -> tuple[float | None, ...]:
        if self.nodata is None:
            return tuple(header.nodata[index - 1] for index in indexes)
        return tuple(self.nodata) * (len(indexes) // len(self.nodata))


def make_image_spec(
    bands: Sequence[str | int] | None,
    *,
    dataset_bands: Sequence[str] | None,
    sensor: str | None,
    scale: float | Sequence[float],
    offset: float | Sequence[float],
    nodata: float | str | Sequence[float | str | None] | None,
    allow_nan: bool,
    nodata_rule: NodataRule,
    nodata_replace: float,
    time_steps: int,
) -> ImageSpec:
    """Build a specification from values as they stand in a YAML; `"nan"` is a nodata value.

    Raises:
        ConfigError: when lists have a wrong length, or a value is no number.
    """
    faults: list[Fault] = []
    count = len(bands) if bands else None
    lists = {"scale": _as_tuple(scale), "offset": _as_tuple(offset)}
    parsed = None if nodata is None else tuple(_nodata_value(value, faults) for value in _as_tuple(nodata))
    for name, values in {**lists, "nodata": parsed or (None,)}.items():
        if len(values) != 1 and len(values) != count:
            faults.append(_wrong_length(name, len(values), count))
    if time_steps < 1:
        faults.append(Fault("time_steps must be at least 1", "time_steps", got=str(time_steps)))
    if faults:
        raise ConfigError(faults)
    return ImageSpec(
        bands=tuple(bands or ()),
        dataset_bands=tuple(dataset_bands or ()),
        sensor=sensor,
        scale=tuple(float(value) for value in lists["scale"]),
        offset=tuple(float(value) for value in lists["offset"]),
        nodata=parsed,
        allow_nan=allow_nan,
        nodata_rule=nodata_rule,
        nodata_replace=nodata_replace,
        time_steps=time_steps,
    )


def plan_or_faults(spec: ImageSpec, header: RasterHeader) -> tuple[BandPlan | None, tuple[Fault, ...]]:
    """Return the plan for a file, or the faults that stand against one, each naming the file."""
    try:
        return spec.plan(header), ()
    except GeofoundryError as error:
        return None, tuple(replace(fault, where=fault.where or str(header.path)) for fault in error.faults)


def as_float32(value: float) -> np.float32:
    """Return a number as float32; what lies beyond its range is infinite, as in pixels that were converted."""
    with np.errstate(over="ignore"):
        return np.float32(value)


def _read_as_float(
    dataset: DatasetReader, indexes: Sequence[int], window: Window | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return stored values as float32, and which pixels lie inside the raster, None when all do."""
    where = window or Window(0, 0, dataset.width, dataset.height)  # type: ignore[call-arg]
    shape = (int(where.height), int(where.width))
    image = np.empty((len(indexes), *shape), np.float32)
    read_pixels(dataset, indexes, where, fill=np.nan, out=image)
    if where.row_off >= 0 and where.col_off >= 0:
        below, right = where.row_off + where.height, where.col_off + where.width
        if below <= dataset.height and right <= dataset.width:
            return image, None
    rows = np.arange(shape[0]) + int(where.row_off)
    cols = np.arange(shape[1]) + int(where.col_off)
    inside = ((rows >= 0) & (rows < dataset.height))[:, None] & ((cols >= 0) & (cols < dataset.width))
    return image, inside


def _kept_dtype(dtypes: Sequence[str]) -> str:
    first = dtypes[0]
    return first if first in KEPT_DTYPES and all(dtype == first for dtype in dtypes) else "float32"


def _as_tuple(values: object) -> tuple:
    return tuple(values) if isinstance(values, (list, tuple)) else (values,)


def _nodata_value(value: float | str | None, faults: list[Fault]) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        expected = "a number, 'nan', or a list with one of these per band"
        faults.append(Fault("a nodata value is no number", "nodata", got=repr(value), expected=expected))
        return None


def _wrong_length(name: str, got: int, count: int | None) -> Fault:
    return Fault(
        what=f"{name} has a wrong number of values",
        where=name,
        got=f"{got} values",
        expected="one value, or one for each band" + (f": {count}" if count else " named under `bands`"),
        mend="" if count else "name the bands, or give a single value",
    )


def _unnamed_bands(header: RasterHeader) -> Fault:
    return Fault(
        what="the file does not name its bands, but bands are asked for by name",
        where=str(header.path),
        got=f"{header.count} bands without descriptions",
        expected="band descriptions in the file, or dataset_bands in the configuration",
        mend="list the names of all bands of the files under dataset_bands, or ask for bands by index from 0",
    )
