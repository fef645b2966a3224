"""Cut scenes and their labels into chips on disk, or into virtual windows that are read from the scenes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geofoundry.core.errors import ConfigError, DataError, Fault, plural
from geofoundry.core.files import require_writable_folder, write_json
from geofoundry.core.progress import track
from geofoundry.data.chip_files import write_image_chip, write_mask_chip
from geofoundry.data.label_sources import LabelSource
from geofoundry.data.pairing import Sample
from geofoundry.data.prepare_record import begin_or_resume, fingerprint
from geofoundry.data.scan import FileScanner
from geofoundry.data.windows_file import WindowRow
from geofoundry.data.windows_writing import write_windows
from geofoundry.geo.colors import Color
from geofoundry.geo.map_content import ClassMap
from geofoundry.geo.reading import RasterHeader, open_raster, opening
from geofoundry.geo.windows import cover, tiles
from geofoundry.geo.writing import MapWriter

WINDOWS_FILE = "windows.csv"
LABEL_TILE_PX = 2048  # whole blocks of the label raster


@dataclass(frozen=True, slots=True)
class CutSettings:
    """How scenes are cut.

    `chip_size_px` is the side of a chip, `stride_px` the distance between chips (the side unless given). A chip is
    kept when at least `min_labelled` of its pixels (a share from 0 to 1) and at least one pixel are labelled;
    `keep_empty` keeps all. `virtual` writes a windows file in place of chips.
    """

    chip_size_px: int = 256
    stride_px: int | None = None
    min_labelled: float = 0.0
    keep_empty: bool = False
    virtual: bool = False
    ignore_index: int = 255

    def check(self) -> None:
        """Raise ConfigError when the settings contradict each other."""
        faults = []
        if not 0 <= self.min_labelled <= 1:
            faults.append(
                Fault("min_labelled is no share", got=str(self.min_labelled), expected="a number from 0 to 1")
            )
        if self.keep_empty and self.min_labelled > 0:
            got = f"keep_empty and min_labelled {self.min_labelled}"
            faults.append(Fault("keep_empty keeps what min_labelled drops", got=got, expected="one of the two"))
        if not 0 <= self.ignore_index <= 255:
            faults.append(
                Fault("the ignore index doesn't fit into a uint8 mask", got=str(self.ignore_index), expected="0 to 255")
            )
        if faults:
            raise ConfigError(faults)


@dataclass(slots=True)
class PrepareSummary:
    """What was made: chips kept and dropped, pixels of each class name in the kept ones, and remarks."""

    out: Path
    scenes: int = 0
    kept: int = 0
    dropped_unlabelled: int = 0
    dropped_sparse: int = 0
    resumed: int = 0
    class_px: dict[str, int] = field(default_factory=dict)
    unlabelled_px: int = 0
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        return {**asdict(self), "out": str(self.out)}


def prepare(
    scenes: Mapping[str, Path], labels: LabelSource, out: str | Path, settings: CutSettings, *, overwrite: bool = False
) -> PrepareSummary:
    """Cut labelled scenes.

    Below `out` it makes `labels/KEY.tif`, the labels of each scene on the scene's grid, and then either chips,
    `images/KEY_rROW_cCOL.tif` and `masks/...` of the same name, or `windows.csv`. `classes.json` names the classes,
    `summary.json` says what was made. Pixels without label, and pixels that are nodata in all bands, get the ignore
    index. Each file is whole or absent; run again with the same settings, it goes on where it was stopped.

    `scenes` gives every scene a key, which becomes part of file names.

    Raises:
        ConfigError: when the settings contradict each other, or `out` holds something made with other settings.
        DataError: with all scenes that can't be read, labelled or cut.
    """
    settings.check()
    headers, remarks = _check_scenes(scenes, labels, settings)
    folder = require_writable_folder(out)
    begin_or_resume(folder, fingerprint(scenes, labels.identity(), asdict(settings)), overwrite=overwrite)
    content = ClassMap(labels.class_names, nodata=settings.ignore_index)
    cutter = _Cutter(folder, settings, content, PrepareSummary(folder, remarks=remarks))
    rows: list[WindowRow] = []
    with opening():
        for key, header in headers.items():
            label_path = folder / "labels" / f"{key}.tif"
            if not label_path.is_file():
                _write_scene_labels(label_path, header, labels, content, settings.ignore_index)
            rows.extend(cutter.cut(key, header, label_path))
    if settings.virtual:
        write_windows(folder / WINDOWS_FILE, rows)
    return _finish(cutter.summary, labels, settings)


def _finish(summary: PrepareSummary, labels: LabelSource, settings: CutSettings) -> PrepareSummary:
    summary.remarks.extend(labels.remarks)
    if not summary.kept:
        expected = "at least one chip that is labelled enough"
        mend = "lower --min-labelled, or pass --keep-empty"
        raise DataError(Fault("no chip is left", str(summary.out), str(summary.as_dict()), expected, mend))
    missing = [name for name in labels.class_names.values() if name not in summary.class_px]
    if missing:
        summary.remarks.append(f"no pixel of {', '.join(missing)} in the chips that were kept")
    names = {str(class_id): name for class_id, name in labels.class_names.items()}
    write_json(summary.out / "classes.json", {"classes": names, "ignore_index": settings.ignore_index})
    write_json(summary.out / "summary.json", summary.as_dict())
    return summary


def _check_scenes(
    scenes: Mapping[str, Path], labels: LabelSource, settings: CutSettings
) -> tuple[dict[str, RasterHeader], list[str]]:
    """Return the headers of the scenes that have labels, and a remark for each that has none."""
    scanner = FileScanner()
    headers = scanner.headers(list(scenes.values()))
    faults, remarks = list(scanner.faults), []
    usable: dict[str, RasterHeader] = {}
    warnings: list[Fault] = []
    for key, path in scenes.items():
        header = headers.get(path)
        if header is None:
            continue
        found = [*_size_faults(header, settings), *labels.faults(header)]
        warnings += [fault for fault in found if fault.severity == "warning"]
        faults += [fault for fault in found if fault.severity == "error"]
        if not found:
            usable[key] = header
    if not usable and not faults:
        faults = [Fault(f.what, f.where, f.got, f.expected, f.mend) for f in warnings]
    if faults or not usable:
        faults = faults or [Fault("there is no scene to cut")]
        raise DataError(faults, summary=f"{plural(len(faults), 'fault')}; nothing was written")
    remarks = [f"{fault.where}: {fault.what}, so it is left out" for fault in warnings]
    return usable, remarks


def _size_faults(header: RasterHeader, settings: CutSettings) -> list[Fault]:
    try:
        cover(header.height, header.width, settings.chip_size_px, settings.stride_px)
    except DataError as error:
        return [Fault(f.what, str(header.path), f.got, f.expected, f.mend) for f in error.faults]
    return []


def _write_scene_labels(
    path: Path, header: RasterHeader, labels: LabelSource, content: ClassMap, ignore_index: int
) -> None:
    windows = list(tiles(header.height, header.width, LABEL_TILE_PX, LABEL_TILE_PX))
    with open_raster(header.path) as scene, MapWriter(path, header.grid, content) as writer:
        may_lack_pixels = all(value is not None for value in header.nodata)

        def write(classes: np.ndarray, window: Window) -> None:
            if may_lack_pixels:
                classes = np.where(scene.dataset_mask(window=window) > 0, classes, ignore_index).astype(np.uint8)
            writer.write(classes, window)

        labels.write_labels(header, track(windows, f"labelling {header.path.name}", total=len(windows)), write)


@dataclass(slots=True)
class _Cutter:
    """Cuts one scene after the other and counts what it kept."""

    folder: Path
    settings: CutSettings
    content: ClassMap
    summary: PrepareSummary

    def cut(self, key: str, header: RasterHeader, label_path: Path) -> list[WindowRow]:
        """Write the chips of a scene; return its windows for a windows file."""
        self.summary.scenes += 1
        windows = cover(header.height, header.width, self.settings.chip_size_px, self.settings.stride_px)
        rows = []
        with open_raster(header.path) as scene, open_raster(label_path) as label:
            for window in track(windows, f"cutting {header.path.name}", total=len(windows)):
                classes = label.read(1, window=window)
                if not self._is_kept(classes):
                    continue
                name = f"{key}_r{window.row_off:05d}_c{window.col_off:05d}"
                rows.append(WindowRow(Sample(name, header.path, label_path, window)))
                if not self.settings.virtual:
                    self._write_chip(name, scene, classes, window, header)
        return rows

    def _is_kept(self, classes: np.ndarray) -> bool:
        values, counts = np.unique(classes, return_counts=True)
        px = Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        unlabelled = px.pop(self.settings.ignore_index, 0)
        if not px and not self.settings.keep_empty:
            self.summary.dropped_unlabelled += 1
            return False
        if sum(px.values()) < self.settings.min_labelled * classes.size:
            self.summary.dropped_sparse += 1
            return False
        self.summary.kept += 1
        self.summary.unlabelled_px += unlabelled
        for class_id, count in px.items():
            name = self.content.class_names[class_id]
            self.summary.class_px[name] = self.summary.class_px.get(name, 0) + count
        return True

    def _write_chip(
        self, name: str, scene: DatasetReader, classes: np.ndarray, window: Window, header: RasterHeader
    ) -> None:
        image, mask = self.folder / "images" / f"{name}.tif", self.folder / "masks" / f"{name}.tif"
        if image.is_file() and mask.is_file():
            self.summary.resumed += 1
            return
        palette: dict[int, Color] = self.content.palette
        image.parent.mkdir(exist_ok=True)
        mask.parent.mkdir(exist_ok=True)
        write_image_chip(image, scene, window)
        write_mask_chip(mask, classes, header.grid.of_window(window), self.settings.ignore_index, palette)
