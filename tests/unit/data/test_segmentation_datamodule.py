import json
import pickle
import warnings

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningModule, Trainer
from tests.unit.data.chips import BANDS, write_chips, write_raster

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.core.hashing import sha256_file
from geofoundry.data.data_warning import DataWarning
from geofoundry.data.segmentation_datamodule import SegmentationDataModule

CLASSES = ["water", "forest", "soil"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    write_chips(tmp_path / "data", 8)
    return tmp_path / "data"


def data_of(root, **options):
    options = {"classes": CLASSES, "num_workers": 0, "batch_size": 2, **options}
    return SegmentationDataModule(str(root), **options)


def ready(data, loader):
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


class Recorder(LightningModule):
    """Learns a scale, and keeps a hash of every batch it sees."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.seen = []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, float(batch["image"].double().sum()), int(batch["mask"].sum())))
        return (batch["image"] * self.scale).square().mean()

    def validation_step(self, batch, batch_idx):
        self.log("n", len(batch["image"]), batch_size=1)

    def test_step(self, batch, batch_idx):
        self.seen.append(batch["image"].mean())

    def predict_step(self, batch, batch_idx):
        self.seen.append(batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def trainer_of(folder, **options):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return Trainer(default_root_dir=folder, **{**quiet, "num_sanity_val_steps": 0, **options})


def test_batches_are_normalized_and_whole(root):
    data = data_of(root, bands=["NIR", "RED"], val_fraction=0.25, test_fraction=0.25)
    data.setup("fit")
    assert (data.bands, data.class_names, data.num_classes, data.ignore_index) == (["NIR", "RED"], CLASSES, 3, None)
    batches = ready(data, data.train_dataloader())
    images = torch.cat([batch["image"] for batch in batches])
    assert images.shape == (4, 2, 16, 16)
    assert images.dtype == torch.float32
    assert torch.allclose(images.mean((0, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(images.std((0, 2, 3), unbiased=False), torch.ones(2), atol=1e-5)
    assert set(batches[0]) == {"image", "mask", "filename"}
    assert batches[0]["mask"].dtype == torch.int64
    assert len(ready(data, data.val_dataloader())) == len(ready(data, data.test_dataloader())) == 1
    assert data.statistics.means == data.normalization.means


def test_given_normalization_is_taken(root, tmp_path):
    values = {"means": [1.0, 2, 3, 4], "stds": [1.0, 1, 1, 2]}
    data = data_of(root, **values)
    assert data.normalization.means == (1, 2, 3, 4)
    file = tmp_path / "stats.json"
    file.write_text(json.dumps({"bands": list(BANDS[::-1]), **values}))
    from_file = data_of(root, statistics=str(file), bands=["BLUE", "NIR"])
    assert from_file.normalization.means == (4, 1)


@pytest.mark.parametrize(
    ("transforms", "workers"), [(None, 0), ([{"name": "D4"}], 2), ([{"name": "GaussianNoise", "clip": False}], 2)]
)
def test_a_resumed_run_sees_what_the_unbroken_one_saw(root, tmp_path, transforms, workers):
    def run(epochs, ckpt_path=None):
        data = data_of(root, train_transforms=transforms, num_workers=workers, crop_size=8, seed=3)
        task = Recorder()
        trainer = trainer_of(tmp_path, max_epochs=epochs, enable_checkpointing=False, limit_val_batches=0)
        trainer.fit(task, datamodule=data, ckpt_path=ckpt_path, weights_only=True)
        return task.seen, trainer

    unbroken, _ = run(3)
    first, trainer = run(1)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    rest, _ = run(3, tmp_path / "one.ckpt")
    assert [*first, *rest] == unbroken
    epochs = [[seen[1:] for seen in unbroken if seen[0] == epoch] for epoch in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]


def test_workers_and_none_give_the_same(root):
    sums = []
    for workers in (0, 2):
        data = data_of(root, train_transforms=[{"name": "RandomErasing", "p": 1.0}], num_workers=workers)
        data.setup("fit")
        sums.append([float(batch["image"].sum()) for batch in ready(data, data.train_dataloader())])
    assert sums[0] == sums[1]


def test_a_checkpoint_keeps_normalization_and_split(root, tmp_path):
    data = data_of(root)
    trainer = trainer_of(tmp_path, max_epochs=1, enable_checkpointing=False)
    trainer.fit(Recorder(), datamodule=data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    assert torch.load(tmp_path / "a.ckpt", weights_only=True)
    # A scene on another machine, where the training data is not.
    scenes = tmp_path / "scenes"
    write_raster(scenes / "s.tif", np.full((4, 40, 50), 3000, "uint16"), descriptions=BANDS)
    mapping = data_of(scenes, predict_glob="*.tif", predict_tile=32, predict_halo=4)
    task = Recorder()
    trainer_of(tmp_path).predict(task, datamodule=mapping, ckpt_path=tmp_path / "a.ckpt", weights_only=True)
    expected = (3000 - torch.tensor(data.normalization.means)) / torch.tensor(data.normalization.stds)
    assert torch.allclose(task.seen[0]["image"][0, :, 0, 0], expected, atol=1e-5)
    assert task.seen[0]["valid"].all()
    other = data_of(root, means=[0.0] * 4, stds=[1.0] * 4)
    with pytest.warns(DataWarning, match="means and stds are not those"):
        trainer_of(tmp_path).test(Recorder(), datamodule=other, ckpt_path=tmp_path / "a.ckpt", verbose=False)
    assert other.normalization.means == (0, 0, 0, 0)
    changed = data_of(root, split_seed=5, val_fraction=0.4)
    with pytest.warns(DataWarning, match="the split is not the one"):
        trainer_of(tmp_path).test(Recorder(), datamodule=changed, ckpt_path=tmp_path / "a.ckpt", verbose=False)
    reordered = data_of(root, bands=["RED", "BLUE", "GREEN", "NIR"])
    with pytest.raises(DataError, match="other bands"):
        trainer_of(tmp_path).test(Recorder(), datamodule=reordered, ckpt_path=tmp_path / "a.ckpt", verbose=False)


def test_a_model_is_measured_where_its_training_data_is_not(root, tmp_path):
    data = data_of(root)
    trainer = trainer_of(tmp_path, max_epochs=1, enable_checkpointing=False)
    trainer.fit(Recorder(), datamodule=data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    write_chips(tmp_path / "elsewhere", 2, seed=9)
    (tmp_path / "test.txt").write_text("chip0\nchip1\n")
    other = data_of(tmp_path / "elsewhere", test_split=str(tmp_path / "test.txt"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer_of(tmp_path).test(Recorder(), datamodule=other, ckpt_path=tmp_path / "a.ckpt", verbose=False)
        with pytest.raises(DataError, match="nothing is left to train on"):
            data_of(tmp_path / "elsewhere", test_split=str(tmp_path / "test.txt")).setup("fit")
    assert other.normalization == data.normalization


def test_epochs_of_a_given_length(root):
    data = data_of(root, samples_per_epoch=5, crop_size=8, batch_size=3, drop_last=False)
    data.setup("fit")
    assert [len(batch["image"]) for batch in ready(data, data.train_dataloader())] == [3, 2]
    assert len(data_of(root, crop_size=8, crops_per_image=1, drop_last=False).train_dataloader()) == 3


def test_a_small_training_set_is_not_dropped(root):
    data = data_of(root, batch_size=64)
    data.setup("fit")
    assert [len(batch["image"]) for batch in data.train_dataloader()] == [6]
    assert len(data_of(root, batch_size=4).train_dataloader()) == 1
    assert len(data_of(root, batch_size=4, drop_last=False).train_dataloader()) == 2


def test_folders_of_splits(tmp_path):
    for split in ("train", "val"):
        write_chips(tmp_path / split, 3, seed=len(split), crs=None)
    globs = {f"{split}_{kind}_glob": f"{split}/{kind}s/*.tif" for split in ("train", "val") for kind in ("image",)}
    globs |= {f"{split}_label_glob": f"{split}/masks/*.tif" for split in ("train", "val")}
    data = data_of(tmp_path, **globs)
    with pytest.warns(DataWarning, match="without CRS"):
        data.setup("fit")
    assert [s.key for s in data.inventory.partition.val] == ["val/chip0", "val/chip1", "val/chip2"]
    with pytest.raises(DataError, match="no test split"):
        data.test_dataloader()


def test_windows_with_folds(root):
    lines = ["key,image,label,row,col,height,width,split,fold"]
    for number in range(4):
        for part in range(2):
            fold, split = (number % 2, "") if number else ("", "test")
            image = f"images/chip{number}.tif,masks/chip{number}.tif"
            lines.append(f"w{number}{part},{image},{8 * part},0,8,16,{split},{fold}")
    (root / "windows.csv").write_text("\n".join(lines))
    data = data_of(root, windows="windows.csv", fold=1)
    data.setup("fit")
    keys = {split: [s.key for s in data.inventory.partition.samples(split)] for split in ("train", "val", "test")}
    assert keys == {"train": ["w20", "w21"], "val": ["w10", "w11", "w30", "w31"], "test": ["w00", "w01"]}
    assert next(iter(data.train_dataloader()))["image"].shape == (2, 4, 8, 16)
    # Statistics come from the training windows alone.
    pixels = np.concatenate([data.dataset("train")[i]["image"].numpy() for i in range(2)], axis=1)
    assert data.normalization.means == pytest.approx(pixels.mean((1, 2)), rel=1e-6)


def test_the_seed_of_the_run_decides_order_but_not_split(root, monkeypatch):
    seen = {}
    for seed in ("1", "2", "1 again"):
        monkeypatch.setenv("PL_GLOBAL_SEED", seed[0])
        data = data_of(root, batch_size=1)
        data.setup("fit")
        seen[seed] = [batch["filename"] for batch in data.train_dataloader()]
    assert seen["1"] == seen["1 again"] != seen["2"]
    assert sorted(seen["1"]) == sorted(seen["2"])
    given = data_of(root, batch_size=1, seed=2)
    given.setup("fit")
    assert [batch["filename"] for batch in given.train_dataloader()] == seen["2"]


def test_headers_alone(root):
    write_raster(root / "masks" / "chip0.tif", np.full((16, 16), 9, "uint8"))
    data = data_of(root, check="headers", means=[0.0] * 4, stds=[1.0] * 4, val_fraction=0.0, test_fraction=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.setup("fit")
    assert data.inventory.images == {}
    with pytest.raises(DataError, match="outside the classes"):
        list(data.train_dataloader())
    assert data_of(root, check="headers", label_map={9: 0}).normalization.means


def test_classes_are_found_in_the_labels(root):
    data = data_of(root, classes=None)
    with pytest.warns(DataWarning, match="not named"):
        data.setup("fit")
    assert data.class_names == ["0", "1", "2"]


def test_provenance_names_every_byte(root):
    data = data_of(root)
    facts = data.provenance()
    assert {file["path"]: file["sha256"] for file in facts["files"]} == {
        str(path): sha256_file(path) for path in sorted(root.glob("*/*.tif"))
    }
    assert sorted(key for keys in facts["splits"].values() for key in keys) == [f"chip{n}" for n in range(8)]
    assert facts["classes"] == {"0": "water", "1": "forest", "2": "soil"}
    assert json.loads(json.dumps(facts)) == facts
    assert data_of(root).provenance()["digest"] == facts["digest"]
    assert data_of(root, bands=["RED"]).provenance()["digest"] != facts["digest"]


def test_contradictory_options_are_refused_together(root):
    options = {"windows": "w.csv", "train_image_glob": "x/*.tif", "val_fraction": 0.6, "test_fraction": 0.6}
    options |= {"means": [1.0], "bands": ["RED", "NIR"], "batch_size": 0, "crop_size": [1, 2, 3]}
    with pytest.raises(ConfigError) as caught:
        data_of(root, **options)
    wheres = [fault.where for fault in caught.value.faults]
    assert wheres == [
        "train_label_glob",
        "windows, train_image_glob",
        "val_fraction",
        "batch_size",
        "crop_size",
        "stds",
        "means",
    ]


def test_a_yaml_says_it_all(root, tmp_path):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(SegmentationDataModule, "data")
    config = {
        "class_path": "geofoundry.data.segmentation_datamodule.SegmentationDataModule",
        "init_args": {
            "root": str(root),
            "bands": ["RED", 3],
            "classes": {1: "forest", 2: "soil", 0: "water"},
            "label_map": {"9": 0},
            "nodata": ["nan", 0],
            "crop_size": [8, 8],
            "train_transforms": [{"name": "D4"}, {"class_path": "torchvision.transforms.v2.Identity", "init_args": {}}],
            "num_workers": 0,
        },
    }
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
    parsed = instantiate(parser.parse_object({"data": config}))
    data = parsed.data
    assert isinstance(data, SegmentationDataModule)
    assert data.image_spec.bands == ("RED", 3)
    assert data.class_names == ["forest", "soil", "water"]
    data.setup("fit")
    assert next(iter(data.train_dataloader()))["image"].shape == (8, 2, 8, 8)


def test_it_can_be_pickled(root):
    data = data_of(root)
    data.setup("fit")
    assert len(pickle.loads(pickle.dumps(data)).train_dataloader()) == 3


@pytest.mark.parametrize(("precision", "dtype"), [("bf16-true", torch.bfloat16), ("bf16-mixed", torch.float32)])
def test_half_precision_comes_after_normalization(tmp_path, precision, dtype):
    for number, (image, _) in enumerate(write_chips(tmp_path, 4, dtype="float32")):
        image = image * 10_000
        image[:, :4] = -9999
        place = {"origin": (500_000 + number * 160, 4_000_000), "descriptions": BANDS}
        write_raster(tmp_path / "images" / f"chip{number}.tif", image, nodata=-9999, **place)

    class Look(Recorder):
        def training_step(self, batch, batch_idx):
            self.seen.append((batch["image"].dtype, bool((batch["image"][:, :, :4] == 0).all())))
            return super().training_step(batch, batch_idx)

    task, data = Look(), data_of(tmp_path, ignore_index=255, val_fraction=0.0, test_fraction=0.0)
    trainer_of(tmp_path, max_epochs=1, precision=precision, enable_checkpointing=False).fit(task, datamodule=data)
    assert task.seen[0] == (dtype, True)
    assert data.normalization.means[0] > 0


@pytest.mark.gpu
def test_batches_are_the_same_on_a_gpu(root):
    sums = []
    for device in ("cpu", "cuda"):
        data = data_of(root, train_transforms=[{"name": "D4"}])
        data.setup("fit")
        batch = next(iter(data.train_dataloader()))
        moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        sums.append(data.on_after_batch_transfer(moved, 0)["image"].double().sum().item())
    assert sums[0] == pytest.approx(sums[1], rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("crop_size", [None, 8])
def test_nodata_is_ignored_in_the_mask(root, crop_size):
    for number, (image, _) in enumerate(write_chips(root, 8, seed=2)):
        image[:, 4:, :] = 0
        place = {"origin": (500_000 + number * 160, 4_000_000), "descriptions": BANDS}
        write_raster(root / "images" / f"chip{number}.tif", image, nodata=0, **place)
    data = data_of(root, ignore_index=255, crop_size=crop_size)
    data.setup("fit")
    for batch in ready(data, data.val_dataloader()):
        assert torch.equal(batch["mask"] == 255, (batch["image"] == 0).all(1))
        assert (batch["mask"] == 255).any()
