"""The datamodule on real imagery, against pixels read with bare rasterio."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from geofoundry.core.errors import DataError
from geofoundry.data.data_warning import DataWarning
from geofoundry.data.segmentation_datamodule import SegmentationDataModule

SHARED = Path(__file__).parents[4] / "shared" / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the real imagery is not at ../shared/data"),
]
NLCD = ["water", "developed", "barren", "forest", "shrubland", "herbaceous", "cultivated", "wetlands"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path / "cache"))


def set_up(folder, **options):
    data = SegmentationDataModule(str(SHARED / folder), num_workers=0, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data.setup("fit")
    return data, "\n".join(str(w.message) for w in caught if w.category is DataWarning)


def pixels_of(samples):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = [rasterio.open(sample.image).read() for sample in samples]
        return np.stack(images), np.stack([rasterio.open(sample.label).read(1) for sample in samples])


def batches_of(data, loader):
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


def test_clouds_in_landsat_without_a_crs():
    bands = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
    classes = ["cloud shadow", "water", "snow", "land", "cloud"]
    data, text = set_up(
        "segmentation/csmask_landsat_clouds", bands=bands, sensor="landsat7_etm", classes=classes, unit="reflectance"
    )
    assert "32 of 32 images without CRS" in text
    assert "snow can neither be learnt nor measured" in text
    assert "wrong unit" not in text
    partition = data.inventory.partition
    assert (len(partition.train), len(partition.val), len(partition.test)) == (22, 5, 5)
    images, masks = pixels_of(partition.train)
    assert data.normalization.means == pytest.approx(images.astype("f8").mean((0, 2, 3)))
    assert data.normalization.stds == pytest.approx(images.astype("f8").std((0, 2, 3)))
    assert data.statistics.class_pixels == tuple(np.bincount(masks.ravel(), minlength=5))
    ready = torch.cat([batch["image"] for batch in batches_of(data, data.val_dataloader())])
    val, _ = pixels_of(partition.val)
    means, stds = (np.array(v)[:, None, None] for v in (data.normalization.means, data.normalization.stds))
    assert np.allclose(ready, (val - means) / stds, atol=1e-5)


def test_land_cover_in_landsat_8_with_values_from_one():
    classes = {value: name for value, name in enumerate(NLCD, start=1)}  # noqa: C416
    data, _ = set_up(
        "segmentation/zion_landsat8_nlcd",
        bands=["NIR", "B4", "BLUE"],
        classes=classes,
        ignore_index=255,
        scale=2e-5,
        offset=-0.1,
        unit="reflectance",
    )
    samples = data.inventory.partition.train
    images, masks = pixels_of(samples)
    expected = images[:, [3, 2, 0]] * 2e-5 - 0.1
    assert data.normalization.means == pytest.approx(expected.mean((0, 2, 3)))
    assert data.dataset("train").read_batch([0])["image"].dtype == torch.uint16
    ready = batches_of(data, data.train_dataloader())
    by_file = {name: batch["mask"][i] for batch in ready for i, name in enumerate(batch["filename"])}
    for sample, mask in zip(samples, masks, strict=True):
        if str(sample.image) in by_file:
            found = by_file[str(sample.image)].numpy()
            assert np.array_equal(found, np.where(mask == 255, 255, mask.astype(int) - 1))


def test_sparse_labels_and_one_image():
    data, text = set_up(
        "segmentation/mexico_landsat7_sparse",
        bands=["RED", "NIR", "SWIR_1"],
        classes={1: "forest", 2: "water", 3: "herbaceous", 4: "barren", 5: "urban"},
        ignore_index=255,
        scale=1e-4,
        train_transforms=[{"name": "D4"}],
    )
    assert "one image only, so it is split by windows" in text
    assert data.image_spec.plan(next(iter(data.inventory.headers.values()))).nodata == (-9999,) * 3
    image, mask = (part[0] for part in pixels_of(data.inventory.partition.train[:1]))
    counts = sum(data.inventory.class_pixels(split) for split in ("train", "val", "test"))
    assert counts[:-1].tolist() == np.bincount(mask.ravel(), minlength=6)[1:].tolist()
    rows = data.inventory.partition.train[0].window
    kept = image[2, rows.row_off : rows.row_off + rows.height].astype("f8")
    assert data.normalization.means[0] == pytest.approx(kept[kept != -9999].mean() * 1e-4)
    masks = torch.cat([batch["mask"].ravel() for batch in batches_of(data, data.val_dataloader())])
    assert set(masks.tolist()) <= {0, 1, 2, 3, 4, 255}


def test_mexico_without_an_ignored_label_is_refused():
    with pytest.raises(DataError, match="ignore_index: 0"):
        set_up(
            "segmentation/mexico_landsat7_sparse",
            classes={1: "forest", 2: "water", 3: "herbaceous", 4: "barren", 5: "urban"},
        )


def test_files_with_and_without_nodata_map_alike(tmp_path):
    """The second image declares no nodata; the first declares -9999."""
    folder = SHARED / "segmentation/mexico_landsat7_sparse"
    data = SegmentationDataModule(
        str(folder), predict_glob="*/LE7*.tif", bands=["RED", "NIR"], means=[0.0, 0.0], stds=[1.0, 1.0],
        classes=5, ignore_index=255, num_workers=0, predict_tile=128, predict_halo=16,
    )  # fmt: skip
    data.predict_paths = [folder / "images/LE70220491999322.tif", folder / "unlabelled/LE70220492002106_cloudy.tif"]
    data.setup("predict")
    seen = {}
    for batch in data.predict_dataloader():
        ready = data.on_after_batch_transfer(batch, 0)
        assert ready["image"].shape[1:] == (2, 128, 128)
        assert ready["image"].isfinite().all()
        for name, valid in zip(ready["filename"], ready["valid"], strict=True):
            seen.setdefault(name, []).append(valid)
    assert len(seen) == 2


def test_sentinel_2_as_reflectance():
    data, text = set_up(
        "multimodal/amazon_sentinel2_srtm",
        image_glob="S2L2A/*.tif",
        bands=["B04", "NIR_NARROW", "swir22"],
        classes=["dryout", "forest", "village", "water"],
        ignore_index=255,
        unit="reflectance",
        crop_size=64,
    )
    assert "wrong unit" not in text
    assert data.bands == ["B04", "NIR_NARROW", "swir22"]
    assert data.dataset("train").reader.plan_of(data.inventory.partition.train[0]).indexes == (4, 9, 12)
    assert next(iter(data.train_dataloader()))["image"].shape[1:] == (3, 64, 64)


def test_a_wrong_unit_is_noticed():
    classes = {value: name for value, name in enumerate(NLCD, start=1)}  # noqa: C416
    options = {"classes": classes, "ignore_index": 255}
    _, text = set_up("segmentation/zion_landsat8_nlcd", unit="reflectance", **options)
    assert "wrong unit" in text
    meta = json.loads((SHARED / "segmentation/zion_landsat8_nlcd/meta.json").read_text())
    assert meta["image_nodata"] == 65535
