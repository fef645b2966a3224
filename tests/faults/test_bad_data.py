"""Bad data is refused before the first step, everything at once, with the mend; odd data is taken with a warning."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from tests.unit.data.chips import BANDS, write_chips, write_raster

from geofoundry.core.errors import DataError, Fault
from geofoundry.data.data_warning import DataWarning
from geofoundry.data.segmentation_datamodule import SegmentationDataModule

OPTIONS = {"bands": list(BANDS), "classes": ["water", "forest", "soil"], "num_workers": 0, "batch_size": 2}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path) -> Path:
    write_chips(tmp_path / "data", 8)
    return tmp_path / "data"


def faults_of(root: Path, **options) -> list[Fault]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        with pytest.raises(DataError) as caught:
            SegmentationDataModule(str(root), **{**OPTIONS, **options}).setup("fit")
    assert caught.value.exit_code == 3
    return list(caught.value.faults)


def the_fault(root: Path, **options) -> Fault:
    (fault,) = faults_of(root, **options)
    return fault


def warnings_of(root: Path, **options) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        SegmentationDataModule(str(root), **{**OPTIONS, **options}).setup("fit")
    return "\n".join(str(warning.message) for warning in caught if warning.category is DataWarning)


def image(root: Path, number: int, values: np.ndarray | None = None, **options) -> Path:
    values = np.full((4, 16, 16), 7, "uint16") if values is None else values
    place = {"origin": (500_000 + number * 160, 4_000_000), "descriptions": BANDS[: len(values)]}
    return write_raster(root / "images" / f"chip{number}.tif", values, **{**place, **options})


def mask(root: Path, number: int, values: np.ndarray, **options) -> Path:
    place = {"origin": (500_000 + number * 160, 4_000_000)}
    return write_raster(root / "masks" / f"chip{number}.tif", values, **{**place, **options})


def labels(value: float = 0, dtype: str = "uint8") -> np.ndarray:
    return np.full((16, 16), value, dtype)


def test_good_data_is_taken_without_a_word(root):
    assert warnings_of(root) == ""


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_truncated_file(root, kind):
    path = root / kind / "chip3.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    fault = the_fault(root)
    assert str(path) in fault.where
    assert "damaged or cut off" in fault.what
    assert "again" in fault.mend


def test_empty_file(root):
    path = root / "images" / "chip3.tif"
    path.write_bytes(b"")
    fault = the_fault(root)
    assert (fault.where, "0 bytes" in fault.what) == (str(path), True)


def test_no_raster(root):
    (root / "masks" / "chip3.tif").write_text("hello")
    assert "not a raster" in the_fault(root).what


def test_empty_split_file(root):
    (root / "val.txt").write_text("\n# none\n")
    fault = the_fault(root, val_split=str(root / "val.txt"))
    assert "split file is empty" in fault.what


def test_unknown_and_shared_keys_of_split_files(root):
    (root / "train.txt").write_text("chip1\nchip2\nchipp3\n")
    (root / "val.txt").write_text("chip2\n")
    unknown, shared = faults_of(root, train_split="train.txt", val_split="val.txt")
    assert (unknown.got, unknown.mend) == ("chipp3", "write 'chip3'")
    assert (shared.got, "two splits at once" in shared.what) == ("chip2", True)


def test_ambiguous_keys(root):
    (root / "images" / "a").mkdir()
    (root / "images" / "chip1.tif").rename(root / "images" / "a" / "b.tif")
    (root / "images" / "ab").mkdir()
    (root / "images" / "chip2.tif").rename(root / "images" / "ab" / ".tif")
    found = [fault.what for fault in faults_of(root, image_glob="images/*")]
    assert any("without" in what for what in found)


def test_duplicate_keys_of_windows(root):
    lines = ["key,image,label,row,col,height,width"]
    lines += [f"{key},images/chip1.tif,masks/chip1.tif,{row},0,8,8" for key, row in (("a", 0), ("a", 8))]
    (root / "windows.csv").write_text("\n".join(lines))
    assert "more than once" in the_fault(root, windows="windows.csv").what


def test_windows_beyond_their_image(root):
    lines = ["key,image,label,row,col,height,width", "a,images/chip1.tif,masks/chip1.tif,12,0,8,8"]
    (root / "windows.csv").write_text("\n".join(lines))
    assert any("beyond" in fault.what for fault in faults_of(root, windows="windows.csv"))


def test_wrong_band_name(root):
    fault = the_fault(root, bands=["BLUE", "GREN"])
    assert "'GREN'" in fault.what
    assert fault.mend == "write 'GREEN'"
    assert "and 3 more" in fault.where


def test_labels_outside_the_classes(root):
    mask(root, 2, labels(7))
    mask(root, 5, labels(9))
    fault = the_fault(root)
    assert fault.got == "7, 9"
    assert fault.where.endswith("chip2.tif, chip5.tif")
    assert fault.expected == "0 water, 1 forest, 2 soil"


def test_orphans(root):
    (root / "masks" / "chip1.tif").unlink()
    (root / "images" / "chip2.tif").unlink()
    assert [fault.what for fault in faults_of(root)] == [
        "1 image of 7 without a label",
        "1 label of 7 without an image",
    ]


def test_empty_globs(root):
    found = faults_of(root, image_glob="image/*.tif", label_glob="masks/*.tiff")
    assert [fault.where for fault in found] == ["image_glob: image/*.tif", "label_glob: masks/*.tiff"]
    assert found[0].mend == "write 'images'"
    assert "does not exist" in the_fault(root / "nowhere").what


def test_images_as_their_own_labels(root):
    assert "image and label at once" in the_fault(root, label_glob="images/*.tif").what


def test_band_counts_that_differ(root):
    image(root, 4, np.full((3, 16, 16), 7, "uint16"))
    found = [fault.what for fault in faults_of(root, bands=[0, 1])]
    assert found == ["images have different numbers of bands"]


def test_data_types_that_differ(root):
    image(root, 4, np.full((4, 16, 16), 7.5, "float32"))
    assert "images have different data types" in [fault.what for fault in faults_of(root)]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"crs": "EPSG:32634"}, "EPSG:32634"),
        ({"origin": (500_005, 4_000_000)}, "pixels apart"),
        ({"pixel": 20}, "pixels apart"),
    ],
)
def test_image_and_label_on_different_grids(root, options, word):
    mask(root, 0, labels(), **options)
    fault = the_fault(root)
    assert "different grids" in fault.what
    assert word in fault.got
    assert "gdalwarp" in fault.mend


def test_image_and_label_of_different_sizes(root):
    mask(root, 3, labels()[:8])
    assert "16 x 16 and 8 x 16" in the_fault(root).got


@pytest.mark.parametrize("options", [{"pixel": 30}, {"crs": "EPSG:4326", "origin": (15, 36), "pixel": 1e-4}])
def test_mixed_grids(root, options):
    image(root, 2, **options)
    mask(root, 2, labels(), **options)
    fault = the_fault(root)
    assert "pixel sizes or kinds of CRS differ" in fault.what
    assert "chip2.tif" in fault.where


def test_zones_may_differ(root):
    image(root, 2, np.random.default_rng(0).integers(1, 5000, (4, 16, 16)).astype("uint16"), crs="EPSG:32634")
    mask(root, 2, labels(), crs="EPSG:32634")
    assert warnings_of(root) == ""


def test_images_of_several_sizes_need_a_chip_size(root):
    image(root, 1, np.random.default_rng(0).integers(1, 5000, (4, 20, 24)).astype("uint16"))
    mask(root, 1, np.ones((20, 24), "uint8"))
    found = faults_of(root, val_fraction=0.0, test_fraction=0.0)
    assert "differ in size" in found[0].what
    SegmentationDataModule(str(root), **OPTIONS, crop_size=8, ignore_index=255).setup("fit")


def test_chips_larger_than_images_need_an_ignored_label(root):
    found = faults_of(root, crop_size=32)
    assert all("smaller than crop_size" in fault.what for fault in found)
    assert "ignore_index: 255" in found[0].mend
    SegmentationDataModule(str(root), **OPTIONS, crop_size=32, ignore_index=255).setup("fit")


@pytest.mark.parametrize(("value", "how_many"), [(np.nan, 3), (np.inf, 3), (-np.inf, 3)])
def test_undeclared_nan_and_infinity(tmp_path, value, how_many):
    root = tmp_path / "floats"
    chips = write_chips(root, 8, dtype="float32")
    chips[6][0][1, 2, :how_many] = value
    image(root, 6, chips[6][0])
    fault = the_fault(root)
    assert "chip6.tif" in fault.where
    assert fault.got == "3 values"
    assert "allow_nan" in fault.mend


@pytest.mark.parametrize("options", [{"nodata": "nan"}, {"nodata": float("nan")}, {"allow_nan": True}])
def test_declared_nan_is_nodata(tmp_path, options):
    root = tmp_path / "floats"
    chips = write_chips(root, 8, dtype="float32")
    for number, (values, _) in enumerate(chips):
        values[:, 3, 4] = np.nan
        image(root, number, values)
    data = SegmentationDataModule(str(root), **OPTIONS, **options, ignore_index=255)
    data.setup("fit")
    for batch in data.train_dataloader():
        ready = data.on_after_batch_transfer(batch, 0)
        assert (ready["image"][:, :, 3, 4] == 0).all()
        assert (ready["mask"][:, 3, 4] == 255).all()
        assert ready["image"].isfinite().all()


def test_nodata_of_the_file_that_is_nan(tmp_path):
    root = tmp_path / "floats"
    for number, (values, _) in enumerate(write_chips(root, 8, dtype="float32")):
        values[0, 0, 0] = np.nan
        image(root, number, values, nodata=float("nan"))
    data = SegmentationDataModule(str(root), **OPTIONS)
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert (batch["image"][:, 0, 0, 0] == 0).all()


def test_nodata_of_each_band(root):
    chips = write_chips(root, 8, seed=5)
    for number, (values, _) in enumerate(chips):
        values[0, 1, 1], values[2, 2, 2] = 11, 33
        image(root, number, values)
    data = SegmentationDataModule(str(root), **OPTIONS, nodata=[11, None, 33, None], nodata_replace=-5.0)
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert (batch["image"][:, 0, 1, 1] == -5).all()
    assert (batch["image"][:, 2, 2, 2] == -5).all()
    assert (batch["image"][:, 1, 1, 1] != -5).all()


def test_float_labels(root):
    for number in range(8):
        mask(root, number, np.random.default_rng(number).integers(0, 3, (16, 16)).astype("float32"))
    data = SegmentationDataModule(str(root), **OPTIONS)
    data.setup("fit")
    assert set(next(iter(data.train_dataloader()))["mask"].unique().tolist()) == {0, 1, 2}
    mask(root, 4, labels(0.5, "float32"))
    fault = the_fault(root)
    assert "not whole" in fault.what
    assert "chip4.tif" in fault.where


def test_labels_that_are_pictures(root):
    mask(root, 4, np.zeros((3, 16, 16), "uint8"))
    assert "several bands" in the_fault(root).what
    mask(root, 4, np.random.default_rng(0).random((16, 16)).astype("float32"))
    assert any("not whole" in fault.what or "too many" in fault.what for fault in faults_of(root))


def test_nothing_to_learn_from(root):
    for number in range(8):
        mask(root, number, labels(255))
    assert "no pixel of the training split has a label" in the_fault(root, ignore_index=255).what


def test_copies_in_several_splits(root):
    (root / "images" / "chip7.tif").write_bytes((root / "images" / "chip0.tif").read_bytes())
    (root / "train.txt").write_text("".join(f"chip{n}\n" for n in range(6)))
    (root / "val.txt").write_text("chip6\nchip7\n")
    mask(root, 7, labels(), origin=(500_000, 4_000_000))
    fault = the_fault(root, train_split="train.txt", val_split="val.txt")
    assert "the same bytes" in fault.what


def test_one_image_in_two_splits(root):
    globs = {f"{split}_{kind}_glob": f"{kind}s/chip[01].tif" for split in ("train", "val") for kind in ("image",)}
    globs |= {f"{split}_label_glob": "masks/chip[01].tif" for split in ("train", "val")}
    assert any("in two splits at once" in fault.what for fault in faults_of(root, **globs))


def test_everything_at_once(root):
    (root / "images" / "chip0.tif").write_bytes(b"")
    mask(root, 1, labels(9))
    (root / "masks" / "chip2.tif").unlink()
    mask(root, 3, labels()[:8])
    image(root, 4, np.full((3, 16, 16), 7, "uint16"))
    image(root, 5, np.full((4, 16, 16), np.nan, "float32"))
    text = "\n".join(fault.what for fault in faults_of(root))
    for word in (
        "empty (0 bytes)",
        "outside the classes",
        "without a label",
        "different grids",
        "numbers of bands",
        "data types",
        "NaN",
    ):
        assert word in text


# --- taken, with a warning that says what follows ---------------------------------------------------------------


def test_without_a_crs(tmp_path):
    write_chips(tmp_path / "plain", 8, crs=None)
    text = warnings_of(tmp_path / "plain")
    assert "8 of 8 images without CRS" in text
    assert "no place on the ground" in text


def test_a_class_that_never_occurs(root):
    text = warnings_of(root, classes=["water", "forest", "soil", "snow"])
    assert "1 class without a pixel in any split: snow can neither be learnt nor measured" in text


def test_one_class_only(root):
    for number in range(8):
        mask(root, number, labels(1))
    assert "one class only, 'forest'" in warnings_of(root)


@pytest.mark.parametrize(
    ("dtype", "options", "word"),
    [
        ("uint16", {"unit": "reflectance"}, "where reflectance lies between"),
        ("float32", {"unit": "reflectance_x10000"}, "reaches into the thousands"),
        ("float32", {"scale": 1e-4}, "as if the scale had been applied before"),
    ],
)
def test_values_in_a_wrong_unit(tmp_path, dtype, options, word):
    write_chips(tmp_path / "data", 8, dtype=dtype)
    text = warnings_of(tmp_path / "data", **options)
    assert "wrong unit" in text
    assert word in text


def test_images_in_several_units(tmp_path):
    root = tmp_path / "floats"
    chips = write_chips(root, 8, dtype="float32")
    image(root, 3, chips[3][0] * 10_000)
    text = warnings_of(root)
    assert "seem to be in different units" in text
    assert "chip3.tif" in text


def test_one_image_only(tmp_path):
    write_chips(tmp_path / "one", 1, size=(300, 200))
    text = warnings_of(tmp_path / "one")
    assert "one image only, so it is split by windows" in text
    data = SegmentationDataModule(str(tmp_path / "one"), **OPTIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.setup("fit")
    parts = [data.inventory.partition.samples(name)[0].window for name in ("train", "val", "test")]
    assert sum(window.height for window in parts) == 300
    assert len(data.train_dataloader()) > 0
    assert len(data.val_dataloader()) > 0


def test_nothing_but_nodata(root):
    image(root, 2, np.full((4, 16, 16), 3, "uint16"), nodata=3)
    assert "1 image of nothing but nodata" in warnings_of(root, ignore_index=255)


def test_shared_ground(root):
    image(
        root, 3, np.random.default_rng(8).integers(1, 5000, (4, 16, 16)).astype("uint16"), origin=(500_000, 4_000_000)
    )
    mask(root, 3, labels(), origin=(500_000, 4_000_000))
    (root / "train.txt").write_text("".join(f"chip{n}\n" for n in range(3)))
    (root / "val.txt").write_text("chip3\nchip4\n")
    options = {"train_split": "train.txt", "val_split": "val.txt"}
    assert "share ground" in warnings_of(root, **options)
    strict = SegmentationDataModule(str(root), **OPTIONS, **options).check(strict=True)
    assert [fault.severity for fault in strict] == ["error"]


def test_no_validation(root):
    assert "no validation split" in warnings_of(root, val_fraction=0.0)


def test_classes_that_are_not_named(root):
    assert "classes are not named" in warnings_of(root, classes=None)
