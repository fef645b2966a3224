"""Surface reflectance of materials in Sentinel-2 bands, and how band and light differ with wavelength.

Values are rounded, typical bottom-of-atmosphere reflectances in the ranges that published spectral libraries and
remote-sensing textbooks give for these materials; they stand for kinds of surface, not for measured samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")

# Ground sampling distance of each band, in meters.
GSD_M = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B05": 20, "B06": 20, "B07": 20, "B8A": 20, "B11": 20, "B12": 20}

# fmt: off
_SPECTRA = {
    #                    B02   B03   B04   B05   B06   B07   B08   B8A   B11   B12
    "clear water":     (.040, .036, .021, .015, .011, .010, .009, .008, .005, .004),
    "turbid water":    (.066, .092, .080, .068, .040, .038, .030, .026, .010, .006),
    "broadleaf trees": (.022, .044, .023, .076, .250, .318, .342, .356, .170, .076),
    "conifers":        (.016, .029, .018, .046, .132, .168, .182, .192, .086, .039),
    "green grass":     (.034, .074, .040, .114, .306, .384, .414, .430, .222, .110),
    "green crop":      (.028, .067, .031, .106, .352, .450, .482, .494, .204, .092),
    "flowering crop":  (.042, .132, .118, .186, .344, .420, .446, .458, .214, .108),
    "dry plants":      (.068, .104, .142, .184, .226, .252, .280, .298, .356, .258),
    "moist soil":      (.050, .072, .100, .120, .138, .155, .170, .184, .240, .202),
    "dry soil":        (.094, .138, .196, .224, .246, .264, .284, .297, .368, .328),
    "gravel":          (.132, .160, .188, .202, .212, .222, .232, .238, .282, .262),
    "asphalt":         (.084, .094, .104, .111, .117, .122, .128, .132, .160, .152),
    "concrete":        (.172, .206, .236, .250, .260, .268, .278, .284, .316, .296),
    "tile roof":       (.064, .086, .158, .184, .206, .224, .240, .250, .302, .272),
    "dark roof":       (.054, .058, .063, .067, .071, .075, .079, .082, .098, .094),
    "bright roof":     (.318, .334, .346, .352, .358, .362, .366, .368, .356, .330),
}

# Share of the light that comes from the sky, not from the sun: what lights a shadow. It falls with wavelength.
_SKYLIGHT =            (.30, .25, .21, .19, .175, .17, .16, .155, .11, .095)
# What a cloud returns relative to the visible: liquid water absorbs in the short-wave infrared.
_CLOUD =               (1.0, 1.0, 1.0, 1.0, 1.0, .99, .99, .98, .76, .56)
# Signal-to-noise ratio at a reference radiance (the mission's published requirement), and that reference as reflectance.
_SNR =                 (154, 168, 142, 117, 89, 105, 174, 72, 100, 100)
_SNR_REFLECTANCE =     (.22, .21, .18, .16, .16, .16, .17, .13, .06, .05)
# fmt: on

MATERIALS = tuple(_SPECTRA)


def spectrum(material: str) -> NDArray[np.float32]:
    """Return the reflectance of a material in every band of `BANDS`."""
    return np.array(_SPECTRA[material], dtype=np.float32)


def spectra() -> NDArray[np.float32]:
    """Return the (materials, bands) table of reflectances, rows as in `MATERIALS`."""
    return np.array(list(_SPECTRA.values()), dtype=np.float32)


def skylight_share() -> NDArray[np.float32]:
    """Return, per band, the share of the light on a level surface that comes from the sky."""
    return np.array(_SKYLIGHT, dtype=np.float32)


def cloud_color() -> NDArray[np.float32]:
    """Return, per band, what a cloud returns of the light relative to the visible."""
    return np.array(_CLOUD, dtype=np.float32)


def noise_at(reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the standard deviation of the sensor's noise at a reflectance; it grows with the square root (shot noise).

    **Shapes:** `reflectance` is (bands, ...), with bands as in `BANDS`; so is the answer.
    """
    shape = (-1, *(1,) * (reflectance.ndim - 1))
    reference = np.array(_SNR_REFLECTANCE, dtype=np.float32).reshape(shape)
    ratio = np.array(_SNR, dtype=np.float32).reshape(shape)
    return reference / ratio * np.sqrt(np.maximum(reflectance, 0.005) / reference)
