from pathlib import Path

import pytest
from rasterio.windows import Window

from geofoundry.data.pairing import Sample
from geofoundry.data.partition import (
    partition_by_files,
    partition_by_fractions,
    partition_by_rows,
    partition_one_image,
)
from geofoundry.data.windows_file import WindowRow, read_windows

SAMPLES = [Sample(f"c{i}", Path(f"images/c{i}.tif"), Path(f"masks/c{i}.tif")) for i in range(10)]


def keys(samples):
    return [sample.key for sample in samples]


def write(path, text):
    path.write_text(text)
    return path


def test_split_files_name_keys_or_file_names(tmp_path):
    train = write(tmp_path / "train.txt", "# these\nc1\n\nc2.tif\n")
    val = write(tmp_path / "val.txt", "c3\n")
    parts = partition_by_files(SAMPLES, {"train": train, "val": val})
    assert (keys(parts.train), keys(parts.val), parts.test, parts.faults) == (["c1", "c2"], ["c3"], (), ())


def test_what_no_file_names_trains(tmp_path):
    parts = partition_by_files(SAMPLES, {"val": write(tmp_path / "val.txt", "c0\nc9\n")})
    assert keys(parts.train) == [f"c{i}" for i in range(1, 9)]


def test_all_faults_of_split_files(tmp_path):
    files = {
        "train": write(tmp_path / "train.txt", "c1\nc1\nc11\n"),
        "val": write(tmp_path / "val.txt", "\n# nothing\n"),
        "test": write(tmp_path / "test.txt", "c1\n"),
    }
    faults = partition_by_files(SAMPLES, files).faults
    assert [fault.what for fault in faults] == [
        "1 unknown key in the split file of train",
        "keys occur twice in the split file of train",
        "the split file is empty",
        "1 key in two splits at once",
    ]
    assert faults[0].mend == "write 'c1'"
    missing = partition_by_files(SAMPLES, {"train": tmp_path / "no.txt"}).faults
    assert "can't be read" in missing[0].what


def test_fractions_keep_whole_files_and_depend_on_the_seed():
    windows = [Sample(f"{s.key}/{i}", s.image, s.label, Window(i, 0, 1, 1)) for s in SAMPLES for i in range(3)]
    parts = partition_by_fractions(windows, val_fraction=0.2, test_fraction=0.1, seed=1)
    assert (len(parts.train), len(parts.val), len(parts.test)) == (21, 6, 3)
    images = [{s.image for s in members} for members in (parts.train, parts.val, parts.test)]
    assert sum(map(len, images)) == len(set.union(*images)) == len(SAMPLES)
    again = partition_by_fractions(windows[::-1], val_fraction=0.2, test_fraction=0.1, seed=1)
    assert keys(again.val) == keys(parts.val)
    others = [partition_by_fractions(windows, val_fraction=0.2, test_fraction=0.1, seed=s).val for s in range(2, 6)]
    assert any(keys(other) != keys(parts.val) for other in others)


@pytest.mark.parametrize(("count", "sizes"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1))])
def test_few_files(count, sizes):
    parts = partition_by_fractions(SAMPLES[:count], val_fraction=0.15, test_fraction=0.15, seed=0)
    assert (len(parts.train), len(parts.val), len(parts.test)) == sizes
    assert bool(parts.remarks) == (count < 3)


def test_one_image_is_cut_into_strips():
    parts = partition_one_image(SAMPLES[0], (100, 400), (32, 32), val_fraction=0.15, test_fraction=0.15)
    (train,), (val,), (test,) = parts.train, parts.val, parts.test
    assert (train.window, val.window, test.window) == (
        Window(0, 0, 280, 100),
        Window(280, 0, 60, 100),
        Window(340, 0, 60, 100),
    )
    assert "one image only" in parts.remarks[0]
    small = partition_one_image(SAMPLES[0], (90, 60), (64, 64), val_fraction=0.1, test_fraction=0.0)
    assert (small.train[0].window.height, small.val[0].window.height, small.test) == (60, 30, ())


def rows(*folds_and_splits):
    return [WindowRow(SAMPLES[i], split, fold) for i, (split, fold) in enumerate(folds_and_splits)]


def test_columns_of_a_windows_file():
    parts = partition_by_rows(rows(("train", None), ("val", None), ("test", None)), fold=None)
    assert (keys(parts.train), keys(parts.val), keys(parts.test)) == (["c0"], ["c1"], ["c2"])
    assert partition_by_rows(rows(("train", None), ("", None)), fold=None).faults
    parts = partition_by_rows(rows(("", 0), ("", 1), ("test", None), ("", 0)), fold=0)
    assert (keys(parts.train), keys(parts.val), keys(parts.test)) == (["c1"], ["c0", "c3"], ["c2"])
    assert partition_by_rows(rows(("", 0)), fold=3).faults


def test_a_windows_file_is_read(tmp_path):
    (tmp_path / "a.tif").touch()
    path = write(
        tmp_path / "windows.csv",
        "key,image,label,row,col,height,width,split,fold\nw1,a.tif,m.tif,1,2,3,4,train,0\nw2,a.tif,m.tif,,,,,val,\n",
    )
    (first, second), faults = read_windows(path, tmp_path)
    assert faults == []
    assert first.sample == Sample("w1", tmp_path / "a.tif", tmp_path / "m.tif", Window(2, 1, 4, 3))
    assert (first.split, first.fold, second.sample.window, second.fold) == ("train", 0, None, None)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "lacks columns"),
        ("key,image,row\n", "lacks columns"),
        ("key,image,colour\n", "unknown column 'colour'"),
        ("key,image\n", "empty"),
        ("key,image\na,a.tif\na,b.tif\n", "more than once"),
        ("key,image,row,col,height,width\na,a.tif,x,0,1,1\n", "no whole number"),
        ("key,image,row,col,height,width\na,a.tif,-1,0,1,1\n", "outside"),
        ("key,image,split\na,a.tif,valid\n", "unknown split"),
        ("key,image\n,a.tif\n", "without key"),
    ],
)
def test_faults_of_a_windows_file(tmp_path, text, word):
    _, faults = read_windows(write(tmp_path / "w.csv", text), tmp_path)
    assert any(word in fault.what for fault in faults), faults


def test_a_missing_windows_file(tmp_path):
    _, faults = read_windows(tmp_path / "no.csv", tmp_path)
    assert "can't be read" in faults[0].what
