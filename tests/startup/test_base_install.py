"""With the light base install alone, no torch anywhere: what it promises works."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

CONFIG = """\
model:
  class_path: SemanticSegmentationTask
  init_args:
    model_args: {backbone: resnet18, backbone_bands: [BLUE, GREEN, RED], decoder: UNetDecoder, num_classes: 2}
    optimizer: SGD
    optimizer_hparams: {momentum: 0.9}
data:
  class_path: SegmentationDataModule
  init_args: {root: ., image_glob: "*.yaml", label_glob: "*.yaml", train_transforms: [{name: RandomErasing}, {name: D4}]}
trainer: {max_epochs: 3, callbacks: [EarlyStopping]}
"""


def requirements(name: str, seen: set[str]) -> set[str]:
    """Return what a distribution needs, without extras, at any depth."""
    try:
        required = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return seen
    for text in required:
        other = text.split(";")[0].split("[")[0]
        for sign in "<>=!~ (":
            other = other.split(sign)[0]
        if "extra ==" not in text and other and other not in seen:
            seen.add(other)
            requirements(other, seen)
    return seen


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds only what the base install brings."""
    folder = tmp_path_factory.mktemp("base_site")
    wanted = {"typer", "rich", "PyYAML"}
    for name in tuple(wanted):
        requirements(name, wanted)
    for name in wanted:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            continue
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            source = Path(str(metadata.distribution(name).locate_file(top)))
            if source.exists() and not (folder / top).exists():
                (folder / top).symlink_to(source)
    (folder / "geofoundry-0.dist-info").mkdir()
    (folder / "geofoundry-0.dist-info" / "METADATA").write_text(
        metadata.distribution("geofoundry").read_text("METADATA") or "", encoding="utf-8"
    )
    spec = importlib.util.find_spec("geofoundry")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (folder / "geofoundry").symlink_to(next(iter(spec.submodule_search_locations)))
    return folder


def run(site: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.append({str(site)!r}); sys.argv[0] = 'geofoundry'\nfrom geofoundry.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-S", "-E", "-c", code, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={"GEOFOUNDRY_CACHE": str(cwd / "cache"), "HOME": str(cwd), "PATH": os.environ["PATH"]},
    )


def test_torch_is_really_not_there(site: Path, tmp_path: Path):
    code = f"import sys; sys.path.append({str(site)!r}); import torch"
    done = subprocess.run([sys.executable, "-S", "-E", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["fit", "--help"], ["catalog", "list"], ["config", "schema"], ["data", "--help"]],
)
def test_light_commands_work(site: Path, tmp_path: Path, words: list[str]):
    done = run(site, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_catalog_shows_our_parts(site: Path, tmp_path: Path):
    done = run(site, "catalog", "show", "SemanticSegmentationTask", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {argument["name"] for argument in json.loads(done.stdout)[0]["arguments"]} >= {"lr", "loss", "model_args"}


def test_a_right_configuration_passes_with_warnings_of_what_was_not_checked(site: Path, tmp_path: Path):
    (tmp_path / "fit.yaml").write_text(CONFIG)
    done = run(site, "config", "check", "fit.yaml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    faults = json.loads(done.stdout)["faults"]
    assert {fault["mend"] for fault in faults} == {"pip install '.[train]'"}
    assert any("resnet18" in fault["what"] for fault in faults)


def test_a_misspelt_argument_of_ours_is_found(site: Path, tmp_path: Path):
    (tmp_path / "fit.yaml").write_text(CONFIG.replace("optimizer:", "optimiser:"))
    done = run(site, "config", "check", "fit.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown argument 'optimiser'" in done.stdout


def test_doctor_says_what_is_missing(site: Path, tmp_path: Path):
    done = run(site, "doctor", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sections"]["gpu"] == {"torch": "not installed"}
    assert found["sections"]["geodata"] == {"rasterio": "not installed"}
    assert "not to train" in found["verdict"]
