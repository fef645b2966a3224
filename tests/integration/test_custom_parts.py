"""A user's own backbone, factory and folder of modules, used from YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import CONFIG, Run, write_chips

BACKBONE = """
from torch import nn
from geofoundry.catalog import BACKBONE_REGISTRY


@BACKBONE_REGISTRY.register
class TwoConvs(nn.Module):
    def __init__(self, bands, width=8):
        super().__init__()
        self.first = nn.Conv2d(len(bands), width, 3, padding=1)
        self.second = nn.Conv2d(width, 2 * width, 3, padding=1, stride=2)
        self.out_channels = [width, 2 * width]

    def forward(self, x):
        fine = self.first(x)
        return [fine, self.second(fine.relu())]
"""

FACTORY = """
import segmentation_models_pytorch as smp
from torch import nn
from geofoundry.models import Model, ModelFactory, ModelOutput, register_factory


@register_factory
class SmpUnetFactory(ModelFactory):
    def build_model(self, task, backbone, decoder=None, in_channels=4, num_classes=3, aux_decoders=None, **kwargs):
        unet = smp.Unet(backbone, encoder_weights=None, in_channels=in_channels, classes=num_classes)
        return Wrapped(unet)


class Wrapped(Model):
    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, x, **kwargs):
        return ModelOutput(self.unet(x))

    def freeze_encoder(self):
        self.unet.encoder.requires_grad_(False)

    def freeze_decoder(self):
        self.unet.decoder.requires_grad_(False)
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("custom")
    write_chips(folder / "data", count=8)
    text = CONFIG.replace("ROOT", "data").replace("RUNS", "runs").replace("max_epochs: 6", "max_epochs: 1")
    (folder / "own_backbone.yaml").write_text(
        text.replace("backbone: UNetEncoder", "backbone: TwoConvs").replace(
            "backbone_channels: [8, 16]", "backbone_width: 4"
        )
    )
    (folder / "own_factory.yaml").write_text(
        "custom_modules_path: elsewhere\n"
        + text.replace("EncoderDecoderFactory", "SmpUnetFactory")
        .replace("backbone: UNetEncoder", "backbone: resnet18")
        .replace("      backbone_bands: [BLUE, GREEN, RED, NIR]\n", "")
        .replace("      backbone_channels: [8, 16]\n", "")
        .replace("      decoder: UNetDecoder\n", "")
        .replace("      decoder_channels: [16, 8]\n", "")
        .replace("      head_dropout: 0.1\n", "")
    )
    for where, code in (("custom_modules", BACKBONE), ("elsewhere", FACTORY)):
        (folder / where).mkdir()
        (folder / where / "parts.py").write_text(code)
    return folder


def test_a_folder_of_custom_modules_is_found_by_itself(workplace: Path, geofoundry: Run):
    done = geofoundry("fit", "-c", "own_backbone.yaml", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "finished" in done.stdout


def test_keywords_of_a_custom_part_are_checked(workplace: Path, geofoundry: Run):
    done = geofoundry("config", "check", "own_backbone.yaml", "--model.model_args.backbone_widht", "4", cwd=workplace)
    assert done.returncode == 2
    assert "backbone_width" in done.stdout + done.stderr


def test_a_users_own_factory_wraps_another_librarys_model(workplace: Path, geofoundry: Run):
    done = geofoundry("fit", "-c", "own_factory.yaml", cwd=workplace)
    assert done.returncode == 0, done.stderr


def test_the_path_can_be_given_as_a_flag(workplace: Path, geofoundry: Run):
    without = workplace / "flag.yaml"
    without.write_text((workplace / "own_factory.yaml").read_text().replace("custom_modules_path: elsewhere\n", ""))
    refused = geofoundry("fit", "-c", without, "--print-config", cwd=workplace)
    assert refused.returncode == 2
    assert "SmpUnetFactory" in refused.stderr
    taken = geofoundry("fit", "-c", without, "--custom_modules_path", "elsewhere", "--print-config", cwd=workplace)
    assert taken.returncode == 0, taken.stderr
