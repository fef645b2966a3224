"""Figures of a run: confusion matrix, IoU per class, learning curves. Arrays and tables in, PNG out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geofoundry.geo.colors import color_code
from geofoundry.runs.canvas import ALARM, FAINT, INK, class_colors, fit_name, new_figure, save_figure, short_count
from geofoundry.runs.metrics import Row, read_table, series
from geofoundry.runs.panels import plot_panels
from geofoundry.runs.scores import ClassScore, check_confusion, score_confusion

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_class_iou", "plot_confusion", "plot_learning_curves", "plot_panels"]

LOW_IOU = 0.05
_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # keeps lines out of texts
STAGE_COLORS = {"train": "#e07b00", "val": "#0b6fb8", "test": "#222222"}


def plot_confusion(
    matrix: NDArray[np.integer], class_names: Sequence[str], path: str | Path, *, title: str = ""
) -> Path:
    """Draw the confusion matrix as counts and as shares of each label, side by side.

    **Shapes:** `matrix` is (C, C), rows are the labels, columns the predictions.

    Raises:
        DataError: when the matrix does not fit the names.
    """
    matrix = check_confusion(matrix, class_names)
    labelled = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, labelled, out=np.full(matrix.shape, np.nan), where=labelled > 0)
    count = len(class_names)
    side = min(max(2.2 + 0.42 * count, 3.8), 13.0)
    figure = new_figure(2 * side + 1.8, side + (1.3 if count < 15 else 1.8))
    left, right = figure.subplots(1, 2)
    names = [fit_name(name, 20) for name in class_names]
    # Squared logarithm: counts span many orders of magnitude, yet the large ones should stand out.
    depth = (np.log10(np.maximum(matrix, 1)) / np.log10(max(matrix.max(initial=0), 10))) ** 2
    texts = [[short_count(value) if value else "" for value in row] for row in matrix]
    _draw_matrix(left, depth, texts, names, "pixels")
    # In a large matrix shares below a half per cent would only hide the ones that matter.
    least = 0.005 if count > 12 else 0.0
    percent = [[_percent(value) if value > least else "" for value in row] for row in share]
    _draw_matrix(right, share, percent, names, "share of the label's pixels, %")
    for index in np.flatnonzero(labelled[:, 0] == 0):
        for axes in (left, right):
            axes.axhspan(index - 0.5, index + 0.5, facecolor="#eeeeee", edgecolor="#cfcfcf", hatch="///", linewidth=0)
        right.text(count / 2 - 0.5, index, "not in the labels", ha="center", va="center", fontsize=8, color=FAINT)
    figure.suptitle(title or f"Confusion matrix, {int(matrix.sum()):,} pixels", fontsize=12, color=INK)
    return save_figure(figure, path)


def _draw_matrix(
    axes: Axes, values: NDArray[np.floating], texts: list[list[str]], names: list[str], title: str
) -> None:
    count = len(names)
    axes.imshow(np.nan_to_num(values), cmap="Blues", vmin=0, vmax=1, aspect="equal")
    font = float(np.clip(11 - 0.14 * count, 5.5, 10))
    for row in range(count):
        for column in range(count):
            if text := texts[row][column]:
                color = "white" if values[row, column] > 0.6 else INK
                cell = axes.text(column, row, text, ha="center", va="center", fontsize=font, color=color)
                cell.set_in_layout(False)  # hundreds of them would be measured, and none sticks out
    label_font = float(np.clip(11 - 0.1 * count, 7, 10))
    slanted = count > 3 or max(map(len, names)) > 12
    axes.set_xticks(
        range(count),
        names,
        rotation=55 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor" if slanted else "default",
        fontsize=label_font,
    )
    axes.set_yticks(range(count), names, fontsize=label_font)
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")
    axes.set_title(title, fontsize=10, color=INK)
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _percent(share: float) -> str:
    return "<1" if share < 0.01 else ">99" if 0.995 <= share < 1 else f"{100 * share:.0f}"


def plot_class_iou(
    matrix: NDArray[np.integer],
    class_names: Sequence[str],
    path: str | Path,
    *,
    title: str = "",
    ignore_index: int | None = None,
) -> Path:
    """Draw the IoU of every class as a bar in its map color, with its share of the labelled pixels.

    **Shapes:** `matrix` is (C, C), rows are the labels, columns the predictions.

    Raises:
        DataError: when the matrix does not fit the names.
    """
    scores = score_confusion(matrix, class_names, ignore_index)
    figure = new_figure(8.6, max(1.5 + 0.34 * len(class_names), 2.4))
    axes = figure.subplots()
    colors = [color_code(color) for color in class_colors(class_names)]
    places = range(len(class_names))
    axes.barh(
        places,
        [np.nan_to_num(score.iou) for score in scores.classes],
        color=colors,
        edgecolor="#555555",
        linewidth=0.6,
        height=0.72,
    )
    for place, score in zip(places, scores.classes, strict=True):
        text, alarm = _iou_text(score)
        axes.text(
            np.nan_to_num(score.iou) + 0.01,
            place,
            text,
            va="center",
            fontsize=9,
            color=ALARM if alarm else INK,
            zorder=4,
            bbox=_PAPER,
        )
        axes.text(1.155, place, _share_text(score, scores.pixels), va="center", ha="right", fontsize=9, color=FAINT)
    if np.isfinite(scores.miou):
        axes.plot([scores.miou] * 2, [-0.65, len(class_names) - 0.5], color=INK, linewidth=1, linestyle="--")
        axes.text(scores.miou, -0.75, f"mean {scores.miou:.3f}", ha="center", va="bottom", fontsize=9, color=INK)
    axes.text(1.155, -0.75, "pixels", ha="right", va="bottom", fontsize=9, color=FAINT)
    axes.set_yticks(places, [fit_name(name, 30) for name in class_names], fontsize=9)
    axes.set_xlim(0, 1.16)
    axes.set_ylim(len(class_names) - 0.45, -0.95)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_xlabel("intersection over union")
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.7)
    axes.set_title(title or "IoU of each class", fontsize=12, color=INK, pad=16)
    return save_figure(figure, path)


def _iou_text(score: ClassScore) -> tuple[str, bool]:
    """Return what stands beside a bar, and whether it is an alarm."""
    if score.true_pixels == 0:
        return ("not in the labels, yet predicted", True) if score.predicted_pixels else ("not in the labels", False)
    if score.iou < LOW_IOU:
        return f"{score.iou:.3f}  given up", True
    return f"{score.iou:.3f}", False


def _share_text(score: ClassScore, pixels: int) -> str:
    if not score.true_pixels:
        return "–"
    percent = 100 * score.true_pixels / pixels
    return f"{percent:.0f} %" if percent >= 9.5 else f"{percent:.2g} %" if percent >= 0.001 else "<0.001 %"


def plot_learning_curves(metrics_csv: str | Path, path: str | Path) -> Path:
    """Draw every metric over the steps, stages together, the best validation value marked.

    A missing or empty table gives a picture that says so.
    """
    rows = read_table(metrics_csv) if Path(metrics_csv).is_file() else []
    groups = _group_metrics(rows)
    if not groups:
        figure = new_figure(5, 2)
        axes = figure.subplots()
        axes.axis("off")
        axes.text(0.5, 0.5, "no metrics were written", ha="center", va="center", color=FAINT)
        return save_figure(figure, path)
    columns = min(len(groups), 3)
    lines = -(-len(groups) // columns)
    figure = new_figure(4.6 * columns, 3.3 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, (name, members) in zip(grid, groups.items(), strict=False):
        if name == "IoU of each class":
            _draw_class_curves(axes, rows, members)
        else:
            _draw_stages(axes, rows, name, members)
        axes.set_title(name.replace("_", " ").replace("$", r"\$"), fontsize=10, color=INK)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(color="#ececec", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[len(groups) :]:
        axes.set_visible(False)
    return save_figure(figure, path)


def _group_metrics(rows: list[Row]) -> dict[str, list[str]]:
    """Put `train/loss` and `val/loss` together; classes' IoU share one panel; the rest in order, loss and mIoU first."""
    groups: dict[str, list[str]] = {}
    for column in dict.fromkeys(name for row in rows for name in row):
        stage, slash, metric = column.rpartition("/")
        if column in ("step", "epoch", "time") or metric.startswith("Class_Accuracy_"):
            continue
        if metric.startswith("IoU_"):
            if stage == "val":
                groups.setdefault("IoU of each class", []).append(column)
            continue
        name = metric if slash else column
        # What is logged within an epoch (loss_step) belongs beside the epoch's own value.
        groups.setdefault(name.removesuffix("_step"), []).append(column)
    first = [name for name in ("loss", "mIoU", "IoU of each class") if name in groups]
    return {name: groups[name] for name in [*first, *(name for name in groups if name not in first)]}


def _draw_stages(axes: Axes, rows: list[Row], metric: str, columns: list[str]) -> None:
    not_finite = 0
    for column in columns:
        stage, _, name = column.rpartition("/")
        within = name.endswith("_step")
        steps, values = series(rows, column)
        not_finite += int(np.sum(~np.isfinite(values)))
        style: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(steps) < 40 else {}
        if len(steps) == 1:
            style = {"marker": "D", "markersize": 6, "linestyle": ""}
        color = STAGE_COLORS.get(stage.split("/")[0])
        if within:
            style = {"alpha": 0.35, "linewidth": 1.0}
        axes.plot(
            steps,
            values,
            label=f"{stage}, single steps" if within else stage or None,
            color=color,
            **{"linewidth": 1.4, **style},
        )
        if stage == "val" and len(steps) > 1 and np.isfinite(values).any():
            lower_is_better = "loss" in metric.lower() or "error" in metric.lower()
            best = int(np.nanargmin(values) if lower_is_better else np.nanargmax(values))
            axes.plot(steps[best], values[best], marker="*", markersize=12, color=color, markeredgecolor="white")
            axes.annotate(
                f"{values[best]:.3g}",
                (steps[best], values[best]),
                textcoords="offset points",
                xytext=(0, -16 if lower_is_better else 8),
                ha="center",
                fontsize=8,
                color=color,
            )
    if not_finite:
        axes.text(0.02, 0.02, f"{not_finite} not finite", transform=axes.transAxes, color=ALARM, fontsize=8)
    if any(column.rpartition("/")[0] for column in columns):
        axes.legend(fontsize=8, frameon=False)
    axes.margins(y=0.14)


def _draw_class_curves(axes: Axes, rows: list[Row], columns: list[str]) -> None:
    names = [column.rpartition("/")[2].removeprefix("IoU_") for column in columns]
    for column, name, color in zip(columns, names, class_colors(names), strict=True):
        steps, values = series(rows, column)
        darken = 0.7 if min(color) > 180 else 0.92  # white and pale yellow can't be seen on white
        shade = tuple(part / 255 * darken for part in color)
        axes.plot(
            steps,
            values,
            color=shade,
            linewidth=1.6,
            label=fit_name(name, 18, lines=1),
            marker="o" if len(steps) < 40 else "",
            markersize=3,
        )
    axes.set_ylim(-0.02, 1.02)
    if len(names) <= 20:
        axes.legend(
            fontsize=6.5,
            frameon=False,
            ncols=1 if len(names) <= 8 else 2,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            borderaxespad=0.2,
        )
