import ctypes
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.windows import Window

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.geo.grid import Grid
from geofoundry.geo.legend_files import read_class_names
from geofoundry.geo.map_content import ClassMap, ValueMap
from geofoundry.geo.reading import read_header
from geofoundry.geo.writing import MapWriter

# A northing that float32 can't hold: it would move the map by 0.2 m.
TRANSFORM = Affine(10.0, 0.0, 362612.19685932994, 0.0, -10.0, 1987088.206431803)
UTM = CRS.from_epsg(32648)


def grid_of(height, width):
    return Grid(crs=UTM, transform=TRANSFORM, height=height, width=width)


def write_in_windows(path, classes, content, rows, cols, **options):
    height, width = classes.shape
    with MapWriter(path, grid_of(height, width), content, **options) as writer:
        for row in range(0, height, rows):
            for col in range(0, width, cols):
                part = classes[row : row + rows, col : col + cols]
                writer.write(part, Window(col, row, part.shape[1], part.shape[0]))
    return path


def gdalinfo(path):
    """Return what `gdalinfo` prints, by the GDAL library that rasterio brings."""
    libraries = list((Path(rasterio.__file__).parent.parent / "rasterio.libs").glob("libgdal*"))
    if not libraries:
        pytest.skip("this rasterio doesn't bring its own GDAL library")
    gdal = ctypes.CDLL(str(libraries[0]))
    gdal.GDALOpen.restype = gdal.GDALInfo.restype = ctypes.c_void_p
    gdal.GDALOpen.argtypes = [ctypes.c_char_p, ctypes.c_int]
    gdal.GDALInfo.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    gdal.GDALClose.argtypes = [ctypes.c_void_p]
    dataset = gdal.GDALOpen(str(path).encode(), 0)
    text = ctypes.string_at(gdal.GDALInfo(dataset, None)).decode()
    gdal.GDALClose(dataset)
    return text


def test_class_map_keeps_pixels_grid_names_and_colors(tmp_path):
    classes = np.random.default_rng(0).integers(0, 3, (700, 900)).astype(np.uint8)
    classes[:50] = 255
    content = ClassMap(["land", "water", "cloud"], palette={0: "#102030"})
    path = write_in_windows(tmp_path / "map.tif", classes, content, 301, 412, tags={"MODEL": "unet"})

    with rasterio.open(path) as dataset:
        assert dataset.dtypes == ("uint8",)
        np.testing.assert_array_equal(dataset.read(1), classes)
        assert dataset.transform == TRANSFORM
        assert dataset.crs == UTM
        assert dataset.nodata == 255
        assert dataset.descriptions == ("class",)
        colormap = dataset.colormap(1)
        assert colormap[0] == (0x10, 0x20, 0x30, 255)
        assert colormap[1][:3] == content.palette[1]
        assert colormap[255][3] == 0  # nodata is transparent
        assert dataset.tags()["MODEL"] == "unet"
        assert json.loads(dataset.tags()["CLASS_NAMES"]) == {"0": "land", "1": "water", "2": "cloud"}
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1) == [2]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["map.qml", "map.tif", "map.tif.aux.xml"]
    assert read_class_names(path) == {0: "land", 1: "water", 2: "cloud"}


def test_gdalinfo_shows_category_names_and_color_table(tmp_path):
    path = write_in_windows(
        tmp_path / "map.tif", np.ones((40, 40), np.uint8), ClassMap({1: "Wald & Flur", 3: "sea"}), 40, 40
    )
    text = gdalinfo(path)
    assert "1: Wald & Flur" in text
    assert "3: sea" in text
    assert "Color Table" in text
    assert "NoData Value=255" in text
    assert 'ID["EPSG",32648]' in text


def test_gdal_names_are_found_when_the_tag_is_lost(tmp_path):
    path = write_in_windows(tmp_path / "map.tif", np.ones((8, 8), np.uint8), ClassMap({1: "a", 3: "b"}), 8, 8)
    bare = tmp_path / "bare.tif"
    with rasterio.open(
        bare, "w", driver="GTiff", height=8, width=8, count=1, dtype="uint8", transform=TRANSFORM
    ) as dataset:
        dataset.write(np.ones((1, 8, 8), np.uint8))
    assert read_class_names(bare) == {}
    Path(f"{path}.aux.xml").rename(f"{bare}.aux.xml")
    assert read_class_names(bare) == {1: "a", 3: "b"}


def test_qgis_style_lists_the_classes_and_nothing_else(tmp_path):
    content = ClassMap({1: "a < b", 3: "sea"}, palette={3: (1, 2, 3)})
    write_in_windows(tmp_path / "map.tif", np.ones((8, 8), np.uint8), content, 8, 8)
    entries = ElementTree.parse(tmp_path / "map.qml").findall("./pipe/rasterrenderer/colorPalette/paletteEntry")
    assert [(entry.get("value"), entry.get("label")) for entry in entries] == [("1", "a < b"), ("3", "sea")]
    assert entries[1].get("color") == "#010203"


def test_probabilities_are_float32_bands_with_names(tmp_path):
    values = np.random.default_rng(1).random((2, 600, 520), dtype=np.float32)
    with MapWriter(tmp_path / "p.tif", grid_of(600, 520), ValueMap(["water", "land"])) as writer:
        writer.write(values[:, :512], Window(0, 0, 520, 512))
        writer.write(values[:, 512:], Window(0, 512, 520, 88))
    with rasterio.open(tmp_path / "p.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.descriptions == ("water", "land")
        assert np.isnan(dataset.nodata)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "3"
    assert [file.name for file in tmp_path.iterdir()] == ["p.tif"]


def test_overview_shows_the_most_frequent_class(tmp_path):
    classes = np.zeros((1024, 1024), np.uint8)
    classes[::2, ::2] = 2  # one pixel of four: a nearest-neighbor overview would show nothing else
    path = write_in_windows(tmp_path / "map.tif", classes, ClassMap(["a", "b", "c"]), 512, 512)
    with rasterio.open(path, overview_level=0) as overview:
        assert (overview.read(1) == 0).all()


def test_cog_passes_the_validator(tmp_path):
    cogeo = pytest.importorskip("rio_cogeo.cogeo")
    path = write_in_windows(tmp_path / "map.tif", np.zeros((1300, 700), np.uint8), ClassMap(["a"]), 512, 700)
    valid, errors, warnings = cogeo.cog_validate(path, strict=True)
    assert valid, (errors, warnings)


def test_unwritten_pixels_are_nodata(tmp_path):
    with MapWriter(tmp_path / "map.tif", grid_of(1100, 600), ClassMap(["a"])) as writer:
        writer.write(np.zeros((10, 10), np.uint8), Window(0, 0, 10, 10))
    with rasterio.open(tmp_path / "map.tif") as dataset:
        pixels = dataset.read(1)
    assert (pixels[:10, :10] == 0).all()
    assert (pixels == 255).sum() == 1100 * 600 - 100


def test_error_leaves_nothing_and_keeps_the_older_map(tmp_path):
    path = tmp_path / "map.tif"
    path.write_bytes(b"older")
    with pytest.raises(RuntimeError, match="model"), MapWriter(path, grid_of(64, 64), ClassMap(["a"])) as writer:
        writer.write(np.zeros((64, 64), np.uint8))
        raise RuntimeError("model")
    assert path.read_bytes() == b"older"
    assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]


def test_map_without_crs(tmp_path, recwarn):
    with MapWriter(tmp_path / "map.tif", Grid(None, Affine.identity(), 30, 20), ClassMap(["a"])) as writer:
        writer.write(np.zeros((30, 20), np.uint8))
    assert [str(warning.message) for warning in recwarn] == []
    header = read_header(tmp_path / "map.tif")
    assert header.grid == Grid(None, Affine.identity(), 30, 20)


def test_gcps_are_kept(tmp_path):
    points = [GroundControlPoint(0, 0, 10, 20), GroundControlPoint(0, 30, 11, 20), GroundControlPoint(20, 0, 10, 19)]
    gcps = (points, CRS.from_epsg(4326))
    with MapWriter(tmp_path / "map.tif", Grid(None, Affine.identity(), 20, 30), ClassMap(["a"]), gcps=gcps) as writer:
        writer.write(np.zeros((20, 30), np.uint8))
    with rasterio.open(tmp_path / "map.tif") as dataset:
        kept, crs = dataset.gcps
    assert [(p.row, p.col, p.x, p.y) for p in kept] == [(p.row, p.col, p.x, p.y) for p in points]
    assert crs == CRS.from_epsg(4326)


def test_more_than_255_classes_become_uint16(tmp_path):
    names = [f"class {i}" for i in range(300)]
    classes = np.arange(300, dtype=np.int64).reshape(15, 20)
    path = write_in_windows(tmp_path / "map.tif", classes, ClassMap(names), 15, 20)
    with rasterio.open(path) as dataset:
        assert dataset.dtypes == ("uint16",)
        assert dataset.nodata == 65535
        np.testing.assert_array_equal(dataset.read(1), classes)


@pytest.mark.parametrize("value", [2, 254, 300, -1])
def test_value_that_is_no_class_is_refused(tmp_path, value):
    classes = np.full((8, 8), value, np.int64)
    with (
        pytest.raises(DataError, match=f"no class\n +got +{value}"),
        MapWriter(tmp_path / "m.tif", grid_of(8, 8), ClassMap(["a", "b"])) as w,
    ):
        w.write(classes)
    assert list(tmp_path.iterdir()) == []


def test_wrong_shape_and_window_are_told_together(tmp_path):
    with MapWriter(tmp_path / "m.tif", grid_of(8, 8), ClassMap(["a"])) as writer:
        with pytest.raises(DataError) as caught:
            writer.write(np.zeros((4, 4), np.uint8), Window(6, 0, 8, 4))
        assert len(caught.value.faults) == 2


def test_impossible_contents_are_refused():
    with pytest.raises(ConfigError, match="nodata is also a class"):
        ClassMap(["a", "b"], nodata=1)
    with pytest.raises(ConfigError, match="no class"):
        ClassMap(["a"], palette={4: "#000000"})
    with pytest.raises(ConfigError, match="at least one class"):
        ClassMap([])
    with pytest.raises(ConfigError, match="can't be stored"):
        ValueMap(["a"], dtype="uint8")


def test_folder_that_cannot_be_written_is_a_config_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be written"):
        MapWriter(tmp_path / "file" / "map.tif", grid_of(8, 8), ClassMap(["a"]))


def test_writers_and_environments_may_come_and_go_in_any_order(tmp_path):
    classes = np.zeros((64, 64), np.uint8)
    with rasterio.Env(GDAL_NUM_THREADS="1"):
        first = MapWriter(tmp_path / "first.tif", grid_of(64, 64), ClassMap(["a"]))
        first.write(classes)
    second = MapWriter(tmp_path / "second.tif", grid_of(64, 64), ClassMap(["a"]))
    second.write(classes)
    first.close()
    with rasterio.Env():
        third = MapWriter(tmp_path / "third.tif", grid_of(64, 64), ValueMap(["v"]))
        second.close()
    third.write(classes)
    third.close()
    for name in ("first", "second", "third"):
        with rasterio.open(tmp_path / f"{name}.tif") as dataset:
            assert (dataset.read(1) == 0).all()


@pytest.mark.long
def test_memory_does_not_grow_with_the_map(tmp_path):
    code = """
import resource
import numpy as np
from affine import Affine
from geofoundry.geo.grid import Grid
from geofoundry.geo.map_content import ClassMap
from geofoundry.geo.windows import tiles
from geofoundry.geo.writing import MapWriter
side = 16_384
block = np.kron(np.random.default_rng(0).integers(0, 5, (32, 32)), np.ones((16, 16))).astype(np.uint8)
with MapWriter("big.tif", Grid(None, Affine.identity(), side, side), ClassMap(list("abcde"))) as writer:
    for window in tiles(side, side, 512, 512):
        writer.write(block, window)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 220  # MiB; the map has 256, a small one takes about 110
