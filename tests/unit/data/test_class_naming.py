import json

import numpy as np
import pytest
import rasterio

from geofoundry.core.errors import DataError
from geofoundry.data.class_naming import label_arguments, name_classes, name_classes_of

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path / "cache"))


def write_label(path, values, nodata=None, dtype="uint8", tags=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.resize(np.array(values, dtype), (8, 8))
    with rasterio.open(path, "w", driver="GTiff", height=8, width=8, count=1, dtype=dtype, nodata=nodata) as dataset:
        dataset.write(pixels, 1)
        dataset.update_tags(**(tags or {}))
    return path


def test_values_without_names(tmp_path):
    naming = name_classes_of([write_label(tmp_path / "a.tif", [1, 4, 255])])
    assert naming.names == {1: "class 1", 4: "class 4"}
    assert naming.ignore == 255


def test_nodata_means_unlabelled(tmp_path):
    naming = name_classes_of([write_label(tmp_path / "a.tif", [0, 1, 2], nodata=0)])
    assert naming.names == {1: "class 1", 2: "class 2"}
    assert naming.ignore == 0


@pytest.mark.parametrize("place", ["masks/classes.json", "meta.json"])
def test_legend_beside_or_above(tmp_path, place):
    label = write_label(tmp_path / "masks" / "a.tif", [0, 1, 2])
    (tmp_path / place).write_text(json.dumps({"classes": {"1": "water", "2": "land", "3": "ice"}, "ignore_index": 0}))
    naming = name_classes_of([label])
    assert naming.names == {1: "water", 2: "land", 3: "ice"}
    assert naming.ignore == 0
    assert naming.source == place.rpartition("/")[2]


def test_legend_that_does_not_know_every_value_is_another_one(tmp_path):
    label = write_label(tmp_path / "a.tif", [0, 1, 7])
    (tmp_path / "meta.json").write_text(json.dumps({"classes": ["a", "b"]}))
    assert name_classes_of([label]).names == {0: "class 0", 1: "class 1", 7: "class 7"}


def test_names_in_the_file_itself(tmp_path):
    label = write_label(tmp_path / "a.tif", [0, 1], tags={"CLASS_NAMES": '{"0": "land", "1": "sea"}'})
    assert name_classes_of([label]).names == {0: "land", 1: "sea"}


@pytest.mark.parametrize("text", ["not json", "[]", '{"classes": {"a": "b"}}', '{"classes": 3}'])
def test_files_that_are_no_legend_are_passed_over(tmp_path, text):
    label = write_label(tmp_path / "a.tif", [0, 1])
    (tmp_path / "meta.json").write_text(text)
    assert name_classes([0, 1], [label], None).names == {0: "class 0", 1: "class 1"}


def test_images_are_not_taken_for_labels(tmp_path):
    with pytest.raises(DataError, match="is it an image"):
        name_classes_of([write_label(tmp_path / "a.tif", [0.5, 1.5], dtype="float32")])


@pytest.mark.parametrize(
    ("names", "ignore", "expected"),
    [
        ({0: "a", 1: "b"}, None, {"classes": ["a", "b"]}),
        ({0: "a", 1: "b"}, 255, {"classes": ["a", "b"], "ignore_index": 255}),
        ({3: "a", 7: "b"}, 9, {"classes": {3: "a", 7: "b"}, "ignore_index": 9}),
        ({1: "a", 2: "b"}, 0, {"classes": {1: "a", 2: "b"}, "ignore_index": 255, "label_map": {0: 255}}),
    ],
)
def test_arguments_keep_unlabelled_apart_from_class_indices(names, ignore, expected):
    assert label_arguments(names, ignore) == expected
