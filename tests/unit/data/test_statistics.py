import json

import numpy as np
import pytest
from tests.unit.data.chips import BANDS, write_chips, write_raster

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.data.image_spec import ImageSpec
from geofoundry.data.inventory import ClassOptions, take_inventory
from geofoundry.data.scan_cache import ScanCache
from geofoundry.data.sources import SampleSource
from geofoundry.data.statistics import compute_statistics, read_statistics


def inventory_of(root, spec=None, classes=("a", "b", "c"), ignore_index=255, **options):
    return take_inventory(
        SampleSource(str(root), **options),
        spec or ImageSpec(),
        ClassOptions(list(classes), ignore_index),
        crop_size=None,
        content=True,
        store=ScanCache(root / "scans.sqlite"),
    )


@pytest.mark.parametrize(("scale", "offset"), [((1.0,), (0.0,)), ((1e-4, 2.0, -1.0, 1.0), (0.5,))])
def test_against_whole_arrays(tmp_path, scale, offset):
    chips = write_chips(tmp_path, 8, nodata=3)
    for number, (image, mask) in enumerate(chips):
        image[1, :2] = 3
        mask[0, :5] = 255
        write_raster(tmp_path / "images" / f"chip{number}.tif", image, descriptions=BANDS, nodata=3)
        write_raster(tmp_path / "masks" / f"chip{number}.tif", mask)
    inventory = inventory_of(tmp_path, ImageSpec(scale=scale, offset=offset))
    found = compute_statistics(inventory)
    train = [int(sample.key[4:]) for sample in inventory.partition.train]
    assert 0 < len(train) < 8
    for band in range(4):
        values = np.concatenate([chips[n][0][band].ravel() for n in train]).astype(float)
        factor = scale[band % len(scale)]
        kept = values[values != 3] * factor + offset[0]
        assert found.means[band] == pytest.approx(kept.mean(), rel=1e-9)
        assert found.stds[band] == pytest.approx(kept.std(), rel=1e-9)
        assert (found.minima[band], found.maxima[band]) == pytest.approx((kept.min(), kept.max()))
        assert found.nodata_shares[band] == pytest.approx((values == 3).mean())
        for percent in ("2", "50", "98"):
            rank = (kept <= found.percentiles[percent][band]).mean()
            assert abs(rank - int(percent) / 100) < 0.02
    labels = np.concatenate([chips[n][1].ravel() for n in train])
    counts = np.bincount(labels, minlength=256)
    assert found.class_pixels == tuple(counts[:3])
    assert found.class_shares == pytest.approx(counts[:3] / counts[:3].sum())
    assert found.ignored_share == pytest.approx(counts[255] / counts.sum())
    assert found.bands == BANDS


def test_files_are_read_back_in_the_order_asked_for(tmp_path):
    write_chips(tmp_path, 4)
    found = compute_statistics(inventory_of(tmp_path))
    path = tmp_path / "stats.json"
    path.write_text(json.dumps(found.as_dict()))
    again = read_statistics(path, ("NIR", "B02"), ImageSpec())
    assert again.means == (found.means[3], found.means[0])
    with pytest.raises(ConfigError, match="another scale"):
        read_statistics(path, ("NIR",), ImageSpec(scale=(0.1,)))
    with pytest.raises(ConfigError, match="SWIR_1") as caught:
        read_statistics(path, ("SWIR_1",), ImageSpec())
    assert str(path) in str(caught.value)
    path.write_text("{}")
    with pytest.raises(ConfigError, match="data stats"):
        read_statistics(path, ("NIR",), ImageSpec())


def test_constant_bands_are_only_centered(tmp_path):
    write_raster(tmp_path / "images" / "a.tif", np.full((2, 8, 8), 5, "uint8"))
    write_raster(tmp_path / "masks" / "a.tif", np.zeros((8, 8), "uint8"))
    found = compute_statistics(inventory_of(tmp_path, val_fraction=0.0, test_fraction=0.0))
    assert found.stds == (0, 0)
    assert found.normalization.stds == (1, 1)


def test_a_split_without_samples_has_no_statistics(tmp_path):
    write_chips(tmp_path, 4)
    with pytest.raises(DataError, match="test"):
        compute_statistics(inventory_of(tmp_path, test_fraction=0.0), "test")


def test_dates_are_counted_together(tmp_path):
    values = np.random.default_rng(0).integers(0, 99, (6, 8, 8)).astype("uint8")
    write_raster(tmp_path / "images" / "a.tif", values)
    write_raster(tmp_path / "masks" / "a.tif", np.zeros((8, 8), "uint8"))
    spec = ImageSpec(dataset_bands=("RED", "NIR"), time_steps=3)
    found = compute_statistics(inventory_of(tmp_path, spec, val_fraction=0.0, test_fraction=0.0))
    assert found.means == pytest.approx(values.reshape(3, 2, -1).mean((0, 2)))
    assert found.bands == ("RED", "NIR")
