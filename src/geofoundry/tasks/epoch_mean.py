"""The mean of losses over an epoch, kept on the device."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor


class EpochMean:
    """Means of named scalars over the samples of an epoch and all processes; never waits for the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def update(self, values: Mapping[str, Tensor], count: int) -> None:
        """Add the means over a batch of `count` samples."""
        for name, value in values.items():
            weighted = value.detach().float() * count
            self._sums[name] = self._sums[name] + weighted if name in self._sums else weighted
        self._count += count

    def merge(self, other: EpochMean) -> None:
        """Add what another one has seen."""
        for name, value in other._sums.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count += other._count

    def compute(self) -> dict[str, float]:
        """Return the means; every process must call this, with the same names."""
        if not self._sums:
            return {}
        sums = torch.stack([*self._sums.values(), torch.full_like(next(iter(self._sums.values())), self._count)])
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(sums)
        *totals, count = sums.tolist()
        return {name: total / count for name, total in zip(self._sums, totals, strict=True)}
