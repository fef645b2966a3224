"""The recorder and the logger within a real trainer, with a real task on a model of one layer."""

import json
import warnings

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torch.utils.data import DataLoader, Dataset

from geofoundry.core.errors import ConfigError
from geofoundry.recipes.checkpoints import checkpoint_callbacks
from geofoundry.recipes.epoch_seed import EpochSeed
from geofoundry.recipes.run_callbacks import RunLogger, RunRecorder
from geofoundry.runs import RunFolder
from geofoundry.runs.card_facts import read_provenance
from geofoundry.runs.metrics import read_metrics, read_table
from geofoundry.runs.results import read_results
from geofoundry.runs.run_folder import _started_ticks
from geofoundry.tasks.segmentation import SemanticSegmentationTask

NAMES = ["water", "forest", "rare"]


class Chips(Dataset):
    """Chips in which the class is the sign of the first band; the third class is a single pixel."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> dict:
        image = torch.from_numpy(np.random.default_rng(index).normal(size=(4, 12, 12)).astype(np.float32))
        mask = (image[0] > 0).long()
        mask[0, 0] = 2
        mask[-1] = 255
        return {"image": image, "mask": mask, "filename": f"chip_{index}.tif"}


class ChipsDataModule(pl.LightningDataModule):
    bands = ("BLUE", "GREEN", "RED", "NIR")

    def provenance(self) -> dict:
        return {"files": {"images/a.tif": "ab" * 32}, "splits": {"train": ["a"], "val": ["b", "c"]}}

    def train_dataloader(self) -> DataLoader:
        return DataLoader(Chips(), batch_size=5)

    val_dataloader = test_dataloader = train_dataloader


def build_task(**settings) -> SemanticSegmentationTask:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 3, 1), nn.Dropout(0.2))
    return SemanticSegmentationTask(
        model=model, class_names=NAMES, ignore_index=255, lr=0.1, scheduler=None, **settings
    )


def build_trainer(run, *callbacks, epochs=2, **settings) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=[RunLogger(run)], enable_progress_bar=False,
        enable_model_summary=False, log_every_n_steps=1, num_sanity_val_steps=0, default_root_dir=str(run.path),
        callbacks=[
            *callbacks,
            *checkpoint_callbacks(run.checkpoints, "val/mIoU", "max"),
            EpochSeed(0),
            RunRecorder(run, seed=3, arguments=["--trainer.max_epochs=2"], config={"model": {"init_args": {"lr": 0.1}}}),
        ],
        **settings,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*|.*`?GPU available.*")
        yield


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the figures out, for tests that look at other things: they take longer than such a training."""
    monkeypatch.setattr(RunRecorder, "_draw", lambda *_: None)


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs", "chips")


def test_a_fit_fills_the_folder(run):
    task = build_task()
    build_trainer(run).fit(task, datamodule=ChipsDataModule())
    assert run.status == "finished"
    assert {p.name for p in run.figures.iterdir()} == {
        "learning_curves.png", "confusion_val.png", "class_iou_val.png", "panels_val.png",
    }  # fmt: skip
    config = yaml.safe_load(run.config.read_text())
    assert config["run"] == {"name": "chips", "root": str(run.path.parent.parent)}
    provenance = read_provenance(run)
    assert (provenance["verb"], provenance["seed"]) == ("fit", 3)
    assert provenance["data"]["files"] == {"images/a.tif": "ab" * 32}
    assert set(provenance["checkpoints"]) == {"best.ckpt", "last.ckpt"}
    assert provenance["ended"] >= provenance["started"]
    assert provenance["sessions"][-1]["status"] == "finished"
    card = run.card.read_text()
    for text in ("water", "BLUE, GREEN, RED, NIR", "figures/confusion_val.png", "train 1, val 2", "seed | 3"):
        assert text in card, card
    assert "**rare** is given up" in card
    summary = run.summary()
    assert "'rare' is given up" in summary
    assert "geofoundry predict -c" in summary


def test_the_results_are_those_of_the_best_epoch(run, undrawn):
    seen = []

    class Watch(pl.Callback):
        def on_validation_end(self, trainer, pl_module):
            seen.append((float(trainer.callback_metrics["val/mIoU"]), pl_module.confusion["val"].clone()))
            with torch.no_grad():  # the next epoch is worse
                pl_module.model[0].weight.mul_(-1 if len(seen) == 2 else 1)

    task = build_task()
    with torch.no_grad():
        task.model[0].weight.zero_()
        task.model[0].weight[:2, 0, 0, 0] = torch.tensor([-9.0, 9.0])
    build_trainer(run, Watch(), epochs=3).fit(task, datamodule=ChipsDataModule())
    best = max(range(3), key=lambda index: seen[index][0])
    assert best < 2
    result = read_results(run.scores)["val"]
    assert result.epoch == best
    np.testing.assert_array_equal(result.confusion, seen[best][1].numpy())
    assert result.scores.miou == pytest.approx(seen[best][0], abs=1e-6)
    assert result.metrics["val/mIoU"] == pytest.approx(seen[best][0], abs=1e-6)


def test_recording_changes_no_weight(run, tmp_path, undrawn):
    def weights(*callbacks, logger=False):
        task = build_task()
        torch.manual_seed(5)
        pl.Trainer(max_epochs=2, accelerator="cpu", logger=logger, callbacks=list(callbacks), enable_progress_bar=False,
                   enable_model_summary=False, enable_checkpointing=False, default_root_dir=str(tmp_path)).fit(
                       task, datamodule=ChipsDataModule())  # fmt: skip
        return task.state_dict()

    plain, recorded = weights(), weights(RunRecorder(run), logger=[RunLogger(run)])
    for name, tensor in plain.items():
        assert torch.equal(tensor, recorded[name]), name


def test_metrics_of_a_resumed_run_are_those_of_an_unbroken_one(tmp_path, undrawn):
    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.current_epoch == 2 and batch_idx == 1:
                raise KeyboardInterrupt

    def rows(run):
        return [{k: v for k, v in row.items() if k != "time"} for row in read_table(run.metrics_csv)]

    unbroken = RunFolder.create(tmp_path, "unbroken")
    build_trainer(unbroken, epochs=4).fit(build_task(), datamodule=ChipsDataModule())
    broken = RunFolder.create(tmp_path, "broken")
    with pytest.raises(SystemExit):
        build_trainer(broken, Stop(), epochs=4).fit(build_task(), datamodule=ChipsDataModule())
    assert broken.status == "interrupted"
    assert "The run is interrupted" in broken.card.read_text()
    assert max(row["step"] for row in read_metrics(broken.metrics_jsonl)) == 4
    build_trainer(broken, epochs=4).fit(
        build_task(), datamodule=ChipsDataModule(), ckpt_path=broken.checkpoints / "last.ckpt", weights_only=True
    )
    assert broken.status == "finished"
    assert [row["step"] for row in rows(broken)] == [row["step"] for row in rows(unbroken)]
    for ours, theirs in zip(rows(broken), rows(unbroken), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, nan_ok=True)
    assert len(broken.record()["started"]) == 2
    sessions = read_provenance(broken)["sessions"]
    assert [session["status"] for session in sessions] == ["interrupted", "finished"]


def test_a_run_of_another_process_is_left_alone(run, undrawn):
    record = run.record()
    record["process"] |= {"pid": 1, "started_ticks": _started_ticks(1)}
    run._write(record)
    with pytest.raises(ConfigError, match="another process"):
        build_trainer(run).fit(build_task(), datamodule=ChipsDataModule())
    assert run.record() == record
    assert [path.name for path in run.path.iterdir()] == ["run.json"]


def test_a_failure_is_recorded_and_not_covered_up(run, monkeypatch):
    class Break(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        "geofoundry.recipes.run_callbacks.write_card", lambda *_: (_ for _ in ()).throw(OSError("card"))
    )
    with pytest.warns(UserWarning, match="incomplete"), pytest.raises(OSError, match="No space left"):
        build_trainer(run, Break()).fit(build_task(), datamodule=ChipsDataModule())
    assert run.status == "failed"
    assert "No space left" in run.record()["reason"]


def test_a_test_joins_the_run_and_leaves_its_origins_and_status(run, tmp_path):
    trainer = build_trainer(run)
    trainer.fit(build_task(), datamodule=ChipsDataModule())
    fitted = read_provenance(run)
    trainer = build_trainer(run)
    trainer.test(build_task(), datamodule=ChipsDataModule(), ckpt_path=run.checkpoints / "best.ckpt", verbose=False,
                 weights_only=True)  # fmt: skip
    assert run.status == "finished"
    results = read_results(run.scores)
    assert set(results) == {"val", "test"}
    assert results["test"].checkpoint == "best.ckpt"
    assert {"confusion_test.png", "class_iou_test.png", "panels_test.png"} <= {p.name for p in run.figures.iterdir()}
    provenance = read_provenance(run)
    assert provenance["started"] == fitted["started"]
    assert [session["verb"] for session in provenance["sessions"]] == ["fit", "test"]
    assert provenance["sessions"][1]["weights"]["checkpoint"]["sha256"] == fitted["checkpoints"]["best.ckpt"]["sha256"]
    rows = [row for row in read_metrics(run.metrics_jsonl) if "test/mIoU" in row]
    assert [row["step"] for row in rows] == [results["val"].step]
    assert "Per class, on the test split" in run.card.read_text()


def test_a_test_into_a_new_folder_ends_it(run, undrawn):
    build_trainer(run).test(build_task(), datamodule=ChipsDataModule(), verbose=False)
    assert run.status == "finished"
    assert json.loads(run.provenance.read_text())["verb"] == "test"
    assert run.config.exists()
