"""Honest splits: groups of chips or windows that belong together never part, and no two splits share ground."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from geofoundry.core.errors import ConfigError, DataError, Fault, plural
from geofoundry.data.balance import deal_out
from geofoundry.data.grouping import Grouping, merge_groups
from geofoundry.data.overlaps import overlapping_pairs
from geofoundry.data.split_items import SplitItem, class_table

TRAIN, VAL, TEST = "train", "val", "test"
# Where two splits share ground the one that is later here keeps the item.
PRECEDENCE = (TRAIN, VAL, TEST)
# Groups that share ground are merged as long as this part of them remains; else items at their borders are left out.
LEAST_LEFT_BY_MERGING = 0.5


@dataclass(frozen=True, slots=True)
class Split:
    """The items of each split, in the order of their keys.

    `left_out` holds items that share ground with a split of higher precedence (test, then val, then train), or lie
    within the buffer around it. `method` says in words how the split was made.
    """

    members: dict[str, list[SplitItem]]
    left_out: list[SplitItem]
    method: str

    def keys(self) -> dict[str, list[str]]:
        """Return the keys of each split."""
        return {name: [item.key for item in items] for name, items in self.members.items()}

    def class_shares(self) -> dict[str, dict[int, float]]:
        """Return, for each split, its part of all labelled pixels of each class."""
        items = [item for members in self.members.values() for item in members]
        ids, table = class_table(items)
        totals = table.sum(axis=0)
        owner = np.repeat(list(self.members), [len(members) for members in self.members.values()])
        return {
            name: dict(zip(ids, (table[owner == name].sum(axis=0) / totals).tolist(), strict=True))
            for name in self.members
        }


def split_items(
    items: Sequence[SplitItem],
    group: Callable[[Sequence[SplitItem]], Grouping],
    *,
    val_fraction: float = 0.15,
    test_fraction: float = 0.15,
    seed: int = 0,
    buffer_m: float = 0.0,
    buffer_px: float = 0.0,
) -> Split:
    """Split items into train, val and test; the same items and seed give the same split.

    `group` makes the groups that stay together (see `geofoundry.data.grouping`). Groups are dealt out by
    `geofoundry.data.balance.deal_out`, so that every split gets its fraction of the items and of each class that
    was counted. A fraction of 0 leaves that split out.

    Raises:
        ConfigError: when the fractions don't leave anything for train.
        DataError: when there are too few groups, or the buffer leaves a split empty.
    """
    # Test before val: where a class is in two groups only, the second is for testing.
    shares = {TRAIN: 1.0 - val_fraction - test_fraction, TEST: test_fraction, VAL: val_fraction}
    if val_fraction < 0 or test_fraction < 0 or shares[TRAIN] <= 1e-9:
        got = f"val_fraction {val_fraction}, test_fraction {test_fraction}"
        raise ConfigError(Fault("the fractions leave nothing to train on", got=got, expected="a sum below 1"))
    shares = {name: share for name, share in shares.items() if share > 0}
    ordered = sorted(items, key=lambda item: item.key)
    grouping = _groups(ordered, group, len(shares))
    dealt = _deal(ordered, grouping.group, list(shares.values()), seed)
    names = [list(shares)[number] for number in dealt]
    used = [name for name in PRECEDENCE if name in shares]
    return _separated(ordered, names, used, grouping.method, buffer_m, buffer_px)


def fold_items(
    items: Sequence[SplitItem],
    group: Callable[[Sequence[SplitItem]], Grouping],
    *,
    folds: int,
    val_fraction: float = 0.15,
    seed: int = 0,
    buffer_m: float = 0.0,
    buffer_px: float = 0.0,
) -> list[Split]:
    """Split items k times, so that each item is in the test split exactly once (unless it is left out there).

    In every fold, `val_fraction` of what is not test becomes val.

    Raises:
        ConfigError: when there are fewer than two folds, or val_fraction isn't within 0 and 1.
        DataError: when there are too few groups, or the buffer leaves a split empty.
    """
    if folds < 2 or not 0 <= val_fraction < 1:
        got = f"folds {folds}, val_fraction {val_fraction}"
        raise ConfigError(
            Fault("such folds can't be made", got=got, expected="at least 2 folds, a val_fraction below 1")
        )
    ordered = sorted(items, key=lambda item: item.key)
    grouping = _groups(ordered, group, max(folds, 3 if val_fraction else 2))
    fold_of_item = _deal(ordered, grouping.group, [1.0] * folds, seed)
    splits = []
    for fold in range(folds):
        names = np.where(fold_of_item == fold, TEST, TRAIN).astype(object)
        rest = np.nonzero(fold_of_item != fold)[0]
        if val_fraction:
            _, rest_groups = np.unique(grouping.group[rest], return_inverse=True)
            inner = _deal([ordered[i] for i in rest], rest_groups, [1 - val_fraction, val_fraction], seed + fold)
            names[rest[inner == 1]] = VAL
        used = [name for name in PRECEDENCE if name in set(names)]
        splits.append(_separated(ordered, names.tolist(), used, grouping.method, buffer_m, buffer_px))
    return splits


def _groups(items: Sequence[SplitItem], group: Callable[[Sequence[SplitItem]], Grouping], needed: int) -> Grouping:
    """Group the items, merging groups that share ground where enough of them remain."""
    grouping = group(items)
    pairs = grouping.group[overlapping_pairs(items)]
    merged = merge_groups(grouping, pairs)
    if merged.count >= max(needed, LEAST_LEFT_BY_MERGING * grouping.count):
        grouping = merged
    _require_groups(grouping, needed)
    return grouping


def _require_groups(grouping: Grouping, needed: int) -> None:
    if grouping.count < needed:
        raise DataError(
            Fault(
                what=f"there are too few groups for {plural(needed, 'split')}",
                got=f"{plural(grouping.count, 'group')} ({grouping.method})",
                expected=f"at least {needed}",
                mend="make the groups smaller: smaller blocks or windows, or a scene pattern that tells more apart; "
                "or leave a split out by a fraction of 0",
            )
        )


def _deal(items: Sequence[SplitItem], group: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """Return the split number of each item."""
    _, table = class_table(items)
    amounts = np.zeros((int(group.max()) + 1, 1 + table.shape[1]))
    np.add.at(amounts, group, np.column_stack([np.ones(len(items)), table]))
    return deal_out(amounts, shares, seed)[group]


def _separated(
    items: Sequence[SplitItem],
    names: Sequence[str],
    used: Sequence[str],
    method: str,
    buffer_m: float,
    buffer_px: float,
) -> Split:
    """Leave out what shares ground with a split of higher precedence."""
    rank = np.array([PRECEDENCE.index(name) for name in names])
    pairs = overlapping_pairs(items, buffer_m, buffer_px)
    pairs = pairs[rank[pairs[:, 0]] != rank[pairs[:, 1]]]
    kept = np.ones(len(items), bool)
    for stronger in (PRECEDENCE.index(TEST), PRECEDENCE.index(VAL)):
        for a, b in ((pairs[:, 0], pairs[:, 1]), (pairs[:, 1], pairs[:, 0])):
            kept[b[(rank[a] == stronger) & (rank[b] < stronger) & kept[a]]] = False
    members = {
        name: [item for item, owner, stays in zip(items, names, kept, strict=True) if owner == name and stays]
        for name in used
    }
    left_out = [item for item, stays in zip(items, kept, strict=True) if not stays]
    empty = [name for name, found in members.items() if not found]
    if empty:
        raise DataError(
            Fault(
                what=f"nothing is left for {' and '.join(empty)}: all of it shares ground with another split",
                got=f"{plural(len(left_out), 'item')} of {len(items)} left out ({method})",
                expected="items that don't overlap those of other splits",
                mend="cut windows without overlap (stride equal to size), choose larger blocks, or a smaller buffer",
            )
        )
    return Split(members, left_out, method)
