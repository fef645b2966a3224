"""What is not imported: the light commands stay light."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "lightning",
    "timm",
    "rasterio",
    "numpy",
    "torchvision",
    "torchgeo",
    "matplotlib",
    "pandas",
    "geopandas",
)
REPORT = "import json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"

BROKEN = """\
seed_everything: zero
model:
  class_path: SemanticSegmentationTask
  init_args:
    model_args:
      backbone: resnet19
      backbone_bands: [BLUE, GREN, RED]
      decoder: UNetDecodr
      num_classes: 5
    loss: {ce: 0.5, dise: 0.5}
    lr: fast
data:
  class_path: SegmentationDataModule
  init_args: {root: nowhere, bands: [BLUE, GREEN, RED], batchsize: 8}
trainer: {max_epoch: 50, precision: bf16-mxed, callbacks: [EarlyStoping]}
optimizr: 1
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of signatures that is empty for the first test only."""
    return tmp_path_factory.mktemp("cache")


def modules_after(code: str, cwd: Path, cache: Path) -> tuple[set[str], subprocess.CompletedProcess[str]]:
    wrapped = f"import sys\ntry:\n    {code}\nexcept SystemExit as leaving:\n    code = leaving.code\n{REPORT}\n"
    done = subprocess.run(
        [sys.executable, "-c", wrapped],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={"PATH": "", "GEOFOUNDRY_CACHE": str(cache), "HOME": str(cache)},
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1])), done


def command(*words: str) -> str:
    return f"from geofoundry.cli import main; sys.argv = ['geofoundry', *{list(words)!r}]; main()"


@pytest.mark.parametrize(
    "code",
    [
        "import geofoundry",
        "import geofoundry.catalog",
        "import geofoundry.config",
        "import geofoundry.bands",
        "import geofoundry.cli",
        command("--help"),
        command("fit", "--help"),
        command("--version"),
        command("catalog", "list"),
        command("catalog", "list", "backbones"),
        command("catalog", "show", "timm_vit_small_patch16_224"),
        command("catalog", "search", "unet"),
        command("config", "check", "fit.yaml"),
        command("config", "show", "fit.yaml"),
        command("config", "schema"),
    ],
)
def test_nothing_heavy_is_imported(code: str, tmp_path: Path, cache: Path):
    (tmp_path / "fit.yaml").write_text(BROKEN)
    loaded, done = modules_after(code, tmp_path, cache)
    assert [name for name in HEAVY if name in loaded] == []
    assert "Traceback" not in done.stderr


def test_the_package_itself_is_almost_nothing(tmp_path: Path):
    loaded, _ = modules_after("import geofoundry", tmp_path, tmp_path)
    assert [name for name in ("yaml", "typer", "rich", "geofoundry.catalog") if name in loaded] == []


def test_the_check_of_many_faults_finds_them_all(tmp_path: Path, cache: Path):
    (tmp_path / "fit.yaml").write_text(BROKEN)
    _, done = modules_after(command("config", "check", "fit.yaml"), tmp_path, cache)
    found = int(done.stdout.splitlines()[-1].split(": ")[1].split()[0])
    assert found >= 10, done.stdout
