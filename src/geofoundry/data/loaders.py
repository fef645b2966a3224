"""Data loaders: whole batches for training, tiles of scenes for mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from geofoundry.data.datamodule_options import as_size
from geofoundry.data.image_spec import ImageSpec
from geofoundry.data.sampling import EpochSampler
from geofoundry.data.scene_tiles import SceneTilesDataset, fitting_tile
from geofoundry.data.segmentation_dataset import BatchView
from geofoundry.geo.reading import read_header


def training_loader(dataset: BatchView, sampler: EpochSampler, options: Mapping[str, Any]) -> DataLoader[Any]:
    """Return a loader of shuffled batches; a last batch that is not full is left out, unless it is the only one."""
    drop_last = options["drop_last"] and len(sampler) >= options["batch_size"]
    return _loader(dataset, options, sampler=sampler, drop_last=drop_last, collate_fn=keep_bits)


def evaluation_loader(dataset: BatchView, options: Mapping[str, Any]) -> DataLoader[Any]:
    """Return a loader of all batches in order."""
    return _loader(dataset, options, collate_fn=keep_bits)


def tile_loader(paths: Sequence[str | Path], spec: ImageSpec, options: Mapping[str, Any]) -> DataLoader[Any]:
    """Return a loader of the tiles of scenes, row by row."""
    largest = as_size(options["predict_tile"])
    assert largest is not None
    tile = fitting_tile([read_header(path).shape for path in paths], largest)
    halo = min(options["predict_halo"], (min(tile) - 1) // 2)
    return _loader(SceneTilesDataset(paths, spec, tile=tile, halo=halo), options, collate_fn=collate_tiles)


def keep_bits(batch: dict[str, Any]) -> dict[str, Any]:
    """Pass float32 images off as integers of the same bits, until `restore_bits`.

    A trainer of half precision rounds every float of a batch before the datamodule sees it: -9999 would become -9984
    and be no nodata any more.
    """
    image = batch["image"]
    return {**batch, "image": image.view(torch.int32)} if image.dtype == torch.float32 else batch


def restore_bits(image: Tensor) -> Tensor:
    """Return an image as it was before `keep_bits`; integers of 32 bits are nothing else."""
    return image.view(torch.float32) if image.dtype == torch.int32 else image


def collate_tiles(tiles: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack tiles to a batch."""
    return keep_bits(default_collate(tiles))


def _loader(
    dataset: Dataset[Any],
    options: Mapping[str, Any],
    *,
    collate_fn: Any,
    sampler: Sampler[Any] | None = None,
    drop_last: bool = False,
) -> DataLoader[Any]:
    workers, pin = options["num_workers"], options["pin_memory"]
    return DataLoader(
        dataset,
        batch_size=options["batch_size"],
        sampler=sampler,
        drop_last=drop_last,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available() if pin is None else pin,
        collate_fn=collate_fn,
        # A generator of its own: a loader must not shift the one that dropout draws from.
        generator=torch.Generator().manual_seed(0),
    )
