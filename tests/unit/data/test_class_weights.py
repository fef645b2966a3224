import pytest

from geofoundry.data.class_weights import suggest_class_weights


def test_rare_classes_weigh_more_and_absent_ones_nothing_special():
    weights = suggest_class_weights([0.64, 0.16, 0.0, 0.04])
    assert sum(weights[i] for i in (0, 1, 3)) / 3 == pytest.approx(1, rel=1e-2)
    assert weights[1] / weights[0] == pytest.approx(2, rel=1e-2)
    assert weights[3] / weights[0] == pytest.approx(4, rel=1e-2)
    assert weights[2] == 1.0
    assert suggest_class_weights([]) == []
