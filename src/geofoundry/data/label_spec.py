"""How the values of a label file become class indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from geofoundry.core.errors import ConfigError, DataError, Fault

OUTSIDE = -1  # stands, within the reader, for what transforms bring in from beyond a chip's edge
UNKNOWN = -32768
_TABLE_DTYPES = frozenset({"bool", "uint8", "int8", "uint16", "int16"})


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """The classes of a label file.

    `class_values` holds the file's value of each class, in the order of the class indices, after `label_map`
    (pairs of old and new values) was applied. Pixels with `ignore_index`, or with the file's nodata value where that
    is no class, carry `ignore_index` in a batch.
    """

    class_names: tuple[str, ...]
    class_values: tuple[int, ...]
    ignore_index: int | None = None
    label_map: tuple[tuple[int, int], ...] = ()

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_values)

    @property
    def dtype(self) -> np.dtype:
        """The smallest dtype that holds the class indices and `ignore_index`."""
        highest = max(self.num_classes - 1, self.ignore_index or 0)
        return np.dtype(np.uint8 if highest <= 255 and (self.ignore_index or 0) >= 0 else np.int16)

    def index_of(self, value: float, nodata: float | None = None) -> int | None:
        """Return the class index or `ignore_index` of a value in a file, None where it is neither."""
        mapped = dict(self.label_map).get(int(value), int(value)) if float(value).is_integer() else None
        if mapped is not None and mapped in self.class_values:
            return self.class_values.index(mapped)
        if self.ignore_index is not None and (mapped == self.ignore_index or _same(value, nodata)):
            return self.ignore_index
        return None

    def is_identity(self, dtype: str, nodata: float | None) -> bool:
        """Whether known values of a file are class indices already."""
        return _is_identity(self, dtype, nodata)

    def encode(self, values: np.ndarray, nodata: float | None, *, where: str) -> np.ndarray:
        """Turn the values of a label file into class indices, in `dtype`.

        Raises:
            DataError: when a value is neither a class nor ignored; names the file and the values.
        """
        name = values.dtype.name
        if name in _TABLE_DTYPES:
            table = _table(self, name, nodata)
            indices = table[values.view(np.uint8) if name == "bool" else values]
        else:
            found, inverse = np.unique(values, return_inverse=True)
            codes = [self.index_of(value, nodata) for value in found]
            table = np.array([UNKNOWN if code is None else code for code in codes], np.int16)
            indices = table[inverse].reshape(values.shape)
        unknown = indices == UNKNOWN
        if unknown.any():
            raise DataError(self.unknown_values(np.unique(values[unknown]).tolist(), where))
        return indices.astype(self.dtype)

    def unknown_values(self, values: Sequence[float], where: str) -> Fault:
        """Return the fault of values that are no class."""
        shown = ", ".join(f"{value:g}" for value in sorted(values)[:10]) + (" ..." if len(values) > 10 else "")
        fractions = any(not float(value).is_integer() for value in values)
        classes = ", ".join(f"{value} {name}" for value, name in zip(self.class_values, self.class_names, strict=True))
        ignored = "" if self.ignore_index is None else f"; ignore_index {self.ignore_index}"
        mend = "round them before" if fractions else _mend_for(values, self.ignore_index)
        return Fault(
            what="labels are not whole numbers" if fractions else "labels outside the classes",
            where=where,
            got=shown,
            expected=f"{classes}{ignored}",
            mend=mend,
        )


def make_label_spec(
    classes: Sequence[str] | Mapping[int, str] | int,
    *,
    ignore_index: int | None,
    label_map: Mapping[int, int] | None,
) -> LabelSpec:
    """Build a specification from class names (values 0, 1, ...), a mapping of value to name, or a number of classes.

    Raises:
        ConfigError: when a name occurs twice, or `ignore_index` is the index of a class with another value.
    """
    if isinstance(classes, int):
        classes = [str(index) for index in range(classes)]
    if isinstance(classes, Mapping):
        values, names = tuple(int(value) for value in classes), tuple(str(name) for name in classes.values())
    else:
        values, names = tuple(range(len(classes))), tuple(str(name) for name in classes)
    faults = _class_faults(values, names, ignore_index)
    if faults:
        raise ConfigError(faults)
    pairs = tuple((int(old), int(new)) for old, new in (label_map or {}).items())
    return LabelSpec(names, values, ignore_index, pairs)


def _class_faults(values: tuple[int, ...], names: tuple[str, ...], ignore_index: int | None) -> list[Fault]:
    faults: list[Fault] = []
    if not names:
        faults.append(Fault("there are no classes", "classes", mend="name the classes"))
    if len(names) > 32000:
        faults.append(Fault("there are too many classes", "classes", got=str(len(names)), expected="at most 32000"))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        faults.append(Fault("class names occur twice", "classes", got=", ".join(repeated), mend="rename them"))
    if ignore_index is not None and not -100 <= ignore_index < 32000:
        faults.append(Fault("ignore_index is out of range", "ignore_index", got=str(ignore_index), mend="write 255"))
    elif ignore_index is not None and 0 <= ignore_index < len(values) and values[ignore_index] != ignore_index:
        faults.append(
            Fault(
                what="ignore_index is also the index of a class",
                where="ignore_index",
                got=f"{ignore_index}, which is {names[ignore_index]!r} once labels are numbered from 0",
                expected="a number that is no class index, the same here and in the model",
                mend=f"write ignore_index: 255, and label_map: {{{ignore_index}: 255}} if the files hold {ignore_index}",
            )
        )
    return faults


@cache
def _is_identity(spec: LabelSpec, dtype: str, nodata: float | None) -> bool:
    if np.dtype(dtype) != spec.dtype:
        return False
    known = {*spec.class_values, *(old for old, _ in spec.label_map), spec.ignore_index, nodata}
    values = [value for value in known if value is not None and float(value).is_integer()]
    return all(spec.index_of(value, nodata) in (int(value), None) for value in values)


@cache
def _table(spec: LabelSpec, dtype: str, nodata: float | None) -> np.ndarray:
    """Return the class index of every value of an 8- or 16-bit dtype; negative values index from the end."""
    limits = np.iinfo(np.uint8 if dtype == "bool" else dtype)
    table = np.full(limits.max - limits.min + 1, UNKNOWN, np.int16)
    for value in {*spec.class_values, *(old for old, _ in spec.label_map), spec.ignore_index, nodata}:
        if value is None or not float(value).is_integer() or not limits.min <= value <= limits.max:
            continue
        index = spec.index_of(value, nodata)
        if index is not None:
            table[int(value)] = index
    return table


def _same(value: float, nodata: float | None) -> bool:
    if nodata is None:
        return False
    return value == nodata or (np.isnan(value) and np.isnan(nodata))


def _mend_for(values: Sequence[float], ignore_index: int | None) -> str:
    first = "nan" if np.isnan(values[0]) else f"{values[0]:g}"
    if ignore_index is None:
        return f"add them to classes, or set ignore_index: {first} here and in the model if they mean 'no label'"
    return f"add them to classes, or send them to another value: label_map: {{{first}: {ignore_index}}}"
