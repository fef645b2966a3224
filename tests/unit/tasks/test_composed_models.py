"""The task with models that the factory composes from names."""

import copy

import pytest
import torch

from geofoundry.core.errors import ConfigError
from geofoundry.tasks.segmentation import SemanticSegmentationTask

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*number of training batches.*"),
]
UNET = {
    "backbone": "UNetEncoder",
    "backbone_in_chans": 3,
    "backbone_channels": [4, 8],
    "decoder": "UNetDecoder",
    "decoder_channels": [8, 4],
    "num_classes": 3,
}
SIDE = [{"name": "side", "decoder": "FCNDecoder", "decoder_args": {"decoder_channels": 4}}]


def test_a_composed_model_with_an_auxiliary_head_trains_and_comes_back(parts, make_trainer, tmp_path):
    task = SemanticSegmentationTask(
        UNET,
        aux_heads=SIDE,
        aux_loss={"side": 0.4},
        ignore_index=255,
        loss=["ce", "dice"],
        layer_decay=0.9,
        lr_overrides={"head": 1e-2},
    )
    trainer = make_trainer()
    data = parts.datamodule()
    trainer.fit(task, datamodule=data)
    assert {"train/loss_side", "val/loss_side", "val/loss_ce", "val/mIoU"} <= set(trainer.callback_metrics)
    rates = {group["name"]: group["initial_lr"] for group in trainer.optimizers[0].param_groups}
    assert rates["head"] == 1e-2
    assert rates["encoder layer 2"] > rates["encoder layer 1"]
    trainer.save_checkpoint(tmp_path / "task.ckpt")
    again = SemanticSegmentationTask.load_from_checkpoint(tmp_path / "task.ckpt", weights_only=True)
    batch = {"image": data.val.images}
    expected = task.eval().predict_step(batch)["prediction"]
    assert torch.equal(again.eval().predict_step(batch)["prediction"], expected)
    assert torch.equal(copy.deepcopy(task).predict_step(batch)["prediction"], expected)


def test_a_backbone_of_another_library_can_be_frozen(parts, make_trainer):
    model_args = {"backbone": "timm_resnet18", "backbone_in_chans": 3, "backbone_out_indices": [0, 1]}
    model_args |= {"decoder": "FCNDecoder", "decoder_channels": 8, "num_classes": 3}
    task = SemanticSegmentationTask(model_args, ignore_index=255, freeze_backbone=True)
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    make_trainer().fit(task, datamodule=parts.datamodule())
    changed = {name for name, value in task.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert not any(name.startswith("encoder.") for name in changed)


def test_faults_of_the_model_come_with_those_of_the_task():
    wrong = {**UNET, "backbone": "UNetEncodr", "decoder_chanels": [1]}
    with pytest.raises(ConfigError) as caught:
        SemanticSegmentationTask(wrong, loss="diec")
    text = str(caught.value)
    assert "write 'dice'" in text
    assert "UNetEncoder" in text


def test_a_factory_that_is_not_there_gets_the_nearest_name():
    with pytest.raises(ConfigError, match="EncoderDecoderFactory"):
        SemanticSegmentationTask(UNET, model_factory="EncoderDecoderFactry")


def test_the_number_of_classes_is_missed_once():
    without = {key: value for key, value in UNET.items() if key != "num_classes"}
    with pytest.raises(ConfigError) as caught:
        SemanticSegmentationTask(without)
    assert len(caught.value.faults) == 1
    assert SemanticSegmentationTask(without, class_names=["a", "b"]).num_classes == 2


def test_a_fault_of_an_auxiliary_head_is_placed_where_the_user_wrote_it():
    with pytest.raises(ConfigError) as caught:
        SemanticSegmentationTask(UNET, aux_heads=[{"name": "side", "decodr": "FCNDecoder"}], aux_loss={"side": 1})
    assert {fault.where for fault in caught.value.faults} == {"aux_heads[0]"}


def test_optional_inputs_reach_only_backbones_that_take_them():
    task = SemanticSegmentationTask(UNET)
    batch = {"image": torch.zeros(1, 3, 8, 8), "temporal_coords": torch.zeros(1, 1, 2), "location_coords": 1}
    assert task.predict_step(batch)["prediction"].shape == (1, 8, 8)
