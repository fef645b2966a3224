"""Read chips into arrays that wait for them: images as stored wherever possible, labels as class indices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geofoundry.core.errors import DataError, Fault
from geofoundry.data.image_spec import BandPlan, ImageSpec
from geofoundry.data.label_spec import LabelSpec
from geofoundry.data.pairing import Sample
from geofoundry.data.sampling import Chip, area_of
from geofoundry.geo.reading import RasterHeader, open_raster, read_pixels


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How images lie in a batch: their dtype, and whether nodata is NaN or each band's value in `nodata`."""

    dtype: str
    nodata_is_nan: bool
    nodata: tuple[float | None, ...]


class ChipReader:
    """Reads chips of samples whose headers are known.

    Integers stay integers as long as all files have one dtype and one nodata value; otherwise images become float32
    with nodata as NaN. `pads` says that chips may reach beyond their samples; what lies there is nodata, and ignored
    in the mask. Unless `verified`, values and labels are checked whenever they are read.
    """

    def __init__(
        self,
        samples: Iterable[Sample],
        image_spec: ImageSpec,
        label_spec: LabelSpec,
        headers: Mapping[Path, RasterHeader],
        *,
        pads: bool = False,
        as_values: bool = False,
        verified: bool = False,
    ) -> None:
        self.image_spec = image_spec
        self.label_spec = label_spec
        self._pads = pads
        self._verified = verified
        self._shapes: dict[Path, tuple[int, int]] = {}
        self._plans: dict[Path, BandPlan] = {}
        self._labels: dict[Path, tuple[str, float | None]] = {}
        for sample in samples:
            self._shapes[sample.image] = headers[sample.image].shape
            self._plans[sample.image] = image_spec.plan(headers[sample.image])
            if sample.label is not None:
                header = headers[sample.label]
                self._shapes[sample.label] = header.shape
                self._labels[sample.label] = (header.dtypes[0], header.nodata[0])
        self.format = self._choose_format(as_values)

    def shape_of(self, chip: Chip) -> tuple[int, int, int]:
        """Return (bands, height, width) of a chip; dates count as bands."""
        window = chip.window or self.area_of(chip.sample)
        return len(self._plans[chip.sample.image].indexes), int(window.height), int(window.width)

    def area_of(self, sample: Sample) -> Window:
        """Return the window of a sample in its image."""
        return area_of(sample, self._shapes[sample.image])

    def plan_of(self, sample: Sample) -> BandPlan:
        """Return what is read from a sample's image."""
        return self._plans[sample.image]

    def read_image(self, chip: Chip, out: np.ndarray) -> None:
        """Decode a chip's bands into an array of the batch's dtype.

        Raises:
            DataError: when the file can't be read, has changed in size, or holds undeclared NaN.
        """
        path, inside = chip.sample.image, self._inside(chip)
        plan = self._plans[path]
        with self._open(path) as dataset:
            if inside is None:
                read_pixels(dataset, plan.indexes, chip.window, out=out)
            else:
                out[...] = np.nan
                _part(out, chip.window, inside)[...] = read_pixels(dataset, plan.indexes, inside)
        if not self._verified and out.dtype.kind == "f":
            self._refuse_undeclared(_part(out, chip.window, inside), plan, path)
        if self.format.nodata_is_nan:
            self.image_spec.mark_nodata(out, plan.nodata)

    def read_mask(self, chip: Chip, out: np.ndarray) -> None:
        """Decode a chip's label into an array of class indices.

        Raises:
            DataError: when the file can't be read, or holds values outside the classes.
        """
        sample, ignore, inside = chip.sample, self.label_spec.ignore_index, self._inside(chip)
        if sample.label is None:
            raise DataError(Fault("a sample without a label", sample.key, expected="a label file"))
        if inside is not None and ignore is None:
            raise DataError(no_ignore_index(str(sample.label), "the sample is smaller than crop_size"))
        dtype, nodata = self._labels[sample.label]
        with self._open(sample.label) as dataset:
            if inside is None and self._verified and self.label_spec.is_identity(dtype, nodata):
                read_pixels(dataset, (1,), chip.window, out=out[None])
            else:
                values = read_pixels(dataset, (1,), inside or chip.window)[0]
                if inside is not None:
                    out[...] = ignore
                _part(out, chip.window, inside)[...] = self.label_spec.encode(values, nodata, where=str(sample.label))
        if ignore is not None:
            out[: chip.seen_rows] = ignore
            out[:, : chip.seen_cols] = ignore

    @contextmanager
    def _open(self, path: Path) -> Iterator[DatasetReader]:
        with open_raster(path) as dataset:
            if dataset.shape != self._shapes[path]:
                raise DataError(_changed(path, self._shapes[path], dataset))
            yield dataset

    def _inside(self, chip: Chip) -> Window | None:
        """Return the part of a chip that lies in its sample, or None when all of it does."""
        if chip.window is None or not self._pads:
            return None
        inside = self.area_of(chip.sample).intersection(chip.window)
        return None if inside == chip.window else inside

    def _refuse_undeclared(self, values: np.ndarray, plan: BandPlan, path: Path) -> None:
        if self.image_spec.allow_nan:
            return
        count = 0
        for plane, nodata in zip(values, plan.nodata, strict=True):
            nan_is_nodata = nodata is not None and np.isnan(nodata)
            odd = np.isinf(plane) if nan_is_nodata else ~np.isfinite(plane)
            if nodata is not None and np.isinf(nodata):
                odd &= plane != nodata
            count += int(np.count_nonzero(odd))
        if count:
            raise DataError(undeclared_values(str(path), count))

    def _choose_format(self, as_values: bool) -> PixelFormat:
        plans = list(self._plans.values())
        first = plans[0]
        one_nodata = all(_same_nodata(plan.nodata, first.nodata) for plan in plans)
        nan_is_nodata = self.image_spec.allow_nan or any(v is not None and np.isnan(v) for v in first.nodata)
        as_nan = as_values or self._pads or nan_is_nodata or not one_nodata
        one_dtype = all(plan.dtype == first.dtype for plan in plans)
        return PixelFormat("float32" if as_nan or not one_dtype else first.dtype, as_nan, first.nodata)


def undeclared_values(where: str, count: int) -> Fault:
    """Return the fault of NaN or infinite pixels that nothing declares as nodata."""
    return Fault(
        what="NaN or infinite values that nothing declares as nodata",
        where=where,
        got=f"{count} values",
        expected="finite numbers, or a declaration",
        mend="set nodata: nan if NaN means 'no data', or allow_nan: true to take infinite values for it as well",
    )


def no_ignore_index(where: str, why: str) -> Fault:
    """Return the fault of pixels without a label where there is no number for 'no label'."""
    return Fault(
        what=f"pixels without a label: {why}",
        where=where,
        expected="an ignore_index for them",
        mend="set ignore_index: 255, here and in the model",
    )


def _part(out: np.ndarray, window: Window | None, inside: Window | None) -> np.ndarray:
    """Return the view of an array for `window` that belongs to the part `inside`."""
    if window is None or inside is None:
        return out
    top, left = int(inside.row_off - window.row_off), int(inside.col_off - window.col_off)
    return out[..., top : top + int(inside.height), left : left + int(inside.width)]


def _same_nodata(first: tuple[float | None, ...], second: tuple[float | None, ...]) -> bool:
    # As text, since NaN differs from itself.
    return [str(value) for value in first] == [str(value) for value in second]


def _changed(path: Path, shape: tuple[int, int], dataset: DatasetReader) -> Fault:
    return Fault(
        what="the file has changed since it was checked",
        where=str(path),
        got=f"{dataset.height} x {dataset.width} pixels",
        expected=f"{shape[0]} x {shape[1]}",
        mend="start again when the files are complete",
    )
