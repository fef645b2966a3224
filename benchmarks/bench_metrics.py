"""One validation update of the segmentation metrics: ours, torchmetrics', and TerraTorch's.

    python benchmarks/bench_metrics.py
    TERRATORCH_PYTHON=/path/to/python python benchmarks/bench_metrics.py

An update takes class scores and labels, and includes the argmax. The set is the one of TerraTorch's task: mIoU macro,
micro and per class, F1, accuracy macro, per class and per pixel, without and with Boundary IoU (its definition on all
sides: the band on either side of an outline, two pixels wide). Values are compared as well. CPU time, one thread, rounds
interleaved; the first round is dropped. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

os.environ["OMP_NUM_THREADS"] = "1"

import torch
import torch.nn.functional as F
from peer_process import median_ratio, serve, start_terratorch
from torchmetrics import ClasswiseWrapper, Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassJaccardIndex

torch.set_num_threads(1)

CASES = [(8, 64, 5), (8, 224, 5), (4, 224, 20)]  # batch, side, classes
IGNORE_INDEX = 255  # set, as users do, but in no label: TerraTorch counts it into its bands
THICKNESS_PX = 2


def make_batch(batch: int, side: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scores and labels in patches, the same in every process with the same torch."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, classes, (batch, side // 8, side // 8), generator=generator)
    labels = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)
    scores = F.one_hot(labels.roll(1, 2), classes).movedim(-1, 1).float()
    return (scores + 0.5 * torch.randn(scores.shape, generator=generator)).contiguous(), labels


def cpu_ms(update, count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        update()
    return (time.process_time() - start) / count * 1e3


class PooledBoundaryIoU(Metric):
    """Boundary IoU the straightforward way: dilate and erode the mask of each class by max pooling."""

    full_state_update = False

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.add_state("counts", default=torch.zeros(2, classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, predictions: torch.Tensor, labels: torch.Tensor) -> None:
        for index in range(self.classes):
            bands = []
            for image in (predictions, labels):
                mask = (image == index).float().unsqueeze(1)
                grown, holes = (
                    F.max_pool2d(m, 2 * THICKNESS_PX + 1, stride=1, padding=THICKNESS_PX) for m in (mask, 1 - mask)
                )
                bands.append((grown > 0) & (holes > 0))
            self.counts[0, index] += (bands[0] & bands[1]).sum()
            self.counts[1, index] += (bands[0] | bands[1]).sum()

    def compute(self) -> torch.Tensor:
        seen = self.counts[1] > 0
        return (self.counts[0][seen] / self.counts[1][seen]).mean()


class Ours:
    def __init__(self, classes: int, boundary: bool) -> None:
        from geofoundry.tasks.segmentation_metrics import SegmentationMetrics

        self.classes = classes
        self.metrics = SegmentationMetrics(
            classes, IGNORE_INDEX, boundary_iou=boundary, boundary_band="both", boundary_thickness_px=THICKNESS_PX
        )

    def update(self, scores: torch.Tensor, labels: torch.Tensor) -> None:
        self.metrics.update(scores, labels)

    def values(self) -> dict[str, float]:
        values = self.metrics.compute([str(index) for index in range(self.classes)])[1]
        if self.metrics.boundary is not None:  # TerraTorch leaves the first class out as background
            values["Boundary_mIoU_foreground"] = float(self.metrics.boundary.compute()[1:].nanmean())
        return values


class Torchmetrics:
    def __init__(self, classes: int, boundary: bool) -> None:
        options = {"num_classes": classes, "ignore_index": IGNORE_INDEX}
        metrics = {
            "mIoU": MulticlassJaccardIndex(average="macro", **options),
            "mIoU_Micro": MulticlassJaccardIndex(average="micro", **options),
            "F1_Score": MulticlassF1Score(average="macro", **options),
            "Accuracy": MulticlassAccuracy(average="macro", **options),
            "Pixel_Accuracy": MulticlassAccuracy(average="micro", **options),
            "IoU": ClasswiseWrapper(MulticlassJaccardIndex(average=None, **options), prefix="IoU_"),
            "Class_Accuracy": ClasswiseWrapper(MulticlassAccuracy(average=None, **options), prefix="Class_Accuracy_"),
        }
        if boundary:
            metrics["Boundary_mIoU"] = PooledBoundaryIoU(classes)
        self.metrics = MetricCollection(metrics)

    def update(self, scores: torch.Tensor, labels: torch.Tensor) -> None:
        self.metrics.update(scores.argmax(dim=1), labels)

    def values(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.metrics.compute().items()}


class TerraTorch:
    def __init__(self, classes: int, boundary: bool) -> None:
        from terratorch.tasks import SemanticSegmentationTask

        task = SemanticSegmentationTask(
            model=torch.nn.Conv2d(1, classes, 1), model_args={"num_classes": classes}, ignore_index=IGNORE_INDEX
        )
        kept = {
            name: metric for name, metric in task.val_metrics.items(keep_base=True) if boundary or "Bound" not in name
        }
        self.metrics = MetricCollection(kept)

    def update(self, scores: torch.Tensor, labels: torch.Tensor) -> None:
        self.metrics.update(scores.argmax(dim=1), labels)

    def values(self) -> dict[str, float]:
        return {name.removeprefix("val/"): float(value) for name, value in self.metrics.compute().items()}


_READY: dict[tuple, tuple] = {}


def measure(contender: type, batch: int, side: int, classes: int, boundary: bool, count: int) -> dict:
    """Return CPU ms per update and the metrics after it; batches and metrics are made once per case."""
    key = (contender, batch, side, classes, boundary)
    if key not in _READY:
        _READY[key] = (contender(classes, boundary), make_batch(batch, side, classes))
    metrics, (scores, labels) = _READY[key]
    return {"ms": cpu_ms(lambda: metrics.update(scores, labels), count), "values": metrics.values()}


def largest_difference(ours: dict[str, float], theirs: dict[str, float]) -> float:
    return max(abs(ours[name] - theirs[name]) for name in theirs if name in ours)


def compare(case: tuple[int, int, int], boundary: bool, rounds: int, peer) -> dict:
    batch, side, classes = case
    request = {"batch": batch, "side": side, "classes": classes, "boundary": boundary}
    seen: dict[str, list[dict]] = {"ours": [], "torchmetrics": [], "terratorch": []}
    for _ in range(rounds + 1):
        seen["ours"].append(measure(Ours, **request, count=10))
        seen["torchmetrics"].append(measure(Torchmetrics, **request, count=3))
        if peer is not None:
            seen["terratorch"].append(peer.ask(**request, count=3))
    ms = {name: [entry["ms"] for entry in entries[1:]] for name, entries in seen.items() if entries}
    result = {"shape": [batch, side, side], "classes": classes, "boundary_iou": boundary}
    result |= {f"{name}_ms": round(statistics.median(values), 3) for name, values in ms.items()}
    values = seen["ours"][-1]["values"]
    for name in ms.keys() - {"ours"}:
        theirs = dict(seen[name][-1]["values"])
        if name == "terratorch" and boundary:
            theirs["Boundary_mIoU_foreground"] = theirs.pop("Boundary_mIoU")
        result[f"{name}_over_ours"] = round(median_ratio(ms[name], ms["ours"]), 1)
        result[f"{name}_largest_difference"] = largest_difference(values, theirs)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", action="store_true", help="answer as TerraTorch; for the script itself")
    options = parser.parse_args()
    if options.serve:
        serve(lambda request: measure(TerraTorch, **request))
        return
    peer = start_terratorch(__file__)
    cases = [compare(case, boundary, options.rounds, peer) for boundary in (False, True) for case in CASES]
    if peer is not None:
        peer.close()
    report = {"benchmark": "metrics", "unit": "CPU ms per update", "threads": 1, "rounds": options.rounds}
    print(json.dumps({**report, "torch": torch.__version__, "cases": cases}))


if __name__ == "__main__":
    main()
