"""Our losses against torch and segmentation_models_pytorch, where those are right."""

import pytest
import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.losses._functional import softmax_focal_loss_with_logits

from geofoundry.tasks.losses import LOSSES

CLASSES = 5
WEIGHTS = [0.5, 1.0, 2.0, 0.0, 3.0]
CLOSE = {"rtol": 1e-5, "atol": 1e-7}


def make_batch(ignore_index=None):
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(3, CLASSES, 16, 12, generator=generator)
    labels = torch.randint(0, CLASSES - 1, (3, 16, 12), generator=generator)  # the last class has no label
    if ignore_index is not None:
        labels[torch.rand(labels.shape, generator=generator) < 0.2] = ignore_index
    return logits, labels


def value_and_gradient(loss, logits, labels):
    logits = logits.clone().requires_grad_()
    value = loss(logits, labels)
    value.backward()
    return value.detach(), logits.grad


def assert_equal(name, reference, weights, ignore_index):
    logits, labels = make_batch(ignore_index)
    as_tensor = None if weights is None else torch.tensor(weights)
    ours = value_and_gradient(lambda x, y: LOSSES[name](x, y, as_tensor, ignore_index), logits, labels)
    theirs = value_and_gradient(reference, logits, labels)
    torch.testing.assert_close(ours[0], theirs[0], **CLOSE)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("ignore_index", [None, 255, -1, 1])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_cross_entropy_equals_torch(weights, ignore_index):
    extra = {} if ignore_index is None else {"ignore_index": ignore_index}
    reference = torch.nn.CrossEntropyLoss(weight=None if weights is None else torch.tensor(weights), **extra)
    assert_equal("ce", reference, weights, ignore_index)


@pytest.mark.parametrize("ignore_index", [None, 255, 1])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize(("name", "theirs"), [("dice", smp.losses.DiceLoss), ("jaccard", smp.losses.JaccardLoss)])
def test_overlap_losses_equal_smp(name, theirs, weights, ignore_index):
    reference = theirs("multiclass", ignore_index=ignore_index, class_weights=weights)
    assert_equal(name, reference, weights, ignore_index)


@pytest.mark.parametrize("ignore_index", [None, 255, 1])
def test_lovasz_equals_smp(ignore_index):
    assert_equal("lovasz", smp.losses.LovaszLoss("multiclass", ignore_index=ignore_index), None, ignore_index)


def test_focal_equals_the_softmax_form_of_smp():
    assert_equal("focal", softmax_focal_loss_with_logits, None, None)
