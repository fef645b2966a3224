import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.crs import CRS

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.geo.grid import Grid
from geofoundry.geo.polygon_files import read_outlines, read_polygons
from geofoundry.geo.vectors import LabelPolygons, no_overlap_fault, rasterize_labels

SHARED = Path(__file__).parents[4] / "shared" / "data" / "multimodal" / "amazon_sentinel2_srtm"
UTM = CRS.from_epsg(32648)
GRID = Grid(UTM, Affine(10, 0, 300_000, 0, -10, 1_900_000), 120, 150)


def feature(geometry, **properties):
    shape = json.loads(shapely.to_geojson(geometry)) if geometry is not None else None
    return {"type": "Feature", "geometry": shape, "properties": properties}


def write_geojson(path, features, crs=None):
    collection = {"type": "FeatureCollection", "features": features}
    if crs:
        collection["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(collection))
    return path


def star(rng, x, y, radius_m, corners=9):
    """Return a random polygon without self-intersections around (x, y)."""
    angles = (np.arange(corners) + rng.uniform(0, 0.9, corners)) * 2 * np.pi / corners
    radii = rng.uniform(0.3, 1.0, corners) * radius_m
    return shapely.Polygon(np.column_stack([x + radii * np.cos(angles), y + radii * np.sin(angles)]))


def oracle(polygons_in_file, classes, file_crs, grid, ignore):
    """Ask shapely, for the center of every pixel in the file's own CRS, which polygons it lies in."""
    rows, cols = np.mgrid[: grid.height, : grid.width] + 0.5
    x, y = rasterio.transform.xy(grid.transform, rows - 0.5, cols - 0.5)
    back = pyproj.Transformer.from_crs(grid.crs.to_wkt(), file_crs, always_xy=True)
    points = shapely.points(*back.transform(x, y)).reshape(rows.shape)
    labels = np.full((grid.height, grid.width), ignore, np.uint8)
    claims = [[set() for _ in range(grid.width)] for _ in range(grid.height)]
    for polygon, class_id in zip(polygons_in_file, classes, strict=True):
        shapely.prepare(polygon)
        for row, col in zip(*np.nonzero(shapely.contains(polygon, points)), strict=True):
            claims[row][col].add(class_id)
            labels[row, col] = class_id
    contested = np.array([[len(claim) > 1 for claim in row] for row in claims])
    labels[contested] = ignore
    return labels, int(contested.sum())


@pytest.mark.parametrize("seed", range(4))
def test_rasterizing_geojson_of_another_crs_equals_point_in_polygon(tmp_path, seed):
    rng = np.random.default_rng(seed)
    to_lonlat = pyproj.Transformer.from_crs(32648, 4326, always_xy=True)
    stars = [star(rng, rng.uniform(299_800, 301_700), rng.uniform(1_898_700, 1_900_200), 350) for _ in range(14)]
    stars += [stars[0].buffer(-40).difference(stars[0].buffer(-70))]  # one with a hole
    in_file = [shapely.transform(p, lambda xy: np.column_stack(to_lonlat.transform(*xy.T))) for p in stars]
    names = [("forest", "sea", "town")[i % 3] for i in range(len(stars))]
    path = write_geojson(
        tmp_path / "a.geojson", [feature(p, kind=name, name="x") for p, name in zip(in_file, names, strict=True)]
    )

    polygons = read_polygons(path, attribute="kind")
    assert polygons.class_names == {0: "forest", 1: "sea", 2: "town"}
    made = rasterize_labels(polygons.onto(GRID), GRID, ignore_index=255)

    expected, contested = oracle(in_file, [i % 3 for i in range(len(stars))], "EPSG:4326", GRID, 255)
    np.testing.assert_array_equal(made.labels, expected)
    assert made.conflict_px == contested > 0
    assert set(np.unique(made.labels)) == {0, 1, 2, 255}


def test_long_straight_edges_bend_with_the_projection(tmp_path):
    # Along a parallel, 4 degrees wide: in UTM the edge is an arc, tens of pixels high.
    grid = Grid(CRS.from_epsg(32632), Affine(30, 0, 461_000, 0, -30, 6_623_000), 160, 2600)
    back = pyproj.Transformer.from_crs(32632, 4326, always_xy=True)
    _, latitude = back.transform(500_000, 6_621_000)
    band = shapely.box(7.0, latitude - 0.05, 11.0, latitude)
    path = write_geojson(tmp_path / "a.geojson", [feature(band, c="a")])
    made = rasterize_labels(read_polygons(path).onto(grid), grid)
    expected, _ = oracle([band], [0], "EPSG:4326", grid, 255)
    assert (made.labels != expected).sum() <= 2  # of 2600 along the edge


@pytest.mark.shared
def test_amazon_geopackage_equals_the_published_mask():
    if not SHARED.is_dir():
        pytest.skip("the real imagery in ../shared/data is absent")
    polygons = read_polygons(SHARED / "training_polygons.gpkg")
    assert len(polygons) == 25
    assert polygons.class_names == {0: "dryout", 1: "forest", 2: "village", 3: "water"}
    with rasterio.open(SHARED / "masks" / "amazon_sentinel2_srtm.tif") as mask:
        grid, published = Grid.of(mask), mask.read(1)
    made = rasterize_labels(polygons.onto(grid), grid, ignore_index=255)
    np.testing.assert_array_equal(made.labels, published)
    assert made.seen.all()
    assert made.conflict_px == 0


def test_numbers_are_class_ids_and_texts_follow_the_given_order(tmp_path):
    box = shapely.box(300_100, 1_899_000, 300_500, 1_899_900)
    ids = write_geojson(tmp_path / "ids.geojson", [feature(box, class_id=7.0), feature(box, class_id=2)])
    polygons = read_polygons(ids)
    assert polygons.class_ids.tolist() == [7, 2]
    assert polygons.class_names == {2: "class 2", 7: "class 7"}
    names = write_geojson(tmp_path / "names.geojson", [feature(box, label="water"), feature(box, label="land")])
    polygons = read_polygons(names, classes=["water", "cloud", "land"])
    assert polygons.class_ids.tolist() == [0, 2]
    assert polygons.class_names == {0: "water", 1: "cloud", 2: "land"}


def test_all_faults_are_told_at_once(tmp_path):
    bowtie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    path = write_geojson(
        tmp_path / "a.geojson",
        [
            feature(bowtie, c="water"),
            feature(None, c="water"),
            feature(shapely.Polygon(), c="water"),
            feature(shapely.Point(0, 0), c="wter"),
            feature(shapely.box(0, 0, 1, 1), c="land"),
        ],
    )
    with pytest.raises(DataError) as caught:
        read_polygons(path, classes=["water", "land"])
    text = str(caught.value)
    assert "4 faults" in text
    assert "no geometry" in text
    assert "feature 1, 2" in text
    assert "Point in feature 3" in text
    assert "Self-intersection" in text
    assert "write 'water'" in text


def test_repair_takes_invalid_polygons(tmp_path):
    bowtie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    path = write_geojson(tmp_path / "a.geojson", [feature(bowtie, c="water")])
    polygons = read_polygons(path, repair=True)
    assert shapely.is_valid(polygons.geometries).all()
    assert polygons.geometries[0].area == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("properties", "options", "message"),
    [
        ([{"kind": "a", "name": "b"}], {}, "can't be guessed"),
        ([{"kind": "a", "name": "b"}], {"attribute": "knd"}, "write 'kind'"),
        ([{}], {}, "no attribute at all"),
    ],
)
def test_attribute_that_is_not_clear_is_a_config_error(tmp_path, properties, options, message):
    path = write_geojson(tmp_path / "a.geojson", [feature(shapely.box(0, 0, 1, 1), **p) for p in properties])
    with pytest.raises(ConfigError, match=message):
        read_polygons(path, **options)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.5, 2], {}, "not whole numbers"),
        (["a", None], {}, "no class"),
        ([0, 300], {}, "outside the classes"),
        ([0, 5], {"classes": ["a", "b"]}, "outside the classes"),
        ([0, 1], {"ignore_index": 0}, "marks unlabelled"),
    ],
)
def test_class_values_that_cannot_be_ids_are_refused(tmp_path, values, options, message):
    path = write_geojson(tmp_path / "a.geojson", [feature(shapely.box(0, 0, 1, 1), c=value) for value in values])
    with pytest.raises(DataError, match=message):
        read_polygons(path, **options)


def test_files_that_are_no_polygons_are_data_errors(tmp_path):
    (tmp_path / "broken.geojson").write_text('{"type": "Feat')
    (tmp_path / "empty.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    for name, message in [
        ("broken.geojson", "can't be read"),
        ("empty.geojson", "no features"),
        ("brokn.geojson", "write 'broken"),
    ]:
        with pytest.raises(DataError, match=message):
            read_polygons(tmp_path / name)


def test_geopackage_with_several_layers_wants_one_named(tmp_path):
    import geopandas

    frame = geopandas.GeoDataFrame({"c": ["a"]}, geometry=[shapely.box(0, 0, 1, 1)], crs="EPSG:4326")
    frame.to_file(tmp_path / "a.gpkg", layer="roads")
    frame.to_file(tmp_path / "a.gpkg", layer="fields")
    with pytest.raises(ConfigError, match="several layers"):
        read_polygons(tmp_path / "a.gpkg")
    with pytest.raises(ConfigError, match="write 'fields'"):
        read_polygons(tmp_path / "a.gpkg", layer="field")
    assert len(read_polygons(tmp_path / "a.gpkg", layer="fields")) == 1


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_missing_crs_on_one_side_is_refused_and_on_both_is_taken_as_is(tmp_path):
    import geopandas

    box = shapely.box(2, 3, 10, 9)
    geopandas.GeoDataFrame({"c": ["a"]}, geometry=[box]).to_file(tmp_path / "a.gpkg")
    polygons = read_polygons(tmp_path / "a.gpkg")
    assert polygons.crs is None
    with pytest.raises(DataError, match="polygons without a CRS"):
        polygons.onto(GRID)
    bare = Grid(None, Affine.identity(), 20, 20)
    made = rasterize_labels(polygons.onto(bare), bare)
    assert (made.labels == 0).sum() == 8 * 6
    with pytest.raises(DataError, match="an image without a CRS"):
        replace(polygons, crs=CRS.from_epsg(4326)).onto(bare)


def test_no_overlap_says_where_both_are_and_sees_swapped_axes():
    lonlat = CRS.from_epsg(4326)
    grid = Grid(lonlat, Affine(0.001, 0, 100.0, 0, -0.001, 20.0), 100, 100)

    def polygons(box):
        return LabelPolygons(np.array([box]), np.array([0]), np.array([1]), {0: "a"}, lonlat, "p.gpkg")

    elsewhere = polygons(shapely.box(30, 10, 31, 11))
    assert len(elsewhere.onto(grid)) == 0
    fault = no_overlap_fault(elsewhere, grid, "scene.tif")
    assert "x 30 to 31, y 10 to 11" in fault.got
    assert "x 100 to 100.1, y 19.9 to 20" in fault.expected
    assert "swapped" not in fault.mend
    assert "swapped" in no_overlap_fault(polygons(shapely.box(19.9, 100.0, 19.95, 100.05)), grid, "scene.tif").mend


def test_polygon_between_pixel_centers_is_reported_unseen():
    tiny = np.array(
        [shapely.box(300_001, 1_899_992, 300_003, 1_899_994), shapely.box(300_000, 1_899_900, 300_100, 1_899_980)]
    )
    polygons = LabelPolygons(tiny, np.array([0, 1]), np.array([1, 2]), {0: "a", 1: "b"}, UTM, "p.gpkg")
    made = rasterize_labels(polygons, GRID)
    assert made.seen.tolist() == [False, True]


def test_nothing_to_draw_is_all_unlabelled():
    none = LabelPolygons(np.array([], object), np.array([], int), np.array([]), {0: "a"}, UTM, "p.gpkg")
    assert (rasterize_labels(none, GRID, ignore_index=9).labels == 9).all()


def test_outlines_need_no_attribute_and_are_repaired(tmp_path):
    bowtie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    path = write_geojson(tmp_path / "a.geojson", [feature(bowtie), feature(shapely.box(2, 2, 3, 3))])
    assert shapely.is_valid(read_outlines(path).geometries).all()
    path = write_geojson(tmp_path / "b.geojson", [feature(shapely.Point(0, 0))])
    with pytest.raises(DataError, match="not polygons"):
        read_outlines(path)
