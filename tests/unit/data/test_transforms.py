import numpy as np
import pytest
import torch

from geofoundry.core.errors import ConfigError
from geofoundry.data.label_spec import OUTSIDE
from geofoundry.data.transforms import Augmentation, build_transforms, transform_names


def chip(bands=5, size=24):
    image = torch.rand(bands, size, size)
    mask = (image[0] * 4).to(torch.int16)
    return image, mask, torch.zeros(bands, size, size, dtype=torch.bool)


def apply(specifications, parts, seed=0):
    return Augmentation(build_transforms(specifications))(*parts, np.random.default_rng(seed))


def test_only_values_need_values():
    flips = [{"name": name} for name in ("D4", "RandomHorizontalFlip", "RandomVerticalFlip", "RandomRotate90")]
    assert not Augmentation(build_transforms(flips)).needs_values
    assert Augmentation(build_transforms([*flips, {"name": "RandomErasing"}])).needs_values


@pytest.mark.parametrize(
    "specifications",
    [
        [{"name": "RandomRotation", "degrees": 30}],
        [{"name": "RandomAffine", "degrees": 10, "translate": [0.2, 0.2]}, {"name": "D4"}],
        [{"name": "RandomResizedCrop", "size": [16, 16]}],
        [{"name": "RandomPerspective", "p": 1.0}],
        [{"class_path": "torchvision.transforms.v2.ElasticTransform", "init_args": {"alpha": 30.0}}],
    ],
)
def test_image_and_mask_move_together(specifications):
    image, _, missing = chip()
    # Constant patches, so that interpolation does not blur what is compared.
    image = (image[:, ::8, ::8] * 4).floor().repeat_interleave(8, 1).repeat_interleave(8, 2)
    moved_image, moved_mask, moved_missing = apply(specifications, (image, image[0].to(torch.int16), missing), seed=1)
    inside = (moved_mask != OUTSIDE) & ~moved_missing[0]
    assert inside.any()
    agree = (moved_image[0].round() == moved_mask)[inside].float().mean()
    assert agree > 0.8
    assert set(moved_mask.unique().tolist()) <= {OUTSIDE, 0, 1, 2, 3}


def test_what_comes_in_from_outside_is_nodata_and_unlabelled():
    image, mask, missing = apply([{"name": "RandomRotation", "degrees": [45, 45]}], chip())
    assert mask[0, 0] == OUTSIDE
    assert missing[:, 0, 0].all()
    assert not missing[:, 12, 12].any()
    assert image.shape == (5, 24, 24)


def test_nodata_moves_with_the_image():
    image, mask, missing = chip()
    missing[1, :, :4] = True
    _, _, moved = apply([{"name": "RandomHorizontalFlip", "p": 1.0}, {"name": "Identity"}], (image, mask, missing))
    assert moved[1, :, -4:].all()
    assert moved.sum() == 24 * 4


def test_a_draw_decides_everything_and_the_global_generators_stay():
    specifications = [{"name": "RandomResizedCrop", "size": 16}, {"name": "GaussianNoise", "clip": False}]
    parts = chip()
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, again, other = (apply(specifications, parts, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


def test_names_of_ours_and_theirs():
    assert {"D4", "RandomRotate90", "RandomErasing", "ElasticTransform"} <= set(transform_names())
    assert "Transform" not in transform_names()


def test_all_faults_of_a_list():
    with pytest.raises(ConfigError) as caught:
        build_transforms(
            [
                {"name": "RandomHorizontalFlop"},
                {"name": "RandomHorizontalFlip", "prob": 1},
                {"p": 1},
                {"name": "RandomCrop"},
                {"class_path": "no.such.Thing"},
                {"class_path": "torchvision.transforms.v2.Identity", "args": {}},
                {"name": "RandomErasing", "p": 7},
            ]
        )
    faults = caught.value.faults
    assert [fault.where for fault in faults] == [f"train_transforms[{i}]" for i in range(7)]
    assert faults[0].mend == "write 'RandomHorizontalFlip'"
    assert "takes no 'prob'" in faults[1].what
    assert "needs 'size'" in faults[3].what
