"""A small labelled data set, a YAML for it, and the command as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

BANDS = ("BLUE", "GREEN", "RED", "NIR")
SIDE_PX = 32

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def write_chips(root: Path, count: int, seed: int = 0) -> None:
    """Write chips of three classes that differ in every band, each class in a blob of its own."""
    rng = np.random.default_rng(seed)
    spectra = np.array([[400, 500, 300, 200], [300, 600, 400, 4000], [1500, 1800, 2200, 2600]])
    for index in range(count):
        rows, columns = np.indices((SIDE_PX, SIDE_PX))
        labels = np.where(rows + rng.integers(-6, 7) < SIDE_PX / 2, 0, 1)
        labels[(rows - rng.integers(4, 28)) ** 2 + (columns - rng.integers(4, 28)) ** 2 < 60] = 2
        image = spectra[labels].transpose(2, 0, 1) + rng.normal(0, 120, (4, SIDE_PX, SIDE_PX))
        place = from_origin(500_000 + index * SIDE_PX * 10, 4_000_000, 10, 10)
        profile = {"driver": "GTiff", "height": SIDE_PX, "width": SIDE_PX, "crs": "EPSG:32633", "transform": place}
        for folder, array, dtype in (("images", image.clip(1), "uint16"), ("masks", labels[None], "uint8")):
            path = root / folder / f"chip_{index:02d}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            with rasterio.open(path, "w", count=len(array), dtype=dtype, **profile) as dataset:
                dataset.write(array.astype(dtype))
                if folder == "images":
                    dataset.descriptions = BANDS


CONFIG = """\
seed_everything: 7
model:
  class_path: SemanticSegmentationTask
  init_args:
    model_factory: EncoderDecoderFactory
    model_args:
      backbone: UNetEncoder
      backbone_bands: [BLUE, GREEN, RED, NIR]
      backbone_channels: [8, 16]
      decoder: UNetDecoder
      decoder_channels: [16, 8]
      num_classes: 3
      head_dropout: 0.1
    loss: {ce: 0.5, dice: 0.5}
    lr: 2.0e-2
data:
  class_path: SegmentationDataModule
  init_args:
    root: ROOT
    image_glob: "images/*.tif"
    label_glob: "masks/*.tif"
    bands: [BLUE, GREEN, RED, NIR]
    classes: [water, forest, soil]
    val_fraction: 0.25
    test_fraction: 0.25
    batch_size: 2
    num_workers: 0
    train_transforms: [{name: D4}]
trainer: {max_epochs: 6, accelerator: cpu, devices: 1}
run: {root: RUNS, name: chips}
"""


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data/` and `fit.yaml`, whose runs go to `runs/`."""
    folder = tmp_path_factory.mktemp("workplace")
    write_chips(folder / "data", count=12)
    (folder / "fit.yaml").write_text(CONFIG.replace("ROOT", str(folder / "data")).replace("RUNS", str(folder / "runs")))
    return folder


@pytest.fixture(scope="session")
def geofoundry(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the command in a process of its own, as a user does."""
    cache = tmp_path_factory.mktemp("cache")

    def run(
        *arguments: str | Path, cwd: Path | None = None, timeout_s: float = 180
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from geofoundry.cli import main; main()", *map(str, arguments)],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, "GEOFOUNDRY_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
        )

    return run
