"""A whole configuration that is right, with the files that it names."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from geofoundry.config import check_config, load_document
from geofoundry.core.errors import Fault

GOOD = """\
seed_everything: 0
model:
  class_path: SemanticSegmentationTask
  init_args:
    model_factory: EncoderDecoderFactory
    model_args:
      backbone: vit_small_patch16_224
      backbone_bands: [BLUE, GREEN, RED, NIR]
      backbone_out_indices: [2, 5, 8, 11]
      necks:
        - name: SelectIndices
          indices: [0, 1, 2, 3]
        - {name: LearnedInterpolateToPyramidal}
      decoder: UperNetDecoder
      decoder_channels: 64
      head_dropout: 0.1
      num_classes: 3
    loss: {ce: 0.5, dice: 0.5}
    class_weights: [1.0, 2.0, 1.0]
    ignore_index: 255
    lr: 1e-4
    optimizer: AdamW
    optimizer_hparams: {weight_decay: 0.05}
    scheduler: OneCycleLR
    scheduler_hparams: {pct_start: 0.2}
    aux_heads:
      - name: side
        decoder: FCNDecoder
        decoder_args: {decoder_channels: 32, head_dropout: 0.1}
    aux_loss: {side: 0.4}
data:
  class_path: SegmentationDataModule
  init_args:
    root: data
    image_glob: "images/*.tif"
    label_glob: "masks/*.tif"
    train_split: train.txt
    bands: [BLUE, GREEN, RED, NIR]
    classes: [water, forest, soil]
    ignore_index: 255
    means: [0.1, 0.1, 0.1, 0.2]
    stds: [0.1, 0.1, 0.1, 0.2]
    batch_size: 4
    train_transforms:
      - {name: D4}
      - {name: RandomErasing, p: 0.1}
trainer:
  max_epochs: 4
  precision: bf16-mixed
  accelerator: cpu
  callbacks:
    - class_path: EarlyStopping
      init_args: {monitor: val/loss, patience: 3}
    - LearningRateMonitor
  logger:
    - class_path: CSVLogger
      init_args: {save_dir: logs}
run: {name: trial, root: runs}
"""

Check = Callable[..., list[Fault]]


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("configured")
    for name in ("images", "masks"):
        (folder / "data" / name).mkdir(parents=True)
        (folder / "data" / name / "a.tif").touch()
    (folder / "data" / "train.txt").write_text("a\n")
    return folder


@pytest.fixture
def good(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The configuration as data; the working directory is where its files are."""
    monkeypatch.chdir(workplace)
    return copy.deepcopy(yaml.safe_load(GOOD.replace("1e-4", "1.0e-4")))


@pytest.fixture
def check_text(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Check a configuration given as text, at the place where its files are."""
    monkeypatch.chdir(workplace)

    def check(text: str = GOOD, *overrides: str) -> list[Fault]:
        path = tmp_path / "fit.yaml"
        path.write_text(text)
        return check_config(load_document([path], overrides))

    return check
