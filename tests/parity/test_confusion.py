"""Metrics from our confusion matrix against torchmetrics."""

import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassJaccardIndex

from geofoundry.tasks.confusion import (
    ConfusionMatrix,
    class_accuracy,
    f1,
    iou_per_class,
    mean_class_accuracy,
    mean_iou,
    micro_iou,
    pixel_accuracy,
    predict_classes,
)


def make_batches(classes, ignore_index, seed, labeled=None, predicted=None):
    """Return scores and labels; `labeled` and `predicted` are how many of the classes occur there."""
    generator = torch.Generator().manual_seed(seed)
    for size in (24, 17):
        scores = torch.randn(2, classes, size, 20, generator=generator)
        if predicted is not None:
            scores[:, predicted:] = -100
        labels = torch.randint(0, labeled or classes, (2, size, 20), generator=generator)
        if ignore_index is not None:
            labels[torch.rand(labels.shape, generator=generator) < 0.2] = ignore_index
        yield scores, labels


def theirs(metric, average, classes, ignore_index, batches):
    collected = metric(num_classes=classes, average=average, ignore_index=ignore_index)
    for scores, labels in batches:
        collected.update(scores, labels)
    return collected.compute().double()


def ours(classes, ignore_index, batches):
    matrix = ConfusionMatrix(classes, ignore_index)
    for scores, labels in batches:
        matrix.update(predict_classes(scores), labels)
    return matrix.compute()


@pytest.mark.parametrize("ignore_index", [None, 255, -1])
@pytest.mark.parametrize(
    ("classes", "labeled", "predicted"),
    [(2, 2, 2), (5, 5, 5), (20, 20, 20), (6, 4, 6), (6, 6, 3), (6, 3, 4)],
    ids=["two", "five", "twenty", "never labeled", "never predicted", "nowhere"],
)
def test_every_metric_equals_torchmetrics(classes, labeled, predicted, ignore_index):
    batches = list(make_batches(classes, ignore_index, seed=classes + labeled, labeled=labeled, predicted=predicted))
    matrix = ours(classes, ignore_index, batches)

    def reference(metric, average):
        return theirs(metric, average, classes, ignore_index, batches)

    assert mean_iou(matrix) == pytest.approx(reference(MulticlassJaccardIndex, "macro").item(), abs=1e-6)
    assert micro_iou(matrix) == pytest.approx(reference(MulticlassJaccardIndex, "micro").item(), abs=1e-6)
    assert f1(matrix) == pytest.approx(reference(MulticlassF1Score, "macro").item(), abs=1e-6)
    assert pixel_accuracy(matrix) == pytest.approx(reference(MulticlassAccuracy, "micro").item(), abs=1e-6)
    assert mean_class_accuracy(matrix) == pytest.approx(reference(MulticlassAccuracy, "macro").item(), abs=1e-6)
    # A class that occurs nowhere is NaN here and 0 there.
    torch.testing.assert_close(
        iou_per_class(matrix).nan_to_num(0), reference(MulticlassJaccardIndex, None), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(
        class_accuracy(matrix).nan_to_num(0), reference(MulticlassAccuracy, None), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("ignore_index", [0, 2])
def test_iou_equals_torchmetrics_when_a_class_is_ignored(ignore_index):
    batches = list(make_batches(5, ignore_index, seed=7))
    matrix = ours(5, ignore_index, batches)
    for value, average in ((mean_iou(matrix, ignore_index), "macro"), (micro_iou(matrix, ignore_index), "micro")):
        reference = theirs(MulticlassJaccardIndex, average, 5, ignore_index, batches)
        assert value == pytest.approx(reference.item(), abs=1e-6)
