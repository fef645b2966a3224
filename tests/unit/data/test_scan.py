import sqlite3

import numpy as np
import pytest
from rasterio.windows import Window
from tests.unit.data.chips import BANDS, write_raster

from geofoundry.core.hashing import sha256_file
from geofoundry.data.image_spec import ImageSpec
from geofoundry.data.scan import FileScanner, _blocks
from geofoundry.data.scan_cache import ScanCache
from geofoundry.geo.reading import open_raster, read_header


@pytest.fixture
def store(tmp_path):
    return ScanCache(tmp_path / "cache" / "scans.sqlite")


def summarize(paths, store, windows=(None,), spec=None):
    spec = spec or ImageSpec()
    plans = {path: spec.plan(read_header(path)) for path in paths}
    scanner = FileScanner(store)
    found = scanner.images([(path, window) for path in paths for window in windows], plans, spec)
    return found, scanner.faults


def test_headers_survive_the_store(tmp_path, store):
    values = np.zeros((4, 3, 2), "float32")
    path = write_raster(tmp_path / "a.tif", values, descriptions=BANDS, nodata=float("nan"))
    first, again = (FileScanner(store).headers([path])[path] for _ in range(2))
    direct = read_header(path)
    assert repr(first) == repr(again) == repr(direct)
    assert again.grid == direct.grid


def test_every_pixel_is_counted_once_in_blocks(tmp_path, store, monkeypatch):
    monkeypatch.setattr("geofoundry.data.scan._VALUES_PER_BLOCK", 2 * 40 * 7)
    values = np.random.default_rng(0).integers(0, 60000, (2, 50, 40)).astype("uint16")
    tiled = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    path = write_raster(tmp_path / "a.tif", values, nodata=5, **tiled)
    window = Window(3, 21, 30, 17)
    found, _ = summarize([path], store, [None, window])
    for place, part in (((path, None), values), ((path, window), values[:, 21:38, 3:33])):
        kept = part[0][part[0] != 5].astype(float)
        assert found[place].count[0] == kept.size
        assert found[place].mean[0] == pytest.approx(kept.mean(), rel=1e-12)
        assert found[place].std[0] == pytest.approx(kept.std(), rel=1e-12)
    with open_raster(path) as dataset:
        rows = [(w.row_off, w.height) for w in _blocks(dataset, 2, window)]
    assert rows[0][0] == 21
    assert sum(height for _, height in rows) == 17


def test_what_was_seen_is_not_read_again(tmp_path, store, monkeypatch):
    path = write_raster(tmp_path / "a.tif", np.ones((1, 4, 4), "uint8"))
    first, _ = summarize([path], store)
    reads = []
    monkeypatch.setattr("geofoundry.data.scan.read_pixels", lambda *a, **k: reads.append(a))
    again, _ = summarize([path], store)
    assert reads == []
    assert again[path, None].as_dict() == first[path, None].as_dict()


def test_a_changed_file_is_read_again(tmp_path, store):
    path = write_raster(tmp_path / "a.tif", np.ones((1, 4, 4), "uint8"))
    summarize([path], store)
    write_raster(path, np.full((1, 4, 4), 9, "uint8"))
    found, _ = summarize([path], store)
    assert found[path, None].mean[0] == 9


def test_another_nodata_value_is_another_question(tmp_path, store):
    path = write_raster(tmp_path / "a.tif", np.array([[[1, 2]]], "uint8"))
    assert summarize([path], store)[0][path, None].count[0] == 2
    assert summarize([path], store, spec=ImageSpec(nodata=(1.0,)))[0][path, None].count[0] == 1


def test_a_damaged_store_is_made_anew(tmp_path, store):
    path = write_raster(tmp_path / "a.tif", np.ones((1, 4, 4), "uint8"))
    store.path.parent.mkdir()
    store.path.write_bytes(b"not a database" * 100)
    found, faults = summarize([path], store)
    assert (found[path, None].mean[0], faults) == (1, [])
    assert sqlite3.connect(store.path).execute("SELECT count(*) FROM scans").fetchone()[0] == 1


def test_a_store_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").touch()
    path = write_raster(tmp_path / "a.tif", np.ones((1, 4, 4), "uint8"))
    found, _ = summarize([path], ScanCache(tmp_path / "file" / "scans.sqlite"))
    assert found[path, None].mean[0] == 1


def test_unreadable_files_are_faults_and_the_others_are_read(tmp_path, store):
    good = write_raster(tmp_path / "good.tif", np.ones((1, 64, 64), "uint8"), compress="deflate")
    noise = np.random.default_rng(0).integers(0, 255, (1, 64, 64)).astype("uint8")
    cut = write_raster(tmp_path / "cut.tif", noise, compress="deflate")
    cut.write_bytes(cut.read_bytes()[:2000])
    found, faults = summarize([good, cut], store)
    assert list(found) == [(good, None)]
    assert [fault.where for fault in faults] == [str(cut)]
    scanner = FileScanner(store)
    assert scanner.headers([tmp_path / "no.tif"]) == {}
    assert "can't be read" in scanner.faults[0].what


def test_labels_and_hashes(tmp_path, store):
    labels = np.array([[0, 0, 3], [3, 3, 9]], "uint8")
    path = write_raster(tmp_path / "m.tif", labels)
    floats = write_raster(tmp_path / "f.tif", np.array([[1.0, np.nan, np.nan]], "float32"))
    found = FileScanner(store).labels([(path, None), (path, Window(2, 0, 1, 2)), (floats, None)])
    assert found[path, None].counts == {0: 2, 3: 3, 9: 1}
    assert found[path, Window(2, 0, 1, 2)].counts == {3: 1, 9: 1}
    assert sorted(found[floats, None].counts.values()) == [1, 2]
    assert FileScanner(store).hashes([path]) == {path: sha256_file(path)}
    many = write_raster(tmp_path / "many.tif", np.arange(2000, dtype="float32").reshape(1, 40, 50))
    assert FileScanner(store).labels([(many, None)])[many, None].truncated
