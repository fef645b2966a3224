import pytest
import torch
from torch import nn

from geofoundry.core.errors import ConfigError
from geofoundry.tasks.losses import LOSSES, WeightedLoss, build_loss, check_loss, read_loss

CLASSES = 4


def make_batch(seed=0, ignored_share=0.3, ignore_index=255):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, CLASSES, 9, 7, generator=generator)
    labels = torch.randint(0, CLASSES, (2, 9, 7), generator=generator)
    ignored = torch.rand(labels.shape, generator=generator) < ignored_share
    return logits, labels.masked_fill(ignored, ignore_index), ignored


@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 3.0, 0.0])], ids=["plain", "weighted"])
@pytest.mark.parametrize("ignore_index", [255, -1, 0, 2])
@pytest.mark.parametrize("name", LOSSES)
def test_an_ignored_pixel_contributes_nothing(name, ignore_index, weights):
    logits, labels, ignored = make_batch(ignore_index=ignore_index)
    ignored = labels == ignore_index  # an ignore index may be a class, whose own pixels are then ignored too
    changed = torch.where(ignored.unsqueeze(1), 50.0 * torch.randn(logits.shape), logits)

    logits.requires_grad_()
    changed.requires_grad_()
    loss = LOSSES[name](logits, labels, weights, ignore_index)
    other = LOSSES[name](changed, labels, weights, ignore_index)
    loss.backward()
    other.backward()

    assert loss.item() > 0
    torch.testing.assert_close(other, loss)
    assert logits.grad is not None
    assert changed.grad is not None
    at_ignored = ignored.unsqueeze(1).expand_as(logits)
    assert torch.all(logits.grad[at_ignored] == 0)
    torch.testing.assert_close(changed.grad, logits.grad)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 3.0, 0.0])], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", LOSSES)
def test_ignoring_pixels_equals_leaving_them_out(name, weights):
    logits, labels, ignored = make_batch()
    kept = LOSSES[name](logits.movedim(1, -1)[~ignored].T.unsqueeze(0), labels[~ignored].unsqueeze(0), weights, None)
    torch.testing.assert_close(LOSSES[name](logits, labels, weights, 255), kept)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 3.0, 0.0])], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_that_is_all_ignored_gives_zero_and_no_gradient(name, weights):
    logits = torch.randn(2, CLASSES, 5, 5, requires_grad=True)
    loss = LOSSES[name](logits, torch.full((2, 5, 5), 255), weights, 255)
    loss.backward()
    assert loss.shape == ()
    assert loss.item() == 0
    assert logits.grad is not None
    assert torch.all(logits.grad == 0)


@pytest.mark.parametrize("name", LOSSES)
def test_pixels_of_a_class_without_weight_only_give_zero(name):
    logits = torch.randn(2, CLASSES, 5, 5, requires_grad=True)
    loss = LOSSES[name](logits, torch.full((2, 5, 5), 3), torch.tensor([1.0, 1.0, 1.0, 0.0]), None)
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("ignore_index", [None, 255])
@pytest.mark.parametrize("name", LOSSES)
def test_perfect_scores_give_no_loss(name, ignore_index):
    _, labels, _ = make_batch(ignored_share=0)
    logits = 40.0 * nn.functional.one_hot(labels, CLASSES).movedim(-1, 1).float()
    assert LOSSES[name](logits, labels, None, ignore_index).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_scores_are_summed_in_float32(name):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(4, CLASSES, 128, 128, generator=generator).bfloat16()
    labels = torch.randint(0, CLASSES, (4, 128, 128), generator=generator)
    loss = LOSSES[name](logits, labels, None, None)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, LOSSES[name](logits.float(), labels, None, None))


@pytest.mark.parametrize("name", LOSSES)
def test_images_and_vectors_of_the_same_pixels_give_the_same_loss(name):
    logits, labels, _ = make_batch(ignored_share=0)
    flat = logits.movedim(1, -1).reshape(-1, CLASSES), labels.reshape(-1)
    torch.testing.assert_close(LOSSES[name](*flat, None, None), LOSSES[name](logits, labels, None, None))


def test_a_mapping_weighs_the_losses_and_reports_each_part():
    logits, labels, _ = make_batch()
    values = build_loss({"ce": 0.25, "dice": 2}, class_weights=None, ignore_index=255)(logits, labels)
    ce, dice = (LOSSES[name](logits, labels, None, 255) for name in ("ce", "dice"))
    assert set(values) == {"loss", "loss_ce", "loss_dice"}
    torch.testing.assert_close(values["loss"], 0.25 * ce + 2 * dice)
    torch.testing.assert_close(values["loss_ce"], ce)
    torch.testing.assert_close(values["loss_dice"], dice)


def test_a_list_adds_the_losses_up_and_a_single_loss_has_no_parts():
    logits, labels, _ = make_batch(ignored_share=0)
    single = [build_loss(name, class_weights=None, ignore_index=None)(logits, labels) for name in ("ce", "lovasz")]
    both = build_loss(["ce", "lovasz"], class_weights=None, ignore_index=None)(logits, labels)
    assert [set(values) for values in single] == [{"loss"}, {"loss"}]
    torch.testing.assert_close(both["loss"], single[0]["loss"] + single[1]["loss"])


def test_a_module_is_used_as_it_is():
    logits, labels, _ = make_batch(ignored_share=0)
    module = nn.CrossEntropyLoss(label_smoothing=0.1)
    values = build_loss(module, class_weights=None, ignore_index=None)(logits, labels)
    torch.testing.assert_close(values["loss"], module(logits, labels))


def test_class_weights_are_no_part_of_a_checkpoint():
    loss = WeightedLoss({"ce": 1.0}, class_weights=[1.0, 2.0])
    assert loss.state_dict() == {}
    assert loss.class_weights is not None


def test_all_faults_of_a_mapping_are_found_with_the_nearest_name():
    weights, faults = read_loss({"diec": 1.0, "ce": -1, "focal": float("nan"), "dice": True})
    assert len(weights) == 4
    texts = [str(fault) for fault in faults]
    assert len(texts) == 4
    assert "write 'dice'" in texts[0]
    with pytest.raises(ConfigError, match="unknown loss 'diec'"):
        build_loss({"diec": 1.0}, class_weights=None, ignore_index=None)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (["ce", "ce"], "named twice"),
        ({"ce": 0, "dice": 0.0}, "nothing would be learned"),
        ([], "nothing would be learned"),
        (3, "this is no loss"),
    ],
)
def test_a_loss_that_makes_no_sense_is_refused(loss, words):
    _, faults = read_loss(loss)
    assert len(faults) == 1
    assert words in str(faults[0])


def test_class_weights_are_held_against_the_classes_and_the_loss():
    assert check_loss("dice", [1.0, 2.0], 2) == []
    assert "1 weights" in str(check_loss("ce", [1.0], 2)[0])
    assert "at least 0" in str(check_loss("ce", [1.0, float("inf")], 2)[0])
    assert "at least 0" in str(check_loss("ce", [0, 0], 2)[0])
    assert "don't reach" in str(check_loss(nn.CrossEntropyLoss(), [1.0, 1.0], 2)[0])
