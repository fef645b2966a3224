"""Loading labelled chips: our datamodule, TerraTorch's, and bare rasterio, side by side; one JSON line.

    OMP_NUM_THREADS=1 python benchmarks/bench_datamodule.py [--rounds 5]

`TERRATORCH_PYTHON` names the interpreter of an environment with TerraTorch; without it that column is left out.
What counts is the CPU time of an epoch alone (no imports, no setup), user and system, in milliseconds per chip. In a
round, our contenders and bare rasterio run epochs in turn in one process, TerraTorch in a process of its own
environment; the first epoch of each is not counted. Printed are medians over all epochs, and medians of the ratios
between epochs that lie next to each other.
Generated files: 6 bands of uint16, 224 x 224 without compression, and 512 x 512 in deflate; warm page cache;
no worker processes, so that all work is counted. Every contender ends with a normalized float32 batch and its labels.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

BANDS = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
MEANS, STDS = [3000.0] * 6, [800.0] * 6
SCENARIOS = {"raw_224": (224, None, 96), "deflate_512": (512, "deflate", 32)}
BATCH = 16
EPOCHS = 5  # counted, of each contender in a round


def write_chips(folder: Path, size: int, compress: str | None, count: int) -> None:
    """Write images that are smooth with noise, as scenes are, and blocky labels."""
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    profile = {"driver": "GTiff", "height": size, "width": size, "crs": "EPSG:32632"}
    profile |= {"compress": compress} if compress else {}
    for number in range(count):
        profile["transform"] = from_origin(5e5 + 10 * size * number, 5e6, 10, 10)
        coarse = rng.normal(3000, 800, (6, size // 8, size // 8)).repeat(8, 1).repeat(8, 2)
        image = (coarse + rng.normal(0, 60, (6, size, size))).clip(0, 10000).astype("uint16")
        label = rng.integers(0, 5, (1, size // 16, size // 16)).repeat(16, 1).repeat(16, 2).astype("uint8")
        for kind, values in (("images", image), ("masks", label)):
            path = folder / kind / f"chip{number:03}.tif"
            with rasterio.open(path, "w", count=len(values), dtype=values.dtype, **profile) as file:
                file.write(values)
                if kind == "images":
                    file.descriptions = BANDS


def ours(folder: Path, transforms: list[dict[str, str]]):
    from geofoundry.data.segmentation_datamodule import SegmentationDataModule

    data = SegmentationDataModule(
        root=str(folder), bands=BANDS, classes=5, means=MEANS, stds=STDS, val_fraction=0.0, test_fraction=0.0,
        batch_size=BATCH, num_workers=0, train_transforms=transforms,
    )  # fmt: skip
    data.setup("fit")
    loader = data.train_dataloader()

    def epoch() -> int:
        return sum(len(data.on_after_batch_transfer(batch, 0)["image"]) for batch in loader)

    return epoch


def terratorch(folder: Path):
    import albumentations
    from albumentations.pytorch import ToTensorV2
    from terratorch.datamodules import GenericNonGeoSegmentationDataModule

    names = {f"{split}_{kind}": str(folder / sub) for split in ("train", "val", "test")
             for kind, sub in (("data_root", "images"), ("label_data_root", "masks"))}  # fmt: skip
    data = GenericNonGeoSegmentationDataModule(
        batch_size=BATCH, num_workers=0, num_classes=5, img_grep="*.tif", label_grep="*.tif", means=MEANS, stds=STDS,
        dataset_bands=BANDS, output_bands=BANDS, train_transform=[ToTensorV2()], check_stackability=False,
        drop_last=False, **names,
    )  # fmt: skip
    assert albumentations
    data.setup("fit")
    loader = data.train_dataloader()

    def epoch() -> int:
        return sum(len(data.aug(batch)["image"]) for batch in loader)

    return epoch


def bare(folder: Path):
    """Open, read, stack, cast, normalize: what anyone would write who wants it fast and nothing else."""
    import numpy as np
    import rasterio
    import torch

    images = sorted((folder / "images").iterdir())
    masks = [folder / "masks" / path.name for path in images]
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEANS, STDS))

    def epoch() -> int:
        done = 0
        order = np.random.default_rng(0).permutation(len(images)).tolist()
        for start in range(0, len(order), BATCH):
            pixels, labels = [], []
            for number in order[start : start + BATCH]:
                with rasterio.open(images[number]) as file:
                    pixels.append(file.read())
                with rasterio.open(masks[number]) as file:
                    labels.append(file.read(1))
            batch = torch.from_numpy(np.stack(pixels)).float().sub_(mean).div_(std)
            assert torch.from_numpy(np.stack(labels)).long().shape[0] == len(batch)
            done += len(batch)
        return done

    return epoch


def build(contender: str, folder: Path):
    if contender == "terratorch":
        return terratorch(folder)
    if contender == "bare":
        return bare(folder)
    return ours(folder, [{"name": "D4"}] if contender == "augmented" else [])


def measure(contenders: list[str], folder: Path) -> dict[str, list[float]]:
    """Return CPU milliseconds per chip of epochs that take turns."""
    warnings.simplefilter("ignore")
    epochs = {contender: build(contender, folder) for contender in contenders}
    times: dict[str, list[float]] = {contender: [] for contender in contenders}
    for turn in range(1 + EPOCHS):
        for contender, epoch in epochs.items():
            begin = time.process_time()
            count = epoch()
            if turn > 0:
                times[contender].append((time.process_time() - begin) / count * 1e3)
    return times


def run(contenders: list[str], folder: Path) -> dict[str, list[float]]:
    """Measure contenders in a process of their own."""
    python = os.environ["TERRATORCH_PYTHON"] if contenders == ["terratorch"] else sys.executable
    command = [python, __file__, "--contenders", *contenders, "--folder", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{contenders} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contenders", nargs="+")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.contenders:
        print(json.dumps(measure(arguments.contenders, arguments.folder)))
        return
    groups = [["ours", "bare", "augmented"]] + [["terratorch"]] * ("TERRATORCH_PYTHON" in os.environ)
    report: dict[str, object] = {"benchmark": "datamodule", "rounds": arguments.rounds, "batch_size": BATCH}
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["GEOFOUNDRY_CACHE"] = f"{temporary}/cache"
        for name, (size, compress, count) in SCENARIOS.items():
            folder = Path(temporary) / name
            write_chips(folder, size, compress, count)
            times: dict[str, list[float]] = {}
            for _ in range(arguments.rounds):
                for group in groups:
                    for contender, values in run(group, folder).items():
                        times.setdefault(contender, []).extend(values)
            report[name] = summarize(times)
    print(json.dumps(report))


def summarize(times: dict[str, list[float]]) -> dict[str, float]:
    def ratio(above: str, below: str) -> float:
        pairs = zip(times[above], times[below], strict=True)
        return round(statistics.median(a / b for a, b in pairs), 3)

    summary = {f"{name}_cpu_ms": round(statistics.median(values), 3) for name, values in times.items()}
    summary |= {"bare_over_ours": ratio("bare", "ours"), "augmented_over_ours": ratio("augmented", "ours")}
    return summary | ({"terratorch_over_ours": ratio("terratorch", "ours")} if "terratorch" in times else {})


if __name__ == "__main__":
    main()
