"""Run folders, figures, the generated scene and a quickstart that has nothing to do need no torch."""

import subprocess
import sys

import pytest


def imported_by(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("from geofoundry.runs import RunFolder", {"torch", "numpy", "matplotlib", "rasterio", "yaml"}),
        ("import geofoundry.runs.figures, geofoundry.runs.card_facts, geofoundry.runs.provenance", {"torch", "matplotlib", "rasterio"}),
        ("import geofoundry.data.synthetic", {"torch", "matplotlib", "lightning"}),
        ("import geofoundry.recipes.quickstart", {"torch", "matplotlib", "lightning"}),
    ],
)  # fmt: skip
def test_importing_is_light(code, absent):
    assert not imported_by(code) & absent
