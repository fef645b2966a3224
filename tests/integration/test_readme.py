"""The README's commands, in their order, as a newcomer types them."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from .conftest import Run, write_chips

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def readme_commands() -> list[list[str]]:
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("geofoundry ")]


def test_the_readme_shows_the_whole_way():
    assert [words[1] for words in readme_commands()] == ["init", "config", "fit", "fit", "test", "predict"]


def test_its_commands_run(tmp_path: Path, geofoundry: Run):
    write_chips(tmp_path / "data", count=10)
    shutil.copy(tmp_path / "data" / "images" / "chip_00.tif", tmp_path / "scene.tif")
    for words in readme_commands():
        # One epoch will do to see that it works.
        short = ["--trainer.max_epochs", "1"] if words[1] == "fit" else []
        done = geofoundry(*words[1:], *short, cwd=tmp_path)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert (tmp_path / "maps" / "scene_classes.tif").is_file()


def test_its_yaml_passes_the_check(tmp_path: Path, geofoundry: Run):
    [text] = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    assert yaml.safe_load(text)["model"]["class_path"] == "SemanticSegmentationTask"
    write_chips(tmp_path / "data", count=1)
    (tmp_path / "fit.yaml").write_text(text)
    done = geofoundry("config", "check", "fit.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "example", sorted((Path(__file__).parents[2] / "examples").glob("*.yaml")), ids=lambda p: p.stem
)
def test_examples_say_what_they_are_for(example: Path):
    head = example.read_text(encoding="utf-8").split("\nseed_everything")[0]
    for word in ("# Goal", "# Data", "# Command", "# Time", "# Score"):
        assert word in head, f"{example.name} lacks {word}"
