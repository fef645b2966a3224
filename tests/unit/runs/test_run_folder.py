import multiprocessing
import os
import re
import socket
import subprocess
import sys

import pytest

from geofoundry.core.errors import ConfigError, DataError
from geofoundry.runs import RunFolder, RunStatus


def _create_many(root: str, count: int) -> list[str]:
    return [RunFolder.create(root, "clouds").id for _ in range(count)]


def test_a_new_run_has_its_places_and_is_running(tmp_path):
    run = RunFolder.create(tmp_path / "runs", "clouds")
    assert run.path.parent == tmp_path / "runs" / "clouds"
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{6}", run.id)
    assert run.name == "clouds"
    assert run.status is RunStatus.RUNNING
    for place in (
        run.config,
        run.metrics_csv,
        run.metrics_jsonl,
        run.figures,
        run.checkpoints,
        run.card,
        run.provenance,
    ):
        assert place.parent == run.path
        assert not place.exists()


def test_ids_sort_by_time_and_latest_is_the_youngest(tmp_path):
    runs = [RunFolder.create(tmp_path, "a") for _ in range(5)]
    assert RunFolder.all(tmp_path, "a") == runs
    assert RunFolder.latest(tmp_path, "a") == runs[-1]
    assert RunFolder.latest(tmp_path, "b") is None


def test_creators_in_many_processes_never_share_a_folder(tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        ids = [i for part in pool.starmap(_create_many, [(str(tmp_path), 20)] * 3) for i in part]
    assert len(set(ids)) == 60
    assert len(RunFolder.all(tmp_path, "clouds")) == 60


def test_open_reads_back_and_refuses_what_is_no_run(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    assert RunFolder.open(run.path) == run
    with pytest.raises(DataError, match=r"not a run folder.*|run\.json"):
        RunFolder.open(tmp_path)
    (run.path / "run.json").write_text('{"status": ')
    with pytest.raises(DataError, match=r"run\.json"):
        RunFolder.open(run.path)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a\nb"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="can't have this name"):
        RunFolder.create(tmp_path, name)
    assert not list(tmp_path.iterdir())


def test_a_root_that_can_not_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be made"):
        RunFolder.create(tmp_path / "file", "a")


def test_status_follows_marks_and_keeps_every_start(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    run.mark(RunStatus.FAILED, "disk full")
    assert (run.status, run.record()["reason"]) == (RunStatus.FAILED, "disk full")
    run.mark(RunStatus.RUNNING)
    assert run.status is RunStatus.RUNNING
    assert "reason" not in run.record()
    run.mark(RunStatus.FINISHED)
    assert run.status is RunStatus.FINISHED
    assert len(run.record()["started"]) == 2


def test_a_run_whose_process_was_killed_is_interrupted(tmp_path):
    code = (
        "import os, signal; from geofoundry.runs import RunFolder;"
        f"RunFolder.create({str(tmp_path)!r}, 'a'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode < 0
    run = RunFolder.latest(tmp_path, "a")
    assert run is not None
    assert run.record()["status"] == "running"
    assert run.status is RunStatus.INTERRUPTED


def test_a_run_that_another_process_works_on_is_not_taken_over(tmp_path):
    code = (
        "import sys; from geofoundry.runs import RunFolder;"
        f"RunFolder.create({str(tmp_path)!r}, 'a'); print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdin is not None
        worker.stdout.readline()
        run = RunFolder.latest(tmp_path, "a")
        assert run is not None
        with pytest.raises(ConfigError, match="another process is at work"):
            run.mark(RunStatus.RUNNING)
        assert run.status is RunStatus.RUNNING
        worker.stdin.close()
        worker.wait()
    run.mark(RunStatus.RUNNING)
    assert run.record()["process"]["pid"] == os.getpid()


def test_another_machines_run_is_believed(tmp_path):
    run = RunFolder.create(tmp_path, "a")
    record = run.record()
    record["process"] = {"host": "elsewhere", "pid": 2**22 + 1, "started_ticks": 1}
    run._write(record)
    assert run.status is RunStatus.RUNNING
    record["process"] = {"host": socket.gethostname(), "pid": os.getpid(), "started_ticks": 1}
    run._write(record)
    assert run.status is RunStatus.INTERRUPTED  # the number was given to another process


def test_discard_removes_the_run_but_not_its_neighbors(tmp_path):
    first, second = RunFolder.create(tmp_path, "a"), RunFolder.create(tmp_path, "a")
    first.discard()
    assert RunFolder.all(tmp_path, "a") == [second]
    second.discard()
    assert not (tmp_path / "a").exists()
