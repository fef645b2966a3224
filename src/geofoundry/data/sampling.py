"""Which chips an epoch is made of: order and places as a function of seed, epoch and item alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from rasterio.windows import Window
from torch.utils.data import Sampler

from geofoundry.data.pairing import Sample

Size = tuple[int, int]


class Draw(NamedTuple):
    """One draw from a dataset: which item, in which epoch, and for which time in that epoch."""

    item: int
    epoch: int = 0
    repeat: int = 0


class Chip(NamedTuple):
    """A part of a sample that is read at once.

    `window` is None for the whole image. Labels in the first `seen_rows` rows and `seen_cols` columns are part of the
    neighbors already and don't count again.
    """

    sample: Sample
    window: Window | None
    seen_rows: int = 0
    seen_cols: int = 0


class EpochSampler(Sampler[Draw]):
    """Shuffle a dataset anew in every epoch, the same way for the same seed and epoch.

    `epoch_now` tells the current epoch, so that a resumed run draws what the unbroken one would have drawn.
    With `num_samples` the epoch has that length: a part of the dataset, or several rounds of it.
    """

    def __init__(
        self, length: int, *, seed: int = 0, num_samples: int | None = None, epoch_now: Callable[[], int] | None = None
    ) -> None:
        self.length = length
        self.seed = seed
        self.num_samples = num_samples or length
        self._epoch = 0
        self._epoch_now = epoch_now

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, for loops that have no trainer to ask."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[Draw]:
        epoch = self._epoch if self._epoch_now is None else self._epoch_now()
        rounds = -(-self.num_samples // self.length)
        for repeat in range(rounds):
            order = np.random.default_rng([self.seed, epoch, repeat]).permutation(self.length)
            for index in order[: self.num_samples - repeat * self.length].tolist():
                yield Draw(index, epoch, repeat)


def generator_of(seed: int, draw: Draw) -> np.random.Generator:
    """Return the generator that decides everything about a draw: where the crop lies, how it is turned."""
    return np.random.default_rng([seed, draw.epoch, draw.item, draw.repeat, 1])


def area_of(sample: Sample, shape: Size) -> Window:
    """Return the window of a sample in its image of a shape."""
    return sample.window or Window(0, 0, shape[1], shape[0])  # type: ignore[call-arg]


def crops_in(area: Window, crop: Size) -> int:
    """Return how many crops have about the area of a window together, and at least one."""
    return max(1, round(area.height * area.width / (crop[0] * crop[1])))


def random_window(area: Window, crop: Size, generator: np.random.Generator) -> Window:
    """Return a crop at a random place in a window; in a smaller one, a crop around all of it."""
    row = _random_start(int(area.row_off), int(area.height), crop[0], generator)
    col = _random_start(int(area.col_off), int(area.width), crop[1], generator)
    return Window(col, row, crop[1], crop[0])  # type: ignore[call-arg]


def tiles_of(sample: Sample, shape: Size, crop: Size | None) -> list[Chip]:
    """Cut a sample into chips of one size that cover it, row by row.

    The last row and column of chips are moved back to end with the sample; what they share with their neighbors
    counts once. A sample smaller than a chip gives one chip that reaches beyond it.
    """
    if crop is None:
        return [Chip(sample, sample.window)]
    area = area_of(sample, shape)
    rows = list(_starts(int(area.row_off), int(area.height), crop[0]))
    cols = list(_starts(int(area.col_off), int(area.width), crop[1]))
    return [
        Chip(sample, Window(col, row, crop[1], crop[0]), seen_rows, seen_cols)  # type: ignore[call-arg]
        for row, seen_rows in rows
        for col, seen_cols in cols
    ]


def random_chips(samples: Sequence[Sample], shapes: Sequence[Size], crop: Size, per_image: int | None) -> list[int]:
    """Return, for each item of an epoch, the number of the sample that it is cropped from.

    Each sample comes `per_image` times, or as often as its area holds crops.
    """
    pairs = zip(samples, shapes, strict=True)
    counts = [per_image or crops_in(area_of(sample, shape), crop) for sample, shape in pairs]
    return np.repeat(np.arange(len(samples)), counts).tolist()


def _random_start(start: int, length: int, size: int, generator: np.random.Generator) -> int:
    room = length - size
    return start + (int(generator.integers(0, room + 1)) if room > 0 else room // 2)


def _starts(start: int, length: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where chips begin along an axis, and how many of their pixels the chip before has covered."""
    count = max(1, -(-length // size))
    for number in range(count):
        wanted = number * size
        actual = min(wanted, max(length - size, 0))
        yield start + actual, wanted - actual
