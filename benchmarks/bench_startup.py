"""Start-up: CPU seconds (user + system) of whole processes, ours and TerraTorch's side by side; one JSON line.

    OMP_NUM_THREADS=1 python benchmarks/bench_startup.py [--rounds 5]

`TERRATORCH_PYTHON` names the interpreter of an environment with TerraTorch; without it those columns are left out.
Every contender is a process of its own; they take turns, and a first round, which warms disk caches and our cache of
signatures, is not counted. Seconds are medians over the rounds; ratios are medians of the ratios within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from peer_process import TERRATORCH_PYTHON, median_ratio

# Ten faults, all kinds: a section, names, keywords at every depth, types, choices, a folder.
TEN_FAULTS = """\
model:
  class_path: SemanticSegmentationTask
  init_args:
    model_args:
      backbone: resnet19
      decoder: UNetDecodr
      head_dropuot: 0.1
      num_classes: 5
    loss: {ce: 0.5, dise: 0.5}
    lr: fast
data:
  class_path: SegmentationDataModule
  init_args: {root: nowhere, batchsize: 8}
trainer: {max_epoch: 50, precision: bf16-mxed}
optimizr: 1
"""
GOALS_S = {"import": 0.15, "help": 0.4, "check": 0.6}
COMMAND = "from geofoundry.cli import main; main()"


def cpu_s(argv: list[str], folder: Path, expected: int) -> float:
    """Run a process to its end and return its CPU seconds."""
    process = subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != expected:
        raise SystemExit(f"{argv} ended with {process.returncode} instead of {expected}")
    return usage.ru_utime + usage.ru_stime


def contenders() -> dict[str, tuple[list[str], int]]:
    """Return what is measured: the command line of each, and the exit code that it has to end with."""
    ours = [sys.executable, "-c"]
    found = {
        "python": ([*ours, "pass"], 0),
        "import": ([*ours, "import geofoundry"], 0),
        "help": ([*ours, COMMAND, "--help"], 0),
        "check": ([*ours, COMMAND, "config", "check", "ten.yaml"], 2),
        "fit_help": ([*ours, COMMAND, "fit", "--help"], 0),
        "torch_lightning": ([*ours, "import torch, lightning"], 0),
    }
    theirs = os.environ.get(TERRATORCH_PYTHON)
    if theirs:
        found["terratorch_import"] = ([theirs, "-c", "import terratorch"], 0)
        found["terratorch_help"] = ([theirs, "-m", "terratorch", "--help"], 0)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ten.yaml").write_text(TEN_FAULTS)
        for number in range(rounds + 1):
            for contender, (argv, expected) in contenders().items():
                taken = cpu_s(argv, folder, expected)
                if number:
                    seconds.setdefault(contender, []).append(taken)
    result: dict[str, object] = {
        "benchmark": "startup",
        "unit": "CPU seconds of a process",
        "rounds": rounds,
        "medians": {contender: round(statistics.median(taken), 3) for contender, taken in seconds.items()},
        "goals_s": GOALS_S,
        "fit_help_over_torch_lightning": round(median_ratio(seconds["fit_help"], seconds["torch_lightning"]), 3),
    }
    for word in ("import", "help"):
        if f"terratorch_{word}" in seconds:
            ratio = median_ratio(seconds[f"terratorch_{word}"], seconds[word])
            result[f"terratorch_over_ours_{word}"] = round(ratio, 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
