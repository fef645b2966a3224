"""How many times smaller than the image each feature map is.

A backbone may say so (`reductions`), a neck may change it (`process_reductions`), a decoder may need it. Where a part
doesn't say, the reductions are unknown (None) and the usual pyramids are assumed: five maps start at 1/2, four at 1/4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from geofoundry.core.errors import ConfigError, Fault

LAST = 32.0


def assumed_pyramid(count: int) -> list[float]:
    """Return the reductions of the usual pyramid of `count` maps: 2 to 32, 4 to 32, 8 to 32."""
    first = max(1.0, LAST / 2 ** (count - 1))
    return [first * 2**level for level in range(count)]


def is_single_scale(reductions: Sequence[float]) -> bool:
    """Whether several maps all have one size, as those of a plain vision transformer."""
    return len(reductions) > 1 and max(reductions) == min(reductions)


def nominal(reduction: float) -> int:
    """Return the power of two that a reduction stands for: 3.5 (a patch of 14 enlarged four times) counts as 4."""
    return 2 ** max(0, round(math.log2(reduction)))


def require_pyramid(decoder: str, reductions: Sequence[float], *, halving: bool) -> None:
    """Check that maps shrink from first to last, each to a half of the one before when `halving` is set.

    Raises:
        ConfigError: when they don't; it names the necks that mend it.
    """
    steps = [after / before for before, after in pairwise(reductions)]
    grows = all(step >= 1 for step in steps) and not is_single_scale(reductions)
    if grows and (not halving or all(math.isclose(step, 2.0) for step in steps)):
        return
    one_size = is_single_scale(reductions)
    sizes = f"all 1/{reductions[0]:g}" if one_size else ", ".join(f"1/{reduction:g}" for reduction in reductions)
    if one_size:
        mend = (
            "make a pyramid of four maps, with the necks {name: SelectIndices, indices: [i, j, k, l]} and "
            "{name: LearnedInterpolateToPyramidal}, or take a decoder that needs one map, such as FCNDecoder"
        )
    else:
        mend = "choose the maps with backbone_out_indices or the neck SelectIndices, or take another decoder"
    raise ConfigError(
        Fault(
            what=f"{decoder} needs a pyramid of maps",
            where="decoder",
            got=f"{len(reductions)} maps, {sizes} of the image's size",
            expected="each map half as large as the one before" if halving else "maps that get smaller",
            mend=mend,
        )
    )
