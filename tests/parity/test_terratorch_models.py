"""Our models against TerraTorch's, with the same weights under the same names; recorded with its version 1.2.11."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from geofoundry.models import EncoderDecoderFactory

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("record_terratorch_models", HERE / "record_terratorch_models.py")
record = importlib.util.module_from_spec(spec)
spec.loader.exec_module(record)
RECORDED = json.loads(record.FIXTURE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", record.CASES)
def test_weights_and_numbers_are_terratorchs(name):
    size, arguments = record.CASES[name]
    # TerraTorch's U-Net does not enlarge in its last step.
    extra = {"decoder_enlarge_last": False} if arguments["decoder"] == "UNetDecoder" else {}
    model = EncoderDecoderFactory().build_model(
        "segmentation", num_classes=record.CLASSES, backbone_in_chans=record.BANDS, **extra, **arguments
    )
    assert sorted(model.state_dict()) == RECORDED[name]["tensors"]
    with torch.no_grad():
        output = record.fill(model)(record.image(size)).output
    assert list(output.shape) == RECORDED[name]["shape"]
    expected = torch.tensor(RECORDED[name]["values"])
    got = torch.tensor(record.sample(output))
    assert (got - expected).abs().max() <= 1e-5 * expected.abs().max()
