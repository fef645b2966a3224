import numpy as np
import pytest
import torch
from rasterio.windows import Window
from tests.unit.data.chips import write_chips, write_raster

from geofoundry.core.errors import DataError
from geofoundry.data.image_spec import ImageSpec
from geofoundry.data.label_spec import make_label_spec
from geofoundry.data.pairing import Sample, pair_files
from geofoundry.data.sampling import Draw
from geofoundry.data.segmentation_dataset import SegmentationDataset
from geofoundry.data.transforms import Augmentation, build_transforms

LABELS = make_label_spec(["a", "b", "c"], ignore_index=255, label_map=None)


def dataset_of(root, spec=None, labels=LABELS, **options):
    samples, faults = pair_files(root, "images/*.tif", "masks/*.tif")
    assert not faults
    return SegmentationDataset(samples, spec or ImageSpec(), labels, **options)


def test_samples_are_what_is_in_the_files(tmp_path):
    chips = write_chips(tmp_path, 3)
    dataset = dataset_of(tmp_path, ImageSpec(bands=("NIR", "BLUE"), scale=(1e-4,)))
    assert len(dataset) == 3
    for number, (image, mask) in enumerate(chips):
        sample = dataset[number]
        assert torch.allclose(sample["image"], torch.from_numpy(image[[3, 0]].astype("float32")) * 1e-4)
        assert np.array_equal(sample["mask"], mask)
        assert (sample["image"].dtype, sample["mask"].dtype) == (torch.float32, torch.int64)
        assert sample["filename"].endswith(f"chip{number}.tif")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "int32", "float64"])
def test_batches_keep_what_fits(tmp_path, dtype):
    chips = write_chips(tmp_path, 2, dtype=dtype)
    batch = dataset_of(tmp_path).read_batch([1, 0])
    kept = dtype if dtype in ("uint8", "uint16", "int16") else "float32"
    assert batch["image"].dtype == getattr(torch, kept)
    assert np.array_equal(batch["image"][0], chips[1][0].astype(kept))
    assert batch["mask"].dtype == torch.uint8


def test_crops_are_parts_of_image_and_mask(tmp_path):
    (image, mask), _ = write_chips(tmp_path, 2, size=(40, 30))
    dataset = dataset_of(tmp_path, crop_size=(8, 12), random_crops=True, crops_per_image=50, seed=1)
    assert len(dataset) == 100
    places = set()
    for item in range(50):
        sample = dataset[Draw(item, 2)]
        values = sample["image"].numpy()
        match = np.argwhere((image[0] == values[0, 0, 0]) & (image[1] == values[1, 0, 0]))
        (row, col) = next(m for m in match if np.array_equal(image[:, m[0] : m[0] + 8, m[1] : m[1] + 12], values))
        assert np.array_equal(mask[row : row + 8, col : col + 12], sample["mask"])
        places.add((row, col))
    assert len(places) > 30
    assert torch.equal(dataset[Draw(7, 2)]["image"], dataset[Draw(7, 2)]["image"])
    assert not torch.equal(dataset[Draw(7, 3)]["image"], dataset[Draw(7, 2)]["image"])


def test_tiles_put_together_are_the_image_and_labels_count_once(tmp_path):
    ((image, mask),) = write_chips(tmp_path, 1, size=(21, 18))
    dataset = dataset_of(tmp_path, crop_size=(8, 8))
    assert len(dataset) == 9
    seen = np.zeros_like(image)
    counts = np.zeros(256, int)
    for number in range(9):
        sample, chip = dataset[number], dataset._chips[number]
        window = chip.window
        there = np.s_[:, window.row_off : window.row_off + 8, window.col_off : window.col_off + 8]
        seen[there] = sample["image"]
        counts += np.bincount(sample["mask"].ravel(), minlength=256)
    assert np.array_equal(seen, image)
    assert np.array_equal(counts[:3], np.bincount(mask.ravel(), minlength=3))


def test_what_lies_beyond_a_sample_is_nodata_and_ignored(tmp_path):
    ((image, _),) = write_chips(tmp_path, 1, size=(20, 20))
    whole, _ = pair_files(tmp_path, "images/*.tif", "masks/*.tif")
    part = Sample("part", whole[0].image, whole[0].label, Window(4, 6, 5, 3))
    for options in ({}, {"random_crops": True}):
        dataset = SegmentationDataset([part], ImageSpec(), LABELS, crop_size=(8, 8), **options)
        sample = dataset[0]
        seen = ~torch.isnan(sample["image"]).any(0).numpy()
        assert seen.sum() == 15
        assert np.array_equal(sample["mask"] != 255, seen)
        assert np.array_equal(np.sort(sample["image"][:, seen].numpy()), np.sort(image[:, 6:9, 4:9].reshape(4, -1)))
    refused = make_label_spec(3, ignore_index=None, label_map=None)
    with pytest.raises(DataError, match="ignore_index: 255"):
        SegmentationDataset([part], ImageSpec(), refused, crop_size=(8, 8))[0]


def test_files_with_different_nodata_meet_as_nan(tmp_path):
    chips = write_chips(tmp_path, 2)
    write_raster(tmp_path / "images" / "chip1.tif", chips[1][0], descriptions=["BLUE", "GREEN", "RED", "NIR"], nodata=7)
    chips[1][0][:, 0, 0] = 7
    write_raster(tmp_path / "images" / "chip1.tif", chips[1][0], descriptions=["BLUE", "GREEN", "RED", "NIR"], nodata=7)
    dataset = dataset_of(tmp_path)
    assert dataset.reader.format.nodata_is_nan
    batch = dataset.read_batch([0, 1])
    assert batch["image"].dtype == torch.float32
    assert torch.isnan(batch["image"][:, :, 0, 0]).tolist() == [[False] * 4, [True] * 4]


def test_flips_and_turns_move_image_and_mask_together(tmp_path):
    chips = write_chips(tmp_path, 1)
    image, mask = chips[0]
    dataset = dataset_of(tmp_path, augmentation=Augmentation(build_transforms([{"name": "D4"}])))
    found = set()
    for epoch in range(40):
        batch = dataset.read_batch([Draw(0, epoch)])
        assert batch["image"].dtype == torch.uint16
        for turns in range(4):
            for flip in (False, True):
                turned = [np.rot90(a, turns, (-2, -1))[..., :: -1 if flip else 1] for a in (image, mask)]
                if np.array_equal(turned[0], batch["image"][0]):
                    assert np.array_equal(turned[1], batch["mask"][0])
                    found.add((turns, flip))
    assert len(found) == 8


def test_other_transforms_work_on_physical_values(tmp_path):
    chips = write_chips(tmp_path, 2, nodata=1)
    chips[0][0][:, 2, 3] = 1
    write_raster(tmp_path / "images" / "chip0.tif", chips[0][0], descriptions=["BLUE", "GREEN", "RED", "NIR"], nodata=1)
    specifications = [{"name": "RandomHorizontalFlip", "p": 1.0}, {"name": "Identity"}]
    augmentation = Augmentation(build_transforms(specifications))
    dataset = dataset_of(tmp_path, ImageSpec(scale=(0.5,)), augmentation=augmentation, fill_values=[1.0] * 4)
    assert not dataset.yields_stored_values
    batch = dataset.read_batch([0])
    expected = np.where(chips[0][0] == 1, np.nan, chips[0][0] * 0.5)[..., ::-1]
    assert np.allclose(batch["image"][0], expected, equal_nan=True)
    assert np.array_equal(batch["mask"][0], chips[0][1][:, ::-1])
    turned = Augmentation(build_transforms([{"name": "RandomRotation", "degrees": [45, 45]}]))
    corner = dataset_of(tmp_path, augmentation=turned)[0]
    assert torch.isnan(corner["image"][:, 0, 0]).all()
    assert corner["mask"][0, 0] == 255
    no_ignore = make_label_spec(3, ignore_index=None, label_map=None)
    with pytest.raises(DataError, match="beyond the chip's edge"):
        dataset_of(tmp_path, labels=no_ignore, augmentation=turned)[0]


def test_unverified_files_are_checked_when_they_are_read(tmp_path):
    chips = write_chips(tmp_path, 1, dtype="float32")
    chips[0][0][0, 0, 0] = np.nan
    path = write_raster(tmp_path / "images" / "chip0.tif", chips[0][0])
    with pytest.raises(DataError, match="nothing declares") as caught:
        dataset_of(tmp_path)[0]
    assert str(path) in str(caught.value)
    assert torch.isnan(dataset_of(tmp_path, ImageSpec(allow_nan=True))[0]["image"]).sum() == 1
    write_raster(tmp_path / "masks" / "chip0.tif", np.full((16, 16), 7, "uint8"))
    with pytest.raises(DataError, match="outside the classes"):
        dataset_of(tmp_path, ImageSpec(allow_nan=True))[0]


def test_chips_of_several_sizes_cannot_be_a_batch(tmp_path):
    write_chips(tmp_path, 1)
    write_raster(tmp_path / "images" / "z.tif", np.ones((4, 8, 8), "uint16"))
    write_raster(tmp_path / "masks" / "z.tif", np.ones((8, 8), "uint8"))
    with pytest.raises(DataError, match="crop_size"):
        dataset_of(tmp_path).read_batch([0, 1])


def test_a_file_that_changed_is_refused(tmp_path):
    write_chips(tmp_path, 1)
    dataset = dataset_of(tmp_path)
    write_raster(tmp_path / "images" / "chip0.tif", np.ones((4, 8, 8), "uint16"))
    with pytest.raises(DataError, match="changed"):
        dataset[0]


def test_dates_are_an_axis(tmp_path):
    write_raster(tmp_path / "images" / "t.tif", np.arange(6 * 16, dtype="uint16").reshape(6, 4, 4))
    write_raster(tmp_path / "masks" / "t.tif", np.zeros((4, 4), "uint8"))
    spec = ImageSpec(dataset_bands=("RED", "NIR"), bands=("NIR",), time_steps=3)
    image = dataset_of(tmp_path, spec)[0]["image"]
    assert image.shape == (1, 3, 4, 4)
    assert image[0, :, 0, 0].tolist() == [16, 48, 80]
