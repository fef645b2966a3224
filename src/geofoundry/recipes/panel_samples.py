"""A few chips of an evaluation, with what the model made of them, for the panels of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from numpy.typing import NDArray
from torch import Tensor

CHIPS = 4


@dataclass(frozen=True, slots=True)
class Panels:
    """Chips of one evaluation. **Shapes:** images (N, C, H, W); labels and predictions (N, H, W)."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    titles: tuple[str, ...]


@dataclass
class PanelSamples:
    """Collect chips evenly over the batches of an evaluation; the same ones in every epoch."""

    _chips: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any], str]] = field(default_factory=list)

    def clear(self) -> None:
        """Forget the last epoch."""
        self._chips.clear()

    def collect(self, trainer: Trainer, task: LightningModule, batch: Any, batch_index: int, batches: float) -> None:
        """Take this batch's share of the chips, if it has one.

        Evaluation mode and no gradients are the caller's, as they are within Lightning's hooks; then nothing here
        draws a random number.
        """
        wanted = _share(batch_index, batches)
        image, mask = _image_of(batch), batch.get("mask") if isinstance(batch, Mapping) else None
        if not wanted or image is None or not isinstance(mask, Tensor):
            return
        wanted = min(wanted, len(image))
        few = _first(batch, wanted, len(image))
        with trainer.precision_plugin.forward_context():
            answer = task.predict_step(few, batch_index)
        prediction = _prediction_of(answer)
        if prediction is None:
            return
        labels = mask[:wanted].squeeze(1) if mask.ndim == 4 else mask[:wanted]
        names = few.get("filename", ())
        names = names if isinstance(names, (list, tuple)) else ()
        for index in range(wanted):
            title = "/".join(Path(str(names[index])).parts[-2:]) if index < len(names) else ""
            pixels = image[index].float().cpu().numpy()
            self._chips.append((pixels, labels[index].long().cpu().numpy(), prediction[index].cpu().numpy(), title))

    def result(self) -> Panels | None:
        """Return what was collected; chips of another size than the first are left out."""
        if not self._chips:
            return None
        size = self._chips[0][0].shape
        alike = [chip for chip in self._chips if chip[0].shape == size][:CHIPS]
        images, labels, predictions, titles = zip(*alike, strict=True)
        return Panels(np.stack(images), np.stack(labels), np.stack(predictions).astype(np.int64), titles)


def _share(index: int, batches: float) -> int:
    """Return how many chips batch `index` of `batches` gives: together CHIPS, as far apart as can be."""
    if not np.isfinite(batches):
        return int(index < CHIPS)
    if batches <= CHIPS:
        return -(-CHIPS // max(int(batches), 1))
    picked = {round(place * (batches - 1) / (CHIPS - 1)) for place in range(CHIPS)}
    return int(index in picked)


def _image_of(batch: Any) -> Tensor | None:
    """Return the images (B, C, H, W) of a batch: of several modalities the first, of several dates the last."""
    image = batch.get("image") if isinstance(batch, Mapping) else None
    while isinstance(image, Mapping):
        image = next(iter(image.values()), None)
    if not isinstance(image, Tensor):
        return None
    if image.ndim == 5:
        image = image[:, :, -1]
    return image if image.ndim == 4 else None


def _first(batch: Mapping[str, Any], count: int, size: int) -> dict[str, Any]:
    """Return the batch's first samples; entries that are not one per sample stay whole."""

    def cut(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: cut(inner) for key, inner in value.items()}
        if isinstance(value, Tensor):
            return value[:count] if value.ndim and len(value) == size else value
        return value[:count] if isinstance(value, (list, tuple)) and len(value) == size else value

    return {key: cut(value) for key, value in batch.items()}


def _prediction_of(answer: Any) -> Tensor | None:
    if not isinstance(answer, Mapping):
        return None
    if isinstance(answer.get("prediction"), Tensor):
        return answer["prediction"]
    scores = next((answer[key] for key in ("probabilities", "logits") if isinstance(answer.get(key), Tensor)), None)
    return torch.argmax(scores, dim=1) if scores is not None else None
