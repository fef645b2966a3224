"""What a map shows: classes with names and colors, or values with band names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from geofoundry.core.errors import ConfigError, DataError, Fault
from geofoundry.geo.colors import Color, default_palette, parse_color

MAX_CLASS_ID = 65534


class ClassMap:
    """One band of class ids: uint8 (uint16 when an id or nodata is above 255), with names and a color table."""

    def __init__(
        self,
        class_names: Mapping[int, str] | Sequence[str],
        *,
        nodata: int | None = None,
        palette: Mapping[int, str | Sequence[int]] | None = None,
    ) -> None:
        """Name the classes, by id or in order from 0.

        `nodata` marks pixels without a class: 255 unless given, 65535 when 255 is a class. `palette` gives colors
        by class id (`"#rrggbb"` or three numbers); classes that it leaves out get `default_palette`'s.

        Raises:
            ConfigError: when an id is out of range, nodata is a class, or a color belongs to no class.
        """
        names = dict(class_names) if isinstance(class_names, Mapping) else dict(enumerate(class_names))
        self.class_names: dict[int, str] = dict(sorted(names.items()))
        self.nodata = nodata if nodata is not None else (255 if max(self.class_names, default=0) < 255 else 65535)
        self._check(palette or {})
        given = {class_id: parse_color(color) for class_id, color in (palette or {}).items()}
        self.palette: dict[int, Color] = {**default_palette(self.class_names), **given}
        self.dtype = "uint8" if max(self.nodata, *self.class_names) <= 255 else "uint16"
        self.band_names = ("class",)
        self._known = np.zeros(np.iinfo(self.dtype).max + 1, dtype=bool)
        self._known[[*self.class_names, self.nodata]] = True

    def _check(self, palette: Mapping[int, Any]) -> None:
        faults = []
        if not self.class_names:
            faults.append(Fault("a class map needs at least one class", where="class_names", got="none"))
        wrong = [class_id for class_id in self.class_names if not 0 <= class_id <= MAX_CLASS_ID]
        if wrong:
            faults.append(
                Fault("a class id is out of range", "class_names", str(wrong), f"ids from 0 to {MAX_CLASS_ID}")
            )
        if self.nodata in self.class_names:
            faults.append(
                Fault(
                    what="nodata is also a class, so pixels without a class can't be told apart",
                    where="nodata",
                    got=f"{self.nodata}, which is the class {self.class_names[self.nodata]!r}",
                    expected="a value that no class has",
                    mend="leave nodata out and a free value is taken",
                )
            )
        elif not 0 <= self.nodata <= MAX_CLASS_ID + 1:
            faults.append(Fault("nodata is out of range", "nodata", str(self.nodata), "a whole number from 0 to 65535"))
        unknown = sorted(set(palette) - set(self.class_names))
        if unknown:
            faults.append(
                Fault("the palette has ids that are no class", "palette", str(unknown), str([*self.class_names]))
            )
        if faults:
            raise ConfigError(faults)

    def pixels(self, array: np.ndarray) -> np.ndarray:
        """Return the array as it is stored.

        Raises:
            DataError: when a value is neither a class nor nodata.
        """
        inside = bool(array.size == 0 or (array.min() >= 0 and array.max() < self._known.size))
        stored = array.astype(self.dtype, copy=False) if inside else array
        if not inside or not self._known[stored].all():
            strange = sorted(set(np.unique(array).tolist()) - {*self.class_names, self.nodata})
            raise DataError(
                Fault(
                    what="a class map was given values that are no class",
                    got=", ".join(map(str, strange[:10])),
                    expected=f"one of {[*self.class_names]}, or {self.nodata} for nodata",
                )
            )
        return stored


class ValueMap:
    """Named bands of numbers, such as the probability of each class: float32, nodata NaN."""

    def __init__(self, band_names: Sequence[str], *, nodata: float = math.nan, dtype: str = "float32") -> None:
        """Name the bands, in order.

        Raises:
            ConfigError: without a band, or when nodata can't be stored in `dtype`.
        """
        if not band_names:
            raise ConfigError(Fault("a map needs at least one band", where="band_names", got="none"))
        if np.dtype(dtype).kind in "iu" and (math.isnan(nodata) or np.dtype(dtype).type(nodata) != nodata):
            raise ConfigError(Fault("nodata can't be stored in the map's pixels", "nodata", str(nodata), f"a {dtype}"))
        self.band_names = tuple(band_names)
        self.nodata = nodata
        self.dtype = dtype

    def pixels(self, array: np.ndarray) -> np.ndarray:
        """Return the array as it is stored."""
        return array.astype(self.dtype, copy=False)
