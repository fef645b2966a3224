"""Training that is killed, interrupted or runs out of disk: nothing finished is lost, and going on is exact."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tests.integration.conftest import CONFIG, write_chips

from geofoundry.runs import RunFolder

EPOCHS = 12


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    write_chips(folder / "data", count=12)
    text = CONFIG.replace("ROOT", str(folder / "data")).replace("max_epochs: 6", f"max_epochs: {EPOCHS}")
    (folder / "fit.yaml").write_text(text)
    return folder


def command(workplace: Path, runs: Path, *more: str) -> list[str]:
    config = workplace / f"{runs.name}.yaml"
    config.write_text((workplace / "fit.yaml").read_text().replace("RUNS", str(runs)))
    return [sys.executable, "-c", "from geofoundry.cli import main; main()", "fit", "-c", str(config), *more]


def finished_metrics(runs: Path) -> list[str]:
    run = RunFolder.latest(runs, "chips")
    return run.metrics_jsonl.read_text().splitlines() if run and run.metrics_jsonl.is_file() else []


def wait_for(condition, process: subprocess.Popen[str], timeout_s: float = 120) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < end, "it never got so far"
        time.sleep(0.02)


def weights(runs: Path) -> dict[str, torch.Tensor]:
    run = RunFolder.latest(runs, "chips")
    assert run is not None
    return torch.load(run.checkpoints / "last.ckpt", weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def unbroken(workplace: Path) -> dict[str, torch.Tensor]:
    done = subprocess.run(command(workplace, workplace / "unbroken"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return weights(workplace / "unbroken")


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_a_broken_training_goes_on_as_if_unbroken(
    workplace: Path, unbroken: dict[str, torch.Tensor], blow: signal.Signals
):
    runs = workplace / f"broken{int(blow)}"
    process = subprocess.Popen(
        command(workplace, runs),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts its background jobs, and so these tests, with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    run_has_checkpoint = lambda: any(runs.glob("chips/*/checkpoints/last.ckpt"))  # noqa: E731
    wait_for(run_has_checkpoint, process)
    process.send_signal(blow)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (-9 if blow == signal.SIGKILL else 130), errors
    run = RunFolder.latest(runs, "chips")
    assert run is not None
    assert run.status == "interrupted"
    reached = torch.load(run.checkpoints / "last.ckpt", weights_only=True)["epoch"]
    assert reached < EPOCHS - 1, "it was over before it could be broken"

    done = subprocess.run(command(workplace, runs, "--ckpt_path", "last"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert RunFolder.all(runs, "chips") == [run], "going on happens in the same folder"
    assert run.status == "finished"
    resumed = weights(runs)
    assert resumed.keys() == unbroken.keys()
    for name, tensor in unbroken.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=1e-5, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}")


def test_a_full_disk_is_said_and_what_was_finished_stays(workplace: Path):
    runs = workplace / "full"

    def limit_file_size() -> None:
        # Every write beyond this many bytes fails, as on a full disk: smaller than a checkpoint, larger than a log.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        command(workplace, runs), capture_output=True, text=True, preexec_fn=limit_file_size, env=dict(os.environ)
    )
    assert done.returncode not in (0, -signal.SIGXFSZ), done.stderr
    assert "is the disk full?" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    run = RunFolder.latest(runs, "chips")
    assert run is not None
    assert run.status == "failed"
    assert not list(run.checkpoints.glob("*.ckpt")), "half a checkpoint is worse than none"
    assert all(line.endswith("}") for line in finished_metrics(runs))
