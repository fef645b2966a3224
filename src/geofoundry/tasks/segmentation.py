"""Semantic segmentation: a class for every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from geofoundry.core.errors import ConfigError, DataError, Fault, plural
from geofoundry.core.suggest import did_you_mean
from geofoundry.tasks.base_task import BaseTask
from geofoundry.tasks.batches import class_labels, required
from geofoundry.tasks.boundary_iou import Band
from geofoundry.tasks.confusion import check_labels, labels_outside, predict_classes, refuse_outside
from geofoundry.tasks.freezing import frozen_parts
from geofoundry.tasks.losses import build_loss, check_loss
from geofoundry.tasks.model_building import find_model, is_plain
from geofoundry.tasks.optimization import Optimization
from geofoundry.tasks.segmentation_metrics import SegmentationMetrics

MASK = "mask"
Output = Literal["prediction", "probabilities", "logits"]
OUTPUTS: tuple[str, ...] = get_args(Output)


class SemanticSegmentationTask(BaseTask):
    """Train a model to give every pixel a class.

    A batch is TorchGeo's dictionary: `image` float `(B, bands, H, W)` and `mask` `(B, H, W)`. Logged are, in each of
    `val` and `test` (and in `train` with `train_metrics`): `loss`, `mIoU`, `mIoU_Micro`, `F1_Score`, `Accuracy` (mean
    over classes), `Pixel_Accuracy`, and `IoU_<class>` and `Class_Accuracy_<class>` for each class; a class that
    occurs in neither labels nor predictions is NaN and in no mean. After an epoch, `confusion["val"]` is its confusion
    matrix `(C, C)` int64, `[true class, predicted class]`, on the CPU.

    As it stands it trains with AdamW and a cosine schedule that lasts as long as the training.

    Args:
        model_args: What the model factory takes, `num_classes` among it (or counted in `class_names`).
        model_factory: The factory that builds the model.
        model: A module to train instead; of `model_args` it needs `num_classes` only.
        loss: `ce`, `dice`, `focal`, `jaccard` or `lovasz`; a list of them, which are added; a mapping of them to
            weights; or a module of your own, which then has to mind `ignore_index` itself.
        class_weights: One weight per class for the named losses.
        ignore_index: The label that means "unknown"; its pixels count for nothing.
        class_names: Names for logs and maps; those of the datamodule when left out, or else numbers.
        aux_heads: Auxiliary heads, each a mapping with `name`, `decoder` and `decoder_args`.
        aux_loss: The weight of each auxiliary head's loss, by the head's name.
        lr: The learning rate.
        optimizer: A class of `torch.optim`.
        optimizer_hparams: Its other keywords, for example `weight_decay`.
        scheduler: A class of `torch.optim.lr_scheduler`; null for a rate that stays.
        scheduler_hparams: Its keywords, and `interval` (`step` or `epoch`), and `monitor` for `ReduceLROnPlateau`.
            A length that is left out (`T_max`, `total_iters`, `total_steps`) is that of the training.
        warmup_steps: Optimizer steps over which the rate rises linearly before the schedule begins.
        warmup_epochs: The same in epochs.
        lr_overrides: Learning rates for parameters whose name holds a text: `{encoder: 1.0e-5}`.
        layer_decay: The factor on the learning rate from one layer of the encoder to the one below it.
        decay_norm_and_bias: Give weight decay to norms and biases as well.
        freeze_backbone: Don't train the encoder; it stays in evaluation mode.
        freeze_decoder: The same for the decoder.
        freeze_head: The same for the head.
        train_metrics: Measure training batches as well, not only their loss.
        boundary_iou: Measure `Boundary_mIoU` as well.
        boundary_thickness_px: How far from a class's outline its boundary band reaches.
        boundary_band: `inner` takes the class's own pixels as the paper does, `both` those on either side.
        test_dataloaders_names: Names of several test data loaders, in their order.
        output_on_inference: What `predict_step` gives: `prediction`, `probabilities`, `logits`, or a list.

    Raises:
        ConfigError: with everything that is wrong, at once.
    """

    monitor: ClassVar[tuple[str, str]] = ("val/mIoU", "max")

    def __init__(
        self,
        model_args: dict[str, Any] | None = None,
        model_factory: str = "EncoderDecoderFactory",
        model: nn.Module | None = None,
        loss: str | list[str] | dict[str, float] | nn.Module = "ce",
        class_weights: list[float] | None = None,
        ignore_index: int | None = None,
        class_names: list[str] | None = None,
        aux_heads: list[dict[str, Any]] | None = None,
        aux_loss: dict[str, float] | None = None,
        lr: float = 3e-4,
        optimizer: str = "AdamW",
        optimizer_hparams: dict[str, Any] | None = None,
        scheduler: str | None = "CosineAnnealingLR",
        scheduler_hparams: dict[str, Any] | None = None,
        warmup_steps: int = 0,
        warmup_epochs: float = 0.0,
        lr_overrides: dict[str, float] | None = None,
        layer_decay: float | None = None,
        decay_norm_and_bias: bool = False,
        freeze_backbone: bool = False,
        freeze_decoder: bool = False,
        freeze_head: bool = False,
        train_metrics: bool = False,
        boundary_iou: bool = False,
        boundary_thickness_px: int = 2,
        boundary_band: Literal["inner", "both"] = "inner",
        test_dataloaders_names: list[str] | None = None,
        output_on_inference: Output | list[Output] = "prediction",
    ) -> None:
        super().__init__()
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        # What isn't plain data, such as a module, would make the checkpoint run code when it is read.
        self.save_hyperparameters(ignore=[name for name, value in given.items() if not is_plain(value)])
        optimization = Optimization.from_options(given)
        outputs = [output_on_inference] if isinstance(output_on_inference, str) else list(output_on_inference)
        num_classes, faults = _read_classes(model_args or {}, class_names)
        faults += check_loss(loss, class_weights, num_classes)
        faults += optimization.check()
        faults += _check_choices(outputs, boundary_band, boundary_thickness_px)
        if model_args and num_classes is not None:
            model_args = {**model_args, "num_classes": num_classes}
        built, model_faults = find_model("segmentation", model, model_factory, model_args or {}, aux_heads or [])
        faults += [fault for fault in model_faults if num_classes is not None or fault.where != "num_classes"]
        if faults or built is None or num_classes is None:
            raise ConfigError(faults, summary=f"{plural(len(faults), 'fault')} in {type(self).__name__}")
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.class_names = list(class_names or map(str, range(num_classes)))
        self.confusion: dict[str, Tensor] = {}
        self.outputs: Sequence[str] = outputs
        self._boundary = {name: given[name] for name in ("boundary_iou", "boundary_band", "boundary_thickness_px")}
        self._outside_px: Tensor | int = 0
        self.assemble(
            model=built,
            criterion=build_loss(loss, class_weights=class_weights, ignore_index=ignore_index),
            optimization=optimization,
            frozen=frozen_parts(given),
            aux_loss=aux_loss,
            train_metrics=train_metrics,
            test_dataloaders_names=test_dataloaders_names,
        )

    def setup(self, stage: str) -> None:
        """Hold the task against the datamodule, before the first step; take its class names if there are no others.

        Raises:
            ConfigError: when the datamodule has other classes or ignores another label.
        """
        if stage == "predict":
            return  # scenes have no labels, and the labels that were trained on need not be there any more
        datamodule = getattr(self.trainer, "datamodule", None)
        faults = [
            Fault(
                what=f"the task and the datamodule differ in {key}",
                where=key,
                got=f"{getattr(self, key)} in the task, {theirs} in the datamodule",
                mend=f"set {key} to the same value in both",
            )
            for key in ("num_classes", "ignore_index")
            if (theirs := getattr(datamodule, key, None)) is not None and theirs != getattr(self, key)
        ]
        if faults:
            raise ConfigError(faults)
        names = getattr(datamodule, "class_names", None)
        if self.hparams.get("class_names") is None and names and len(names) == self.num_classes:
            self.class_names = [str(name) for name in names]
            self.hparams["class_names"] = self.class_names  # a checkpoint knows them without the datamodule

    def read_labels(self, batch: Mapping[str, Any]) -> Tensor:
        """Return the mask of a batch, int64 `(B, H, W)`.

        Raises:
            DataError: when it isn't there, or holds a label that is neither a class nor the ignore index; on an
                accelerator, which is not waited for, labels are reported when the loss is logged next.
        """
        labels = class_labels(required(batch, MASK))
        if labels.device.type == "cpu":
            check_labels(labels, self.num_classes, self.ignore_index, _where(batch))
            return labels
        outside = labels_outside(labels, self.num_classes, self.ignore_index)
        self._outside_px = outside.sum() + self._outside_px
        # On the device a wrong label ends the process without a word; this one is reported soon.
        return labels.masked_fill(outside, 0)

    def raise_what_was_seen(self) -> None:
        """Raise a `DataError` for labels that an accelerator has seen outside the classes."""
        outside_px, self._outside_px = int(self._outside_px), 0
        refuse_outside(outside_px, self.num_classes, self.ignore_index)

    def check_output(self, output: Tensor, labels: Tensor) -> None:
        """Hold the shape of the model's output against the classes and the labels.

        Raises:
            ConfigError: when the model has another number of classes.
            DataError: when images and masks, or what the model makes of them, have different sizes.
        """
        if output.ndim != labels.ndim + 1 or output.shape[1] != self.num_classes:
            raise ConfigError(
                Fault(
                    what="the model's output doesn't have a score for each class",
                    where="model",
                    got=f"shape {tuple(output.shape)}",
                    expected=f"(batch, {self.num_classes}, height, width)",
                )
            )
        if output.shape[2:] != labels.shape[1:] or len(output) != len(labels):
            raise DataError(
                Fault(
                    what="the model's output and the mask have different sizes",
                    where=MASK,
                    got=f"output {tuple(output.shape)}, mask {tuple(labels.shape)}",
                    expected="the same batch size, height and width",
                )
            )

    def build_metrics(self) -> SegmentationMetrics:
        """Return fresh metrics for one data loader of an epoch."""
        return SegmentationMetrics(self.num_classes, self.ignore_index, **self._boundary)

    def compute_metrics(self, stage: str, metrics: Any) -> dict[str, float]:
        """Return metrics by name and keep the confusion matrix as `confusion[stage]`."""
        self.confusion[stage], values = metrics.compute(self.class_names)
        return values

    def predict_step(self, batch: Mapping[str, Any], batch_idx: int = 0, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """Return what `output_on_inference` names.

        **Shapes:** `prediction` `(B, H, W)` uint8 (int16 beyond 255 classes), `probabilities` and `logits`
        `(B, C, H, W)` float32.
        """
        logits = self.predict_output(batch)
        results: dict[str, Tensor] = {}
        for name in self.outputs:
            if name == "prediction":
                results[name] = predict_classes(logits)
            elif name == "probabilities":
                results[name] = logits.float().softmax(dim=1)
            else:
                results[name] = logits.float()
        return results


def _where(batch: Mapping[str, Any]) -> str:
    """Return the files of a batch, for an error about its labels."""
    files = batch.get("filename")
    if not isinstance(files, list | tuple) or not files:
        return MASK
    return f"{MASK} of one of: {', '.join(map(str, files[:8]))}" + (", ..." if len(files) > 8 else "")


def _read_classes(model_args: Mapping[str, Any], class_names: Sequence[str] | None) -> tuple[int | None, list[Fault]]:
    """Return how many classes there are, and what is wrong with that."""
    faults = []
    count = model_args.get("num_classes")
    if count is None and class_names:
        count = len(class_names)
    if count is None:
        faults.append(Fault("num_classes is missing", "model_args.num_classes", expected="how many classes there are"))
    elif not isinstance(count, int) or isinstance(count, bool) or not 2 <= count <= torch.iinfo(torch.int16).max:
        faults.append(Fault("num_classes must be a whole number from 2 on", "model_args.num_classes", repr(count)))
        count = None
    names = list(class_names or [])
    if count is not None and names and len(names) != count:
        faults.append(Fault("class_names don't fit num_classes", "class_names", plural(len(names), "name"), str(count)))
    if len(set(names)) < len(names):
        faults.append(Fault("two classes have the same name", "class_names", ", ".join(map(str, names))))
    return count, faults


def _check_choices(outputs: Sequence[str], band: Band, thickness_px: int) -> list[Fault]:
    faults = [
        Fault(
            what=f"unknown output {name!r}",
            where="output_on_inference",
            got=repr(name),
            expected=f"one of: {', '.join(OUTPUTS)}",
            mend=did_you_mean(str(name), OUTPUTS),
        )
        for name in outputs
        if name not in OUTPUTS
    ]
    if not outputs:
        faults.append(Fault("nothing would be predicted", "output_on_inference", "[]", f"one of: {', '.join(OUTPUTS)}"))
    if band not in ("inner", "both"):
        faults.append(Fault("unknown boundary band", "boundary_band", repr(band), "inner or both"))
    if not isinstance(thickness_px, int) or thickness_px < 1:
        faults.append(Fault("the boundary band is too thin", "boundary_thickness_px", repr(thickness_px), "1 or more"))
    return faults
