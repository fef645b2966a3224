"""LightningCLI builds what a resolved configuration says; ours joins what is the user's."""

from __future__ import annotations

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from geofoundry.core.errors import ConfigError
from geofoundry.recipes.assembly import assemble
from geofoundry.recipes.checkpoints import checkpoint_callbacks, find_checkpoint
from geofoundry.recipes.epoch_seed import EpochSeed, seed_of_epoch

BORING = "lightning.pytorch.demos.boring_classes"
CONFIG = {
    "model": {"class_path": f"{BORING}.BoringModel"},
    "data": {"class_path": f"{BORING}.BoringDataModule"},
    "trainer": {"max_epochs": 3, "accelerator": "cpu", "devices": 1},
    "run": {"name": "x"},
}


def test_any_lightning_module_and_datamodule_can_be_assembled(tmp_path):
    callbacks = [*checkpoint_callbacks(tmp_path, "val/loss", "min"), EpochSeed(3)]
    assembly = assemble(CONFIG, seed=3, loggers=[CSVLogger(tmp_path)], callbacks=callbacks)
    assert type(assembly.task).__name__ == "BoringModel"
    assert assembly.trainer.max_epochs == 3
    assert all(callback in assembly.trainer.callbacks for callback in callbacks)
    assert assembly.config["seed_everything"] == 3
    assert assembly.config["trainer"]["max_epochs"] == 3


def test_a_users_checkpoint_callback_takes_the_place_of_ours(tmp_path):
    theirs = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": {"dirpath": str(tmp_path)}}
    config = {**CONFIG, "trainer": {**CONFIG["trainer"], "callbacks": [theirs]}}
    assembly = assemble(config, seed=0, callbacks=checkpoint_callbacks(tmp_path / "ours", "val/loss", "min"))
    [kept] = [c for c in assembly.trainer.callbacks if isinstance(c, ModelCheckpoint)]
    assert str(kept.dirpath) == str(tmp_path)


def test_without_a_logger_of_ours_nothing_is_logged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assembly = assemble(CONFIG, seed=0)
    assert assembly.trainer.loggers == []
    assert assembly.trainer.checkpoint_callbacks == []


def test_a_wrong_type_is_a_config_error():
    with pytest.raises(ConfigError, match="max_epochs"):
        assemble({**CONFIG, "trainer": {"max_epochs": "many"}}, seed=0)


@pytest.mark.parametrize(
    ("expression", "error"), [("{'decoder': 'UNetDecodr'}", ConfigError), ("{'num_classes': 1}", ConfigError)]
)
def test_what_a_constructor_raises_comes_through_as_itself(expression, error):
    task = "geofoundry.tasks.segmentation.SemanticSegmentationTask"
    model_args = {"backbone": "UNetEncoder", "backbone_in_chans": 2, "decoder": "FCNDecoder", "num_classes": 2}
    broken = {"class_path": task, "init_args": {"model_args": {**model_args, **eval(expression)}}}
    with pytest.raises(error) as caught:
        assemble({**CONFIG, "model": broken}, seed=0)
    assert "Union" not in str(caught.value)


def test_the_seed_of_an_epoch_depends_on_run_and_epoch_alone():
    seeds = {seed_of_epoch(seed, epoch) for seed in range(5) for epoch in range(50)}
    assert len(seeds) == 250
    assert seed_of_epoch(1, 2) == seed_of_epoch(1, 2)
    assert max(seeds) < 2**32


def test_a_checkpoint_is_found_by_word_folder_or_file(tmp_path):
    from geofoundry.runs import RunFolder

    with pytest.raises(ConfigError, match="geofoundry fit"):
        find_checkpoint(None, tmp_path, "job")
    run = RunFolder.create(tmp_path, "job")
    run.checkpoints.mkdir(parents=True)
    last, best = run.checkpoints / "last.ckpt", run.checkpoints / "best.ckpt"
    last.touch()
    assert find_checkpoint(None, tmp_path, "job") == last
    assert find_checkpoint(run.path, tmp_path, "job") == last  # trained without validation, it has no best
    best.touch()
    RunFolder.create(tmp_path, "job")  # stopped before its first checkpoint
    assert find_checkpoint(None, tmp_path, "job") == best
    assert find_checkpoint("last", tmp_path, "job") == last
    assert find_checkpoint(run.path, tmp_path, "job") == best
    assert find_checkpoint(last, tmp_path, "other") == last
    with pytest.raises(ConfigError, match="nowhere"):
        find_checkpoint(tmp_path / "nowhere.ckpt", tmp_path, "job")
