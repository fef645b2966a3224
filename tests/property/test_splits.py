"""Splits are disjoint, complete, the same for the same seed, and never share ground."""

from functools import partial
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from geofoundry.core.errors import DataError
from geofoundry.data.balance import deal_out
from geofoundry.data.grouping import group_by_block, group_by_scene
from geofoundry.data.overlaps import find_overlaps
from geofoundry.data.split_items import SplitItem
from geofoundry.data.splits import fold_items, split_items
from geofoundry.geo.grid import Grid
from geofoundry.geo.windows import cover, pixel_window

UTM = CRS.from_epsg(32632)


def windows_of_a_scene(rows, cols, size, stride, crs=UTM):
    grid = Grid(crs, Affine(10, 0, 500_000, 0, -10, 5_000_000), rows, cols)
    rng = np.random.default_rng(rows * 1000 + cols)
    return [
        SplitItem(
            f"w{i:04}",
            Path("scene.tif"),
            grid.of_window(w),
            w,
            class_px={int(c): int(rng.integers(1, 99)) for c in rng.integers(0, 4, 2)},
        )
        for i, w in enumerate(cover(rows, cols, size, stride))
    ]


def overlap_of(a, b):
    """Return the shared ground in square pixels, by shapely."""
    return (
        shapely.area(shapely.intersection(shapely.polygons(a.grid.corners()), shapely.polygons(b.grid.corners()))) / 100
    )


def check_separate(split):
    names = list(split.members)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            for a in split.members[first]:
                for b in split.members[second]:
                    assert overlap_of(a, b) < 1e-6
    assert find_overlaps(split.members) == []


scenes = st.builds(
    lambda size, rows, cols, part: (size * rows + part, size * cols + part // 2, size),
    st.integers(4, 20),
    st.integers(3, 6),
    st.integers(3, 6),
    st.integers(0, 3),
)


@settings(max_examples=25, deadline=None)
@given(scenes, st.integers(0, 2**31), st.booleans(), st.sampled_from([1, 2]))
def test_block_splits(scene, seed, overlapping, sides):
    rows, cols, size = scene
    items = windows_of_a_scene(rows, cols, size, size // 2 if overlapping else size)
    group = partial(group_by_block, block_size_px=size * sides)
    try:
        split = split_items(items, group, val_fraction=0.2, test_fraction=0.2, seed=seed)
    except DataError:
        return  # too few blocks, said so
    dealt = [item.key for members in split.members.values() for item in members] + [item.key for item in split.left_out]
    assert sorted(dealt) == sorted(item.key for item in items)
    assert len(set(dealt)) == len(dealt)
    assert all(split.members.values())
    check_separate(split)
    again = split_items(list(reversed(items)), group, val_fraction=0.2, test_fraction=0.2, seed=seed)
    assert again.keys() == split.keys()


@settings(max_examples=15, deadline=None)
@given(scenes, st.integers(0, 2**31), st.integers(2, 4))
def test_folds(scene, seed, folds):
    rows, cols, size = scene
    items = windows_of_a_scene(rows - rows % size, cols - cols % size, size, size)
    splits = fold_items(items, partial(group_by_block, block_size_px=size), folds=folds, val_fraction=0.2, seed=seed)
    assert sorted(key for split in splits for key in split.keys()["test"]) == sorted(item.key for item in items)
    for split in splits:
        assert split.left_out == []
        assert sorted(key for keys in split.keys().values() for key in keys) == sorted(item.key for item in items)
        check_separate(split)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=3, max_size=12), st.integers(0, 2**31))
def test_scenes_stay_whole(sizes, seed):
    grid = Grid(None, Affine.identity(), 8, 8)
    keys = [f"scene{s}_r{i}c0" for s, size in enumerate(sizes) for i in range(size)]
    items = [SplitItem(key, Path(f"{key}.tif"), grid, pixel_window(0, 0, 8, 8)) for key in keys]
    split = split_items(items, group_by_scene, val_fraction=0.2, test_fraction=0.2, seed=seed)
    owners = [{key.split("_")[0] for key in keys} for keys in split.keys().values()]
    assert sum(len(owner) for owner in owners) == len(set().union(*owners)) == len(sizes)
    assert split.left_out == []


@given(
    st.integers(1, 4).flatmap(
        lambda columns: st.lists(
            st.lists(st.integers(0, 50), min_size=columns, max_size=columns), min_size=3, max_size=30
        )
    ),
    st.integers(0, 2**31),
)
def test_dealing_out_fills_every_split_and_repeats(amounts, seed):
    table = np.array(amounts, float)
    owner = deal_out(table, [0.7, 0.15, 0.15], seed)
    assert set(owner.tolist()) == {0, 1, 2}
    np.testing.assert_array_equal(owner, deal_out(table, [0.7, 0.15, 0.15], seed))
