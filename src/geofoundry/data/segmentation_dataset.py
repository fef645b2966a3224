"""Chips of labelled rasters: one at a time as TorchGeo samples, or many at once as the training loop wants them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from geofoundry.core.errors import DataError, Fault
from geofoundry.data.chip_reader import ChipReader, no_ignore_index
from geofoundry.data.image_spec import ImageSpec
from geofoundry.data.label_spec import OUTSIDE, LabelSpec
from geofoundry.data.orientation import Orientation
from geofoundry.data.pairing import Sample
from geofoundry.data.sampling import Chip, Draw, Size, area_of, generator_of, random_chips, random_window, tiles_of
from geofoundry.data.transforms import Augmentation
from geofoundry.geo.reading import RasterHeader, opening, read_header


class SegmentationDataset(Dataset[dict[str, Any]]):
    """Images with their labels, whole, in tiles of one size, or as random crops.

    With `crop_size` and `random_crops`, an item is a crop at a place that its `Draw` decides; each sample comes
    `crops_per_image` times in an epoch, or as often as its area holds crops. With `crop_size` alone, items are tiles
    that cover every sample. Without it, an item is a whole sample.

    `headers` saves opening files at the start. `fill_values` (physical, one per band) stand in for nodata while
    transforms work on values. `verified` says that a scan has seen every pixel; without it, labels and values are
    checked whenever they are read.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        image_spec: ImageSpec,
        label_spec: LabelSpec,
        *,
        headers: Mapping[Path, RasterHeader] | None = None,
        crop_size: Size | None = None,
        random_crops: bool = False,
        crops_per_image: int | None = None,
        augmentation: Augmentation | None = None,
        fill_values: Sequence[float] | None = None,
        seed: int = 0,
        verified: bool = False,
    ) -> None:
        self.samples = tuple(samples)
        self.image_spec = image_spec
        self.label_spec = label_spec
        self.augmentation = augmentation
        self.seed = seed
        self._crop_size = crop_size
        self._fill_values = fill_values
        self._scratches: dict[str, np.ndarray] = {}
        headers = headers if headers is not None else _read_headers(samples)
        shapes = [headers[sample.image].shape for sample in samples]
        self._crops: list[int] = []
        self._chips: list[Chip] = []
        if crop_size and random_crops:
            self._crops = random_chips(samples, shapes, crop_size, crops_per_image)
        else:
            pairs = zip(samples, shapes, strict=True)
            self._chips = [chip for sample, shape in pairs for chip in tiles_of(sample, shape, crop_size)]
        self.reader = ChipReader(
            samples,
            image_spec,
            label_spec,
            headers,
            pads=crop_size is not None and any(map(_is_smaller(crop_size), samples, shapes)),
            as_values=not self.yields_stored_values,
            verified=verified,
        )

    def __len__(self) -> int:
        return len(self._crops) or len(self._chips)

    @property
    def yields_stored_values(self) -> bool:
        """Whether batches hold values as stored in the files; otherwise physical values, with nodata as NaN."""
        return self.augmentation is None or not self.augmentation.needs_values

    def __getitem__(self, item: int | Draw) -> dict[str, Any]:
        """Return one chip as a sample: `image` float32 in physical values with nodata as NaN, `mask` int64, `filename`.

        **Shapes**: image (C, H, W), or (C, T, H, W) where there are several dates; mask (H, W).
        """
        batch = self.read_batch([item])
        image = batch["image"][0].to(torch.float32)
        if self.yields_stored_values:
            values = image.numpy()
            self.image_spec.mark_nodata(values, self.reader.format.nodata)
            self.image_spec.to_physical(values)
        if self.image_spec.time_steps > 1:
            image = image.unflatten(0, (self.image_spec.time_steps, -1)).transpose(0, 1).contiguous()
        return {"image": image, "mask": batch["mask"][0].long(), "filename": batch["filename"][0]}

    def read_batch(self, items: Sequence[int | Draw]) -> dict[str, Any]:
        """Read chips into one batch, decoding straight into its memory where transforms allow it.

        **Shapes**: `image` (B, T*C, H, W), stored or physical as `yields_stored_values` says; `mask` (B, H, W) uint8
        or int16; `filename` a list of B paths.

        Raises:
            DataError: when a file can't be read, or chips differ in size.
        """
        drawn = [self._chip(item) for item in items]
        with opening(side_files=False):
            if self.yields_stored_values:
                images, masks = self._stored_batch(drawn)
            else:
                parts = [self._transformed(chip, generator) for chip, generator in drawn]
                images, masks = self._stacked([image for image, _ in parts], drawn), torch.stack([m for _, m in parts])
        files = [str(chip.sample.image) for chip, _ in drawn]
        return {"image": images, "mask": masks, "filename": files}

    def _chip(self, item: int | Draw) -> tuple[Chip, np.random.Generator]:
        draw = item if isinstance(item, Draw) else Draw(item)
        generator = generator_of(self.seed, draw)
        if self._crop_size is None or not self._crops:
            return self._chips[draw.item], generator
        sample = self.samples[self._crops[draw.item]]
        return Chip(sample, random_window(self.reader.area_of(sample), self._crop_size, generator)), generator

    def _stored_batch(self, drawn: Sequence[tuple[Chip, np.random.Generator]]) -> tuple[Tensor, Tensor]:
        shape = self.reader.shape_of(drawn[0][0])
        images = np.empty((len(drawn), *shape), self.reader.format.dtype)
        masks = np.empty((len(drawn), *shape[1:]), self.label_spec.dtype)
        for number, (chip, generator) in enumerate(drawn):
            if self.reader.shape_of(chip) != shape:
                raise DataError(_different_sizes(drawn[0][0], chip, shape, self.reader.shape_of(chip)))
            turn = self._orientation(generator, shape)
            turn.read_into(images[number], partial(self.reader.read_image, chip), self._scratch("image", images[0]))
            turn.read_into(masks[number], partial(self.reader.read_mask, chip), self._scratch("mask", masks[0]))
        return torch.from_numpy(images), torch.from_numpy(masks)

    def _orientation(self, generator: np.random.Generator, shape: tuple[int, int, int]) -> Orientation:
        if self.augmentation is None:
            return Orientation()
        return self.augmentation.draw_orientation(generator, square=shape[1] == shape[2])

    def _scratch(self, kind: str, like: np.ndarray) -> np.ndarray:
        """Return an array to work in, the same one again and again: fresh memory costs as much as a turn."""
        array = self._scratches.get(kind)
        if array is None or array.shape != like.shape:
            array = self._scratches[kind] = np.empty_like(like)
        return array

    def _transformed(self, chip: Chip, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Read a chip as physical values and apply transforms that work on values."""
        assert self.augmentation is not None
        shape = self.reader.shape_of(chip)
        image, mask = np.empty(shape, np.float32), np.empty(shape[1:], self.label_spec.dtype)
        self.reader.read_image(chip, image)
        self.reader.read_mask(chip, mask)
        values = torch.from_numpy(self.image_spec.to_physical(image))
        missing = torch.isnan(values)
        # Interpolation must not spread NaN; the mean is what the model is shown there anyway.
        filled = torch.where(missing, self._fill_plane(values), values)
        labels = torch.from_numpy(mask.astype(np.int16))
        filled, labels, missing = self.augmentation(filled, labels, missing, generator)
        return filled.masked_fill(missing, torch.nan), self._without_outside(labels, chip.sample)

    def _fill_plane(self, values: Tensor) -> Tensor:
        if self._fill_values is None:
            return torch.nanmean(values, dim=(1, 2), keepdim=True).nan_to_num()
        return torch.tensor(tuple(self._fill_values) * self.image_spec.time_steps)[:, None, None]

    def _without_outside(self, labels: Tensor, sample: Sample) -> Tensor:
        """Give pixels from beyond the chip's edge the ignored label."""
        outside, ignore = labels == OUTSIDE, self.label_spec.ignore_index
        if ignore is None and outside.any():
            raise DataError(
                no_ignore_index(str(sample.image), "a transform brings in what lies beyond the chip's edge")
            )
        return labels.masked_fill(outside, 0 if ignore is None else ignore)

    def _stacked(self, images: Sequence[Tensor], drawn: Sequence[tuple[Chip, Any]]) -> Tensor:
        first = tuple(images[0].shape)
        for image, (chip, _) in zip(images, drawn, strict=True):
            if tuple(image.shape) != first:
                raise DataError(_different_sizes(drawn[0][0], chip, first, tuple(image.shape)))
        return torch.stack(list(images))


class BatchView(Dataset[dict[str, Any]]):
    """A dataset as a loader should see it that hands over whole batches and needs no collation.

    Each batch carries the name of its `split`, since the splits' pixels may lie differently in it.
    """

    def __init__(self, dataset: SegmentationDataset, split: str) -> None:
        self.dataset = dataset
        self.split = split

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, item: int | Draw) -> dict[str, Any]:
        """Return a batch of one."""
        return self.__getitems__([item])

    def __getitems__(self, items: Sequence[int | Draw]) -> dict[str, Any]:
        """Return a batch."""
        return {**self.dataset.read_batch(items), "split": self.split}


def _read_headers(samples: Sequence[Sample]) -> dict[Path, RasterHeader]:
    paths = {path for sample in samples for path in (sample.image, sample.label) if path is not None}
    return {path: read_header(path) for path in sorted(paths)}


def _is_smaller(crop: Size) -> Callable[[Sample, Size], bool]:
    def test(sample: Sample, shape: Size) -> bool:
        area = area_of(sample, shape)
        return area.height < crop[0] or area.width < crop[1]

    return test


def _different_sizes(first: Chip, other: Chip, shape: tuple[int, ...], other_shape: tuple[int, ...]) -> Fault:
    return Fault(
        what="chips of different sizes can't be in one batch",
        where=f"{first.sample.image}, {other.sample.image}",
        got=f"{' x '.join(map(str, shape))} and {' x '.join(map(str, other_shape))} (bands, height, width)",
        expected="one size",
        mend="set crop_size, so that all chips get it",
    )
