"""Which bands a written name can mean: `B04`, `Band 4`, `SR_B4_nir`, `swir16`, `B11_20m`."""

from __future__ import annotations

import re
from functools import cache

from geofoundry.bands.band import Band
from geofoundry.bands.sensors import SENSORS

_CODE = re.compile(r"b(?:and)?(0?)(\d{1,2})(a?)")
_PIXEL_SIZE = re.compile(r"\d+m")
_PRODUCT_WORDS = frozenset({"sr", "toa", "boa", "surface", "reflectance", "refl", "band"})
_THERMAL_WORDS = frozenset({"bt", "st"})  # brightness and surface temperature


def fold(name: str) -> str:
    """Return a name without case and separators, for exact comparison."""
    return "".join(_words(name))


def is_code(name: str) -> bool:
    """Whether a name is only a number (`B4`, `band_4`, `SR_B4`), which means something else on each sensor."""
    words = _content_words(name)
    return len(words) == 1 and _CODE.fullmatch(words[0]) is not None


@cache
def candidates(name: str, sensor: str | None = None) -> tuple[Band, ...]:
    """Return every band that a name can mean, of one sensor or of all, in the sensors' order.

    A zero-padded code (`B04`) is Sentinel-2's spelling, unless the sensor is given. A code with a word (`B4_red`)
    means only bands that both fit.
    """
    words = _content_words(name)
    if not words:
        return ()
    bands = [band for key, known in SENSORS.items() if sensor in (None, key) for band in known.bands]
    if _THERMAL_WORDS.intersection(_words(name)):
        bands = [band for band in bands if band.is_thermal]
    whole = "".join(words)
    fitting = [band for band in bands if _has_spelling(band, whole, padded_too=sensor is not None)]
    if not fitting and len(words) > 1:
        head, tail, first_word_again = words[0], "".join(words[1:]), "".join(words[:-1])
        splits = ((head, tail), (words[-1], first_word_again))
        fitting = [
            band
            for code, word in splits
            if _CODE.fullmatch(code)
            for band in bands
            if _has_spelling(band, code, padded_too=sensor is not None) and _has_spelling(band, word, padded_too=False)
        ]
    return tuple(dict.fromkeys(fitting))


def _has_spelling(band: Band, folded: str, *, padded_too: bool) -> bool:
    if folded in _folded_spellings(band):
        return True
    code = _CODE.fullmatch(folded)
    if code is None:
        return False
    padding, number, letter = code.groups()
    if padding and not padded_too and band.sensor != "sentinel2":
        return False
    own = _CODE.fullmatch(band.name.casefold())
    return own is not None and own.group(2) == number and own.group(3) == letter


@cache
def _folded_spellings(band: Band) -> frozenset[str]:
    return frozenset(fold(spelling) for spelling in (band.common_name, *band.aliases))


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^0-9a-z]+", name.casefold()) if word]


def _content_words(name: str) -> list[str]:
    words = _words(name)
    joined: list[str] = []
    for word in words:
        if word.isdigit() and joined and joined[-1] == "band":
            joined[-1] = f"b{word}"
        else:
            joined.append(word)
    return [
        word
        for word in joined
        if word not in _PRODUCT_WORDS and word not in _THERMAL_WORDS and not _PIXEL_SIZE.fullmatch(word)
    ]
