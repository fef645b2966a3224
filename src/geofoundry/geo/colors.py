"""Colors for class maps: the ones people expect for known classes, color-blind-safe ones for the rest."""

from __future__ import annotations

import colorsys
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from geofoundry.core.errors import ConfigError, Fault

Color = tuple[int, int, int]

MIN_DISTANCE = 40.0  # "redmean" units (0 to about 765); below it two colors are hard to tell apart on a map
GOLDEN_RATIO = 0.618033988749895
HUES_TRIED = 400


@dataclass(frozen=True, slots=True)
class Legend:
    """A published legend: class name (in words, lower case) to color, and where it is published."""

    name: str
    source: str
    colors: Mapping[str, str]


NLCD = Legend(
    "NLCD",
    "U.S. Geological Survey, National Land Cover Database class legend",
    {
        "open water": "#466b9f",
        "water": "#466b9f",
        "perennial ice snow": "#d1def8",
        "developed open space": "#dec5c5",
        "developed low intensity": "#d99282",
        "developed medium intensity": "#eb0000",
        "developed high intensity": "#ab0000",
        "developed": "#eb0000",
        "barren land": "#b3ac9f",
        "barren": "#b3ac9f",
        "deciduous forest": "#68ab5f",
        "evergreen forest": "#1c5f2c",
        "mixed forest": "#b5c58f",
        "forest": "#1c5f2c",
        "shrub scrub": "#ccb879",
        "shrubland": "#ccb879",
        "grassland herbaceous": "#dfdfc2",
        "herbaceous": "#dfdfc2",
        "pasture hay": "#dcd939",
        "cultivated crops": "#ab6c28",
        "planted cultivated": "#ab6c28",
        "cultivated": "#ab6c28",
        "woody wetlands": "#b8d9eb",
        "emergent herbaceous wetlands": "#6c9fb8",
        "wetlands": "#6c9fb8",
    },
)

WORLDCOVER = Legend(
    "ESA WorldCover",
    "ESA WorldCover 2021 v200, Product User Manual, class legend",
    {
        "tree cover": "#006400",
        "trees": "#006400",
        "shrubland": "#ffbb22",
        "grassland": "#ffff4c",
        "cropland": "#f096ff",
        "built up": "#fa0000",
        "bare sparse vegetation": "#b4b4b4",
        "snow and ice": "#f0f0f0",
        "permanent water bodies": "#0064c8",
        "herbaceous wetland": "#0096a0",
        "mangroves": "#00cf75",
        "moss and lichen": "#fae6a0",
    },
)

EXPECTED = Legend(
    "expected",
    "ours: what a reader of a map takes each class for",
    {
        "background": "#2b2b2b",
        "bare": "#b3ac9f",
        "bare soil": "#a5713e",
        "building": "#d7301f",
        "buildings": "#d7301f",
        "burn scar": "#7f2704",
        "burned": "#7f2704",
        "clear": "#a6d96a",
        "cloud": "#ffffff",
        "cloud shadow": "#454545",
        "clouds": "#ffffff",
        "crop": "#e6c229",
        "crops": "#e6c229",
        "dryout": "#d8b365",
        "flood": "#4aa8ff",
        "forest": "#1b6e2b",
        "grass": "#a6d96a",
        "ice": "#bfe6ff",
        "land": "#c9a66b",
        "no water": "#c9a66b",
        "road": "#8c8c8c",
        "roads": "#8c8c8c",
        "rock": "#8c7b6b",
        "sand": "#f1dca7",
        "shadow": "#454545",
        "shrub": "#ccb879",
        "snow": "#bfe6ff",
        "snow ice": "#bfe6ff",
        "soil": "#a5713e",
        "thin cloud": "#d9d9d9",
        "tree": "#1b6e2b",
        "urban": "#d7301f",
        "vegetation": "#4daf4a",
        "village": "#d7301f",
        "water": "#1f78d1",
        "wetland": "#2a9d8f",
    },
)

# Okabe & Ito (2008), Color Universal Design, without black; then Paul Tol's "muted" scheme
# (Colour Schemes, SRON/EPS/TN/09-002): both safe for the common color-vision deficiencies.
COLOR_BLIND_SAFE = (
    *("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"),
    *("#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499"),
)


def default_palette(class_names: Mapping[int, str]) -> dict[int, Color]:
    """Choose a color for every class id, the same for the same names.

    Known names get the color of the legend (NLCD or ESA WorldCover) that knows more of them, then the color that
    people expect, then that of the other legend. A color too near to one in use, and every unknown name, gets the
    next color-blind-safe one.

    **Source**: the legends' `source` texts; Okabe & Ito (2008); Tol, SRON/EPS/TN/09-002.
    """
    legends = _by_fit(class_names.values())
    chosen: dict[int, Color] = {}
    for class_id, name in class_names.items():
        for legend in legends:
            code = legend.colors.get(_words(name))
            if code is not None and _is_distinct(parse_color(code), chosen.values()):
                chosen[class_id] = parse_color(code)
                break
    spare = _spare_colors()
    for class_id in class_names:
        if class_id not in chosen:
            chosen[class_id] = next(color for color, minimum in spare if _is_distinct(color, chosen.values(), minimum))
    return {class_id: chosen[class_id] for class_id in class_names}


def parse_color(color: str | Sequence[int]) -> Color:
    """Return (red, green, blue) in 0..255 of `"#rrggbb"` or of three numbers.

    Raises:
        ConfigError: when it is neither.
    """
    if isinstance(color, str):
        if re.fullmatch(r"#[0-9a-fA-F]{6}", color):
            return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
    elif len(color) == 3 and all(isinstance(part, int) and 0 <= part <= 255 for part in color):
        return color[0], color[1], color[2]
    raise ConfigError(
        Fault("a color can't be read", got=repr(color), expected="'#rrggbb' or three whole numbers from 0 to 255")
    )


def color_code(color: Color) -> str:
    """Return the color as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def _by_fit(names: Iterable[str]) -> list[Legend]:
    """Put the legend first that knows most of the names, if it knows more than a single one of its own."""
    words = {_words(name) for name in names}
    known = {legend.name: len(words & legend.colors.keys()) for legend in (NLCD, WORLDCOVER)}
    published = sorted((NLCD, WORLDCOVER), key=lambda legend: -known[legend.name])
    # One shared word ("water") doesn't make a map an NLCD map.
    leads = known[published[0].name] > max(2, known[published[1].name])
    return [published[0], EXPECTED, published[1]] if leads else [EXPECTED, *published]


def _words(name: str) -> str:
    """Return `snow ice` for `Snow/Ice (absent)`."""
    without_remark = re.sub(r"\(.*?\)", " ", name)
    return " ".join(re.findall(r"[a-z0-9]+", without_remark.casefold()))


def _spare_colors() -> Iterator[tuple[Color, float]]:
    """Yield colors for unknown classes, each with the distance it must keep from those in use."""
    for code in COLOR_BLIND_SAFE:
        yield parse_color(code), MIN_DISTANCE
    for step in itertools.count():
        # Steps of the golden ratio spread any number of hues; with very many classes "different" must do.
        hue, lightness = (step * GOLDEN_RATIO) % 1.0, 0.25 + 0.6 * ((step * GOLDEN_RATIO**2 * 7) % 1.0)
        red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, 0.65))
        yield (red, green, blue), MIN_DISTANCE if step < HUES_TRIED else 1.0


def _is_distinct(color: Color, used: Iterable[Color], minimum: float = MIN_DISTANCE) -> bool:
    return all(_distance(color, other) >= minimum for other in used)


def _distance(first: Color, second: Color) -> float:
    """Return the redmean color distance, a weighted Euclidean distance that follows perception roughly."""
    mean_red = (first[0] + second[0]) / 2
    red, green, blue = (a - b for a, b in zip(first, second, strict=True))
    return ((2 + mean_red / 256) * red**2 + 4 * green**2 + (2 + (255 - mean_red) / 256) * blue**2) ** 0.5
