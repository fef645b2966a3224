"""Flips and right-angle turns of arrays of any dtype: the eight symmetries of the square."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# A turn moves values without looking at them, and torch's flips know only signed integers.
_SAME_WIDTH = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


# Up to this size a plane stays in the processor's cache while it is turned, and NumPy is the fastest.
_CACHED_BYTES = 2**17

# Quarter turns and flip as axes to reverse, and whether rows and columns change places afterwards.
_MOVES: dict[tuple[int, bool], tuple[tuple[int, ...], bool]] = {
    (0, False): ((), False),
    (0, True): ((-1,), False),
    (1, False): ((-1,), True),
    (1, True): ((-1, -2), True),
    (2, False): ((-1, -2), False),
    (2, True): ((-2,), False),
    (3, False): ((-2,), True),
    (3, True): ((), True),
}


@dataclass(frozen=True, slots=True)
class Orientation:
    """A number of quarter turns counter-clockwise, then perhaps a flip left to right."""

    quarter_turns: int = 0
    flipped: bool = False

    def then(self, other: Orientation) -> Orientation:
        """Return this orientation followed by another."""
        # A flip reverses the sense of the turns that come after it.
        turns = -other.quarter_turns if self.flipped else other.quarter_turns
        return Orientation((self.quarter_turns + turns) % 4, self.flipped != other.flipped)

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves."""
        return self == Orientation()

    def apply(self, tensor: Tensor) -> Tensor:
        """Return a tensor (..., height, width) turned and flipped."""
        carrier = _SAME_WIDTH.get(tensor.dtype)
        moved = tensor if carrier is None else tensor.view(carrier)
        dims, transposed = _MOVES[self.quarter_turns, self.flipped]
        moved = moved.flip(dims) if dims else moved.clone()
        moved = moved.transpose(-1, -2).contiguous() if transposed else moved
        return moved if carrier is None else moved.view(tensor.dtype)

    def read_into(self, out: np.ndarray, read: Callable[[np.ndarray], None], scratch: np.ndarray) -> None:
        """Let `read` fill `out` (..., height, width) so that what it reads lies there turned and flipped.

        Flips cost nothing: `read` writes backwards. A turn needs one more pass, and a `scratch` array like `out`.
        """
        dims, transposed = _MOVES[self.quarter_turns, self.flipped]
        target = scratch if transposed else out
        read(np.flip(target, dims))
        if not transposed:
            return
        if out.shape[-1] * out.shape[-2] * out.itemsize <= _CACHED_BYTES:
            out[...] = target.swapaxes(-1, -2)
            return
        # Larger matrices are turned in blocks by torch, if they are of a dtype that it can calculate with.
        for turned, plane in zip(_planes(out), _planes(target), strict=True):
            turned.copy_(plane.t())


def _planes(array: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(array).flatten(0, -3) if array.ndim > 2 else torch.from_numpy(array)[None]
    return tensor.view(_SAME_WIDTH.get(tensor.dtype, tensor.dtype))


class OrientationTransform:
    """A random symmetry of the square, the same for image and mask."""

    def draw(self, generator: np.random.Generator, *, square: bool) -> Orientation:
        """Draw an orientation; on chips that are not square, one that keeps their shape."""
        raise NotImplementedError


class D4(OrientationTransform):
    """Draw one of the eight flips and turns of the square with equal chance (of four, when chips are not square)."""

    def draw(self, generator: np.random.Generator, *, square: bool) -> Orientation:
        """Draw an orientation."""
        turns = int(generator.integers(4)) if square else 2 * int(generator.integers(2))
        return Orientation(turns, bool(generator.integers(2)))


class RandomRotate90(OrientationTransform):
    """Turn by 0, 90, 180 or 270 degrees with equal chance (by 0 or 180, when chips are not square)."""

    def draw(self, generator: np.random.Generator, *, square: bool) -> Orientation:
        """Draw an orientation."""
        return Orientation(int(generator.integers(4)) if square else 2 * int(generator.integers(2)))


class RandomHorizontalFlip(OrientationTransform):
    """Flip left to right with chance `p`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def draw(self, generator: np.random.Generator, *, square: bool) -> Orientation:
        """Draw an orientation."""
        return Orientation(0, bool(generator.random() < self.p))


class RandomVerticalFlip(OrientationTransform):
    """Flip upside down with chance `p`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def draw(self, generator: np.random.Generator, *, square: bool) -> Orientation:
        """Draw an orientation."""
        flip = generator.random() < self.p
        return Orientation(2, True) if flip else Orientation()
