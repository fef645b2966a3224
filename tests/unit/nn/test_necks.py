import pytest
import torch
from torch import nn

from geofoundry.core.errors import ConfigError
from geofoundry.nn.necks.neck import NeckSequential, build_necks
from geofoundry.nn.necks.pyramid import InterpolateToPyramidal, LearnedInterpolateToPyramidal
from geofoundry.nn.necks.select import SelectIndices
from geofoundry.nn.necks.tokens import ReshapeTokensToImage


def test_select_indices_counts_from_both_ends():
    neck = SelectIndices([1, 2, 3, 4], indices=[0, -1])
    assert neck.process_channel_list([1, 2, 3, 4]) == [1, 4]
    assert neck.process_reductions([4.0, 8.0, 16.0, 32.0]) == [4.0, 32.0]
    features = [torch.full((1,), float(i)) for i in range(4)]
    assert [f.item() for f in neck(features)] == [0.0, 3.0]


@pytest.mark.parametrize("indices", [[4], [-5], []])
def test_select_indices_refuses_what_is_not_there(indices):
    with pytest.raises(ConfigError, match="from 0 to 3"):
        SelectIndices([1, 2, 3, 4], indices=indices)


def tokens_of(grid, steps=1, prefix=0):
    """Tokens whose values say where they stand: 100 · step + 10 · row + column."""
    height, width = grid
    values = [100.0 * t + 10.0 * i + j for t in range(steps) for i in range(height) for j in range(width)]
    return torch.tensor([-1.0] * prefix + values).reshape(1, -1, 1)


@pytest.mark.parametrize("grid", [(4, 4), (8, 2), (2, 8), (3, 5)])
@pytest.mark.parametrize("prefix", [0, 1])
def test_tokens_become_the_map_that_the_image_had(grid, prefix):
    neck = ReshapeTokensToImage([1], remove_cls_token=bool(prefix))
    (got,) = neck([tokens_of(grid, prefix=prefix)], image_size=(16 * grid[0], 16 * grid[1]))
    expected = torch.tensor([[10.0 * i + j for j in range(grid[1])] for i in range(grid[0])])
    assert torch.equal(got, expected[None, None])


def test_time_goes_into_channels():
    (got,) = ReshapeTokensToImage([3], effective_time_dim=3)([tokens_of((2, 4), 3, 1)], image_size=(32, 64))
    assert got.shape == (1, 3, 2, 4)
    assert got[0, :, 1, 2].tolist() == [12.0, 112.0, 212.0]


def test_time_can_keep_its_axis():
    x = torch.randn(2, 3, 1 + 8, 5)
    (got,) = ReshapeTokensToImage([5], temporal_inputs=True)([x], image_size=(32, 64))
    assert got.shape == (2, 3, 5, 2, 4)
    assert torch.equal(got[1, 2, :, 1, 3], x[1, 2, 1 + 7])


def test_maps_pass_through_and_squares_need_no_size():
    neck = ReshapeTokensToImage([4, 4])
    image = torch.randn(1, 4, 3, 5)
    assert neck([image])[0] is image
    assert neck([torch.randn(1, 1 + 9, 4)])[0].shape == (1, 4, 3, 3)


def test_a_missing_cls_token_is_said_and_remembered_by_no_one():
    neck = ReshapeTokensToImage([1])
    with pytest.warns(UserWarning, match="remove_cls_token: false"):
        (got,) = neck([tokens_of((2, 4))], image_size=(32, 64))
    assert got.shape == (1, 1, 2, 4)
    assert neck.remove_cls_token is True


def test_tokens_that_fit_no_grid_are_refused():
    with pytest.raises(ConfigError, match="can't be laid out"):
        ReshapeTokensToImage([1])([torch.randn(1, 12, 1)], image_size=(64, 64))
    with pytest.raises(ConfigError, match="can't be laid out"):
        ReshapeTokensToImage([1])([torch.randn(2, 3)])


def test_the_height_can_be_given():
    (got,) = ReshapeTokensToImage([1], remove_cls_token=False, h=2)([tokens_of((2, 6))])
    assert got.shape == (1, 1, 2, 6)


def test_learned_pyramid_halves_sizes():
    neck = LearnedInterpolateToPyramidal([8, 8, 8, 8])
    maps = neck([torch.randn(2, 8, 4, 6) for _ in range(4)])
    assert [tuple(x.shape) for x in maps] == [(2, 2, 16, 24), (2, 4, 8, 12), (2, 8, 4, 6), (2, 8, 2, 3)]
    assert neck.process_channel_list([8, 8, 8, 8]) == [2, 4, 8, 8]
    assert neck.process_reductions([16.0] * 4) == [4.0, 8.0, 16.0, 32.0]


def test_learned_pyramid_takes_four_maps():
    with pytest.raises(ConfigError, match="exactly four"):
        LearnedInterpolateToPyramidal([8, 8, 8])


def test_interpolated_pyramid():
    neck = InterpolateToPyramidal([3, 3], scale_factor=2)
    maps = neck([torch.randn(1, 3, 4, 6), torch.randn(1, 3, 4, 6)])
    assert [tuple(x.shape[-2:]) for x in maps] == [(16, 24), (8, 12)]
    assert neck.process_reductions([16.0, 16.0]) == [4.0, 8.0]
    assert torch.equal(maps[0][..., ::4, ::4], maps[0][..., 3::4, 3::4])


def test_necks_are_built_in_order_and_describe_what_comes_out():
    necks, channels, reductions = build_necks(
        [{"name": "SelectIndices", "indices": [0, 1, 2, 3]}, {"name": "LearnedInterpolateToPyramidal"}],
        [8] * 6,
        [16.0] * 6,
    )
    assert len(necks) == 2
    assert channels == [2, 4, 8, 8]
    assert reductions == [4.0, 8.0, 16.0, 32.0]
    assert build_necks([], [8], None) == (None, [8], None)


@pytest.mark.parametrize(
    ("neck", "words"),
    [
        ({"indices": [0]}, "a neck has no name"),
        ("SelectIndices", "a neck has no name"),
        ({"name": "SelectIndex", "indices": [0]}, "SelectIndices"),
        ({"name": "SelectIndices", "indicies": [0]}, "indices"),
    ],
)
def test_faults_in_necks_are_named(neck, words):
    with pytest.raises(ConfigError, match=words):
        build_necks([neck], [8], None)


class Plain(nn.Module):
    def process_channel_list(self, channel_list):
        return channel_list

    def forward(self, features):
        if len(features) > 1:
            raise TypeError("a fault of the neck's own")
        return features


def test_a_neck_without_image_size_runs_once_and_its_errors_come_through():
    necks = NeckSequential(Plain(), SelectIndices([1], [0]))
    assert len(necks([torch.ones(1)], image_size=(4, 4))) == 1
    with pytest.raises(TypeError, match="a fault of the neck's own"):
        necks([torch.ones(1)] * 2, image_size=(4, 4))
