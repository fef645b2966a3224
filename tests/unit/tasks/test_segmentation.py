import csv
import math
from pathlib import Path

import pytest
import torch
from lightning.pytorch import seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.tasks.confusion import mean_iou
from geofoundry.tasks.segmentation import SemanticSegmentationTask

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*number of training batches.*"),
]
CLASSES, IGNORED = 3, 255


def make_task(model, **options):
    options = {"model_args": {"num_classes": CLASSES}, "ignore_index": IGNORED, **options}
    return SemanticSegmentationTask(model=model, **options)


def test_the_defaults_train(parts, make_trainer):
    seed_everything(0)
    task = make_task(parts.tiny_model(), lr=3e-2)
    trainer = make_trainer(max_epochs=15)
    trainer.fit(task, datamodule=parts.datamodule())
    assert trainer.callback_metrics["val/mIoU"] > 0.9
    assert trainer.callback_metrics["train/loss"] < 0.3
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-6)


def test_logged_names_and_values(parts, make_trainer):
    task = make_task(parts.tiny_model(), loss={"ce": 0.5, "dice": 1}, class_names=["land", "open water", "cloud"])
    data = parts.datamodule()
    trainer = make_trainer(log_every_n_steps=2)
    trainer.fit(task, datamodule=data)
    names = set(trainer.callback_metrics)
    assert names == {
        *("train/loss", "train/loss_ce", "train/loss_dice", "train/loss_step"),
        *("val/loss", "val/loss_ce", "val/loss_dice"),
        *("val/mIoU", "val/mIoU_Micro", "val/F1_Score", "val/Accuracy", "val/Pixel_Accuracy"),
        *(f"val/{metric}_{name}" for metric in ("IoU", "Class_Accuracy") for name in ("land", "open water", "cloud")),
    }
    expected = 0.5 * trainer.callback_metrics["val/loss_ce"] + trainer.callback_metrics["val/loss_dice"]
    assert trainer.callback_metrics["val/loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_the_loss_of_a_step_is_logged_across_epochs(parts, make_trainer, tmp_path):
    logger = CSVLogger(tmp_path)
    trainer = make_trainer(max_epochs=4, log_every_n_steps=6, logger=logger)
    trainer.fit(make_task(parts.tiny_model()), datamodule=parts.datamodule())  # 4 steps in an epoch
    rows = list(csv.DictReader((Path(logger.log_dir) / "metrics.csv").open()))
    assert [row["step"] for row in rows if row["train/loss_step"]] == ["5", "11"]
    assert [row["epoch"] for row in rows if row["train/loss"]] == ["0", "1", "2", "3"]


def test_the_confusion_matrix_is_that_of_the_epoch(parts, make_trainer):
    task = make_task(parts.tiny_model())
    data = parts.datamodule()
    trainer = make_trainer()
    trainer.validate(task, datamodule=data, verbose=False)
    task.eval()
    predictions = task(data.val.images).argmax(dim=1)
    expected = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
    for true, predicted in zip(data.val.masks.flatten(), predictions.flatten(), strict=True):
        if true != IGNORED:
            expected[true, predicted] += 1
    assert torch.equal(task.confusion["val"], expected)
    assert trainer.callback_metrics["val/mIoU"] == pytest.approx(mean_iou(expected))


def test_the_loss_of_an_epoch_is_the_mean_over_its_samples(parts, make_trainer):
    task = make_task(parts.tiny_model(), ignore_index=IGNORED)
    data = parts.datamodule()
    trainer = make_trainer()
    trainer.validate(task, datamodule=data, verbose=False)
    task.eval()
    losses = [
        nn.functional.cross_entropy(task(data.val.images[a:b]), data.val.masks[a:b], ignore_index=IGNORED) * (b - a)
        for a, b in ((0, 4), (4, 6))
    ]
    assert trainer.callback_metrics["val/loss"] == pytest.approx(sum(losses).item() / 6, rel=1e-5)


def test_training_batches_are_measured_when_asked_for(parts, make_trainer):
    trainer = make_trainer()
    task = make_task(parts.tiny_model(), train_metrics=True)
    trainer.fit(task, datamodule=parts.datamodule())
    assert "train/mIoU" in trainer.callback_metrics
    assert task.confusion["train"].sum() == (parts.datamodule().train.masks != IGNORED).sum()


def test_boundary_iou_is_measured_when_asked_for(parts, make_trainer):
    trainer = make_trainer()
    model = nn.Conv2d(CLASSES, CLASSES, 1)
    nn.init.dirac_(model.weight)
    with torch.no_grad():
        model.weight += 0.2 * torch.tensor([0.0, 1, -1]).view(3, 1, 1, 1)
    task = make_task(model, boundary_iou=True, boundary_thickness_px=1)
    trainer.validate(task, datamodule=parts.datamodule(), verbose=False)
    assert 0 < trainer.callback_metrics["val/Boundary_mIoU"] < 1


def test_several_test_loaders_are_told_apart_and_added_up(parts, make_trainer):
    trainer = make_trainer()
    task = make_task(parts.tiny_model(), test_dataloaders_names=["north", "south"])
    data = parts.datamodule(test_loaders=2)
    trainer.test(task, datamodule=data, verbose=False)
    metrics = trainer.callback_metrics
    assert {"test/loss", "test/mIoU", "test/north/mIoU", "test/south/IoU_0"} <= set(metrics)
    assert torch.equal(task.confusion["test"], task.confusion["test/north"] + task.confusion["test/south"])
    expected = (4 * metrics["test/north/loss"] + 5 * metrics["test/south/loss"]) / 9
    assert metrics["test/loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_unnamed_test_loaders_are_numbered(parts, make_trainer):
    trainer = make_trainer()
    trainer.test(make_task(parts.tiny_model()), datamodule=parts.datamodule(test_loaders=2), verbose=False)
    assert {"test/loss", "test/0/loss", "test/1/loss"} <= set(trainer.callback_metrics)


def test_names_that_do_not_fit_the_loaders_are_refused(parts, make_trainer):
    task = make_task(parts.tiny_model(), test_dataloaders_names=["north"])
    with pytest.raises(ConfigError, match="1 name: north"):
        make_trainer().test(task, datamodule=parts.datamodule(test_loaders=2), verbose=False)


def test_what_a_batch_holds_besides_does_not_reach_the_model(parts):
    task = make_task(parts.tiny_model())
    batch = {"image": torch.randn(2, CLASSES, 4, 4), "mask": torch.zeros(2, 4, 4).long(), "crs": [1, 2]}
    batch |= {"bounds": torch.zeros(2, 4), "temporal_coords": torch.zeros(2, 1, 2)}
    assert task.predict_step(batch)["prediction"].shape == (2, 4, 4)


def test_optional_inputs_reach_a_model_that_takes_them_by_name():
    class Dated(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 2, 1)
            self.seen = None

        def forward(self, x, temporal_coords=None):
            self.seen = temporal_coords
            return self.layer(x)

    model = Dated()
    task = SemanticSegmentationTask(model=model, class_names=["a", "b"])
    batch = {"image": torch.randn(2, 1, 4, 4), "temporal_coords": torch.ones(2, 1, 2), "location_coords": 3}
    task.predict_step(batch)
    assert model.seen is batch["temporal_coords"]


@pytest.mark.parametrize("mask_type", ["channel", "uint8", "float"])
def test_masks_come_in_several_forms(parts, mask_type):
    task = make_task(parts.tiny_model())
    mask = torch.randint(0, CLASSES, (2, 4, 4))
    forms = {"channel": mask.unsqueeze(1), "uint8": mask.to(torch.uint8), "float": mask.float()}
    assert torch.equal(task.read_labels({"mask": forms[mask_type]}), mask)


def test_the_output_on_inference(parts):
    images = torch.randn(2, CLASSES, 4, 4)
    task = make_task(parts.tiny_model(), output_on_inference=["prediction", "probabilities", "logits"]).eval()
    results = task.predict_step({"image": images})
    logits = task(images)
    torch.testing.assert_close(results["logits"], logits)
    torch.testing.assert_close(results["probabilities"], logits.softmax(dim=1))
    assert results["prediction"].dtype == torch.uint8
    assert torch.equal(results["prediction"].long(), logits.argmax(dim=1))
    (only,) = make_task(parts.tiny_model(), output_on_inference="probabilities").predict_step({"image": images})
    assert only == "probabilities"


def test_a_wrong_label_names_the_files(parts, make_trainer):
    data = parts.datamodule()
    data.train.masks[5] = 7
    with pytest.raises(DataError, match=r"(?s)4\.tif, 5\.tif.*7 \(64 px\)"):
        make_trainer().fit(make_task(parts.tiny_model()), datamodule=data)


def test_labels_on_an_accelerator_are_checked_without_waiting(parts):
    """The meta device stands for an accelerator: whoever read a value from it would fail."""
    task = make_task(parts.tiny_model())
    assert task.read_labels({"mask": torch.zeros(2, 4, 4, dtype=torch.int64, device="meta")}).device.type == "meta"
    task._outside_px = torch.tensor(3)
    with pytest.raises(DataError, match="3 px"):
        task.raise_what_was_seen()


def test_ignored_labels_need_an_ignore_index(parts):
    task = make_task(parts.tiny_model(), ignore_index=None)
    with pytest.raises(DataError, match="no label is ignored"):
        task.read_labels({"mask": torch.full((1, 2, 2), IGNORED)})


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({"picture": 1}, "the batch has no 'image'"),
        ({"image": torch.zeros(1, CLASSES, 4, 4), "label": 1}, "the batch has no 'mask'"),
        ({"image": torch.zeros(1, CLASSES, 4, 4), "mask": torch.zeros(1, 5, 4)}, "different sizes"),
        ({"image": torch.zeros(1, CLASSES, 4, 4), "mask": torch.full((1, 4, 4), 0.5)}, "not a whole number"),
    ],
)
def test_a_batch_that_makes_no_sense_is_refused(parts, batch, words):
    with pytest.raises(DataError, match=words):
        make_task(parts.tiny_model()).validation_step(batch, 0)


def test_a_model_with_another_number_of_classes_is_refused(parts):
    batch = {"image": torch.zeros(1, CLASSES, 4, 4), "mask": torch.zeros(1, 4, 4)}
    with pytest.raises(ConfigError, match="a score for each class"):
        make_task(parts.tiny_model(classes=5)).validation_step(batch, 0)


def test_a_model_that_gives_no_tensor_is_refused():
    class Odd(nn.Conv2d):
        def forward(self, x):
            return {"out": super().forward(x)}

    with pytest.raises(ConfigError, match="neither a tensor nor a ModelOutput"):
        make_task(Odd(CLASSES, CLASSES, 1)).predict_step({"image": torch.zeros(1, CLASSES, 4, 4)})


def test_a_batch_that_is_all_ignored_changes_no_weight(parts, make_trainer):
    data = parts.datamodule()
    data.train.masks[:] = IGNORED
    task = make_task(parts.tiny_model(), loss=["ce", "dice", "focal", "jaccard", "lovasz"], optimizer="SGD")
    before = {name: value.clone() for name, value in task.named_parameters()}
    trainer = make_trainer()
    trainer.fit(task, datamodule=data)
    assert trainer.callback_metrics["train/loss"] == 0
    for name, value in task.named_parameters():
        assert torch.equal(value, before[name]), name


def test_frozen_parts_stay_as_they_are(parts, make_trainer):
    task = make_task(parts.tiny_model(), freeze_backbone=True, freeze_head=True, lr=0.1)
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    trainer = make_trainer(max_epochs=2)
    trainer.fit(task, datamodule=parts.datamodule())
    changed = {name for name, value in task.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"decoder.weight", "decoder.bias"}  # batch norm's statistics have not moved either
    handed = [parameter for group in trainer.optimizers[0].param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in handed} == {id(parameter) for parameter in task.model.decoder.parameters()}
    task.train()
    assert (task.model.encoder.training, task.model.decoder.training) == (False, True)


def test_auxiliary_heads_add_their_weighted_loss(parts, make_trainer):
    task = make_task(parts.model_with_heads(), aux_loss={"side": 0.4})
    trainer = make_trainer()
    data = parts.datamodule()
    trainer.validate(task, datamodule=data, verbose=False)
    metrics = trainer.callback_metrics
    alone = make_task(parts.tiny_model())
    alone.model.load_state_dict({k: v for k, v in task.model.state_dict().items() if "aux" not in k})
    trainer.validate(alone, datamodule=data, verbose=False)
    main = trainer.callback_metrics["val/loss"]
    assert metrics["val/loss"] == pytest.approx((main + 0.4 * metrics["val/loss_side"]).item(), rel=1e-5)


def test_heads_and_weights_must_have_the_same_names(parts):
    with pytest.raises(ConfigError, match="heads: side; weights: sied"):
        make_task(parts.model_with_heads(), aux_loss={"sied": 0.4})
    with pytest.raises(ConfigError, match="heads: side; weights: none"):
        make_task(parts.model_with_heads())
    task = make_task(parts.tiny_model(), aux_loss={"side": 0.4})  # only its output shows that it has no heads
    batch = {"image": torch.zeros(1, CLASSES, 4, 4), "mask": torch.zeros(1, 4, 4)}
    with pytest.raises(ConfigError, match="heads: none; weights: side"):
        task.validation_step(batch, 0)


def test_a_checkpoint_is_plain_data_and_brings_the_task_back(parts, make_trainer, tmp_path):
    task = make_task(parts.tiny_model(), loss={"ce": 1, "dice": 1}, lr_overrides={"encoder": 1e-4}, warmup_steps=2)
    data = parts.datamodule(class_names=["a", "b", "c"], num_classes=3, ignore_index=IGNORED)
    saver = ModelCheckpoint(tmp_path, monitor="val/mIoU", mode="max", save_last=True)
    trainer = make_trainer(callbacks=[saver], enable_checkpointing=True)
    trainer.fit(task, datamodule=data)
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert content["hyper_parameters"]["loss"] == {"ce": 1, "dice": 1}
    assert "model" not in content["hyper_parameters"]
    other = SemanticSegmentationTask.load_from_checkpoint(
        tmp_path / "last.ckpt", model=parts.tiny_model(), weights_only=True
    )
    assert other.class_names == ["a", "b", "c"]
    batch = {"image": data.val.images}
    assert torch.equal(other.eval().predict_step(batch)["prediction"], task.eval().predict_step(batch)["prediction"])


def test_training_that_was_broken_off_goes_on_as_if_it_had_not(parts, make_trainer, tmp_path):
    def fit(epochs, checkpoint=None, **options):
        seed_everything(1)
        task = make_task(parts.tiny_model(), scheduler_hparams={"T_max": 12, "interval": "step"}, warmup_steps=3)
        saver = ModelCheckpoint(tmp_path / str(epochs), save_last=True)
        trainer = make_trainer(max_epochs=epochs, callbacks=[saver], enable_checkpointing=True, **options)
        trainer.fit(task, datamodule=parts.datamodule(), ckpt_path=checkpoint, weights_only=True)
        return task, trainer

    whole, _ = fit(3)
    _, first = fit(1)
    resumed, _ = fit(3, checkpoint=first.checkpoint_callback.last_model_path)
    for (name, a), (_, b) in zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


def test_half_precision_trains(parts, make_trainer):
    trainer = make_trainer(precision="bf16-mixed")
    trainer.fit(make_task(parts.tiny_model(), loss=["ce", "dice", "lovasz"]), datamodule=parts.datamodule())
    assert math.isfinite(trainer.callback_metrics["train/loss"])


def test_class_names_come_from_the_datamodule_unless_given(parts, make_trainer):
    data = parts.datamodule(class_names=["a", "b", "c"])
    task = make_task(parts.tiny_model())
    assert task.class_names == ["0", "1", "2"]
    make_trainer().validate(task, datamodule=data, verbose=False)
    assert task.class_names == ["a", "b", "c"]
    named = make_task(parts.tiny_model(), class_names=["x", "y", "z"])
    make_trainer().validate(named, datamodule=data, verbose=False)
    assert named.class_names == ["x", "y", "z"]


def test_a_datamodule_with_other_classes_is_refused_before_the_first_step(parts, make_trainer):
    data = parts.datamodule(num_classes=4, ignore_index=0)
    with pytest.raises(ConfigError) as caught:
        make_trainer().fit(make_task(parts.tiny_model()), datamodule=data)
    assert [fault.where for fault in caught.value.faults] == ["num_classes", "ignore_index"]


def test_prediction_does_not_ask_the_datamodule_for_labels(parts, make_trainer):
    data = parts.datamodule(num_classes=9)
    results = make_trainer().predict(make_task(parts.tiny_model()), datamodule=data)
    assert results is not None
    assert results[0]["prediction"].shape == (4, 8, 8)


def test_all_faults_come_at_once(parts):
    with pytest.raises(ConfigError) as caught:
        SemanticSegmentationTask(
            model=parts.tiny_model(),
            model_args={"num_classes": 3, "backbone": "resnet18"},
            loss="diec",
            class_weights=[1.0],
            class_names=["a", "a"],
            lr=-1,
            optimizer="Adamw",
            scheduler="StepLR",
            warmup_steps=3,
            layer_decay=2,
            output_on_inference="probability",
            boundary_thickness_px=0,
        )
    assert [fault.where for fault in caught.value.faults] == [
        *("class_names", "class_names", "loss", "class_weights", "lr", "layer_decay", "optimizer", "warmup_steps"),
        *("scheduler_hparams.step_size", "output_on_inference", "boundary_thickness_px", "model_args.backbone"),
    ]
    assert str(caught.value).startswith("12 faults in SemanticSegmentationTask")


def test_what_does_not_fit_the_model_comes_at_once(parts):
    model = nn.Sequential(nn.Conv2d(3, 3, 1))
    with pytest.raises(ConfigError) as caught:
        make_task(model, lr_overrides={"encoder": 0.1}, layer_decay=0.5)
    assert [fault.where for fault in caught.value.faults] == ["lr_overrides", "layer_decay"]
    with pytest.raises(ConfigError, match="no part named 'encoder'"):
        make_task(model, freeze_backbone=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "num_classes is missing"),
        ({"model_args": {"num_classes": 1}}, "from 2 on"),
        ({"model_args": {"num_classes": "3"}}, "from 2 on"),
    ],
)
def test_the_number_of_classes_must_be_known(parts, options, words):
    with pytest.raises(ConfigError, match=words):
        SemanticSegmentationTask(model=parts.tiny_model(), **options)


def test_a_task_without_a_model_says_what_it_needs():
    with pytest.raises(ConfigError, match="no model is given"):
        SemanticSegmentationTask()
