"""The YAML of the quickstart: one that any user would write, with the reason of every choice."""

from __future__ import annotations

from pathlib import Path

from geofoundry.data.synthetic.materials import CLASS_NAMES, IGNORE
from geofoundry.data.synthetic.scene import GSD

RUN_NAME = "quickstart"
EPOCHS = 10
CHIPS_PER_EPOCH = 512

_TEXT = """\
# From labelled GeoTIFFs to a map: land cover of a generated Sentinel-2 scene.
#
#   geofoundry config check {config}        is it right? all faults at once, in a second
#   geofoundry fit -c {config}              train; everything comes to lie in {folder}/runs/{run}/
#   geofoundry test -c {config}             measure the best checkpoint on the eastern part
#   geofoundry predict -c {config} -i {folder}/scene/images/east.tif -o {folder}/maps
#
# Change what you like and call `geofoundry quickstart` again: it trains with your changes.

seed_everything: {seed}

model:
  class_path: SemanticSegmentationTask
  init_args:
    model_args:
      # A small U-Net that starts at full resolution: houses and tree rows are two or three pixels wide.
      # Others: `geofoundry catalog list backbones`; with weights on disk, `backbone_weights: FILE`.
      backbone: UNetEncoder
      backbone_bands: &bands
        [BLUE, GREEN, RED, RED_EDGE_1, RED_EDGE_2, RED_EDGE_3, NIR_BROAD, NIR_NARROW, SWIR_1, SWIR_2]
      backbone_channels: [16, 32, 64, 64]
      decoder: UNetDecoder
      decoder_channels: [64, 32, 16, 16]
      decoder_enlarge_last: false  # the encoder's first map has the size of the image already
      num_classes: {count}
    # Cross-entropy learns every pixel alike, dice every class alike; together they hold the rare ones.
    loss: {{ce: 0.5, dice: 0.5}}
    ignore_index: {ignore}  # no label: beyond the swath, or below a veil of thin cloud
    lr: 4.0e-3

data:
  class_path: SegmentationDataModule
  init_args:
    root: "{folder}/scene"
    image_glob: "images/*.tif"  # what the wildcard matches makes the pairs: images/west.tif, labels/west.tif
    label_glob: "labels/*.tif"
    # West to train on, a strip in the middle to choose the best epoch by, east to test on: never the same ground.
    train_split: train.txt
    val_split: val.txt
    test_split: test.txt
    sensor: sentinel2
    bands: *bands
    scale: 0.0001  # the files hold reflectance x 10000
    unit: reflectance
    classes: [{classes}]
    ignore_index: {ignore}
    crop_size: 64  # training chips are cut out at random places, {meters:.0f} m wide
    samples_per_epoch: {samples}
    train_transforms: [{{name: D4}}]  # turned and mirrored; bands stay as they are
    batch_size: 16
    num_workers: {workers}

trainer:
  max_epochs: {epochs}
  accelerator: auto
  devices: 1

run: {{name: {run}, root: "{folder}/runs"}}
"""


def quickstart_config(folder: Path, config: Path, *, seed: int, epochs: int = EPOCHS) -> str:
    """Return the text of the configuration."""
    return _TEXT.format(
        config=config,
        folder=folder,
        run=RUN_NAME,
        seed=seed,
        count=len(CLASS_NAMES),
        classes=", ".join(CLASS_NAMES),
        ignore=IGNORE,
        meters=64 * GSD,
        samples=CHIPS_PER_EPOCH,
        epochs=epochs,
        workers=0,
    )
