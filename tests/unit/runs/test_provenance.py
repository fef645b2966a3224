import json
import subprocess
import sys

import pytest

from geofoundry.core.hashing import sha256_file, sha256_json
from geofoundry.runs.provenance import collect_provenance, find_weights, hash_weights, read_checkout


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "model.py").write_text("x = 1\n")
    (folder / ".gitignore").write_text("ignored/\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_a_clean_work_tree_has_a_commit_and_no_patch(project):
    checkout = read_checkout(project)
    assert checkout is not None
    assert len(checkout.commit) == 40
    assert (checkout.dirty, checkout.patch) == (False, "")


def test_the_patch_turns_the_commit_into_what_ran(project, tmp_path):
    (project / "model.py").write_text("x = 2\n")
    (project / "new.py").write_text("")
    provenance = collect_provenance(verb="fit", project=project, patch_folder=tmp_path / "run")
    recorded = provenance["code"]["project"]
    assert (recorded["dirty"], recorded["untracked"]) == (True, ["new.py"])
    [patch] = (tmp_path / "run").glob("project-*.patch")
    assert sha256_file(patch) == recorded["patch_sha256"]
    git(project, "checkout", "-q", "model.py")
    git(project, "apply", str(patch))
    assert (project / "model.py").read_text() == "x = 2\n"


def test_what_git_ignores_or_does_not_know_has_no_commit(project, tmp_path):
    (project / "ignored").mkdir()
    assert read_checkout(project / "ignored") is None
    assert read_checkout(tmp_path) is None
    assert read_checkout(tmp_path / "missing") is None


def test_the_record_is_plain_data_with_hashes(tmp_path, monkeypatch):
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = {"model": {"init_args": {"lr": 0.1}}}
    record = collect_provenance(
        verb="fit",
        arguments=["--a=1"],
        seed=7,
        config=config,
        data={"train": 3},
        weights={"backbone": tmp_path / "w.safetensors"},
        accelerators=["H"],
        project=tmp_path,
    )
    assert json.loads(json.dumps(record)) == record
    assert record["config_sha256"] == sha256_json(config)
    assert record["weights"]["backbone"]["sha256"] == sha256_file(tmp_path / "w.safetensors")
    assert record["argv"] == sys.argv
    assert (record["seed"], record["overrides"], record["data"]) == (7, ["--a=1"], {"train": 3})
    assert record["environment"]["accelerators"] == ["H"]
    assert record["environment"]["variables"]["OMP_NUM_THREADS"] == "1"
    assert "numpy" in record["packages"]
    assert record["code"]["geofoundry"]["version"]


def test_weights_are_found_wherever_a_config_names_them(tmp_path):
    folder = tmp_path / "hf"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"1")
    (folder / "README.md").write_text("no weights")
    config = {
        "model": {"model_args": {"backbone_weights": str(folder), "class_weights": [0.1, 1.0], "loss": str(folder)}},
        "ckpt_path": str(tmp_path / "missing.ckpt"),
        "weights": ["best", str(folder / "model.safetensors")],
    }
    found = find_weights(config)
    assert found == {"model.model_args.backbone_weights": folder, "weights[1]": folder / "model.safetensors"}
    assert [file["bytes"] for file in hash_weights(folder)["files"]] == [1]
