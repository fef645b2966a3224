"""From predicted tiles to finished maps, while the prediction runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rasterio.windows import Window
from torch import Tensor

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.data.scene_tiles import Tile
from geofoundry.geo.map_content import ClassMap, ValueMap
from geofoundry.geo.reading import opening, read_header
from geofoundry.geo.writing import MapWriter

SUFFIXES = {"prediction": "classes", "probabilities": "probabilities", "logits": "logits"}


class MapWriting(Callback):
    """Write each scene's tiles as they come, row by row, into one map per scene and kind of output.

    A scene is finished, and appears under its name, when its last tile is written; an error or an interruption
    leaves the finished ones.
    """

    def __init__(self, output_dir: Path, class_values: Mapping[int, str], tags: Mapping[str, str]) -> None:
        """Write into `output_dir`; `class_values` names the value of every class in its order."""
        self.output_dir = output_dir
        self.class_values = dict(class_values)
        self.tags = dict(tags)
        self.written: list[Path] = []
        self._names: dict[str, str] = {}
        self._scene: str | None = None
        self._writers: dict[str, MapWriter] = {}
        self._value_of_index = np.array(list(self.class_values))

    def name_outputs(self, scenes: Sequence[Path]) -> None:
        """Decide what each scene's maps are called: like the scene, with its folder before it where names repeat."""
        stems = [scene.stem for scene in scenes]
        for scene, stem in zip(scenes, stems, strict=True):
            name = stem if stems.count(stem) == 1 else f"{scene.parent.name}_{stem}"
            if name in self._names.values():
                raise ConfigError(
                    Fault(
                        what="two scenes would be mapped into one file",
                        where=str(self.output_dir),
                        got=f"a second {name!r}, of {scene}",
                        mend="map them in two calls, into two folders",
                    )
                )
            self._names[str(scene)] = name

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Mapping[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the tiles of a batch."""
        arrays = {kind: tensor.cpu().numpy() for kind, tensor in outputs.items()}
        valid = batch["valid"].cpu().numpy()
        for index, scene in enumerate(batch["filename"]):
            if scene != self._scene:
                self._finish_scene()
                self._begin_scene(scene, list(arrays))
            tile = Tile(*(int(value) for value in batch["tile"][index]))
            for kind, array in arrays.items():
                self._write_tile(kind, array[index], valid[index], tile)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish the last scene."""
        self._finish_scene()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Drop the scene that is not finished."""
        for writer in self._writers.values():
            writer.abandon()
        self._writers = {}

    def _begin_scene(self, scene: str, kinds: Sequence[str]) -> None:
        header = read_header(scene)
        with opening(), rasterio.open(scene) as dataset:
            points, points_crs = dataset.gcps
            rpcs = dataset.rpcs
        for kind in kinds:
            self._writers[kind] = MapWriter(
                self.output_dir / f"{self._names[scene]}_{SUFFIXES[kind]}.tif",
                header.grid,
                self._content(kind),
                gcps=(points, points_crs) if points and header.grid.crs is None else None,
                rpcs=rpcs if header.grid.crs is None else None,
                tags={**self.tags, "SOURCE": Path(scene).name},
            )
        self._scene = scene

    def _content(self, kind: str) -> ClassMap | ValueMap:
        if kind == "prediction":
            return ClassMap(self.class_values)
        return ValueMap(list(self.class_values.values()))

    def _write_tile(self, kind: str, array: np.ndarray, valid: np.ndarray, tile: Tile) -> None:
        rows = slice(tile.row_offset, tile.row_offset + tile.height)
        columns = slice(tile.col_offset, tile.col_offset + tile.width)
        kept, seen = array[..., rows, columns], valid[rows, columns]
        writer = self._writers[kind]
        if kind == "prediction":
            kept = np.where(seen, self._value_of_index[kept], writer.content.nodata)
        else:
            kept = np.where(seen, kept, np.float32(np.nan))
        writer.write(kept, Window(tile.col, tile.row, tile.width, tile.height))  # type: ignore[call-arg]

    def _finish_scene(self) -> None:
        for writer in self._writers.values():
            self.written.append(writer.close())
        self._writers = {}


def class_values_of(datamodule: Any, task: LightningModule, checkpoint: Path) -> dict[int, str]:
    """Return the value that stands for each class in a map, and its name, in the order of the class indices.

    The values are those of the label files where the datamodule knows them, or else 0, 1, and so on.
    """
    spec = getattr(datamodule, "label_spec", None)
    if spec is not None:
        return dict(zip(map(int, spec.class_values), spec.class_names, strict=True))
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True).get("hyper_parameters", {})
    names = saved.get("class_names") or getattr(task, "class_names", None)
    return dict(enumerate(map(str, names or range(_count_classes(task)))))


def _count_classes(task: LightningModule) -> int:
    count = getattr(task, "num_classes", None)
    return int(count) if isinstance(count, int | Tensor) else 256
