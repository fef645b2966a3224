"""What all figures share: a canvas without global state, class names that fit, colors that match the maps."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from geofoundry.core.files import atomic_path
from geofoundry.core.optional import require
from geofoundry.geo.colors import Color, default_palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
INK = "#222222"
FAINT = "#8a8a8a"
ALARM = "#c1121f"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches.

    It belongs to no window system and to no global list, so figures may be drawn in any thread and are freed.

    Raises:
        MissingExtraError: when matplotlib is not installed.
    """
    require("matplotlib", "train", purpose="drawing figures")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write the figure as PNG, atomically, and return its path."""
    path = Path(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def class_colors(class_names: Sequence[str]) -> list[Color]:
    """Return one (red, green, blue) per class, the colors that its maps have."""
    palette = default_palette(dict(enumerate(class_names)))
    return [palette[index] for index in range(len(class_names))]


def fit_name(name: str, width: int = 22, lines: int = 2) -> str:
    """Break a long name into lines, cut what is left over, and keep matplotlib from reading formulas into it."""
    spaced = name.replace("_", " ") if len(name) > width else name
    parts = textwrap.wrap(spaced, width, break_long_words=True) or [name]
    if len(parts) > lines:
        parts = [*parts[: lines - 1], parts[lines - 1][: width - 1] + "…"]
    return "\n".join(parts).replace("$", r"\$")


def short_count(value: float) -> str:
    """Return 950, 12k, 3.4M: a count in at most four characters."""
    for limit, divisor, letter in ((1e3, 1, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M"), (1e12, 1e9, "G")):
        if value < limit:
            scaled = value / divisor
            if divisor > 1 and scaled < 9.95:
                return f"{scaled:.1f}{letter}"
            if round(scaled) < 1000:
                return f"{scaled:.0f}{letter}"
    return f"{value:.0e}"
