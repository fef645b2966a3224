import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.data.chips import BANDS, write_raster
from torch.utils.data import DataLoader

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.data.image_spec import ImageSpec
from geofoundry.data.scene_tiles import SceneTilesDataset, Tile, fitting_tile, scene_tiles


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(3, 40), st.integers(3, 40), st.integers(0, 12))
def test_parts_cover_a_scene_once_row_by_row(height, width, tile_height, tile_width, halo):
    halo = min(halo, (min(tile_height, tile_width) - 1) // 2)
    counted = np.zeros((height, width), int)
    tiles = scene_tiles((height, width), (tile_height, tile_width), halo)
    for tile in tiles:
        counted[tile.row : tile.row + tile.height, tile.col : tile.col + tile.width] += 1
        for start, length, offset, size, total in (
            (tile.row, tile.height, tile.row_offset, tile_height, height),
            (tile.col, tile.width, tile.col_offset, tile_width, width),
        ):
            first = start - offset
            assert first >= 0
            assert total < size or first + size <= total
            # There is a halo on both sides, except where the scene ends.
            assert start == 0 or offset >= halo
            assert start + length == total or first + size - (start + length) >= halo
    assert (counted == 1).all()
    assert [(t.row, t.col) for t in tiles] == sorted((t.row, t.col) for t in tiles)
    assert len({(t.row, t.height) for t in tiles}) * len({(t.col, t.width) for t in tiles}) == len(tiles)


@pytest.fixture
def scenes(tmp_path):
    rng = np.random.default_rng(0)
    pixels = [rng.integers(1, 9000, (4, *size)).astype("uint16") for size in ((50, 70), (20, 90), (9, 7))]
    pixels[0][:, :5, :5] = 0
    paths = [
        write_raster(tmp_path / f"s{i}.tif", values, descriptions=BANDS, nodata=0, compress="deflate")
        for i, values in enumerate(pixels)
    ]
    return paths, pixels


@pytest.mark.parametrize("workers", [0, 2])
def test_scenes_of_several_sizes_are_put_together_again(scenes, workers):
    paths, pixels = scenes
    spec = ImageSpec(bands=("RED", "BLUE"), scale=(1e-4,))
    dataset = SceneTilesDataset(paths, spec, tile=(32, 32), halo=4)
    maps = {str(path): np.zeros((2, *values.shape[1:]), "float32") for path, values in zip(paths, pixels, strict=True)}
    valid = {name: np.zeros(array.shape[1:], bool) for name, array in maps.items()}
    for batch in DataLoader(dataset, batch_size=3, num_workers=workers):
        assert batch["image"].shape[1:] == (2, 32, 32)
        for number, name in enumerate(batch["filename"]):
            tile = Tile(*batch["tile"][number].tolist())
            there = np.s_[..., tile.row : tile.row + tile.height, tile.col : tile.col + tile.width]
            rows = slice(tile.row_offset, tile.row_offset + tile.height)
            cols = slice(tile.col_offset, tile.col_offset + tile.width)
            maps[name][there] = batch["image"][number][:, rows, cols]
            valid[name][there] = batch["valid"][number][rows, cols]
    for path, values in zip(paths, pixels, strict=True):
        expected = values[[2, 0]].astype("float32") * np.float32(1e-4)
        seen = (values[[2, 0]] != 0).any(0)
        assert np.array_equal(valid[str(path)], seen)
        assert np.array_equal(maps[str(path)][:, seen], expected[:, seen])
        assert np.isnan(maps[str(path)][:, ~seen]).all()


def test_a_small_scene_is_padded_by_reflection(scenes):
    paths, pixels = scenes
    tile = SceneTilesDataset(paths[2:], ImageSpec(bands=(0,)), tile=(12, 12), halo=2)[0]
    expected = np.pad(pixels[2][0], ((0, 3), (0, 5)), mode="reflect")
    assert np.array_equal(tile["image"][0].numpy(), expected)
    assert tile["valid"].all()
    assert tile["tile"].tolist() == [0, 0, 9, 7, 0, 0]


def test_an_open_file_does_not_travel(scenes):
    dataset = SceneTilesDataset(scenes[0], ImageSpec(), tile=(32, 32))
    first = dataset[0]["image"]
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[0]["image"].nan_to_num(), first.nan_to_num())


def test_all_unusable_scenes_are_named(scenes, tmp_path):
    (tmp_path / "empty.tif").touch()
    plain = write_raster(tmp_path / "plain.tif", np.ones((1, 4, 4), "uint8"))
    with pytest.raises(DataError) as caught:
        SceneTilesDataset([*scenes[0], tmp_path / "empty.tif", plain], ImageSpec(bands=("RED",)), tile=(32, 32))
    assert len(caught.value.faults) == 2
    with pytest.raises(ConfigError, match="halo"):
        SceneTilesDataset(scenes[0], ImageSpec(), tile=(32, 32), halo=16)


def test_tiles_are_no_larger_than_scenes_need():
    assert fitting_tile([(100, 70), (40, 300)], (512, 256)) == (128, 256)
    assert fitting_tile([(1000, 1000)], (512, 512)) == (512, 512)
