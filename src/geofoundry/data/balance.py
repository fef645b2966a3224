"""Deal groups of unequal size and content out to splits, so that each gets its share of everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAX_ROUNDS = 50


def deal_out(amounts: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """Assign groups to splits so that each split's part of every column comes near its share.

    `amounts` says how much of each column (pixels of a class, number of items) a group holds; all columns weigh the
    same, so a rare class counts as much as a common one. Greedy: groups with the largest part of any column first,
    each to the split where it lowers the squared relative deviation most; then groups move singly while that
    helps. Groups that are alike are dealt in an order drawn from `seed`. Every split gets a group.

    **Shapes**: `amounts` (groups, columns); the answer (groups,) with split numbers.

    **Source**: the greedy idea is that of iterative stratification, Sechidis, Tsoumakas & Vlahavas (2011).

    Raises:
        ValueError: when there are fewer groups than splits.
    """
    target = np.asarray(shares, dtype=np.float64)
    target = target / target.sum()
    if len(amounts) < len(target):
        raise ValueError(f"{len(amounts)} groups can't fill {len(target)} splits")
    totals = amounts.sum(axis=0)
    parts = amounts[:, totals > 0] / totals[totals > 0]
    shuffled = np.random.default_rng(seed).permutation(len(parts))
    largest = parts.max(axis=1) if parts.shape[1] else np.zeros(len(parts))
    order = shuffled[np.argsort(-largest[shuffled], kind="stable")]
    owner = np.full(len(parts), -1)
    held = np.zeros((len(target), parts.shape[1]))
    for position, group in enumerate(order):
        empty = np.setdiff1d(np.arange(len(target)), owner).tolist() if len(order) - position <= len(target) else []
        # The last groups are kept for splits that would else stay empty.
        choices = empty if len(empty) == len(order) - position else range(len(target))
        costs = [_added_cost(held, parts[group], target, split) for split in choices]
        owner[group] = list(choices)[int(np.argmin(costs))]
        held[owner[group]] += parts[group]
    return _improved(owner, held, parts, target, order)


def _improved(
    owner: np.ndarray, held: np.ndarray, parts: np.ndarray, target: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """Move single groups to other splits while that lowers the cost, never emptying a split."""
    sizes = np.bincount(owner, minlength=len(target))
    for _ in range(MAX_ROUNDS):
        moved = False
        for group in order:
            source = owner[group]
            if sizes[source] == 1:
                continue
            held[source] -= parts[group]
            costs = [_added_cost(held, parts[group], target, split) for split in range(len(target))]
            best = int(np.argmin(costs))
            if costs[best] >= costs[source] - 1e-12:
                best = source
            held[best] += parts[group]
            sizes[source] -= 1
            sizes[best] += 1
            owner[group] = best
            moved |= bool(best != source)
        if not moved:
            break
    return owner


def _added_cost(held: np.ndarray, part: np.ndarray, target: np.ndarray, split: int) -> float:
    """Return how much the squared relative deviation of a split grows when it gets `part`."""
    deviation = held[split] - target[split]
    return float((part * (2 * deviation + part)).sum() / target[split])
