"""One training step: our task under Lightning, a loop written by hand, and TerraTorch's task.

    python benchmarks/bench_train_step.py
    TERRATORCH_PYTHON=/path/to/python python benchmarks/bench_train_step.py

Two models on 8 chips of 6 bands and 64 x 64 pixels: one so small that only what is around it counts, and a U-Net with
a ResNet-18. Every contender trains with cross-entropy. `hand` and `ours` measure only the loss, as our task does by
itself; `hand_metrics` and `ours_metrics` also count the same confusion matrix at each step; TerraTorch's task
measures at each step what it measures by itself. Both tasks run under Lightning's Trainer with its CSV logger. CPU
time from the start of one step to the start of the next, one thread, rounds interleaved; the first round is dropped.
Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
import warnings

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger
from peer_process import median_ratio, serve, start_terratorch
from torch import nn
from torch.utils.data import DataLoader

torch.set_num_threads(1)
warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

BATCH, BANDS, SIDE, CLASSES = 8, 6, 64, 5
IGNORE_INDEX = 255
STEPS = {"tiny": (20, 100), "resnet18_unet": (2, 8)}  # warm-up, measured
LR = 3e-4


def make_model(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "tiny":
        return nn.Sequential(nn.Conv2d(BANDS, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, CLASSES, 1))
    import segmentation_models_pytorch as smp

    return smp.Unet("resnet18", encoder_weights=None, in_channels=BANDS, classes=CLASSES)


def make_loader(steps: int) -> DataLoader:
    generator = torch.Generator().manual_seed(0)
    batches = [
        {
            "image": torch.randn(BATCH, BANDS, SIDE, SIDE, generator=generator),
            "mask": torch.randint(0, CLASSES, (BATCH, SIDE, SIDE), generator=generator),
        }
        for _ in range(4)
    ]
    return DataLoader([batches[step % len(batches)] for step in range(steps)], batch_size=None)


class StepClock(Callback):
    """Reads the CPU clock when the first and the last measured step begin."""

    def __init__(self, warm_up: int, measured: int) -> None:
        self.first, self.last = warm_up, warm_up + measured
        self.times: dict[int, float] = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if batch_idx in (self.first, self.last):
            self.times[batch_idx] = time.process_time()

    def ms(self) -> float:
        return (self.times[self.last] - self.times[self.first]) / (self.last - self.first) * 1e3


def train(task, steps: tuple[int, int]) -> float:
    """Return CPU ms per step of a task under Lightning."""
    clock = StepClock(*steps)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=CSVLogger(folder),
            callbacks=[clock],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(task, make_loader(sum(steps) + 1))
    return clock.ms()


def train_ours(name: str, metrics: bool) -> float:
    from geofoundry.tasks.segmentation import SemanticSegmentationTask

    task = SemanticSegmentationTask(
        model=make_model(name),
        model_args={"num_classes": CLASSES},
        ignore_index=IGNORE_INDEX,
        lr=LR,
        train_metrics=metrics,
    )
    return train(task, STEPS[name])


def train_by_hand(name: str, metrics: bool) -> float:
    from geofoundry.tasks.confusion import ConfusionMatrix, predict_classes

    model = make_model(name)
    criterion = nn.CrossEntropyLoss(ignore_index=IGNORE_INDEX)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    matrix = ConfusionMatrix(CLASSES, IGNORE_INDEX)
    warm_up, measured = STEPS[name]
    start = 0.0
    for step, batch in enumerate(make_loader(warm_up + measured)):
        if step == warm_up:
            start = time.process_time()
        scores = model(batch["image"])
        loss = criterion(scores, batch["mask"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if metrics:
            matrix.update(predict_classes(scores.detach()), batch["mask"])
    return (time.process_time() - start) / measured * 1e3


def train_terratorch(name: str) -> float:
    from terratorch.models.model import ModelOutput
    from terratorch.tasks import SemanticSegmentationTask

    class Wrapped(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x, **_):
            return ModelOutput(self.inner(x))

    task = SemanticSegmentationTask(
        model=Wrapped(make_model(name)), model_args={"num_classes": CLASSES}, ignore_index=IGNORE_INDEX, lr=LR
    )
    task._log_hyperparams = False  # they hold the model, and writing its weights as YAML takes a minute before step one
    return train(task, STEPS[name])


def compare(name: str, rounds: int, peer) -> dict:
    seen: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        for label, contender, metrics in (
            ("hand", train_by_hand, False),
            ("ours", train_ours, False),
            ("hand_metrics", train_by_hand, True),
            ("ours_metrics", train_ours, True),
        ):
            seen.setdefault(label, []).append(contender(name, metrics))
        if peer is not None:
            seen.setdefault("terratorch", []).append(peer.ask(name=name)["ms"])
    seen = {label: values[1:] for label, values in seen.items()}
    result: dict = {"model": name} | {f"{label}_ms": round(statistics.median(v), 3) for label, v in seen.items()}
    pairs = [("ours", "hand"), ("ours_metrics", "hand_metrics")]
    if peer is not None:
        pairs += [("terratorch", "ours"), ("terratorch", "ours_metrics"), ("terratorch", "hand_metrics")]
    for above, below in pairs:
        result[f"{above}_over_{below}"] = round(median_ratio(seen[above], seen[below]), 3)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", action="store_true", help="answer as TerraTorch; for the script itself")
    options = parser.parse_args()
    if options.serve:
        serve(lambda request: {"ms": train_terratorch(request["name"])})
        return
    peer = start_terratorch(__file__)
    cases = [compare(name, options.rounds, peer) for name in STEPS]
    if peer is not None:
        peer.close()
    report = {"benchmark": "train_step", "unit": "CPU ms per step", "threads": 1, "rounds": options.rounds}
    print(json.dumps({**report, "torch": torch.__version__, "cases": cases}))


if __name__ == "__main__":
    main()
