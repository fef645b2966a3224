import copy
import math
import pickle

import pytest
import torch
from torch import multiprocessing

from geofoundry.core.errors import DataError
from geofoundry.tasks.confusion import (
    ConfusionMatrix,
    check_labels,
    class_accuracy,
    f1,
    f1_per_class,
    iou_per_class,
    mean_class_accuracy,
    mean_iou,
    micro_iou,
    named_metrics,
    pixel_accuracy,
    predict_classes,
    seen_classes,
)


def count_slowly(predictions, labels, classes, ignore_index):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    for predicted, true in zip(predictions.flatten().tolist(), labels.flatten().tolist(), strict=True):
        if true != ignore_index:
            matrix[true, predicted] += 1
    return matrix


@pytest.mark.parametrize("classes", [2, 5, 255, 256, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_running_maximum_is_argmax(classes, dtype):
    scores = torch.randn(2, classes, 11, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    winner = predict_classes(scores)
    assert winner.dtype == (torch.uint8 if classes <= 255 else torch.int16)
    picked = scores.gather(1, winner.long().unsqueeze(1)).squeeze(1)
    assert torch.equal(picked, scores.amax(dim=1))
    if dtype == torch.float32:
        assert torch.equal(winner.long(), scores.argmax(dim=1))


def test_the_first_of_equal_scores_wins_and_any_layout_is_taken():
    scores = torch.tensor([1.0, 3.0, 3.0, 0.0]).view(1, 4, 1, 1).expand(2, 4, 3, 3)
    assert predict_classes(scores).unique().tolist() == [1]
    channels_last = torch.randn(2, 4, 5, 6).contiguous(memory_format=torch.channels_last)
    assert torch.equal(predict_classes(channels_last).long(), channels_last.argmax(dim=1))


@pytest.mark.parametrize("label_type", [torch.int64, torch.int32, torch.int16])
@pytest.mark.parametrize("ignore_index", [None, 255, -1, -9999, 32767, 0, 2, 4])
@pytest.mark.parametrize("count", ["_count_on_cpu", "_count_without_waiting"])
def test_every_way_of_counting_equals_counting_by_hand(count, ignore_index, label_type):
    classes = 5
    generator = torch.Generator().manual_seed(1)
    predictions = torch.randint(0, classes, (2, 13, 5), generator=generator).to(torch.uint8)
    labels = torch.randint(0, classes, (2, 13, 5), generator=generator).to(label_type)
    if ignore_index is not None:
        labels[torch.rand(labels.shape, generator=generator) < 0.3] = ignore_index
    cells = getattr(ConfusionMatrix(classes, ignore_index), count)(predictions, labels)
    assert cells[-1] == 0
    assert torch.equal(cells[:-1].view(classes, classes), count_slowly(predictions, labels, classes, ignore_index))


def test_labels_far_apart_are_counted_too():
    matrix = ConfusionMatrix(3, ignore_index=2**40)
    matrix.update(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 2**40, 1, 2**40]))
    assert matrix.compute().tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_very_many_classes_are_counted_too():
    matrix = ConfusionMatrix(300, ignore_index=2**40)
    matrix.update(torch.tensor([299, 7, 2], dtype=torch.int16), torch.tensor([299, 0, 2**40]))
    assert matrix.compute().nonzero().tolist() == [[0, 7], [299, 299]]


def test_batches_add_up_and_reset_forgets():
    matrix = ConfusionMatrix(2)
    for _ in range(3):
        matrix.update(torch.tensor([[0, 1]]), torch.tensor([[0, 0]]))
    result = matrix.compute()
    assert result.dtype == torch.int64
    assert result.tolist() == [[3, 3], [0, 0]]
    matrix.reset()
    assert matrix.compute().sum() == 0
    assert result.sum() == 6


def test_an_empty_batch_and_an_all_ignored_batch_count_nothing():
    matrix = ConfusionMatrix(3, ignore_index=255)
    matrix.update(torch.empty(0, 4, dtype=torch.uint8), torch.empty(0, 4, dtype=torch.int64))
    matrix.update(torch.ones(2, 2, dtype=torch.uint8), torch.full((2, 2), 255))
    assert matrix.compute().sum() == 0


def test_counting_works_across_inference_mode():
    matrix = ConfusionMatrix(2)
    with torch.inference_mode():
        matrix.update(torch.tensor([1]), torch.tensor([1]))
        matrix.reset()
        matrix.update(torch.tensor([1]), torch.tensor([1]))
    matrix.update(torch.tensor([0]), torch.tensor([1]))
    assert matrix.compute().tolist() == [[0, 0], [1, 1]]


def test_a_matrix_can_be_copied_and_pickled():
    matrix = ConfusionMatrix(2)
    matrix.update(torch.tensor([1]), torch.tensor([1]))
    for other in (copy.deepcopy(matrix), pickle.loads(pickle.dumps(matrix))):
        other.update(torch.tensor([0]), torch.tensor([0]))
        assert other.compute().sum() == 2
    assert matrix.compute().sum() == 1


@pytest.mark.parametrize("ignore_index", [None, 255, 0, -7])
@pytest.mark.parametrize("wrong", [-5, -1, 3, 17, 254, 2**40])
def test_a_label_outside_the_classes_is_refused(wrong, ignore_index):
    labels = torch.tensor([[0, 1, 2, wrong, wrong]])
    with pytest.raises(DataError, match=rf"{wrong} \(2 px\)"):
        check_labels(labels, 3, ignore_index)
    with pytest.raises(DataError, match=rf"{wrong} \(2 px\)"):
        ConfusionMatrix(3, ignore_index).update(torch.zeros_like(labels), labels)
    late = ConfusionMatrix(3, ignore_index)
    late._cells = late._cells + late._count_without_waiting(torch.zeros_like(labels), labels)
    with pytest.raises(DataError, match="2 px"):
        late.compute()


@pytest.mark.parametrize("labels", [[-5, -4, -3], [-1, -1], [7, 9]])
def test_labels_that_are_all_outside_are_refused(labels):
    with pytest.raises(DataError, match="outside the classes"):
        ConfusionMatrix(3).update(torch.zeros(len(labels), dtype=torch.uint8), torch.tensor(labels))


def test_the_error_shows_a_few_labels_only():
    with pytest.raises(DataError) as caught:
        check_labels(torch.arange(300), 3, None)
    assert "3 (1 px), 4 (1 px), 5 (1 px), 6 (1 px), 7 (1 px), ..." in str(caught.value)


MATRIX = torch.tensor(
    [[6, 2, 0, 0], [1, 3, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
)  # class 2 nowhere, class 3 never a label


def test_metrics_by_hand():
    iou = [6 / 9, 3 / 7, math.nan, 0.0]
    assert iou_per_class(MATRIX).tolist() == pytest.approx(iou, nan_ok=True)
    assert mean_iou(MATRIX) == pytest.approx((iou[0] + iou[1] + iou[3]) / 3)
    assert mean_iou(MATRIX, labeled_only=True) == pytest.approx((iou[0] + iou[1]) / 2)
    assert micro_iou(MATRIX) == pytest.approx(9 / 17)
    assert f1_per_class(MATRIX).tolist() == pytest.approx([12 / 15, 6 / 10, math.nan, 0.0], nan_ok=True)
    assert f1(MATRIX) == pytest.approx((0.8 + 0.6) / 3)
    assert f1(MATRIX, labeled_only=True) == pytest.approx(0.7)
    assert class_accuracy(MATRIX).tolist() == pytest.approx([6 / 8, 3 / 5, math.nan, 0.0], nan_ok=True)
    assert mean_class_accuracy(MATRIX) == pytest.approx((0.75 + 0.6) / 3)
    assert mean_class_accuracy(MATRIX, labeled_only=True) == pytest.approx(0.675)
    assert pixel_accuracy(MATRIX) == pytest.approx(9 / 13)


def test_an_ignored_class_is_in_no_mean():
    assert seen_classes(MATRIX, 3).tolist() == [True, True, False, False]
    assert math.isnan(iou_per_class(MATRIX, 3)[3])
    assert mean_iou(MATRIX, 3) == pytest.approx((6 / 9 + 3 / 7) / 2)
    assert micro_iou(MATRIX, 3) == pytest.approx(9 / 16)


def test_nothing_counted_is_nan_everywhere():
    values = named_metrics(torch.zeros(2, 2, dtype=torch.int64), ["a", "b"])
    assert len(values) == 9
    assert all(math.isnan(value) for value in values.values())


def test_large_counts_lose_no_digit():
    matrix = torch.tensor([[2**40, 1], [0, 2**40]])
    assert iou_per_class(matrix)[0].item() == 2**40 / (2**40 + 1)


def test_metrics_carry_the_names_of_the_classes():
    values = named_metrics(MATRIX, ["water", "open land", "snow", "cloud"])
    assert list(values)[:5] == ["mIoU", "mIoU_Micro", "F1_Score", "Accuracy", "Pixel_Accuracy"]
    assert values["IoU_open land"] == pytest.approx(3 / 7)
    assert values["Class_Accuracy_water"] == pytest.approx(0.75)


def _count_in_one_of_two_processes(rank, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    matrix = ConfusionMatrix(2)
    if rank == 0:  # the other one sees no batch
        matrix.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
    (folder / f"{rank}.txt").write_text(str(matrix.compute().tolist()) + str(matrix.compute().tolist()))
    torch.distributed.destroy_process_group()


def test_processes_are_summed_and_only_once(tmp_path):
    multiprocessing.start_processes(_count_in_one_of_two_processes, (tmp_path,), nprocs=2, start_method="fork")
    expected = str([[1, 1], [0, 1]]) * 2
    assert [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)] == [expected, expected]
