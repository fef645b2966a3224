"""Prediction panels: what the model saw, what the label says, what it answered, where it was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geofoundry.bands.matching import match_bands
from geofoundry.core.errors import ConfigError, DataError, Fault
from geofoundry.geo.colors import color_code
from geofoundry.runs.canvas import FAINT, INK, class_colors, fit_name, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

TRUE_COLOR = ("RED", "GREEN", "BLUE")
COLUMNS = ("image", "label", "prediction", "errors")
ERROR = (0.07, 0.07, 0.07)  # near black: no class has it
RIGHT = (0.88, 0.88, 0.88)
_SHOWN_PX = 256  # chips are enlarged to about this, so that hatching looks alike on all of them


def plot_panels(
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    predictions: NDArray[np.integer],
    class_names: Sequence[str],
    path: str | Path,
    *,
    bands: Sequence[str] = (),
    ignore_index: int | None = None,
    titles: Sequence[str] = (),
) -> Path:
    """Draw one row per chip: composite, label, prediction, errors; below them the legend.

    Values that are no class (ignored, nodata) are hatched. Without red, green and blue among `bands` the first
    three bands are shown, and the title says which.

    **Shapes:** `images` is (N, C, H, W), `labels` and `predictions` are (N, H, W).

    Raises:
        DataError: when the arrays don't belong together.
    """
    shape = (len(images), *images.shape[2:])
    if labels.shape != shape or predictions.shape != shape or not len(images):
        raise DataError(
            Fault(
                what="panels need images, labels and predictions of the same chips",
                got=f"images {images.shape}, labels {labels.shape}, predictions {predictions.shape}",
                expected="(N, C, H, W), (N, H, W), (N, H, W) with N of at least 1",
            )
        )
    colors = class_colors(class_names)
    shown = composite_bands(bands, images.shape[1])
    height, width = images.shape[2:]
    row_height = 2.5 * min(max(height / width, 0.4), 2.5)
    legend = legend_entries(class_names, errors=True, ignored=bool(_strays(labels, len(class_names)).any()))
    figure = new_figure(10.6, row_height * len(images) + 0.5 + legend_height(legend, 10.6))
    grid = figure.subplots(len(images), 4, squeeze=False)
    for index, row in enumerate(grid):
        valid = labels[index] != ignore_index if ignore_index is not None else np.ones(shape[1:], dtype=bool)
        pictures = (
            composite(images[index], shown, stretch_on=valid),
            color_classes(labels[index], colors),
            color_classes(predictions[index], colors),
            color_errors(labels[index], predictions[index], valid & (labels[index] < len(class_names))),
        )
        for axes, picture in zip(row, pictures, strict=True):
            draw_picture(axes, picture)
        note = titles[index] if index < len(titles) else ""
        row[0].set_ylabel(fit_name(note, 24), fontsize=7, color=FAINT)
        row[3].set_ylabel(_share_right(labels[index], predictions[index], valid), fontsize=8, color=INK)
        row[3].yaxis.set_label_position("right")
    for axes, title in zip(grid[0], (_composite_name(bands, shown), *COLUMNS[1:]), strict=True):
        axes.set_title(title, fontsize=10, color=INK)
    add_legend(figure, legend)
    return save_figure(figure, path)


def composite_bands(bands: Sequence[str], count: int) -> list[int]:
    """Return the indices of the bands to show as red, green, blue: true color if possible, else the first ones."""
    if bands:
        try:
            return match_bands(TRUE_COLOR, list(bands))
        except ConfigError:  # a radar, an elevation model, bands of no sensor: no true color
            pass
    return [0, 1, 2] if count >= 3 else [0, 0, 0]


def composite(
    image: NDArray[Any],
    indices: Sequence[int],
    *,
    stretch_on: NDArray[np.bool_] | None = None,
    shared: bool = False,
) -> NDArray[np.uint8]:
    """Return an (H, W, 3) picture, each band stretched over most of its values; NaN and inf are gray.

    `stretch_on` says which pixels the limits (2nd and 98th percentile, outliers aside) come from; when it leaves less
    than a tenth, all are taken. With `shared` limits the colors are natural, which suits reflectances.

    **Shapes:** `image` is (C, H, W), `stretch_on` is (H, W).
    """
    chosen = np.asarray(image)[list(indices)].astype(np.float32)
    finite = np.isfinite(chosen).all(axis=0)
    sample = finite if stretch_on is None else finite & stretch_on
    sample = sample if sample.mean() >= 0.1 else finite
    picture = np.full((*chosen.shape[1:], 3), 200, dtype=np.uint8)
    if not finite.any():
        return picture
    limits = [_limits(band[sample]) for band in chosen]
    if shared:
        limits = [(min(low for low, _ in limits), max(high for _, high in limits))] * len(limits)
    for channel, (band, (low, high)) in enumerate(zip(chosen, limits, strict=True)):
        stretched = np.clip((band[finite] - low) / max(high - low, 1e-9), 0, 1)
        picture[finite, channel] = np.round(255 * stretched**0.8)  # the root lifts vegetation and water, which are dark
    return picture


def _limits(values: NDArray[np.floating]) -> tuple[float, float]:
    low, quarter, middle, three_quarters, high = (float(v) for v in np.percentile(values, (2, 25, 50, 75, 98)))
    if three_quarters > quarter:
        # A few bright clouds would leave everything else in the dark.
        high = min(high, middle + 3 * (three_quarters - quarter))
    return low, high


def color_classes(values: NDArray[np.integer], colors: Sequence[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Return an (H, W, 3) picture of a class map, enlarged; what is no class is hatched.

    **Shapes:** `values` is (H, W).
    """
    table = np.asarray(colors, dtype=np.uint8).reshape(-1, 3)
    stray = _strays(values, len(table))
    picture = table[np.where(stray, 0, values).astype(np.int64)]
    return _hatch(_enlarge(picture), _enlarge(stray))


def color_errors(
    labels: NDArray[np.integer], predictions: NDArray[np.integer], valid: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return an (H, W, 3) picture, enlarged: wrong pixels black, right ones light gray, the rest hatched.

    **Shapes:** all three are (H, W).
    """
    wrong = (labels != predictions)[..., None]
    picture = (255 * np.where(wrong, np.array(ERROR), np.array(RIGHT))).astype(np.uint8)
    return _hatch(_enlarge(picture), _enlarge(~valid))


def draw_picture(axes: Axes, picture: NDArray[np.uint8]) -> None:
    """Show a picture without ticks, in a thin frame."""
    axes.imshow(picture, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color="#bbbbbb", linewidth=0.6)


def legend_entries(class_names: Sequence[str], *, errors: bool, ignored: bool) -> list[Patch]:
    """Return a patch per class in its color, and what black and hatching mean."""
    from matplotlib.patches import Patch

    entries = [
        Patch(facecolor=color_code(color), edgecolor="#777777", linewidth=0.5, label=fit_name(name, 26))
        for name, color in zip(class_names, class_colors(class_names), strict=True)
    ]
    if errors:
        entries.append(Patch(facecolor=ERROR, label="wrong"))
    if ignored:
        entries.append(Patch(facecolor="#dddddd", edgecolor="#8c8c8c", hatch="////", linewidth=0, label="not counted"))
    return entries


def legend_height(entries: Sequence[Patch], width: float) -> float:
    """Return the height in inches that a legend needs below a figure of that width."""
    lines = 1 + sum(str(entry.get_label()).count("\n") for entry in entries) / len(entries)
    return 0.3 + 0.15 * (lines + 0.25) * -(-len(entries) // _legend_columns(entries, width))


def add_legend(figure: Figure, entries: Sequence[Patch]) -> None:
    """Put the legend below the pictures."""
    columns = _legend_columns(entries, figure.get_size_inches()[0])
    figure.legend(
        handles=list(entries),
        loc="outside lower center",
        ncols=columns,
        fontsize=8,
        frameon=False,
        handlelength=1.3,
        columnspacing=1.4,
    )


def _legend_columns(entries: Sequence[Patch], width: float) -> int:
    longest = max(len(line) for entry in entries for line in str(entry.get_label()).splitlines())
    return max(1, min(len(entries), int(width / (0.07 * longest + 0.5))))


def _strays(values: NDArray[np.integer], classes: int) -> NDArray[np.bool_]:
    return (values < 0) | (values >= classes)


def _enlarge(picture: NDArray[Any]) -> NDArray[Any]:
    factor = max(1, round(_SHOWN_PX / max(picture.shape[:2])))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _hatch(picture: NDArray[np.uint8], where: NDArray[np.bool_]) -> NDArray[np.uint8]:
    period = max(8, max(picture.shape[:2]) // 24)
    height, width = picture.shape[:2]
    diagonal = np.arange(height)[:, None] + np.arange(width)
    stripes = np.where((diagonal % period) < period / 3, 140, 221).astype(np.uint8)
    return np.where(where[..., None], stripes[..., None], picture)


def _share_right(labels: NDArray[Any], predictions: NDArray[Any], valid: NDArray[np.bool_]) -> str:
    return f"{100 * (labels == predictions)[valid].mean():.0f} % right" if valid.any() else "no labels"


def _composite_name(bands: Sequence[str], indices: Sequence[int]) -> str:
    if not bands or len(set(indices)) == 1:
        return fit_name(bands[0]) if bands else COLUMNS[0]
    names = [bands[index] for index in indices]
    return COLUMNS[0] if indices == composite_bands(bands, 3) and _is_true_color(bands) else fit_name(" ".join(names))


def _is_true_color(bands: Sequence[str]) -> bool:
    try:
        match_bands(TRUE_COLOR, list(bands))
    except ConfigError:
        return False
    return True
