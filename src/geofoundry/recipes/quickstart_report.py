"""What the quickstart says at its end, and the picture it leaves."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geofoundry.core.files import write_json
from geofoundry.runs.canvas import INK, class_colors, new_figure, save_figure
from geofoundry.runs.limits import GIVEN_UP_IOU
from geofoundry.runs.panels import (
    add_legend,
    color_classes,
    color_errors,
    composite,
    draw_picture,
    legend_entries,
    legend_height,
)
from geofoundry.runs.scores import Scores

REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class ClassResult:
    """IoU of one class: the model's, and that of the classifier that sees one pixel at a time."""

    name: str
    iou: float | None
    baseline_iou: float | None


@dataclass(frozen=True, slots=True)
class QuickstartReport:
    """What was made and how good it is. Scores are those of the eastern part, which took no part in training."""

    folder: str
    config: str
    run: str
    map: str
    overview: str
    kilometers: tuple[float, float]
    parameters: int
    trained_s: float
    stopped_by_time: bool
    pixels: int
    miou: float
    accuracy: float
    baseline_miou: float
    baseline_accuracy: float
    classes: tuple[ClassResult, ...]

    def text(self) -> str:
        """Return the closing words."""
        height, width = self.kilometers
        config, scene, maps = (
            shlex.quote(p) for p in (self.config, f"{self.folder}/scene/images/*.tif", f"{self.folder}/maps")
        )
        trained = f"{self.parameters:,} parameters, trained for {self.trained_s:.0f} s on the western half"
        lines = [
            "",
            "What was made",
            f"  the scene    {self.folder}/scene",
            f"               {width:.0f} x {height:.0f} km as Sentinel-2 would see them, 10 bands, clouds; made up, so its truth is known",
            f"  the YAML     {self.config}",
            "               says all of it: model, data, training",
            f"  the model    {self.run}",
            f"               {trained}; card.md in it says what it can and can't do",
            f"  the map      {self.map}",
            "               of the east, georeferenced, with class names and colors: opens in QGIS",
            f"  the picture  {self.overview}",
            "               scene, truth, map and errors side by side",
            "",
            f"How good it is, on {self.pixels:,} pixels in the east that took no part in training",
            f"  {'':<43}{'mIoU':>7}{'pixel accuracy':>17}",
            f"  {'this model, which sees the surroundings':<43}{self.miou:>7.3f}{self.accuracy:>17.3f}",
            f"  {'a classifier that sees one pixel at a time':<43}{self.baseline_miou:>7.3f}{self.baseline_accuracy:>17.3f}",
            *(f"  {sentence}" for sentence in self.verdict()),
            "",
            "What to type next",
            f"  to map the whole scene       geofoundry predict -c {config} -i {scene} -o {maps}",
            f"  to train longer              geofoundry fit -c {config} --trainer.max_epochs 40",
            "  to begin with your own data  geofoundry init IMAGES LABELS",
        ]
        return "\n".join(lines)

    def verdict(self) -> list[str]:
        """Return in plain words what the comparison means."""
        gains = [
            (c.iou - c.baseline_iou, f"{c.name} {c.baseline_iou:.2f} to {c.iou:.2f}")
            for c in self.classes
            if c.iou is not None and c.baseline_iou is not None and c.iou - c.baseline_iou > 0.02
        ]
        said: list[str] = []
        if self.miou > self.baseline_miou:
            said.append("It is better: pattern and shape tell apart what looks alike pixel by pixel.")
            if gains:
                best = ", ".join(text for _, text in sorted(gains, reverse=True)[:3])
                said.append(f"Most gained in IoU: {best}.")
        else:
            said.append("It is no better than looking at single pixels: the training was too short.")
        given_up = [c.name for c in self.classes if c.iou is not None and c.iou < GIVEN_UP_IOU]
        if given_up:
            said.append(f"Given up, with an IoU below {GIVEN_UP_IOU}: {', '.join(given_up)}. The card says why.")
        if self.stopped_by_time:
            said.append("Training was stopped by its time limit: with more --minutes and --force it gets better.")
        return said

    def write(self) -> None:
        """Write the report as JSON into the folder."""
        write_json(Path(self.folder) / REPORT, asdict(self))


def read_report(folder: Path) -> QuickstartReport | None:
    """Return the report that lies in a folder, or None."""
    path = folder / REPORT
    if not path.is_file():
        return None
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        values["classes"] = tuple(ClassResult(**entry) for entry in values["classes"])
        values["kilometers"] = tuple(values["kilometers"])
        return QuickstartReport(**values)
    except (ValueError, KeyError, TypeError):  # of another version: made anew
        return None


def class_results(model: Scores, baseline: Scores) -> tuple[ClassResult, ...]:
    """Return the IoU of every class side by side; None where a class does not occur."""
    return tuple(
        ClassResult(ours.name, _known(ours.iou), _known(theirs.iou))
        for ours, theirs in zip(model.classes, baseline.classes, strict=True)
    )


def draw_overview(
    path: Path,
    *,
    image: NDArray[np.uint16],
    bright: NDArray[np.bool_],
    east: slice,
    trained: slice,
    labels: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    baseline: NDArray[np.uint8],
    class_names: Sequence[str],
    true_color: Sequence[int],
    titles: tuple[str, str],
) -> None:
    """Draw the scene, and of its east the truth, the map, its errors and those of the per-pixel classifier.

    **Shapes:** `image` is (bands, H, W) with nodata 0; `bright`, (H, W), are clouds, which would leave the ground in
    the dark; the three maps are (H, columns of `east`).
    """
    valid = np.any(image > 0, axis=0)
    scene = composite(image, true_color, stretch_on=valid & ~bright, shared=True)
    scene[~valid] = 255
    colors = class_colors(class_names)
    counted = labels < len(class_names)
    pictures = [
        ("label", color_classes(labels, colors)),
        ("map", color_classes(np.where(valid[:, east], predicted, 255), colors)),
        (titles[0], color_errors(labels, predicted, counted)),
        (titles[1], color_errors(labels, baseline, counted)),
    ]
    entries = legend_entries(class_names, errors=True, ignored=not counted.all())
    height = 5.2
    ratios = [image.shape[2] / image.shape[1], *[labels.shape[1] / labels.shape[0]] * len(pictures)]
    width = height * sum(ratios) + 0.8
    figure = new_figure(width, height + 0.6 + legend_height(entries, width))
    axes = figure.subplots(1, len(ratios), width_ratios=ratios)
    draw_picture(axes[0], scene)
    for part, name, color in ((trained, "trained here", "#ffffff"), (east, "mapped and tested here", "#ffe066")):
        axes[0].axvline(part.stop if part is trained else part.start, color=color, linewidth=1.6)
        middle = (part.start + part.stop) / 2
        axes[0].text(middle, image.shape[1] * 0.97, name, ha="center", fontsize=9, color=INK,
                     bbox={"facecolor": color, "edgecolor": "none", "pad": 2.5, "alpha": 0.9})  # fmt: skip
    axes[0].set_title("generated Sentinel-2 scene", fontsize=10, color=INK)
    for axis, (title, picture) in zip(axes[1:], pictures, strict=True):
        draw_picture(axis, picture)
        axis.set_title(title, fontsize=10, color=INK)
    add_legend(figure, entries)
    save_figure(figure, path)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
