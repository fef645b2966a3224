"""Metrics and losses on whatever labels and scores there may be."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score

from geofoundry.tasks.confusion import ConfusionMatrix, f1, mean_iou, pixel_accuracy, predict_classes
from geofoundry.tasks.losses import LOSSES


@st.composite
def batches(draw):
    """Return (predictions, labels, classes, ignore index), of a few pixels."""
    classes = draw(st.integers(2, 7))
    ignore_index = draw(st.sampled_from([None, 255, -1, -100, 70_000, 0]))
    allowed = list(range(classes)) + ([] if ignore_index is None else [ignore_index])
    size = draw(st.integers(1, 12))
    labels = draw(st.lists(st.sampled_from(allowed), min_size=size, max_size=size))
    predictions = draw(st.lists(st.integers(0, classes - 1), min_size=size, max_size=size))
    return np.array(predictions), np.array(labels), classes, ignore_index


@settings(deadline=None, max_examples=150)
@given(batches(), st.integers(0, 12))
def test_counting_in_two_batches_equals_scikit_learn(batch, cut):
    predictions, labels, classes, ignore_index = batch
    matrix = ConfusionMatrix(classes, ignore_index)
    for part in (slice(0, cut), slice(cut, None)):
        matrix.update(torch.from_numpy(predictions[part]).to(torch.uint8), torch.from_numpy(labels[part]))
    kept = np.ones(len(labels), dtype=bool) if ignore_index is None else labels != ignore_index
    result = matrix.compute()
    if not kept.any():
        assert result.sum() == 0
        assert math.isnan(mean_iou(result))
        return
    truth, guess = labels[kept], predictions[kept]
    assert np.array_equal(result.numpy(), confusion_matrix(truth, guess, labels=range(classes)))
    seen = sorted({*truth, *guess})
    assert abs(pixel_accuracy(result) - accuracy_score(truth, guess)) < 1e-9
    for ours, theirs in ((mean_iou, jaccard_score), (f1, f1_score)):
        assert abs(ours(result) - theirs(truth, guess, labels=seen, average="macro", zero_division=0)) < 1e-9


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**31),
    st.sampled_from(sorted(LOSSES)),
    st.sampled_from([None, 255, -1, 0]),
    st.sampled_from([1e-3, 1.0, 100.0]),
    st.floats(0, 1),
)
def test_every_loss_is_finite_with_a_finite_gradient(seed, name, ignore_index, scale, share):
    generator = torch.Generator().manual_seed(seed)
    logits = (scale * torch.randn(2, 4, 3, 3, generator=generator)).requires_grad_()
    labels = torch.randint(0, 4, (2, 3, 3), generator=generator)
    if ignore_index is not None:
        labels[torch.rand(labels.shape, generator=generator) < share] = ignore_index
    loss = LOSSES[name](logits, labels, None, ignore_index)
    loss.backward()
    assert loss.item() >= -1e-6
    assert math.isfinite(loss.item())
    assert torch.isfinite(logits.grad).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(2, 300), st.sampled_from([torch.float32, torch.bfloat16]))
def test_the_predicted_class_has_the_highest_score(seed, classes, dtype):
    scores = torch.randn(1, classes, 2, 3, generator=torch.Generator().manual_seed(seed)).to(dtype)
    picked = scores.gather(1, predict_classes(scores).long().unsqueeze(1)).squeeze(1)
    assert torch.equal(picked, scores.amax(dim=1))
