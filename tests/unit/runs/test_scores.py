import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score, precision_score, recall_score

from geofoundry.core.errors import DataError
from geofoundry.runs.scores import count_confusion, score_confusion

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def labelled():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 500).astype(np.uint8)  # d never occurs
    predictions = np.where(rng.random(500) < 0.7, labels, rng.integers(0, 3, 500)).astype(np.uint8)
    labels[:20] = 255
    return labels, predictions


def test_scores_equal_scikit_learn(labelled):
    labels, predictions = labelled
    matrix = count_confusion(labels, predictions, 4, 255)
    truth, guess = labels[20:], predictions[20:]
    np.testing.assert_array_equal(matrix, confusion_matrix(truth, guess, labels=range(4)))
    scores = score_confusion(matrix, NAMES)
    for attribute, oracle in (
        ("iou", jaccard_score),
        ("precision", precision_score),
        ("recall", recall_score),
        ("f1", f1_score),
    ):
        expected = oracle(truth, guess, labels=range(3), average=None)
        np.testing.assert_allclose([getattr(score, attribute) for score in scores.classes[:3]], expected, rtol=1e-12)
    assert scores.accuracy == pytest.approx(accuracy_score(truth, guess))
    assert scores.miou == pytest.approx(jaccard_score(truth, guess, labels=range(3), average="macro"))
    assert np.isnan(scores.classes[3].iou)
    assert scores.pixels == 480


def test_means_are_those_of_training():
    """Held against the tasks' own metrics on random matrices, with absent classes and an ignored one."""
    torch = pytest.importorskip("torch")
    from geofoundry.tasks.confusion import named_metrics

    rng = np.random.default_rng(0)
    for ignore_index in (None, 1, 255):
        for _ in range(20):
            matrix = rng.integers(0, 50, (4, 4)) * rng.integers(0, 2, (4, 1))
            if ignore_index == 1:
                matrix[1] = 0
            if matrix.sum() == 0:
                continue
            theirs = named_metrics(torch.from_numpy(matrix), NAMES, ignore_index)
            ours = score_confusion(matrix, NAMES, ignore_index)
            assert ours.miou == pytest.approx(theirs["mIoU"], nan_ok=True)
            assert ours.f1 == pytest.approx(theirs["F1_Score"], nan_ok=True)
            assert ours.accuracy == pytest.approx(theirs["Pixel_Accuracy"])
            assert [c.iou for c in ours.classes] == pytest.approx([theirs[f"IoU_{n}"] for n in NAMES], nan_ok=True)


def test_a_class_that_is_only_predicted_counts_as_0_in_one_mean_only():
    scores = score_confusion(np.array([[8, 2], [0, 0]]), ("a", "b"))
    assert scores.miou == pytest.approx(0.4)
    assert scores.miou_labelled == pytest.approx(0.8)
    assert scores.accuracy == pytest.approx(0.8)


def test_nothing_counted_is_nan_not_zero():
    scores = score_confusion(np.zeros((2, 2), int), ("a", "b"))
    assert np.isnan([scores.miou, scores.accuracy, scores.f1]).all()


def test_what_does_not_fit_is_refused(labelled):
    with pytest.raises(DataError, match=r"shape \(2, 2\)"):
        score_confusion(np.zeros((2, 2), int), NAMES)
    with pytest.raises(DataError) as caught:
        count_confusion(labelled[0], labelled[1] + 9, 4, None)
    assert len(caught.value.faults) == 2
