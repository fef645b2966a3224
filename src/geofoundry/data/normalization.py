"""From stored or physical values to what a model sees: scaled, normalized, nodata replaced; on the batch's device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geofoundry.data.image_spec import ImageSpec, as_float32


@dataclass(frozen=True, slots=True)
class Normalization:
    """Mean and standard deviation of each band in physical values."""

    means: tuple[float, ...]
    stds: tuple[float, ...]


class Normalizer:
    """Turns batches of images into model input.

    It takes integers or floats, stored values (`stored=True`: scale and offset are applied) or physical ones, with
    nodata as NaN or as the values in `nodata`. Scale, offset, mean and standard deviation are one multiplication and
    one addition. Nothing here is learnt, so nothing belongs into a state dict; constants follow the batch's device.
    """

    def __init__(
        self,
        spec: ImageSpec,
        normalization: Normalization,
        *,
        stored: bool,
        nodata: Sequence[float | None] = (),
        has_nan: bool,
    ) -> None:
        count = len(normalization.means)
        scale = spec.per_band(spec.scale, count) if stored else (1.0,) * count
        offset = spec.per_band(spec.offset, count) if stored else (0.0,) * count
        stats = list(zip(scale, offset, normalization.means, normalization.stds, strict=True))
        planes = [factor / std for factor, _, _, std in stats], [(shift - mean) / std for _, shift, mean, std in stats]
        steps = spec.time_steps
        self._constants = {"cpu": tuple(torch.tensor(plane * steps)[:, None, None] for plane in planes)}
        self._nodata = tuple(nodata) if any(value is not None for value in nodata) else ()
        self._has_nan = has_nan
        self._all_bands = spec.nodata_rule == "all"
        self._replacement = spec.nodata_replace
        self._time_steps = steps

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return float32 images, and which pixels are nodata; None when none can be.

        **Shapes**: (B, T*C, H, W) to (B, C, H, W), or to (B, C, T, H, W) where there are several dates; the pixels
        are (B, H, W) bool.
        """
        factor, shift = self._on(images.device)
        values = images.to(torch.float32, copy=True)
        missing = self._find_nodata(values)
        values.mul_(factor).add_(shift)
        empty = None
        if missing is not None:
            values.masked_fill_(missing, self._replacement)
            empty = missing.all(dim=1) if self._all_bands else missing.any(dim=1)
        if self._time_steps > 1:
            values = values.unflatten(1, (self._time_steps, -1)).transpose(1, 2).contiguous()
        return values, empty

    def _find_nodata(self, values: Tensor) -> Tensor | None:
        missing = torch.isnan(values) if self._has_nan else None
        for band, value in enumerate(self._nodata):
            if value is None:
                continue
            if missing is None:
                missing = torch.zeros_like(values, dtype=torch.bool)
            missing[:, band] |= values[:, band] == float(as_float32(value))
        return missing

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        name = str(device)
        if name not in self._constants:
            factor, shift = self._constants["cpu"]
            self._constants[name] = (factor.to(device), shift.to(device))
        factor, shift = self._constants[name]
        return factor, shift
