"""Weights for imbalanced classes."""

from __future__ import annotations

from collections.abc import Sequence


def suggest_class_weights(shares: Sequence[float]) -> list[float]:
    """Return one over the square root of each class's share, with mean 1; 1 for classes that don't occur.

    One over the share itself lets a class of a few hundred pixels drown all others; the root is the middle way.
    """
    raw = [share**-0.5 if share > 0 else 0.0 for share in shares]
    present = [weight for weight in raw if weight]
    mean = sum(present) / len(present) if present else 1.0
    return [round(weight / mean, 3) if weight else 1.0 for weight in raw]
