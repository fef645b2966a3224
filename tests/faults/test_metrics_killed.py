"""A process that writes metrics is killed at any moment; both files stay readable and a new writer goes on."""

import csv
import signal
import subprocess
import sys
import time

import pytest

from geofoundry.runs.metrics import MetricsWriter, read_metrics, read_table

WRITER = """
import sys
from pathlib import Path
from geofoundry.runs.metrics import MetricsWriter
folder = Path(sys.argv[1])
writer = MetricsWriter(folder / "metrics.csv", folder / "metrics.jsonl")
print("ready", flush=True)
step = 0
while True:
    writer.write({"train/loss": 1 / (step + 1), f"late/{step // 40}": 1.0}, step=step, epoch=step // 10)
    writer.write({"val/loss": 1 / (step + 3)}, step=step, epoch=step // 10)
    step += 1
"""


@pytest.mark.parametrize("wait_s", [0.02, 0.05, 0.11])
def test_kill_9_in_the_middle_of_writing(tmp_path, wait_s):
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    while not (tmp_path / "metrics.csv").exists():
        time.sleep(0.005)
    time.sleep(wait_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [index // 2 for index in range(len(rows))]
    with open(tmp_path / "metrics.csv", newline="") as file:
        lines = list(csv.reader(file))
    assert all(len(line) == len(lines[0]) for line in lines)  # no torn line, no half-widened table
    last_step = rows[-1]["step"]
    assert last_step - 1 <= read_table(tmp_path / "metrics.csv")[-1]["step"] <= last_step

    with MetricsWriter(tmp_path / "metrics.csv", tmp_path / "metrics.jsonl") as writer:
        writer.drop_after(last_step - 1)
        writer.write({"train/loss": 7.0}, step=last_step, epoch=last_step // 10)
    table = read_table(tmp_path / "metrics.csv")
    assert [row["step"] for row in table] == list(range(last_step + 1))
    assert table[-1]["train/loss"] == 7.0
