import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform_bounds

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.data.balance import deal_out
from geofoundry.data.grouping import group_by_block, group_by_polygon, group_by_scene
from geofoundry.data.overlaps import find_overlaps, overlapping_pairs
from geofoundry.data.pairing import Sample, pair_files
from geofoundry.data.split_files import write_key_files, write_split_windows
from geofoundry.data.split_items import SplitItem, count_classes, items_of
from geofoundry.data.splits import fold_items, split_items
from geofoundry.data.windows_file import WindowRow, read_windows
from geofoundry.geo.grid import Grid
from geofoundry.geo.polygon_files import read_polygons
from geofoundry.geo.vectors import LabelPolygons
from geofoundry.geo.windows import cover, pixel_window

SHARED = Path(__file__).parents[4] / "shared" / "data"
UTM32, UTM33, LONLAT = CRS.from_epsg(32632), CRS.from_epsg(32633), CRS.from_epsg(4326)


def chip(key, x, y, *, size=64, gsd=10.0, crs=UTM32, **options):
    grid = Grid(crs, Affine(gsd, 0, x, 0, -gsd, y), size, size)
    return SplitItem(key, Path(f"{key}.tif"), grid, pixel_window(0, 0, size, size), **options)


def pairs_of(items, **options):
    return [tuple(pair) for pair in overlapping_pairs(items, **options).tolist()]


def chips_in_rows(rows, cols, **options):
    return [
        chip(f"r{r}c{c}", 500_000 + c * 640, 5_000_000 - r * 640, **options) for r in range(rows) for c in range(cols)
    ]


def test_touching_chips_do_not_overlap_and_one_pixel_more_does():
    a = chip("a", 500_000, 5_000_000)
    assert pairs_of([a, chip("b", 500_640, 5_000_000), chip("c", 500_640, 4_999_360)]) == []
    assert pairs_of([a, chip("b", 500_630, 5_000_000)]) == [(0, 1)]
    assert pairs_of([a, chip("same", 500_000, 5_000_000)]) == [(0, 1)]


def test_rounded_transforms_still_touch():
    assert pairs_of([chip("a", 500_000, 5_000_000), chip("b", 500_639.9999999, 5_000_000)]) == []
    degree = 8.983152841214912e-05
    a, b = (chip(k, -56.3736858233922 + i * 64 * degree, -1.458, gsd=degree, crs=LONLAT) for i, k in enumerate("ab"))
    assert pairs_of([a, b]) == []


def test_buffer_in_meters_and_pixels():
    a, b = chip("a", 500_000, 5_000_000), chip("b", 500_840, 5_000_000)  # 200 m between them
    assert pairs_of([a, b], buffer_m=199) == []
    assert pairs_of([a, b], buffer_m=201) == [(0, 1)]
    assert pairs_of([a, b], buffer_px=19) == []
    assert pairs_of([a, b], buffer_px=21) == [(0, 1)]


def test_buffer_in_degrees_follows_latitude():
    meter = 1 / 111_195.08
    at_60 = [
        chip(k, x, 60.0, gsd=1e-4, crs=LONLAT) for k, x in (("a", 10.0), ("b", 10.0064 + 2 * 200 * meter))
    ]  # cos 60° = 1/2
    assert pairs_of(at_60, buffer_m=195) == []
    assert pairs_of(at_60, buffer_m=205) == [(0, 1)]


def test_chips_of_two_utm_zones_meet_on_the_ground():
    a = chip("a", 500_000 + 229_000, 5_000_000)  # near 12° E, the border of the zones
    left, bottom, right, top = transform_bounds(UTM32, UTM33, *a.grid.bounds)
    inside = chip("b", (left + right) / 2, (bottom + top) / 2, crs=UTM33)
    beside = chip("c", right + 20, top, crs=UTM33)
    assert pairs_of([a, inside, beside]) == [(0, 1), (1, 2)]
    assert find_overlaps({"train": [a], "val": [beside]}) == []


def test_antimeridian_is_no_border():
    east, west = chip("a", 179.99, 10, gsd=0.001, crs=LONLAT), chip("b", -180.0, 10, gsd=0.001, crs=LONLAT)
    assert pairs_of([east, west]) == [(0, 1)]
    zone_60 = chip("c", 830_000, 1_000_000, crs=CRS.from_epsg(32660))
    zone_1 = chip("d", *reversed_origin(zone_60), crs=CRS.from_epsg(32601))
    assert pairs_of([zone_60, zone_1]) == [(0, 1)]


def reversed_origin(item):
    from rasterio.warp import transform

    x, y = item.grid.corners()[0]
    xs, ys = transform(item.grid.crs, CRS.from_epsg(32601), [x + 50], [y - 50])[:2]
    return xs[0], ys[0]


def test_without_crs_only_windows_of_one_file_overlap():
    grid = Grid(None, Affine.identity(), 128, 128)
    chips = [SplitItem(key, Path(f"{key}.tif"), grid, pixel_window(0, 0, 128, 128)) for key in ("a", "b")]
    assert pairs_of(chips) == []
    windows = [
        SplitItem(f"w{col}", Path("a.tif"), grid.of_window(w), w)
        for col in (0, 64, 100)
        for w in [pixel_window(0, col, 64, 64)]
    ]
    assert pairs_of(windows) == [(1, 2)]
    assert pairs_of(windows[:2], buffer_px=1) == [(0, 1)]


def test_find_overlaps_names_splits_and_keys():
    a, b = chip("a", 500_000, 5_000_000), chip("b", 500_100, 5_000_000)
    faults = find_overlaps({"train": [a, chip("x", 0, 0)], "val": [], "test": [b, chip("x", 0, 0)]})
    assert [fault.what.split(",")[0] for fault in faults] == [
        "the splits train and test share 1 key",
        "the splits train and test share ground in 1 place",
    ]
    assert faults[1].got == "a and b"
    assert all(fault.severity == "error" for fault in faults)


def test_blocks_hold_whole_chips_and_are_told():
    items = chips_in_rows(4, 6)
    grouping = group_by_block(items, block_size_m=1280)
    assert grouping.count == 6
    assert grouping.method == "6 groups: blocks of 1280 m"
    assert len({grouping.group[i] for i in (0, 1, 6, 7)}) == 1
    assert group_by_block(items, block_size_px=128).count == 6


def test_default_block_is_the_largest_that_leaves_30():
    assert group_by_block(chips_in_rows(4, 4)).method == "16 groups: blocks of 640 m"
    assert group_by_block(chips_in_rows(24, 24)).method == "36 groups: blocks of 2560 m"


def test_blocks_in_lonlat_are_squares_in_meters():
    gsd = 64 / 111_195.08 / 64  # one meter, in degrees of latitude
    items = [
        chip(f"{i}", 10 + i * 2 * 64 * gsd, 60.0, gsd=gsd, crs=LONLAT) for i in range(20)
    ]  # cos 60° = 1/2: 64 m apart
    group = group_by_block(items, block_size_m=640).group
    assert np.bincount(group).tolist() == [10, 10]


def test_blocks_need_a_place():
    grid = Grid(None, Affine.identity(), 8, 8)
    chips = [SplitItem(key, Path(f"{key}.tif"), grid, pixel_window(0, 0, 8, 8)) for key in "ab"]
    with pytest.raises(DataError, match="--by scene"):
        group_by_block(chips)
    with pytest.raises(ConfigError, match="in pixels"):
        group_by_block(chips, block_size_m=100)
    with pytest.raises(ConfigError, match="twice"):
        group_by_block(chips_in_rows(2, 2), block_size_m=100, block_size_px=10)
    with pytest.raises(ConfigError, match="positive"):
        group_by_block(chips_in_rows(2, 2), block_size_m=-1)


def test_windows_of_a_raster_without_crs_get_pixel_blocks():
    grid = Grid(None, Affine.identity(), 64, 64)
    windows = [SplitItem(f"{i}", Path("a.tif"), grid.of_window(w), w) for i, w in enumerate(cover(64, 64, 8))]
    assert group_by_block(windows, block_size_px=16).count == 16


@pytest.mark.parametrize(
    ("keys", "pattern", "expected"),
    [
        (["landsat5_r0c0", "landsat5_r1c0", "landsat7_r0c0"], None, [0, 0, 1]),
        (["landsat5_r0c0", "landsat5_r1c0", "landsat7_r0c0"], r"(.+_r\d)c", [0, 1, 2]),
        (["s1/0001", "s1/0002", "s2/0001"], None, [0, 0, 1]),
        (["tile_0_256", "tile_256_0", "other_0_0"], None, [0, 0, 1]),
        (["alpha", "beta", "gamma"], None, [0, 1, 2]),
        (["a-2020-x", "b-2020-x", "c-2021-x"], r"\d{4}", [0, 0, 1]),
    ],
)
def test_scenes_by_key(keys, pattern, expected):
    assert group_by_scene([chip(key, i * 1e4, 0) for i, key in enumerate(keys)], pattern).group.tolist() == expected


def test_scene_pattern_must_fit_every_key():
    items = [chip("a_1", 0, 0), chip("b", 1e4, 0)]
    with pytest.raises(ConfigError, match="such as 'b'"):
        group_by_scene(items, r"_\d")
    with pytest.raises(ConfigError, match="regular expression"):
        group_by_scene(items, "(")


def test_windows_of_one_raster_are_one_scene():
    windows = [
        SplitItem(f"w{i}", Path(f"{i // 2}.tif"), chip("a", 0, 0).grid, pixel_window(0, i, 8, 8)) for i in range(4)
    ]
    assert group_by_scene(windows).group.tolist() == [0, 0, 1, 1]


def test_items_that_share_a_polygon_stay_together_also_by_others():
    items = chips_in_rows(1, 6)  # 640 m wide each
    boxes = [
        shapely.box(500_000 + a, 4_999_500, 500_000 + b, 4_999_900) for a, b in ((600, 700), (1200, 1300), (2600, 2700))
    ]
    polygons = LabelPolygons(np.array(boxes), np.zeros(3, int), np.arange(3), {0: "a"}, UTM32, "p.gpkg")
    grouping = group_by_polygon(items, polygons)
    assert grouping.group.tolist() == [0, 0, 0, 1, 2, 3]
    with pytest.raises(DataError, match="no polygon lies"):
        group_by_polygon([chip("far", 900_000, 1_000_000)], polygons)
    with pytest.raises(DataError, match="images without a CRS"):
        group_by_polygon([chip("bare", 0, 0, crs=None)], polygons)


def test_classes_are_balanced_even_when_rare():
    rng = np.random.default_rng(0)
    amounts = np.column_stack([np.ones(60), rng.integers(0, 1000, 60), rng.random(60) < 0.2])
    owner = deal_out(amounts, [0.6, 0.2, 0.2], seed=3)
    shares = np.array([amounts[owner == s].sum(axis=0) for s in range(3)]) / amounts.sum(axis=0)
    np.testing.assert_allclose(shares, np.repeat([[0.6], [0.2], [0.2]], 3, axis=1), atol=0.06)


def test_other_seed_other_split():
    items = chips_in_rows(6, 6)
    keys = {tuple(split_items(items, group_by_block, seed=seed).keys()["test"]) for seed in range(5)}
    assert len(keys) > 1


def test_buffer_leaves_out_the_border_of_train():
    items = chips_in_rows(8, 8)
    plain = split_items(items, partial(group_by_block, block_size_m=1280), seed=1)
    guarded = split_items(items, partial(group_by_block, block_size_m=1280), seed=1, buffer_m=100)
    assert plain.left_out == []
    assert guarded.keys()["test"] == plain.keys()["test"]
    assert len(guarded.left_out) > 0
    for item in guarded.members["train"]:
        for other in guarded.members["test"]:
            apart = shapely.distance(shapely.polygons(item.grid.corners()), shapely.polygons(other.grid.corners()))
            assert apart > 100


def test_too_few_groups_and_fractions_that_leave_nothing():
    with pytest.raises(DataError, match="too few groups"):
        split_items(chips_in_rows(1, 2), group_by_block)
    with pytest.raises(ConfigError, match="nothing to train on"):
        split_items(chips_in_rows(3, 3), group_by_block, val_fraction=0.5, test_fraction=0.5)
    with pytest.raises(ConfigError, match="at least 2 folds"):
        fold_items(chips_in_rows(3, 3), group_by_block, folds=1)
    overlapping = [chip(f"{i}", 500_000 + i * 10, 5_000_000) for i in range(6)]
    with pytest.raises(DataError, match="nothing is left for"):
        split_items(overlapping, partial(group_by_block, block_size_m=10))


def test_fraction_of_zero_leaves_a_split_out():
    split = split_items(chips_in_rows(3, 3), group_by_block, test_fraction=0)
    assert list(split.members) == ["train", "val"]


def test_key_files_are_written_once_and_not_silently_replaced(tmp_path):
    items = chips_in_rows(4, 4)
    split = split_items(items, group_by_block, seed=0)
    write_key_files(tmp_path, [split], {"seed": 0}, overwrite=False)
    assert (tmp_path / "test.txt").read_text().split() == split.keys()["test"]
    assert json.loads((tmp_path / "split.json").read_text())["items"]["left_out"] == 0
    write_key_files(tmp_path, [split], {"seed": 0}, overwrite=False)
    other = split_items(items, group_by_block, seed=1)
    with pytest.raises(ConfigError, match="another split"):
        write_key_files(tmp_path, [other], {"seed": 1}, overwrite=False)
    write_key_files(tmp_path, [other], {"seed": 1}, overwrite=True)
    assert (tmp_path / "test.txt").read_text().split() == other.keys()["test"]
    write_key_files(tmp_path / "k", fold_items(items, group_by_block, folds=3), {}, overwrite=False)
    assert sorted(p.name for p in (tmp_path / "k").iterdir()) == ["fold0", "fold1", "fold2"]


def test_windows_file_comes_back_as_it_was_written(tmp_path):
    image = tmp_path / "scene.tif"
    image.write_bytes(b"")
    rows = [WindowRow(Sample(f"w{i}", image, image, pixel_window(0, 64 * i, 64, 64))) for i in range(9)]
    grid = chip("a", 500_000, 5_000_000, size=640).grid
    items = [SplitItem(r.sample.key, image, grid.of_window(r.sample.window), r.sample.window) for r in rows]
    split = split_items(items, group_by_block)
    (path,) = write_split_windows(tmp_path / "windows_split.csv", rows, [split], {"seed": 0})
    assert path.read_text().splitlines()[:2] == [
        "key,image,label,row,col,height,width,split",
        "w0,scene.tif,scene.tif,0,0,64,64,train",
    ]
    back, faults = read_windows(path, tmp_path)
    assert faults == []
    assert {row.sample.key: row.split for row in back} == {k: name for name, keys in split.keys().items() for k in keys}
    assert [row.sample for row in back] == [row.sample for row in rows]
    folds = write_split_windows(tmp_path / "w.csv", rows, fold_items(items, group_by_block, folds=3), {})
    assert [fold.name for fold in folds] == ["w_fold0.csv", "w_fold1.csv", "w_fold2.csv"]


def shared(*parts):
    folder = SHARED.joinpath(*parts)
    if not folder.exists():
        pytest.skip("the real imagery in ../shared/data is absent")
    return folder


@pytest.mark.shared
def test_csmask_splits_by_scene_and_not_by_block():
    samples, faults = pair_files(shared("segmentation", "csmask_landsat_clouds"), "images/*.tif", "masks/*.tif")
    assert faults == []
    items = count_classes(items_of(samples), None)
    assert sum(sum(item.class_px.values()) for item in items) == 32 * 128 * 128
    split = split_items(items, partial(group_by_scene, pattern=r"(landsat\d_r\d)"))
    assert {key[:11] for key in split.keys()["test"]} & {key[:11] for key in split.keys()["train"]} == set()
    with pytest.raises(DataError, match="--scene-pattern"):
        split_items(items, group_by_block)


@pytest.mark.shared
def test_zion_splits_by_block():
    samples, _ = pair_files(shared("segmentation", "zion_landsat8_nlcd"), "images/*.tif", "masks/*.tif")
    items = count_classes(items_of(samples), 255)
    split = split_items(items, group_by_block)
    sizes = {name: len(keys) for name, keys in split.keys().items()}
    assert sum(sizes.values()) == 16
    assert sizes["train"] >= 10
    assert min(sizes.values()) >= 2
    assert find_overlaps(split.members) == []


@pytest.mark.shared
def test_amazon_polygons_never_part():
    folder = shared("multimodal", "amazon_sentinel2_srtm")
    polygons = read_polygons(folder / "training_polygons.gpkg")
    image, label = folder / "S2L2A" / "amazon_sentinel2_srtm.tif", folder / "masks" / "amazon_sentinel2_srtm.tif"
    whole = items_of([Sample("a", image, label)])[0]
    samples = [Sample(f"w{i}", image, label, w) for i, w in enumerate(cover(*whole.grid.shape, 32))]
    items = [item for item in count_classes(items_of(samples), 255) if item.class_px]
    split = split_items(items, partial(group_by_polygon, polygons=polygons), val_fraction=0.2, test_fraction=0.2)
    outlines = {n: [shapely.polygons(i.grid.corners()) for i in m] for n, m in split.members.items()}
    for polygon in polygons.geometries:
        owners = [name for name, found in outlines.items() if any(shapely.intersects(polygon, o) for o in found)]
        assert len(owners) <= 1
    assert find_overlaps(split.members) == []
