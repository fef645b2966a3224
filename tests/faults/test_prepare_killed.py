"""Cutting scenes that is killed leaves whole files only, and goes on where it stopped."""

import signal
import subprocess
import sys
from pathlib import Path

import rasterio

PROGRAM = """
import os, signal, sys
import numpy as np, rasterio, shapely
from affine import Affine
from pathlib import Path
from rasterio.crs import CRS
from geofoundry.data import prepare as preparing
from geofoundry.data.label_sources import PolygonLabels
from geofoundry.geo.vectors import LabelPolygons

out, kill_at = sys.argv[1], int(sys.argv[2])
crs = CRS.from_epsg(32632)
if not Path("scene.tif").exists():
    profile = dict(driver="GTiff", count=2, height=96, width=96, dtype="uint16", crs=crs, transform=Affine(10, 0, 0, 0, -10, 0))
    with rasterio.open("scene.tif", "w", **profile) as scene:
        scene.write(np.random.default_rng(0).integers(1, 900, (2, 96, 96)).astype(np.uint16))
shape = np.array([shapely.box(5, -955, 955, -5)])
source = PolygonLabels(LabelPolygons(shape, np.array([0]), np.array([1]), {0: "a"}, crs, "scene.tif"), 255)

written = 0
original = preparing.write_mask_chip
def write_and_perhaps_die(*arguments):
    global written
    written += 1
    if written == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    original(*arguments)
preparing.write_mask_chip = write_and_perhaps_die
summary = preparing.prepare({"scene": Path("scene.tif")}, source, out, preparing.CutSettings(chip_size_px=32))
print(summary.kept, summary.resumed)
"""


def run(folder, out, kill_at):
    environment = {"GEOFOUNDRY_CACHE": str(folder / "cache"), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    command = [sys.executable, "-c", PROGRAM, out, str(kill_at)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_killed_and_resumed_equals_unbroken(tmp_path):
    killed = run(tmp_path, "broken", kill_at=5)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    masks = list((tmp_path / "broken" / "masks").glob("*.tif"))
    assert len(masks) == 4
    for mask in masks:
        with rasterio.open(mask) as dataset:
            dataset.read()
    assert not (tmp_path / "broken" / "summary.json").exists()

    resumed = run(tmp_path, "broken", kill_at=0)
    unbroken = run(tmp_path, "whole", kill_at=0)
    assert resumed.stdout == "9 4\n", resumed.stderr
    assert unbroken.stdout == "9 0\n", unbroken.stderr
    for kind in ("images", "masks", "labels"):
        ours, theirs = (sorted((tmp_path / name / kind).glob("*.tif")) for name in ("broken", "whole"))
        assert [file.name for file in ours] == [file.name for file in theirs]
        assert [Path(file).read_bytes() for file in ours] == [Path(file).read_bytes() for file in theirs]
