import re
import warnings

import numpy as np
import pytest
from matplotlib.image import imread

from geofoundry.core.errors import DataError
from geofoundry.runs.canvas import fit_name, short_count
from geofoundry.runs.figures import plot_class_iou, plot_confusion, plot_learning_curves, plot_panels
from geofoundry.runs.metrics import MetricsWriter
from geofoundry.runs.panels import color_classes, color_errors, composite, composite_bands

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def is_picture(path) -> bool:
    pixels = imread(path)[..., :3]
    return pixels.shape[0] > 100 and (pixels < 0.95).any(axis=-1).mean() > 0.01


def names(count: int) -> list[str]:
    return [f"Land with a $very$ long name, number {i}" if i % 5 == 0 else f"class_{i}" for i in range(count)]


@pytest.mark.parametrize("count", [1, 2, 30])
def test_matrix_and_bars_for_few_and_many_classes(tmp_path, count):
    matrix = RNG.integers(0, 10**6, (count, count))
    matrix[-1] = 0
    assert is_picture(plot_confusion(matrix, names(count), tmp_path / "c.png"))
    assert is_picture(plot_class_iou(matrix, names(count), tmp_path / "i.png"))


def test_an_empty_matrix_is_drawn_and_a_wrong_one_refused(tmp_path):
    assert is_picture(plot_confusion(np.zeros((3, 3), int), names(3), tmp_path / "c.png"))
    assert is_picture(plot_class_iou(np.zeros((3, 3), int), names(3), tmp_path / "i.png"))
    with pytest.raises(DataError, match="does not fit"):
        plot_confusion(np.zeros((2, 3), int), names(3), tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


def test_curves_of_stages_classes_gaps_and_single_points(tmp_path):
    writer = MetricsWriter(tmp_path / "m.csv", tmp_path / "m.jsonl")
    for epoch in range(4):
        writer.write(
            {"train/loss": float("nan") if epoch == 2 else 1.0 / (epoch + 1), "lr": 0.1}, step=epoch, epoch=epoch
        )
        writer.write(
            {"val/loss": 1.0, "val/mIoU": 0.5, "val/IoU_water": 0.2, "val/IoU_sea ice": 0.3}, step=epoch, epoch=epoch
        )
    writer.write({"test/loss": 0.5}, step=4, epoch=4)
    writer.close()
    assert is_picture(plot_learning_curves(tmp_path / "m.csv", tmp_path / "l.png"))


@pytest.mark.parametrize(
    "text", [None, "", "step,epoch,time\n", "step,epoch,time\n0,0,\n", "step,epoch,time,a\n0,0,,nan\n"]
)
def test_curves_of_nothing_are_still_a_picture(tmp_path, text):
    if text is not None:
        (tmp_path / "m.csv").write_text(text)
    plot_learning_curves(tmp_path / "m.csv", tmp_path / "l.png")
    assert imread(tmp_path / "l.png").shape[0] > 100


@pytest.mark.parametrize(("bands", "count", "classes"), [(["B02", "B03", "B04"], 2, 2), (["VV"], 1, 1), ([], 1, 25)])
def test_panels(tmp_path, bands, count, classes):
    images = RNG.normal(size=(count, max(len(bands), 3 if not bands else 1), 20, 31))
    labels = RNG.integers(0, classes, (count, 20, 31))
    predictions = RNG.integers(0, classes, (count, 20, 31))
    labels[:, :5] = 255
    images[:, :, 3, 3] = np.nan
    path = plot_panels(
        images,
        labels,
        predictions,
        names(classes),
        tmp_path / "p.png",
        bands=bands,
        ignore_index=255,
        titles=["a very long file name that nobody can read.tif"],
    )
    assert is_picture(path)


def test_panels_of_other_shapes_are_refused(tmp_path):
    with pytest.raises(DataError, match="same chips"):
        plot_panels(
            np.zeros((1, 3, 4, 4)), np.zeros((1, 4, 5), int), np.zeros((1, 4, 4), int), ["a"], tmp_path / "p.png"
        )


def test_true_color_is_found_by_name_in_any_order():
    assert composite_bands(["B02", "B03", "B04", "B08"], 4) == [2, 1, 0]
    assert composite_bands(["SWIR_1", "RED", "GREEN", "BLUE"], 4) == [1, 2, 3]
    assert composite_bands(["VV", "VH"], 2) == [0, 0, 0]
    assert composite_bands([], 5) == [0, 1, 2]


def test_composite_stretches_by_percentiles_and_grays_what_is_not_finite():
    image = np.linspace(0, 1, 300).reshape(3, 10, 10)
    image[1, 0, 0] = np.inf
    picture = composite(image, [0, 1, 2])
    assert picture[0, 0].tolist() == [200, 200, 200]
    assert picture[-1, -1].tolist() == [255, 255, 255]
    outlier = np.zeros((1, 10, 10))
    outlier[0, :, 5:] = 1.0
    outlier[0, 0, 0] = 1e6
    sample = np.ones((10, 10), dtype=bool)
    sample[0] = False
    assert composite(outlier, [0, 0, 0], stretch_on=sample)[5, 7, 0] == 255


def test_colors_show_classes_errors_and_what_is_not_counted():
    values = np.array([[0, 1], [255, 1]])
    picture = color_classes(values, [(1, 2, 3), (4, 5, 6)])
    corner = picture.shape[0] // 4
    assert picture[corner, corner].tolist() == [1, 2, 3]
    assert picture[corner, -corner].tolist() == [4, 5, 6]
    hatched = picture[picture.shape[0] // 2 :, : picture.shape[1] // 2]
    assert sorted(np.unique(hatched)) == [140, 221]
    errors = color_errors(values, np.array([[1, 1], [1, 1]]), values != 255)
    assert errors[corner, corner].max() < 30
    assert errors[corner, -corner].min() > 200


def test_short_texts():
    assert [short_count(v) for v in (0, 7, 999, 1000, 9949, 12_345, 999_999, 1_250_000, 3e9)] == [
        "0",
        "7",
        "999",
        "1.0k",
        "9.9k",
        "12k",
        "1.0M",
        "1.2M",
        "3.0G",
    ]
    assert fit_name("bare soil") == "bare soil"
    assert re.fullmatch(r"[^\n]{1,22}\n[^\n]{1,22}…", fit_name("word " * 30))
    assert fit_name("a$b") == r"a\$b"
