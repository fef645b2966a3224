import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from geofoundry.tasks.boundary_iou import BoundaryIoU

SQUARE = np.ones((3, 3), dtype=bool)


def band_by_morphology(classes, wanted, valid, radius, kind):
    """Return the band of one class by eroding and dilating its mask one pixel at a time."""
    mask = (classes == wanted) & valid
    # What is ignored may be of the class, so it doesn't gnaw at the mask.
    inside = ndimage.binary_erosion(mask | ~valid, SQUARE, iterations=radius, border_value=1)
    if kind == "inner":
        return mask & ~inside
    return valid & ndimage.binary_dilation(mask, SQUARE, iterations=radius) & ~inside


def boundary_iou_slowly(batches, classes, ignore_index, radius, kind):
    counts = np.zeros((2, classes))
    for predictions, labels in batches:
        for predicted, labeled in zip(predictions.numpy(), labels.numpy(), strict=True):
            valid = np.ones_like(labeled, dtype=bool) if ignore_index is None else labeled != ignore_index
            for wanted in range(classes):
                bands = [band_by_morphology(x, wanted, valid, radius, kind) for x in (predicted, labeled)]
                counts[:, wanted] += (bands[0] & bands[1]).sum(), (bands[0] | bands[1]).sum()
    with np.errstate(invalid="ignore"):
        return counts[0] / counts[1]


def make_batches(classes, ignore_index=None, shape=(2, 23, 17)):
    """Return patchy labels and predictions that differ from them here and there."""
    generator = torch.Generator().manual_seed(classes)
    for _ in range(2):
        coarse = torch.randint(0, classes, (shape[0], 4, 4), generator=generator)
        labels = coarse.repeat_interleave(6, 1).repeat_interleave(5, 2)[:, : shape[1], : shape[2]].clone()
        noise = torch.randint(0, classes, labels.shape, generator=generator)
        predictions = torch.where(torch.rand(labels.shape, generator=generator) < 0.05, noise, labels.roll(1, 2))
        if ignore_index is not None:
            labels[:, 5:9, 3:12] = ignore_index
            labels[torch.rand(labels.shape, generator=generator) < 0.02] = ignore_index
        yield predictions, labels


@pytest.mark.parametrize("ignore_index", [None, 255, -1])
@pytest.mark.parametrize("thickness_px", [1, 2, 5])
@pytest.mark.parametrize("classes", [2, 5, 20])
@pytest.mark.parametrize("band", ["inner", "both"])
def test_it_equals_eroding_and_dilating_each_class(band, classes, thickness_px, ignore_index):
    batches = list(make_batches(classes, ignore_index))
    metric = BoundaryIoU(classes, ignore_index, thickness_px=thickness_px, band=band)
    for predictions, labels in batches:
        metric.update(predictions.to(torch.uint8), labels)
    expected = boundary_iou_slowly(batches, classes, ignore_index, thickness_px, band)
    np.testing.assert_allclose(metric.compute().numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("band", ["inner", "both"])
def test_more_classes_than_a_byte_holds(band):
    batches = list(make_batches(300))
    metric = BoundaryIoU(300, band=band)
    for predictions, labels in batches:
        metric.update(predictions.to(torch.int16), labels)
    expected = boundary_iou_slowly(batches, 300, None, 2, band)
    np.testing.assert_allclose(metric.compute().numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("band", ["inner", "both"])
def test_what_is_ignored_makes_no_difference(band):
    predictions, labels = next(make_batches(4, ignore_index=255))
    other = torch.where(labels == 255, (predictions + 1) % 4, predictions)
    results = []
    for guess in (predictions, other):
        metric = BoundaryIoU(4, 255, band=band)
        metric.update(guess, labels)
        results.append(metric.compute())
    assert torch.equal(*results)


@pytest.mark.parametrize("band", ["inner", "both"])
def test_a_right_prediction_scores_one_beside_ignored_pixels_too(band):
    _, labels = next(make_batches(4, ignore_index=255))
    metric = BoundaryIoU(4, 255, band=band)
    metric.update(labels.where(labels != 255, 1), labels)
    assert metric.compute().tolist() == [1, 1, 1, 1]


def test_the_edge_of_the_image_is_no_outline():
    metric = BoundaryIoU(2)
    metric.update(torch.zeros(1, 8, 8, dtype=torch.uint8), torch.zeros(1, 8, 8, dtype=torch.int64))
    assert all(math.isnan(score) for score in metric.compute().tolist())


def test_an_image_smaller_than_the_band_is_all_band():
    labels = torch.tensor([[[0, 1, 1]]])
    metric = BoundaryIoU(2, thickness_px=5)
    metric.update(labels, labels)
    assert metric.compute().tolist() == [1, 1]


def test_an_ignored_class_has_no_score():
    labels = torch.tensor([[[0, 1, 1, 2, 2]]])
    metric = BoundaryIoU(3, ignore_index=0)
    metric.update(labels, labels)
    scores = metric.compute()
    assert math.isnan(scores[0])
    assert scores[1:].tolist() == [1, 1]


def test_reset_forgets():
    labels = torch.tensor([[[0, 1]]])
    metric = BoundaryIoU(2)
    metric.update(labels, 1 - labels)
    metric.reset()
    metric.update(labels, labels)
    assert metric.compute().tolist() == [1, 1]
