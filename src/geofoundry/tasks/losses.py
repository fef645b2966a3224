"""Losses on class scores, in which an ignored pixel counts for nothing.

Every loss is a pure function of (logits, labels, class weights, ignore index). All of them

* compute in float32, whatever precision the model ran in: sums over a batch lose their digits in bfloat16;
* leave out labels equal to `ignore_index`, in the value, in the normalization and in the gradient;
* give 0 with a zero gradient, not NaN, when nothing is left;
* never read a value back from the device, so they don't stall a GPU.

**Shapes:** logits `(B, C, ...)`, labels `(B, ...)` int64, class weights `(C,)` float32; the loss is a scalar.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.suggest import did_you_mean

LossFunction = Callable[[Tensor, Tensor, Tensor | None, int | None], Tensor]
LossSpec = str | Sequence[str] | Mapping[str, float] | nn.Module

TORCH_IGNORES_NOTHING = -100  # what torch takes for "no label is ignored"; no class can have this number
FOCAL_GAMMA = 2.0
SMALLEST = 1e-7


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None, ignore_index: int | None) -> Tensor:
    """Return the cross-entropy, averaged over pixels, each counting as much as its class weighs."""
    total = F.cross_entropy(logits.float(), labels, weights, ignore_index=_torch_index(ignore_index), reduction="sum")
    return total / _total_weight(labels, weights, ignore_index)


def focal(logits: Tensor, labels: Tensor, weights: Tensor | None, ignore_index: int | None) -> Tensor:
    """Return the softmax focal loss with gamma = 2, averaged like the cross-entropy.

    It is the multi-class form, `(1 - p)^2 * -log(p)` with the softmax probability p of the true class, so it
    trains the very probabilities that the model is asked for later. It is not divided by the sum of
    the focusing factors, which would make the loss vanish with the number of pixels.

    Source: Lin et al., Focal Loss for Dense Object Detection, 2017, equation 4.
    """
    losses = F.cross_entropy(logits.float(), labels, ignore_index=_torch_index(ignore_index), reduction="none")
    losses = (1.0 - torch.exp(-losses)) ** FOCAL_GAMMA * losses
    if weights is not None:
        losses = losses * weights[_split(labels, ignore_index)[1]]
    return losses.sum() / _total_weight(labels, weights, ignore_index)


def dice(logits: Tensor, labels: Tensor, weights: Tensor | None, ignore_index: int | None) -> Tensor:
    """Return 1 - Dice of the softmax probabilities, over the whole batch, averaged over the classes.

    A class without a label in the batch counts as 0 (the other classes still punish its false positives).

    Source: Milletari et al., V-Net, 2016, section 3; class averaging as in segmentation_models_pytorch.
    """
    overlap, predicted, labeled = _soft_counts(logits, labels, ignore_index)
    score = 2.0 * overlap / (predicted + labeled).clamp_min(SMALLEST)
    return _class_mean((1.0 - score) * (labeled > 0), weights)


def jaccard(logits: Tensor, labels: Tensor, weights: Tensor | None, ignore_index: int | None) -> Tensor:
    """Return 1 - IoU of the softmax probabilities, averaged like `dice`.

    Source: Rahman and Wang, Optimizing Intersection-Over-Union in Deep Neural Networks, 2016, equations 3 to 5.
    """
    overlap, predicted, labeled = _soft_counts(logits, labels, ignore_index)
    score = overlap / (predicted + labeled - overlap).clamp_min(SMALLEST)
    return _class_mean((1.0 - score) * (labeled > 0), weights)


def lovasz(logits: Tensor, labels: Tensor, weights: Tensor | None, ignore_index: int | None) -> Tensor:
    """Return the Lovász-softmax loss over the whole batch, averaged over the classes that have a label in it.

    Source: Berman et al., The Lovász-Softmax loss, 2018, equations 8, 9 and 11.
    """
    probabilities, truth, valid = _per_class(logits, labels, ignore_index)
    # An ignored pixel gets error 0 and no class: it sorts last, where it changes no sum before it.
    errors, order = ((truth - probabilities).abs() * valid).sort(dim=1, descending=True)
    truth = truth.gather(1, order)
    labeled = truth.sum(dim=1, keepdim=True)
    seen = truth.cumsum(dim=1)
    position = torch.arange(1, truth.shape[1] + 1, device=truth.device, dtype=truth.dtype)
    jaccard_loss = 1.0 - (labeled - seen) / (labeled + position - seen)
    steps = torch.diff(jaccard_loss, dim=1, prepend=torch.zeros_like(labeled))
    present = (labeled.squeeze(1) > 0).to(errors.dtype)
    present = present if weights is None else present * weights
    return ((errors * steps).sum(dim=1) * present).sum() / present.sum().clamp_min(SMALLEST)


LOSSES: dict[str, LossFunction] = {
    "ce": cross_entropy,
    "dice": dice,
    "focal": focal,
    "jaccard": jaccard,
    "lovasz": lovasz,
}


class WeightedLoss(nn.Module):
    """Named losses, added up with their weights."""

    class_weights: Tensor | None

    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        class_weights: Sequence[float] | None = None,
        ignore_index: int | None = None,
    ) -> None:
        """Take loss names with their weights, as `read_loss` returns them."""
        super().__init__()
        self.weights = dict(weights)
        self.ignore_index = ignore_index
        as_tensor = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        # Not in the checkpoint's weights: they are hyper-parameters, and a model must load without them.
        self.register_buffer("class_weights", as_tensor, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the sum as `loss` and, when there are several, each part unweighted as `loss_<name>`."""
        logits = logits.float()
        parts = {name: LOSSES[name](logits, labels, self.class_weights, self.ignore_index) for name in self.weights}
        total = torch.stack([weight * parts[name] for name, weight in self.weights.items()]).sum()
        if len(parts) == 1:
            return {"loss": total}
        return {"loss": total, **{f"loss_{name}": part.detach() for name, part in parts.items()}}

    def extra_repr(self) -> str:
        """Return the weights and what is ignored, for `print(model)`."""
        return f"{self.weights}, ignore_index={self.ignore_index}"


class ModuleLoss(nn.Module):
    """A user's own loss module; it gets logits and labels as they are, ignored labels included."""

    def __init__(self, module: nn.Module) -> None:
        """Take a module that maps (logits, labels) to a scalar."""
        super().__init__()
        self.module = module

    def forward(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the module's scalar as `loss`."""
        return {"loss": self.module(logits, labels)}


def build_loss(loss: LossSpec, *, class_weights: Sequence[float] | None, ignore_index: int | None) -> nn.Module:
    """Build the loss that a task was configured with.

    Raises:
        ConfigError: when a name or a weight is wrong.
    """
    if isinstance(loss, nn.Module):
        return ModuleLoss(loss)
    weights, faults = read_loss(loss)
    if faults:
        raise ConfigError(faults)
    return WeightedLoss(weights, class_weights=class_weights, ignore_index=ignore_index)


def read_loss(loss: LossSpec) -> tuple[dict[str, float], list[Fault]]:
    """Return the losses' weights by name, and what is wrong with them.

    One name has weight 1; in a list each has weight 1, so they are simply added; a mapping gives the weights.
    """
    if isinstance(loss, str):
        loss = [loss]
    if isinstance(loss, Mapping):
        weights = dict(loss)
    elif isinstance(loss, Sequence):
        weights = dict.fromkeys(loss, 1.0)
        if len(weights) < len(loss):
            return weights, [Fault("a loss is named twice", where="loss", got=str(list(loss)), mend="give it a weight")]
    else:
        return {}, [
            Fault(
                "this is no loss",
                where="loss",
                got=repr(loss),
                expected="a name, a list, a mapping of name to weight, or a module",
            )
        ]
    faults = [
        Fault(
            what=f"unknown loss {name!r}",
            where="loss",
            got=repr(name),
            expected=f"one of: {', '.join(LOSSES)}",
            mend=did_you_mean(str(name), LOSSES),
        )
        for name in weights
        if name not in LOSSES
    ]
    faults += [
        Fault("a loss weight must be a number of at least 0", where=f"loss.{name}", got=repr(weight))
        for name, weight in weights.items()
        if not _is_weight(weight)
    ]
    if not faults and not sum(weights.values()) > 0:
        faults.append(
            Fault("no loss has a weight above 0, so nothing would be learned", where="loss", got=str(weights))
        )
    return weights, faults


def check_loss(loss: LossSpec, class_weights: Sequence[float] | None, num_classes: int | None) -> list[Fault]:
    """Return all that is wrong with a loss and its class weights."""
    faults = [] if isinstance(loss, nn.Module) else read_loss(loss)[1]
    if class_weights is None:
        return faults
    if isinstance(loss, nn.Module):
        faults.append(
            Fault(
                what="class_weights don't reach a loss that is a module of your own",
                where="class_weights",
                got=type(loss).__name__,
                expected=f"a named loss: {', '.join(LOSSES)}",
                mend="give the module its weights yourself and remove class_weights",
            )
        )
    if num_classes is not None and len(class_weights) != num_classes:
        faults.append(
            Fault(
                what="class_weights must have one weight per class",
                where="class_weights",
                got=f"{len(class_weights)} weights",
                expected=f"{num_classes} weights, as many as num_classes",
            )
        )
    if not all(_is_weight(weight) for weight in class_weights) or not sum(class_weights) > 0:
        faults.append(
            Fault(
                what="class weights must be numbers of at least 0, one of them above 0",
                where="class_weights",
                got=str(list(class_weights)),
            )
        )
    return faults


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _torch_index(ignore_index: int | None) -> int:
    return TORCH_IGNORES_NOTHING if ignore_index is None else ignore_index


def _total_weight(labels: Tensor, weights: Tensor | None, ignore_index: int | None) -> Tensor | int:
    """Return what the pixels that count weigh together."""
    if weights is None:
        return labels.numel() if ignore_index is None else (labels != ignore_index).sum().clamp_min(1)
    valid, safe = _split(labels, ignore_index)
    return (weights[safe] * valid).sum().clamp_min(SMALLEST)


def _class_mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum()


def _soft_counts(logits: Tensor, labels: Tensor, ignore_index: int | None) -> tuple[Tensor, Tensor, Tensor]:
    probabilities, truth, valid = _per_class(logits, labels, ignore_index)
    return (probabilities * truth).sum(dim=1), (probabilities * valid).sum(dim=1), truth.sum(dim=1)


def _per_class(logits: Tensor, labels: Tensor, ignore_index: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return probabilities `(C, N)`, one-hot labels `(C, N)` without the ignored ones, and what is valid `(N,)`."""
    classes = logits.shape[1]
    probabilities = logits.float().softmax(dim=1).movedim(1, 0).reshape(classes, -1)
    valid, safe = _split(labels.reshape(-1), ignore_index)
    valid = valid.to(probabilities.dtype)
    truth = torch.zeros_like(probabilities).scatter_(0, safe.unsqueeze(0), valid.unsqueeze(0))
    return probabilities, truth, valid


def _split(labels: Tensor, ignore_index: int | None) -> tuple[Tensor, Tensor]:
    """Return where labels count, and labels that are safe to index with."""
    if ignore_index is None:
        return torch.ones_like(labels, dtype=torch.bool), labels
    ignored = labels == ignore_index
    return ~ignored, labels.masked_fill(ignored, 0)
