"""`geofoundry doctor`: it tells the truth about this machine."""

from __future__ import annotations

import json
import os
import platform

import pytest
import typer
from typer.testing import CliRunner

from geofoundry.cli import doctor_commands
from geofoundry.cli.doctor_commands import doctor, examine

app = typer.Typer()
app.command()(doctor)


def test_it_tells_what_is_here():
    import rasterio
    import torch

    found = examine()
    assert found.sections["python"]["version"].endswith(platform.python_version())
    assert found.sections["gpu"]["torch"] == torch.__version__
    assert found.sections["geodata"]["GDAL"] == rasterio.__gdal_version__
    assert found.sections["machine"]["cores"] == str(len(os.sched_getaffinity(0)))
    assert set(found.sections["extras"]) >= {"geo", "train", "vector", "mlflow", "tensorboard"}
    assert found.broken == []


def test_json_and_text_say_the_same():
    plain = json.loads(CliRunner().invoke(app, ["--json"]).stdout)
    text = CliRunner().invoke(app).stdout
    assert plain["verdict"] in text
    assert plain["sections"]["geodata"]["GDAL"] in text


@pytest.mark.parametrize(
    ("absent", "verdict", "hint"),
    [
        ({"torch"}, "not to train", "pip install '.[train]'"),
        ({"torch", "rasterio", "numpy"}, "not to train or to read imagery", "pip install '.[train]'"),
        ({"mlflow-skinny"}, "Ready to train", ""),
    ],
)
def test_missing_packages_change_the_verdict(
    monkeypatch: pytest.MonkeyPatch, absent: set[str], verdict: str, hint: str
):
    real = doctor_commands._version
    monkeypatch.setattr(doctor_commands, "_version", lambda name: None if name in absent else real(name))
    found = examine()
    assert verdict in found.verdict
    assert hint in " ".join(found.hints)


def test_an_old_package_is_told(monkeypatch: pytest.MonkeyPatch):
    real = doctor_commands._version
    monkeypatch.setattr(doctor_commands, "_version", lambda name: "1.0.2" if name == "timm" else real(name))
    assert any("timm 1.0.2" in hint for hint in examine().hints)


def test_a_broken_library_answers_2(monkeypatch: pytest.MonkeyPatch):
    def broken(diagnosis: doctor_commands.Diagnosis) -> dict[str, str]:
        diagnosis.broken.append("torch can't be imported")
        return {}

    monkeypatch.setattr(doctor_commands, "_gpu", broken)
    result = CliRunner().invoke(app)
    assert result.exit_code == 2
    assert "Something is broken" in result.stdout
