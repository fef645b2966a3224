import numpy as np
import pytest

from geofoundry.data.synthetic.materials import CLASS_NAMES, Material, class_of_material
from geofoundry.data.synthetic.noise import Warp, blur, enlarge, fractal_field
from geofoundry.data.synthetic.parcels import area, cut_into_parcels, densify, rectangle, thicken
from geofoundry.data.synthetic.rendering import class_map
from geofoundry.data.synthetic.spectra import BANDS, MATERIALS, noise_at, spectra


def test_parcels_tile_the_land():
    partition = cut_into_parcels(np.random.default_rng(0), 2000.0, 1500.0, margin_m=0.0)
    assert sum(area(parcel) for parcel in partition.parcels) == pytest.approx(2000.0 * 1500.0)
    sizes = [area(parcel) for parcel in partition.parcels]
    assert 20_000 < np.median(sizes) < 60_000
    assert len(partition.cuts) == len(partition.parcels) - 1


def test_a_fractal_field_has_the_power_law_that_was_asked_for():
    field = fractal_field(np.random.default_rng(0), (512, 512), 1.0, exponent=3.0, longest_m=128.0)
    assert (field.mean(), field.std()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))
    window = np.hanning(512)[:, None] * np.hanning(512)
    power = np.abs(np.fft.rfft2(field * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None, :])
    fits = (frequency > 0.06) & (frequency < 0.3)
    slope = np.polyfit(np.log(frequency[fits]), np.log(power[fits]), 1)[0]
    assert slope == pytest.approx(-3.0, abs=0.5)


def test_blur_keeps_the_mean_and_spreads_by_sigma():
    point = np.zeros((1, 41, 41), dtype=np.float32)
    point[0, 20, 20] = 1
    spread = blur(point, 2.0)[0]
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    offset = np.arange(41) - 20
    assert np.sqrt((spread.sum(axis=0) * offset**2).sum()) == pytest.approx(2.0, rel=0.03)


def test_enlarging_a_plane_gives_a_plane():
    plane = (np.arange(6)[:, None] * 2.0 + np.arange(8)).astype(np.float32)
    fine = enlarge(plane, 4)
    assert fine.shape == (24, 32)
    np.testing.assert_allclose(
        fine[2:-2, 2:-2].reshape(5, 4, 7, 4).mean(axis=(1, 3))[0, 0], plane[:2, :2].mean(), atol=1e-5
    )
    np.testing.assert_allclose(np.diff(fine[2:-2, 10]), 0.5, atol=1e-5)


def test_shapes_have_the_sizes_asked_for():
    box = rectangle(np.array([5.0, 6.0]), 20.0, 10.0, 0.7)
    assert area(box) == pytest.approx(200.0)
    assert box.mean(axis=0) == pytest.approx([5.0, 6.0])
    line = densify(np.array([[0.0, 0.0], [100.0, 0.0]]), 7.0, closed=False)
    assert np.diff(line[:, 0]).max() <= 7.0
    assert area(thicken(line, 8.0)) == pytest.approx(800.0)


def test_a_warp_moves_neighbors_alike():
    warp = Warp(np.random.default_rng(0), amplitude_m=40.0)
    points = np.random.default_rng(1).uniform(0, 5000, (200, 2))
    moved = warp(points) - points
    near = warp(points + 10.0) - points - 10.0
    assert 5 < np.abs(moved).max() < 250
    assert np.abs(moved - near).max() < 15


def test_a_pixel_is_what_covers_most_of_it():
    material = np.full((4, 8), Material.GRASS, dtype=np.uint8)
    material[:, :3] = Material.LAKE
    material[:3, 4:6] = Material.TILE_ROOF
    material[:2, 6:] = Material.ROAD
    assert [CLASS_NAMES[index] for index in class_map(material)[0]] == ["water", "built-up"]
    assert len(class_of_material()) == len(Material)


def test_tables_are_complete_and_physical():
    table = spectra()
    assert table.shape == (len(MATERIALS), len(BANDS))
    assert ((table > 0) & (table < 1)).all()
    ratio = table.T / noise_at(table.T.copy())
    assert (ratio > 10).all()
