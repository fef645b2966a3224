import pytest
import torch
import torch.nn.functional as F

from geofoundry.core.errors import ConfigError
from geofoundry.models.image_size import PADDING_MODES, as_size, center_crop, pad_to, padded_size


def test_padded_size_is_the_next_multiple():
    assert padded_size((70, 93), 32) == (96, 96)
    assert padded_size((64, 96), 32) == (64, 96)
    assert padded_size((70, 93), 1) == (70, 93)


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("size", [(9, 14), (8, 11), (7, 13), (7, 11)])
def test_padding_is_torchs_where_torch_can(mode, size):
    x = torch.randn(2, 3, 7, 11)
    rows, columns = size[0] - 7, size[1] - 11
    pads = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    assert torch.equal(pad_to(x, size, mode), F.pad(x, pads, mode=mode))


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 2, 3, 5), (1, 2, 4, 3, 5)])
def test_images_smaller_than_their_padding(mode, shape):
    x = torch.randn(shape)
    padded = pad_to(x, (32, 32), mode)
    assert padded.shape == (*shape[:-2], 32, 32)
    assert torch.equal(center_crop(padded, shape[-2:]), x)
    if mode == "reflect" and shape[-2] == 3:
        row = padded[0, 0, ..., 0] if len(shape) == 4 else padded[0, 0, 0, ..., 0]
        assert torch.equal(row[4:], row[:-4])  # back and forth over three pixels repeats after four


def test_cropping_undoes_padding_and_enlarges_nothing():
    x = torch.randn(1, 2, 7, 10)
    assert torch.equal(center_crop(pad_to(x, (32, 64), "reflect"), (7, 10)), x)
    with pytest.raises(ConfigError, match="can't be larger"):
        center_crop(x, (8, 10))


def test_one_number_is_a_square():
    assert as_size(5) == (5, 5)
    assert as_size([5, 7]) == (5, 7)
