import numpy as np
import pytest
from rasterio.windows import Window
from tests.unit.data.chips import BANDS, write_raster

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.data.image_spec import ImageSpec, make_image_spec
from geofoundry.geo.reading import read_header

PIXELS = np.arange(4 * 6 * 5, dtype="int16").reshape(4, 6, 5)


@pytest.fixture
def image(tmp_path):
    return write_raster(tmp_path / "a.tif", PIXELS, descriptions=BANDS, nodata=7)


def spec_of(bands=None, **options):
    defaults = {
        "dataset_bands": None,
        "sensor": None,
        "scale": 1.0,
        "offset": 0.0,
        "nodata": None,
        "allow_nan": False,
        "nodata_rule": "all",
        "nodata_replace": 0.0,
        "time_steps": 1,
    }
    return make_image_spec(bands, **{**defaults, **options})


def test_bands_by_name_and_index_in_the_order_wanted(image):
    plan = spec_of(["NIR", 0, "B04"]).plan(read_header(image))
    assert plan.indexes == (4, 1, 3)
    assert plan.names == ("NIR", "BLUE", "B04")
    assert plan.dtype == "int16"
    assert spec_of().plan(read_header(image)).names == BANDS


def test_scale_offset_and_nodata(image):
    values, valid = spec_of(["GREEN", "BLUE"], scale=[0.5, 2.0], offset=1.0).read(image)
    expected = PIXELS[[1, 0]].astype("float32")
    expected[expected == 7] = np.nan
    expected = expected * np.array([0.5, 2.0])[:, None, None] + 1
    assert values.dtype == np.float32
    assert np.array_equal(values, expected, equal_nan=True)
    assert valid.all()  # no pixel is nodata in both bands
    _, valid = spec_of(["GREEN", "BLUE"], nodata_rule="any").read(image)
    assert np.array_equal(valid, PIXELS[0] != 7)


@pytest.mark.parametrize(
    ("nodata", "count"), [(None, 1), (3, 1), ([3, None, None, None], 1), ([3, 31, None, None], 2), ("nan", 0)]
)
def test_declared_nodata_takes_the_place_of_the_files(image, nodata, count):
    bands = list(BANDS)
    values, _ = spec_of(bands, nodata=nodata).read(image)
    assert np.isnan(values).sum() == count


def test_nan_and_infinity(tmp_path):
    pixels = np.ones((2, 3, 3), "float32")
    pixels[:, 0, 0], pixels[0, 1, 1], pixels[1, 2, 2] = np.nan, np.inf, -np.inf
    path = write_raster(tmp_path / "f.tif", pixels)
    values, valid = spec_of(allow_nan=True).read(path)
    assert (np.isnan(values).sum(), valid.sum()) == (4, 8)
    values, _ = spec_of(nodata="nan").read(path)
    assert np.isinf(values).sum() == 2


def test_nodata_beyond_float32_is_met(tmp_path):
    lowest = -1.7976931348623157e308
    path = write_raster(tmp_path / "d.tif", np.array([[[lowest, 1.0]]]), nodata=lowest)
    assert np.isnan(spec_of().read(path)[0]).tolist() == [[[True, False]]]


def test_windows_may_reach_beyond_the_image(image):
    values, valid = spec_of(["RED"]).read(image, Window(3, 4, 4, 5))
    assert values.shape == (1, 5, 4)
    assert np.array_equal(values[0, :2, :2], PIXELS[2, 4:, 3:])
    assert valid.sum() == 4
    assert np.isnan(values).sum() == 16


def test_dates_one_after_the_other(tmp_path):
    path = write_raster(tmp_path / "t.tif", np.arange(6, dtype="uint16").reshape(6, 1, 1))
    spec = spec_of(["NIR", "RED"], dataset_bands=["RED", "NIR"], time_steps=3, scale=[1.0, 10.0])
    assert spec.plan(read_header(path)).indexes == (2, 1, 4, 3, 6, 5)
    assert spec.read(path)[0].ravel().tolist() == [1, 0, 3, 20, 5, 40]
    with pytest.raises(DataError, match="time_steps"):
        spec_of(time_steps=4).plan(read_header(path))


def test_mixed_dtypes_become_float32(image, tmp_path):
    assert spec_of().plan(read_header(write_raster(tmp_path / "i.tif", PIXELS.astype("int32")))).dtype == "float32"


def test_files_that_do_not_fit(tmp_path):
    plain = read_header(write_raster(tmp_path / "p.tif", PIXELS))
    with pytest.raises(DataError, match="dataset_bands"):
        spec_of(["RED"]).plan(plain)
    with pytest.raises(DataError, match="2 names for 4 bands"):
        spec_of(["RED"], dataset_bands=["RED", "NIR"]).plan(plain)
    with pytest.raises(ConfigError, match="GREN"):
        spec_of(["GREN"], dataset_bands=list(BANDS)).plan(plain)
    assert spec_of([3]).plan(plain).names == ("band 3",)


def test_lists_of_a_wrong_length_are_refused_together():
    with pytest.raises(ConfigError) as caught:
        spec_of(["RED", "NIR"], scale=[1.0], offset=[0.0, 1.0, 2.0], nodata=[0, "x", 3], time_steps=0)
    assert [fault.where for fault in caught.value.faults] == ["nodata", "offset", "nodata", "time_steps"]
    with pytest.raises(ConfigError, match="named under `bands`"):
        spec_of(None, scale=[1.0, 2.0])


def test_the_specification_is_plain_data():
    assert spec_of(["RED"]) == ImageSpec(bands=("RED",))
    assert hash(spec_of(["RED"])) == hash(ImageSpec(bands=("RED",)))
