"""A classifier that sees one pixel at a time: what a model that sees neighborhoods has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geofoundry.core.progress import track

COMPONENTS = 12
MAX_PIXELS_PER_CLASS = 12_000
_KMEANS_ROUNDS = 12
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class PixelBaseline:
    """Maximum likelihood with a mixture of Gaussians per class: the classical supervised classification of imagery.

    One Gaussian per class would be the textbook's; several do justice to classes of many colors, such as crops and
    roofs. **Shapes:** K components over all classes, B bands: `means` (K, B), `whitening` (K, B, B), `bias` (K,),
    `classes` (K,), `center` and `scale` (B,).
    """

    means: NDArray[np.float64]
    whitening: NDArray[np.float64]
    bias: NDArray[np.float64]
    classes: NDArray[np.int64]
    center: NDArray[np.float64]
    scale: NDArray[np.float64]

    def predict(self, pixels: NDArray[np.number]) -> NDArray[np.uint8]:
        """Return the most likely class of each pixel. **Shapes:** (N, B) to (N,)."""
        answer = np.empty(len(pixels), dtype=np.uint8)
        starts = range(0, len(pixels), _CHUNK)
        for start in track(starts, "per-pixel baseline"):
            answer[start : start + _CHUNK] = self._predict(pixels[start : start + _CHUNK])
        return answer

    def _predict(self, pixels: NDArray[np.number]) -> NDArray[np.uint8]:
        scaled = (pixels - self.center) / self.scale
        likelihood = np.full((len(pixels), int(self.classes.max()) + 1), -np.inf)
        for mean, whitening, bias, index in zip(self.means, self.whitening, self.bias, self.classes, strict=True):
            white = (scaled - mean) @ whitening
            component = bias - 0.5 * np.einsum("nb,nb->n", white, white)
            likelihood[:, index] = np.logaddexp(likelihood[:, index], component)
        return likelihood.argmax(axis=1).astype(np.uint8)


def fit_pixel_baseline(
    pixels: NDArray[np.number], labels: NDArray[np.integer], *, seed: int = 0, components: int = COMPONENTS
) -> PixelBaseline:
    """Fit the baseline; classes are as likely beforehand as they are frequent among the labels.

    **Shapes:** `pixels` is (N, B), `labels` is (N,), whole numbers from 0.
    """
    rng = np.random.default_rng(seed)
    center, scale = pixels.mean(axis=0), np.maximum(pixels.std(axis=0), 1e-9)
    parts: list[tuple[NDArray[np.float64], NDArray[np.float64], float, int]] = []
    for index in np.unique(labels):
        members = np.flatnonzero(labels == index)
        share = len(members) / len(labels)
        if len(members) > MAX_PIXELS_PER_CLASS:
            members = rng.choice(members, MAX_PIXELS_PER_CLASS, replace=False)
        scaled = (pixels[members] - center) / scale
        groups = _group(rng, scaled, min(components, max(1, len(members) // (4 * pixels.shape[1]))))
        for group in np.unique(groups):
            own = scaled[groups == group]
            parts.append((*_gaussian(own, scaled), np.log(share * len(own) / len(scaled)), int(index)))
    means, factors, shares, classes = zip(*parts, strict=True)
    whitening = np.stack(factors)
    log_volume = np.log(np.abs(np.diagonal(whitening, axis1=1, axis2=2))).sum(axis=1)
    return PixelBaseline(np.stack(means), whitening, np.array(shares) + log_volume, np.array(classes), center, scale)


def _gaussian(
    own: NDArray[np.float64], whole_class: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the factor that whitens; a small group borrows from its class."""
    bands = own.shape[1]
    weight = len(own) / (len(own) + 3 * bands)
    spread = np.atleast_2d(np.cov(own, rowvar=False, bias=True)) if len(own) > 1 else np.zeros((bands, bands))
    class_spread = (
        np.atleast_2d(np.cov(whole_class, rowvar=False, bias=True)) if len(whole_class) > 1 else np.eye(bands)
    )
    covariance = weight * spread + (1 - weight) * class_spread + 1e-4 * np.eye(bands)
    return own.mean(axis=0), np.linalg.cholesky(np.linalg.inv(covariance))


def _group(rng: np.random.Generator, points: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the number of the group that each point belongs to, by k-means."""
    centers = points[rng.choice(len(points), count, replace=False)]
    groups = np.zeros(len(points), dtype=np.int64)
    for _ in range(_KMEANS_ROUNDS):
        distance = (centers**2).sum(axis=1) - 2 * points @ centers.T
        groups = distance.argmin(axis=1)
        filled = np.unique(groups)
        centers[filled] = [points[groups == group].mean(axis=0) for group in filled]
    return groups
