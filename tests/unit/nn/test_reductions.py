import pytest

from geofoundry.core.errors import ConfigError
from geofoundry.nn.reductions import assumed_pyramid, is_single_scale, nominal, require_pyramid


def test_usual_pyramids_end_at_a_thirty_second():
    assert assumed_pyramid(5) == [2, 4, 8, 16, 32]
    assert assumed_pyramid(4) == [4, 8, 16, 32]
    assert assumed_pyramid(6) == [1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize(("reduction", "power"), [(1, 1), (2, 2), (3.5, 4), (4, 4), (1.75, 2), (16, 16)])
def test_nominal_is_the_nearest_power_of_two(reduction, power):
    assert nominal(reduction) == power


def test_single_scale():
    assert is_single_scale([16, 16])
    assert not is_single_scale([16])
    assert not is_single_scale([8, 16])


def test_a_pyramid_is_let_through():
    require_pyramid("X", [3.5, 7, 14, 28], halving=True)
    require_pyramid("X", [2, 4, 8, 8], halving=False)
    require_pyramid("X", [32], halving=True)


@pytest.mark.parametrize(
    ("reductions", "halving", "mend"),
    [
        ([16, 16, 16, 16], False, "LearnedInterpolateToPyramidal"),
        ([2, 4, 8, 8], True, "out_indices"),
        ([8, 4], False, "out_indices"),
    ],
)
def test_what_is_no_pyramid_is_refused_with_its_mend(reductions, halving, mend):
    with pytest.raises(ConfigError, match="X needs a pyramid") as caught:
        require_pyramid("X", reductions, halving=halving)
    assert mend in caught.value.faults[0].mend
