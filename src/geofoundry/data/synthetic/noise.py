"""Random fields: fractal relief, patchy textures, smooth warps. Everything follows from the generator given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating]  # float32 in practice; numpy's stubs widen it in arithmetic


def fractal_field(
    rng: np.random.Generator,
    shape: tuple[int, int],
    cell_m: float,
    *,
    exponent: float,
    longest_m: float,
    shortest_m: float = 0.0,
) -> Field:
    """Return a field of mean 0 and standard deviation 1 whose power falls as `wavelength ** exponent`.

    Wavelengths above `longest_m` and below `shortest_m` are left out. An exponent of about 2 to 3 looks like relief,
    0 is white noise.

    **Shapes:** `shape` is (height, width), and so is the field.
    """
    height, width = shape
    # A field is periodic; drawn larger than needed, its opposite borders have nothing to do with each other.
    tall, wide = height + height // 2, width + width // 2
    frequency = np.hypot(np.fft.fftfreq(tall, cell_m)[:, None], np.fft.rfftfreq(wide, cell_m)[None, :])
    frequency[0, 0] = np.inf
    low = min(longest_m, max(tall, wide) * cell_m)
    power = (frequency * low + 1.0) ** (-exponent)
    power *= 1.0 - np.exp(-((frequency * low) ** 4))
    if shortest_m > 0:
        power *= np.exp(-((frequency * shortest_m) ** 4))
    white = np.fft.rfft2(rng.standard_normal((tall, wide), dtype=np.float32))
    field = np.fft.irfft2(white * np.sqrt(power), s=(tall, wide))[:height, :width]
    return ((field - field.mean()) / max(float(field.std()), 1e-12)).astype(np.float32)


def blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blur the last two axes with a Gaussian of `sigma` pixels; the border is mirrored."""
    radius = max(1, round(3.5 * sigma))
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (-2, -1):
        pad = [(0, 0)] * image.ndim
        pad[axis] = (radius, radius)
        padded = np.pad(image, pad, mode="symmetric")
        length = image.shape[axis]
        total = np.zeros_like(image)
        for weight, start in zip(kernel, range(2 * radius + 1), strict=True):
            window = [slice(None)] * image.ndim
            window[axis] = slice(start, start + length)
            total += weight * padded[tuple(window)]
        image = total
    return image


def enlarge(field: Field, factor: int) -> Field:
    """Return the field on a grid that is `factor` times finer, bilinearly."""
    for axis in (0, 1):
        length = field.shape[axis]
        place = np.clip((np.arange(length * factor) + 0.5) / factor - 0.5, 0, length - 1)
        before = np.minimum(place.astype(np.int64), max(length - 2, 0))
        share = (place - before).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
        after = np.minimum(before + 1, length - 1)
        field = field.take(before, axis) * (1 - share) + field.take(after, axis) * share
    return field


def smoothstep(value: Field, low: float, high: float) -> Field:
    """Return 0 below `low`, 1 above `high`, and a smooth ramp between."""
    ramp = np.clip((value - low) / (high - low), 0.0, 1.0)
    return ramp * ramp * (3 - 2 * ramp)


class Warp:
    """A smooth displacement of points, so that straight cuts become the bent borders of real fields."""

    def __init__(self, rng: np.random.Generator, *, amplitude_m: float = 45.0, waves: int = 7) -> None:
        length = rng.uniform(1200.0, 5000.0, (2, waves))
        angle = rng.uniform(0.0, 2 * np.pi, (2, waves))
        self._frequency = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * (2 * np.pi / length)[..., None]
        self._phase = rng.uniform(0.0, 2 * np.pi, (2, waves))
        self._weight = amplitude_m * np.sqrt(2.0 / waves)

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the displaced points. **Shapes:** (N, 2) to (N, 2), in meters."""
        phase = np.einsum("nk,awk->naw", points, self._frequency) + self._phase
        return points + self._weight * np.sin(phase).sum(axis=-1)
