import numpy as np
import pytest

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.data.label_spec import make_label_spec

NLCD = {1: "water", 2: "developed", 8: "wetlands"}


def spec_of(classes, ignore_index=None, label_map=None):
    return make_label_spec(classes, ignore_index=ignore_index, label_map=label_map)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_values_become_indices(dtype):
    spec = spec_of(NLCD, ignore_index=255)
    values = np.array([[1, 2], [8, 255]], dtype)
    assert spec.encode(values, None, where="f").tolist() == [[0, 1], [2, 255]]
    assert spec.encode(values, None, where="f").dtype == np.uint8


def test_label_map_comes_first():
    spec = spec_of(["a", "b"], ignore_index=255, label_map={0: 255, 7: 0, 8: 1, 1: 0})
    assert spec.encode(np.array([0, 7, 8, 1, 255], "uint8"), None, where="f").tolist() == [255, 0, 1, 0, 255]


@pytest.mark.parametrize(
    ("classes", "nodata", "expected"),
    [({1: "a"}, 0.0, 255), (["a"], 0.0, 0)],
    ids=["nodata that is no class is ignored", "a class stays a class"],
)
def test_the_files_nodata(classes, nodata, expected):
    assert spec_of(classes, ignore_index=255).encode(np.zeros(1, "uint8"), nodata, where="f")[0] == expected


def test_nan_as_nodata_of_float_labels():
    values = np.array([0.0, 1.0, np.nan], "float32")
    spec = spec_of(["a", "b"], ignore_index=255)
    assert spec.encode(values, np.nan, where="f").tolist() == [0, 1, 255]
    with pytest.raises(DataError, match="nan"):
        spec.encode(values, None, where="f")


def test_negative_ignore_index():
    spec = spec_of(["a", "b"], ignore_index=-1)
    assert spec.dtype == np.int16
    assert spec.encode(np.array([0, 1, -1], "int16"), None, where="f").tolist() == [0, 1, -1]
    assert spec.encode(np.array([0, 9], "uint8"), 9.0, where="f").tolist() == [0, -1]


def test_foreign_values_are_refused_by_name():
    with pytest.raises(DataError) as caught:
        spec_of(["a", "b"]).encode(np.array([0, 7, 9, 7], "uint8"), None, where="m.tif")
    (fault,) = caught.value.faults
    assert (fault.where, fault.got, fault.expected) == ("m.tif", "7, 9", "0 a, 1 b")
    assert "ignore_index: 7" in fault.mend
    with pytest.raises(DataError, match="whole"):
        spec_of(["a", "b"]).encode(np.array([0.5], "float32"), None, where="m.tif")


@pytest.mark.parametrize(
    ("classes", "ignore_index", "label_map", "dtype", "nodata", "identity"),
    [
        (["a", "b"], 255, None, "uint8", None, True),
        (["a", "b"], 255, None, "uint8", 255.0, True),
        (["a", "b"], 255, None, "uint8", 9.0, False),
        (["a", "b"], 255, None, "int16", None, False),
        (["a", "b"], 255, {1: 0}, "uint8", None, False),
        (NLCD, 255, None, "uint8", None, False),
        ({0: "a", 1: "b"}, None, None, "uint8", None, True),
    ],
)
def test_files_that_need_no_table(classes, ignore_index, label_map, dtype, nodata, identity):
    assert spec_of(classes, ignore_index, label_map).is_identity(dtype, nodata) is identity


def test_a_number_of_classes_and_an_ignored_class():
    spec = spec_of(3, ignore_index=0)
    assert spec.class_names == ("0", "1", "2")
    assert spec.encode(np.array([0, 1, 2], "uint8"), None, where="f").tolist() == [0, 1, 2]


def test_contradictions_are_refused():
    with pytest.raises(ConfigError, match="also the index of a class"):
        spec_of({1: "a", 2: "b"}, ignore_index=0)
    with pytest.raises(ConfigError, match="twice"):
        spec_of(["a", "a"])
    with pytest.raises(ConfigError, match="no classes"):
        spec_of([])
    with pytest.raises(ConfigError, match="out of range"):
        spec_of(["a"], ignore_index=70000)
