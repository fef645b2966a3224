"""A model of 310 million parameters with weights from a file: ours, the usual way, TerraTorch's; one JSON line.

    OMP_NUM_THREADS=1 python benchmarks/bench_load_weights.py [--rounds 5] [--folder FOLDER]

`TERRATORCH_PYTHON` names the interpreter of an environment with TerraTorch; without it that column is left out.
Ours is `load_model` with a safetensors file. The usual way builds the same model, reads a PyTorch file with
`torch.load` and copies it in. TerraTorch builds `prithvi_eo_v2_300` with UPerNet (random weights, 315 million
parameters), and does the same. Every run is a process of its own, and contenders take turns; imports are not counted.

Per contender: CPU seconds (user and system), wall seconds and the growth of the peak resident memory over the
imports, until the model is ready, and until each weight has been read once (as the first batch does). Medians over
the rounds; ratios are medians of the ratios within a round. Files are 1.3 GB each and in the page cache.
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
from pathlib import Path

BANDS = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
CONTENDERS = {"ours": "ours.safetensors", "usual": "ours.pt", "terratorch": "terratorch.pt"}


def build_ours():
    from geofoundry.models import EncoderDecoderFactory

    return EncoderDecoderFactory().build_model(
        "segmentation",
        "vit_large_patch16_224",
        "UperNetDecoder",
        backbone_bands=BANDS,
        necks=[{"name": "SelectIndices", "indices": [5, 11, 17, 23]}, {"name": "LearnedInterpolateToPyramidal"}],
        decoder_channels=256,
        num_classes=5,
    )


def build_terratorch():
    from terratorch.models import EncoderDecoderFactory

    return EncoderDecoderFactory().build_model(
        "segmentation",
        "prithvi_eo_v2_300",
        "UperNetDecoder",
        backbone_pretrained=False,
        backbone_bands=BANDS,
        necks=[
            {"name": "SelectIndices", "indices": [5, 11, 17, 23]},
            {"name": "ReshapeTokensToImage"},
            {"name": "LearnedInterpolateToPyramidal"},
        ],
        decoder_channels=256,
        num_classes=5,
    )


def save(contender: str, file: Path) -> None:
    import torch

    torch.manual_seed(0)
    model = build_terratorch() if contender == "terratorch" else build_ours()
    if file.suffix == ".pt":
        torch.save(model.state_dict(), file)
    else:
        from safetensors.torch import save_file

        save_file(model.state_dict(), file)


def import_everything(contender: str) -> None:
    """Import what building needs, by building the smallest model."""
    if contender == "terratorch":
        import terratorch.models  # noqa: F401  # imports all backbones
        from terratorch.registry import BACKBONE_REGISTRY

        assert "terratorch_prithvi_eo_v2_300" in BACKBONE_REGISTRY
        return
    from geofoundry.models import EncoderDecoderFactory, load_model  # noqa: F401

    EncoderDecoderFactory().build_model("segmentation", "resnet10t", "UperNetDecoder", num_classes=2)


def load(contender: str, file: Path):
    import torch

    if contender == "ours":
        from geofoundry.models import load_model

        return load_model(build_ours, file)
    model = build_terratorch() if contender == "terratorch" else build_ours()
    model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return model


def resident_peak_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(contender: str, file: Path) -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    import_everything(contender)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    base, cpu, wall = resident_peak_mb(), time.process_time(), time.perf_counter()
    model = load(contender, file)
    result = {
        "ready_cpu_s": time.process_time() - cpu,
        "ready_wall_s": time.perf_counter() - wall,
        "ready_peak_mb": resident_peak_mb() - base,
    }
    total = sum(float(tensor.sum()) for tensor in model.state_dict().values())
    return result | {
        "touched_cpu_s": time.process_time() - cpu,
        "touched_wall_s": time.perf_counter() - wall,
        "touched_peak_mb": resident_peak_mb() - base,
        "parameters": sum(p.numel() for p in model.parameters()),
        "sum_of_weights": round(total, 3),
    }


def run(contender: str, step: str, folder: Path) -> dict[str, float]:
    python = os.environ["TERRATORCH_PYTHON"] if contender == "terratorch" else sys.executable
    command = [python, __file__, "--step", step, "--contender", contender, "--folder", str(folder)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1]) if step == "measure" else {}


def compare(rounds: int, folder: Path) -> dict[str, object]:
    contenders = [c for c in CONTENDERS if c != "terratorch" or os.environ.get("TERRATORCH_PYTHON")]
    for contender in contenders:
        run(contender, "save", folder)
    turns = [{contender: run(contender, "measure", folder) for contender in contenders} for _ in range(rounds)]
    medians = {
        c: {key: round(statistics.median(turn[c][key] for turn in turns), 3) for key in turns[0][c]} for c in contenders
    }
    ratios = {
        c: {
            key: round(statistics.median(turn[c][key] / max(turn["ours"][key], 1e-3) for turn in turns), 1)
            for key in turns[0][c]
            if key.endswith(("_s", "_mb"))
        }
        for c in contenders
        if c != "ours"
    }
    return {"benchmark": "load_weights", "rounds": rounds, "medians": medians, "times_ours": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the files of weights go; a temporary folder unless given")
    parser.add_argument("--step", choices=("save", "measure"), help=argparse.SUPPRESS)
    parser.add_argument("--contender", choices=tuple(CONTENDERS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step is None:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            print(json.dumps(compare(arguments.rounds, Path(folder))))
        return
    file = arguments.folder / CONTENDERS[arguments.contender]
    if arguments.step == "save":
        save(arguments.contender, file)
    else:
        print(json.dumps(measure(arguments.contender, file)))


if __name__ == "__main__":
    main()
