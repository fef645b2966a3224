import numpy as np
import pytest
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from geofoundry.recipes.pixel_baseline import fit_pixel_baseline


@pytest.fixture(scope="module")
def pixels():
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 6000, p=[0.6, 0.3, 0.1])
    means = np.array([[400, 500, 300], [700, 700, 900], [500, 1500, 600]])
    return means[labels] + rng.normal(size=(6000, 3)) * np.array([[80, 60, 90], [200, 40, 60], [50, 300, 80]])[
        labels
    ], labels


def test_one_gaussian_per_class_is_quadratic_discriminant_analysis(pixels):
    """The textbook's classifier as an oracle; ours borrows a little of the class's spread, so a few borders move."""
    x, y = pixels
    ours = fit_pixel_baseline(x, y, components=1).predict(x)
    oracle = QuadraticDiscriminantAnalysis().fit(x, y).predict(x)
    assert (ours == oracle).mean() > 0.997


def test_several_gaussians_find_a_class_of_two_colors():
    rng = np.random.default_rng(1)
    two_colors = np.concatenate([rng.normal(0, 1, (800, 2)), rng.normal(10, 1, (800, 2))])
    between = rng.normal(5, 1, (800, 2))
    x, y = np.concatenate([two_colors, between]), np.repeat([1, 0], [1600, 800])
    assert (fit_pixel_baseline(x, y, components=1).predict(x) == y).mean() < 0.98
    assert (fit_pixel_baseline(x, y, components=4).predict(x) == y).mean() > 0.99


def test_the_same_seed_gives_the_same_answer(pixels):
    x, y = pixels
    first, second = (fit_pixel_baseline(x, y, seed=2).predict(x) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_rare_classes_constant_bands_and_gaps_in_the_numbers_do_no_harm():
    x = np.zeros((50, 4))
    x[:, 0] = np.arange(50)
    y = np.where(np.arange(50) < 48, 5, 2)
    y[-1] = 7
    predicted = fit_pixel_baseline(x, y).predict(x)
    assert set(predicted) <= {2, 5, 7}
    assert (predicted == y).mean() > 0.9
