"""A task under Lightning's command line and under several processes."""

import pytest
import torch
from lightning.pytorch.cli import LightningCLI
from torch import nn

from geofoundry.tasks.segmentation import SemanticSegmentationTask

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")


class GivenModel(nn.Conv2d):
    """A model that a configuration can name."""

    def __init__(self, bands: int = 3, classes: int = 3):
        super().__init__(bands, classes, 1)


def test_a_configuration_builds_a_task_whose_checkpoint_is_plain_data(parts, tmp_path):
    cli = LightningCLI(
        SemanticSegmentationTask,
        parts.datamodule,
        run=False,
        save_config_callback=None,
        args={
            "model": {
                "model": {"class_path": f"{__name__}.GivenModel", "init_args": {"bands": 3}},
                "model_args": {"num_classes": 3},
                "loss": {"ce": 0.5, "dice": 0.5},
                "ignore_index": 255,
                "scheduler_hparams": {"T_max": 3, "interval": "step"},
            },
            "trainer": {"max_epochs": 1, "accelerator": "cpu", "logger": False, "default_root_dir": str(tmp_path)},
        },
    )
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    cli.trainer.save_checkpoint(tmp_path / "a.ckpt")
    content = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert content["hyper_parameters"]["loss"] == {"ce": 0.5, "dice": 0.5}


def test_two_processes_count_and_average_together(parts, make_trainer):
    data = parts.datamodule()
    data.val = parts.chips(6, ignored_share=0)  # else the mean over batches depends on which chips share one

    def run(**options):
        torch.manual_seed(0)
        task = SemanticSegmentationTask(model=parts.tiny_model(), model_args={"num_classes": 3}, boundary_iou=True)
        trainer = make_trainer(**options)
        trainer.validate(task, datamodule=data, verbose=False)
        return trainer.callback_metrics

    alone, together = run(), run(strategy="ddp_fork", devices=2)
    assert set(together) == set(alone)
    for name, value in alone.items():
        assert together[name] == pytest.approx(value.item(), rel=1e-5, nan_ok=True), name
