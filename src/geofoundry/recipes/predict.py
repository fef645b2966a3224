"""Write a georeferenced map of every scene."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from geofoundry import __version__
from geofoundry.core.errors import ConfigError, DataError, Fault
from geofoundry.core.files import require_writable_folder
from geofoundry.core.hashing import sha256_file
from geofoundry.data.segmentation_datamodule import SegmentationDataModule
from geofoundry.recipes.assembly import assemble
from geofoundry.recipes.checkpoints import find_checkpoint, run_of_checkpoint
from geofoundry.recipes.configuration import ConfigSource, read_configuration
from geofoundry.recipes.fit import run_trainer
from geofoundry.recipes.map_writing import MapWriting, class_values_of
from geofoundry.recipes.progress_bar import progress_bar

# Tiles of a scene are written in order by one process.
ONE_DEVICE = {"trainer.devices": 1, "trainer.num_nodes": 1}


def predict(
    config: ConfigSource,
    overrides: Sequence[str] = (),
    *,
    ckpt_path: str | Path | None = None,
    images: Sequence[str | Path] | None = None,
    output_dir: str | Path | None = None,
    probabilities: bool = False,
) -> list[Path]:
    """Map scenes of any size, tile by tile, and return the files that were written.

    A map has the scene's CRS, transform and size. Classes are uint8 with names and colors, 255 where the scene is
    nodata; with `probabilities` the map is float32 with a band per class, NaN where the scene is nodata. Without
    `images` (files or globs) the scenes of the configuration are mapped; without `output_dir` maps go into the folder
    `maps` of the checkpoint's run.

    Raises:
        ConfigError: when the configuration is wrong, or there is no checkpoint.
        DataError: with every scene that can't be read or lacks a band.
    """
    chosen = {"model.init_args.output_on_inference": "probabilities"} if probabilities else {}
    configuration = read_configuration(config, overrides, files=False).with_values({**ONE_DEVICE, **chosen})
    choice = ckpt_path or configuration.resolved.get("ckpt_path")
    checkpoint = find_checkpoint(choice, configuration.runs_root, configuration.name)
    run = run_of_checkpoint(checkpoint)
    folder = require_writable_folder(output_dir or (run.path / "maps" if run else "maps"))
    assembly = assemble(configuration.resolved, seed=configuration.seed, callbacks=[progress_bar()])
    datamodule = assembly.datamodule
    if not isinstance(datamodule, SegmentationDataModule):
        raise ConfigError(
            Fault(
                what="scenes can't be mapped with this datamodule",
                where="data.class_path",
                got=type(datamodule).__name__,
                expected="SegmentationDataModule, which cuts scenes into tiles",
                mend="describe the same bands with a SegmentationDataModule for prediction",
            )
        )
    if images:
        datamodule.predict_paths = find_scenes(images)
    datamodule.setup("predict")
    tags = {"SOFTWARE": f"geofoundry {__version__}", "CHECKPOINT_SHA256": sha256_file(checkpoint)}
    writing = MapWriting(folder, class_values_of(datamodule, assembly.task, checkpoint), tags)
    writing.name_outputs(datamodule.predict_paths)
    trainer = assembly.trainer
    trainer.callbacks.append(writing)  # type: ignore[attr-defined]
    run_trainer(
        trainer,
        lambda: trainer.predict(
            assembly.task, datamodule=datamodule, ckpt_path=checkpoint, return_predictions=False, weights_only=True
        ),
    )
    return writing.written


def find_scenes(images: Sequence[str | Path]) -> list[Path]:
    """Return the files that names and globs stand for, in order, each once.

    Raises:
        DataError: with every name that stands for no file.
    """
    found: dict[Path, None] = {}
    faults = []
    for image in images:
        matches = sorted(glob.glob(str(image), recursive=True))  # noqa: PTH207 - absolute patterns, too
        faults += [Fault("no image here", where=str(image), mend="correct the path; globs want quotes")] * (not matches)
        found.update(dict.fromkeys(map(Path, matches)))
    if faults:
        raise DataError(faults)
    return list(found)
