"""Semantic segmentation data for training, defined entirely in a YAML."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from geofoundry.bands import Unit
from geofoundry.core.errors import ConfigError, DataError, Fault
from geofoundry.data.checks import check_dataset, raise_or_warn
from geofoundry.data.chip_reader import PixelFormat
from geofoundry.data.datamodule_options import (
    IMAGE_OPTIONS,
    as_size,
    option_faults,
    sample_source,
    state_faults,
)
from geofoundry.data.image_spec import make_image_spec
from geofoundry.data.inventory import ClassOptions, Inventory, look_at_pixels, take_inventory
from geofoundry.data.label_spec import LabelSpec, make_label_spec
from geofoundry.data.loaders import evaluation_loader, restore_bits, tile_loader, training_loader
from geofoundry.data.normalization import Normalization, Normalizer
from geofoundry.data.provenance import dataset_provenance, split_digests
from geofoundry.data.sampling import EpochSampler
from geofoundry.data.scan import FileScanner
from geofoundry.data.segmentation_dataset import BatchView, SegmentationDataset
from geofoundry.data.sources import find_unlabelled
from geofoundry.data.statistics import Statistics, compute_statistics, read_statistics
from geofoundry.data.transforms import Augmentation, build_transforms

logger = logging.getLogger(__name__)


class SegmentationDataModule(LightningDataModule):
    """Images and masks in folders, or windows of large rasters, as batches for semantic segmentation.

    All files are looked at before the first step; everything that is wrong is raised at once, and what was seen is
    remembered until a file changes. Batches hold `image` (float32, normalized), `mask` (int64) and `filename`, as
    TorchGeo's do. A training loop other than Lightning's calls `on_after_batch_transfer` on each batch itself.

    Args:
        root: The folder that globs are relative to.
        image_glob: Which files are images. An image and a label belong together when the wildcards of their globs
            match the same text: `images/*_image.tif` and `masks/*_mask.tif` pair `x_image.tif` with `x_mask.tif`.
        label_glob: Which files are labels.
        train_split: Text file with the keys (what the wildcards match) to train on, one per line.
        val_split: Text file with the keys to validate on.
        test_split: Text file with the keys to test on.
        val_fraction: Part of the files to validate on, where nothing else says which.
        test_fraction: Part of the files to test on, where nothing else says which.
        train_image_glob: Images to train on, where splits lie in folders of their own.
        train_label_glob: Labels to train on.
        val_image_glob: Images to validate on.
        val_label_glob: Labels to validate on.
        test_image_glob: Images to test on.
        test_label_glob: Labels to test on.
        windows: CSV of virtual windows (`key,image,label,row,col,height,width[,split,fold]`), in place of globs.
        fold: The fold of the windows file to validate on; the others train.
        bands: Bands for the model, by name or index from 0, in this order; all bands if not given.
        dataset_bands: Names of all bands in the files, where their band descriptions don't tell.
        sensor: The sensor that band names belong to, such as `sentinel2` or `landsat8_oli`.
        time_steps: How many dates a file stacks, one after the other, each with all bands.
        classes: Class names in the order of the label values 0, 1, ...; or a mapping of label value to name; or their
            number. Taken from the label files if not given.
        ignore_index: The label value that is not learnt from, in batches too: give the model the same.
        label_map: Label values to replace, old to new, before anything else.
        nodata: The nodata value of images, or one per band; `nan` for NaN. The files' own if not given.
        nodata_replace: What the model sees in place of nodata, after normalization: 0 is the band's mean.
        nodata_rule: Whether a pixel is nodata, and its label ignored, when `all` or `any` of its bands are.
        allow_nan: Take NaN and infinite values for nodata, although nothing declares them.
        scale: Factor from stored to physical values, or one per band.
        offset: What is added after scaling, or one per band.
        unit: The unit of physical values, to warn of values that don't look like it.
        means: Mean of each band in physical values.
        stds: Standard deviation of each band in physical values.
        statistics: File of statistics that `geofoundry data stats` wrote, in place of means and stds. Without any of
            them they are computed from the training split.
        crop_size: Chips of this size (one number, or height and width): in training cut out at random places, in
            validation and testing side by side so that they cover everything.
        crops_per_image: Random crops of each sample in an epoch; as many as its area holds if not given.
        samples_per_epoch: Length of a training epoch in chips, if it shall not go by the number of files.
        train_transforms: Augmentation: a list of `{name: D4}`, `{name: RandomHorizontalFlip, p: 0.5}` or any other
            transform of torchvision.transforms.v2, or `{class_path: my.Transform, init_args: {}}`.
        batch_size: Chips in a batch.
        num_workers: Processes that read ahead.
        drop_last: Leave out the last training batch if it is not full; with fewer samples than a batch it is kept.
        pin_memory: Page-locked memory for faster transfer; on a machine with CUDA if not given.
        predict_root: The folder that `predict_glob` is relative to; `root` if not given.
        predict_glob: Scenes to map; all images of `image_glob` if not given.
        predict_tile: Size of the tiles that scenes are mapped in (one number, or height and width).
        predict_halo: Pixels at each edge of a tile that give context and are not written.
        check: `full` looks at every pixel before the first step; `headers` at file headers alone, and at pixels when
            they are read.
        seed: Decides the order of training chips, where crops lie, and all augmentation; the run's `seed_everything`
            if not given.
        split_seed: Decides which files validate and test, where nothing else says; apart from `seed`, so that runs
            with several seeds are measured on the same files.
    """

    def __init__(
        self,
        root: str,
        image_glob: str = "images/*.tif",
        label_glob: str = "masks/*.tif",
        train_split: str | None = None,
        val_split: str | None = None,
        test_split: str | None = None,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        train_image_glob: str | None = None,
        train_label_glob: str | None = None,
        val_image_glob: str | None = None,
        val_label_glob: str | None = None,
        test_image_glob: str | None = None,
        test_label_glob: str | None = None,
        windows: str | None = None,
        fold: int | None = None,
        bands: list[int | str] | None = None,
        dataset_bands: list[str] | None = None,
        sensor: str | None = None,
        time_steps: int = 1,
        classes: list[str] | dict[int, str] | int | None = None,
        ignore_index: int | None = None,
        label_map: dict[int, int] | None = None,
        nodata: float | str | list[float | str | None] | None = None,
        nodata_replace: float = 0.0,
        nodata_rule: Literal["all", "any"] = "all",
        allow_nan: bool = False,
        scale: float | list[float] = 1.0,
        offset: float | list[float] = 0.0,
        unit: Literal["dn", "reflectance", "reflectance_x10000", "db", "celsius_x100", "metres"] | None = None,
        means: list[float] | None = None,
        stds: list[float] | None = None,
        statistics: str | None = None,
        crop_size: int | list[int] | None = None,
        crops_per_image: int | None = None,
        samples_per_epoch: int | None = None,
        train_transforms: list[dict[str, Any]] | None = None,
        batch_size: int = 8,
        num_workers: int = 2,
        drop_last: bool = True,
        pin_memory: bool | None = None,
        predict_root: str | None = None,
        predict_glob: str | None = None,
        predict_tile: int | list[int] = 512,
        predict_halo: int = 32,
        check: Literal["full", "headers"] = "full",
        seed: int | None = None,
        split_seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self._options: dict[str, Any] = dict(self.hparams)
        self._configure()

    def _configure(self) -> None:
        """Turn the options into what works with them, and refuse those that contradict each other."""
        options = self._options
        faults = option_faults(options)
        if faults:
            raise ConfigError(faults)
        self.image_spec = make_image_spec(options["bands"], **{name: options[name] for name in IMAGE_OPTIONS})
        self._class_options = ClassOptions(options["classes"], options["ignore_index"], options["label_map"])
        self._label_spec = self._label_spec_of_options()
        self._crop_size = as_size(options["crop_size"])
        self._unit = Unit(options["unit"]) if options["unit"] else None
        self._augmentation = Augmentation(build_transforms(options["train_transforms"] or ()))
        self._inventory: Inventory | None = None
        self._normalization: Normalization | None = None
        self._normalizers: dict[str, Normalizer] = {}
        self._pixels: dict[str, tuple[PixelFormat, bool]] = {}
        self._checked = False
        self.statistics: Statistics | None = None
        self.predict_paths: list[Path] = []

    @property
    def bands(self) -> list[str]:
        """The names of the bands in a batch, in their order."""
        if all(isinstance(band, str) for band in self.image_spec.bands) and self.image_spec.bands:
            return [str(band) for band in self.image_spec.bands]
        return list(self.inventory.band_names)

    @property
    def label_spec(self) -> LabelSpec:
        """The classes."""
        return self._label_spec or self.inventory.label_spec

    @property
    def class_names(self) -> list[str]:
        """The names of the classes, by index."""
        return list(self.label_spec.class_names)

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return self.label_spec.num_classes

    @property
    def ignore_index(self) -> int | None:
        """The value in masks that is not learnt from."""
        return self._options["ignore_index"]

    @property
    def inventory(self) -> Inventory:
        """All that is known about the files; they are looked at when it is first asked for."""
        if self._inventory is None:
            self._inventory = self._take_inventory(content=self._options["check"] == "full")
        return self._inventory

    @property
    def normalization(self) -> Normalization:
        """Mean and standard deviation of each band, as given, as restored with a checkpoint, or as computed."""
        if self._normalization is None:
            self._normalization = self._find_normalization()
        return self._normalization

    def check(self, *, strict: bool = True) -> list[Fault]:
        """Look at every file and return all faults and warnings; splits that share ground are faults when `strict`."""
        if self._inventory is None or not self._inventory.images:
            self._inventory = self._take_inventory(content=True)
        return check_dataset(self._inventory, unit=self._unit, strict=strict)

    def prepare_data(self) -> None:
        """Look at the files once, before other processes do: they find what was seen in the cache."""
        if self.trainer is None or self.trainer.predicting is False:
            _ = self.inventory

    def setup(self, stage: str | None = None) -> None:
        """Find, pair, check and deal out the files; for mapping, find the scenes unless `predict_paths` names them.

        Raises:
            DataError: with every fault of the data at once.
        """
        if stage == "predict":
            self.predict_paths = self.predict_paths or self._find_scenes()
            return
        training = stage in (None, "fit")
        if not self._checked:
            faults = check_dataset(self.inventory, unit=self._unit, strict=False)
            # A trained model can be measured where its training data is not.
            raise_or_warn([fault for fault in faults if training or fault.where != "train"])
            self._checked = True
        if training:
            _ = self.normalization

    def train_dataloader(self) -> DataLoader[Any]:
        """Return shuffled, augmented training batches; their order and content depend on seed and epoch alone."""
        dataset = self.dataset("train")
        sampler = EpochSampler(
            len(dataset),
            seed=self._seed,
            num_samples=self._options["samples_per_epoch"],
            epoch_now=None if self.trainer is None else self._epoch_of_trainer,
        )
        return training_loader(BatchView(dataset, "train"), sampler, self._options)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Return the validation batches, or nothing where there is no validation split."""
        if not self.inventory.partition.val:
            return []
        return evaluation_loader(BatchView(self.dataset("val"), "val"), self._options)

    def test_dataloader(self) -> DataLoader[Any]:
        """Return the test batches.

        Raises:
            DataError: when there is no test split.
        """
        return evaluation_loader(BatchView(self.dataset("test"), "test"), self._options)

    def predict_dataloader(self) -> DataLoader[Any]:
        """Return tiles of the scenes to map, each scene row by row."""
        return tile_loader(self.predict_paths, self.image_spec, self._options)

    def dataset(self, split: Literal["train", "val", "test"]) -> SegmentationDataset:
        """Return the dataset of a split.

        Raises:
            DataError: when the split has no samples.
        """
        inventory = self.inventory
        samples = inventory.partition.samples(split)
        if not samples:
            mend = f"set {split}_fraction, {split}_split or {split}_image_glob"
            raise DataError(Fault(f"there is no {split} split", split, expected="at least one sample", mend=mend))
        training = split == "train"
        dataset = SegmentationDataset(
            samples,
            self.image_spec,
            self.label_spec,
            headers=inventory.headers,
            crop_size=inventory.crop_size,
            random_crops=training,
            crops_per_image=self._options["crops_per_image"] if training else None,
            augmentation=self._augmentation if training and self._augmentation.transforms else None,
            fill_values=self.normalization.means if training else None,
            seed=self._seed,
            verified=bool(inventory.images),
        )
        self._pixels[split] = (dataset.reader.format, dataset.yields_stored_values)
        self._normalizers.pop(split, None)
        return dataset

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int = 0) -> dict[str, Any]:
        """Normalize a batch on its device; where the image is nodata, the mask becomes `ignore_index`."""
        split = batch.pop("split", "predict" if "tile" in batch else None)
        if split is None:
            return batch
        if split not in self._normalizers:
            self._normalizers[split] = self._normalizer_for(split)
        image, empty = self._normalizers[split](restore_bits(batch["image"]))
        batch["image"] = image if self.trainer is None else self.trainer.precision_plugin.convert_input(image)
        if "mask" in batch:
            mask = batch["mask"].long()
            if empty is not None and self.ignore_index is not None:
                mask.masked_fill_(empty, self.ignore_index)
            batch["mask"] = mask
        return batch

    def provenance(self) -> dict[str, Any]:
        """Return what this data is, to the byte: files with SHA-256, keys of each split, bands, classes, normalization."""
        inventory = self.inventory
        if not inventory.hashes:
            inventory.hashes = FileScanner().hashes(list(inventory.headers))
        return dataset_provenance(inventory, self.normalization)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps, so that a model sees later what it saw in training."""
        state: dict[str, Any] = {"bands": self.bands}
        state |= {"means": list(self.normalization.means), "stds": list(self.normalization.stds)}
        if self._inventory is not None:
            state |= {"class_names": self.class_names, "splits": split_digests(self._inventory)}
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take normalization from a checkpoint, unless it is given; warn of another split, refuse other bands."""
        found = split_digests(self._inventory) if self._inventory is not None else {}
        raise_or_warn(state_faults(state_dict, self._given_normalization(), self.image_spec.bands, found))
        if self._given_normalization() is None:
            restored = Normalization(tuple(state_dict["means"]), tuple(state_dict["stds"]))
            self._normalization, self._normalizers = restored, {}

    def _label_spec_of_options(self) -> LabelSpec | None:
        options = self._class_options
        if options.classes is None:
            return None
        return make_label_spec(options.classes, ignore_index=options.ignore_index, label_map=options.label_map)

    @property
    def _seed(self) -> int:
        seed = self._options["seed"]
        # Where Lightning's seed_everything leaves the seed of the run, for this process and its children.
        return int(os.environ.get("PL_GLOBAL_SEED", "0")) if seed is None else seed

    def _take_inventory(self, *, content: bool) -> Inventory:
        source = sample_source(self._options)
        return take_inventory(source, self.image_spec, self._class_options, crop_size=self._crop_size, content=content)

    def _given_normalization(self) -> Normalization | None:
        """Return means and standard deviations of the options, or of the file that they name."""
        options = self._options
        if options["means"] is not None:
            return Normalization(tuple(options["means"]), tuple(options["stds"]))
        if options["statistics"] is None:
            return None
        self.statistics = read_statistics(options["statistics"], tuple(self.bands), self.image_spec)
        return self.statistics.normalization

    def _find_normalization(self) -> Normalization:
        given = self._given_normalization()
        if given is not None:
            return given
        inventory = self.inventory
        if not inventory.images:
            look_at_pixels(inventory, FileScanner(), inventory.partition.train)
        self.statistics = compute_statistics(inventory)
        logger.info("means and stds are computed from %d training samples", self.statistics.samples)
        return self.statistics.normalization

    def _normalizer_for(self, split: str) -> Normalizer:
        if split == "predict":
            return Normalizer(self.image_spec, self.normalization, stored=False, has_nan=True)
        pixels, stored = self._pixels[split]
        nodata = () if pixels.nodata_is_nan else pixels.nodata
        has_nan = pixels.nodata_is_nan
        return Normalizer(self.image_spec, self.normalization, stored=stored, nodata=nodata, has_nan=has_nan)

    def _find_scenes(self) -> list[Path]:
        root = self._options["predict_root"] or self._options["root"]
        paths, faults = find_unlabelled(root, self._options["predict_glob"] or self._options["image_glob"])
        raise_or_warn(faults)
        return paths

    def _epoch_of_trainer(self) -> int:
        return 0 if self.trainer is None else self.trainer.current_epoch
