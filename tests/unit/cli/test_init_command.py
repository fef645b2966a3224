"""`geofoundry init`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
import typer
from affine import Affine
from typer.testing import CliRunner

from geofoundry.cli.init_command import init

app = typer.Typer()
app.command("init")(init)


def test_init_says_what_it_found_and_what_comes_next(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for i in range(9):
        place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 500_000 + 320 * i, 0, -10, 5_000_000)}
        for folder, pixels in (
            ("images", rng.random((3, 32, 32), np.float32)),
            ("masks", np.eye(32, dtype=np.uint8)[None]),
        ):
            Path(folder).mkdir(exist_ok=True)
            profile = {"driver": "GTiff", "count": len(pixels), "height": 32, "width": 32, "dtype": pixels.dtype}
            with rasterio.open(f"{folder}/{i}.tif", "w", **profile, **place) as dataset:
                dataset.write(pixels)
                if folder == "images":
                    dataset.descriptions = ("red", "nir", "ndvi")
    result = CliRunner().invoke(app, ["images", "masks", "--classes", "off,on"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "bands    red, nir" in result.stdout
    assert "classes  off, on" in result.stdout
    assert "next: geofoundry fit -c fit.yaml --dry-run" in result.stdout
    assert "ndvi" in Path("fit.yaml").read_text()
    result = CliRunner().invoke(app, ["images", "masks", "-o", "b.yaml", "--json"], catch_exceptions=False)
    assert json.loads(result.stdout)["classes"] == ["class 0", "class 1"]
