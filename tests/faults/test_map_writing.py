"""A map is whole or absent: when the disk is full, and when the process is killed."""

import signal
import subprocess
import sys
import textwrap

import pytest
import rasterio

PREAMBLE = """
import numpy as np, resource, sys
from affine import Affine
from rasterio.crs import CRS
from geofoundry.core.errors import GeofoundryError
from geofoundry.geo.grid import Grid
from geofoundry.geo.map_content import ValueMap
from geofoundry.geo.windows import tiles
from geofoundry.geo.writing import MapWriter

grid = Grid(CRS.from_epsg(32648), Affine(10, 0, 0, 0, -10, 0), 1536, 1536)
noise = np.random.default_rng(0).random((512, 1536), dtype=np.float32)
"""


def run(body, **options):
    code = PREAMBLE + textwrap.dedent(body)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("limit_bytes", [2_000_000, 9_000_000])
def test_full_disk_is_told_and_leaves_nothing(tmp_path, limit_bytes):
    # The scratch file takes 8.3 MB, the final one about 11: the first limit stops the former, the second the latter.
    done = run(
        f"""
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))
        try:
            with MapWriter("map.tif", grid, ValueMap(["p"])) as writer:
                for window in tiles(1536, 1536, 512):
                    writer.write(noise, window)
        except GeofoundryError as error:
            assert "a map can't be written" in str(error), error
            assert "map.tif" in str(error)
            sys.exit(42)
        """,
        cwd=tmp_path,
    )
    assert done.returncode == 42, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_kill_leaves_no_map_under_the_final_name(tmp_path):
    done = run(
        """
        import os, signal
        writer = MapWriter("map.tif", grid, ValueMap(["p"]))
        writer.write(noise, next(tiles(1536, 1536, 512)))
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        cwd=tmp_path,
    )
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "map.tif").exists()
    # The next attempt isn't disturbed by what was left.
    again = run(
        """
        with MapWriter("map.tif", grid, ValueMap(["p"])) as writer:
            for window in tiles(1536, 1536, 512):
                writer.write(noise, window)
        """,
        cwd=tmp_path,
    )
    assert again.returncode == 0, again.stderr
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.read(1).min() >= 0
