import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geofoundry.geo.windows import cover


@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 60), st.data())
def test_windows_cover_every_pixel_and_stay_inside(size, more_rows, more_cols, data):
    height, width = size + more_rows, size + more_cols
    stride = data.draw(st.integers(1, size))
    covered = np.zeros((height, width), int)
    windows = cover(height, width, size, stride)
    for window in windows:
        rows, cols = window.toslices()
        assert 0 <= rows.start < rows.stop <= height
        assert 0 <= cols.start < cols.stop <= width
        covered[rows, cols] += 1
    assert covered.min() >= 1
    assert len({(w.row_off, w.col_off) for w in windows}) == len(windows)
