"""From scenes and labels, as a command line names them, to chips or windows."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

from geofoundry.core.errors import ConfigError, DataError, Fault, plural
from geofoundry.core.suggest import did_you_mean
from geofoundry.data.label_sources import LabelSource, PolygonLabels, RasterLabels
from geofoundry.data.pairing import find_files, shown
from geofoundry.data.prepare import CutSettings, PrepareSummary, prepare
from geofoundry.geo.polygon_files import read_polygons
from geofoundry.geo.vectors import is_vector_file

RASTER_SUFFIXES = (".tif", ".tiff", ".vrt", ".jp2", ".img")


def prepare_data(
    scenes: Sequence[str | Path],
    labels: str | Path,
    out: Path,
    settings: CutSettings,
    *,
    attribute: str | None = None,
    layer: str | None = None,
    classes: Sequence[str] | None = None,
    repair: bool = False,
    overwrite: bool = False,
) -> PrepareSummary:
    """Cut scenes (files, folders, globs) into labelled chips or windows.

    `labels` is a vector file; or a raster for all scenes; or a folder or glob of rasters, one for each scene, paired
    by file name, or by what the wildcards match.

    Raises:
        ConfigError: when options don't go together.
        DataError: when scenes or labels are missing, can't be read, or don't meet.
    """
    found = find_rasters(scenes)
    settings.check()
    if not is_vector_file(labels):
        given = {"attribute": attribute, "layer": layer, "repair": repair or None}
        wrong = [f"--{name}" for name, value in given.items() if value is not None]
        if wrong:
            what = f"{' and '.join(wrong)} only mean something for polygons"
            raise ConfigError(Fault(what, got=str(labels), expected="a vector file such as labels.gpkg"))
    source: LabelSource
    if is_vector_file(labels):
        polygons = read_polygons(
            labels,
            attribute=attribute,
            classes=classes,
            layer=layer,
            ignore_index=settings.ignore_index,
            repair=repair,
        )
        source = PolygonLabels(polygons, settings.ignore_index)
    else:
        names = dict(enumerate(classes)) if classes else None
        source = RasterLabels(pair_scenes(found, labels), settings.ignore_index, names)
    return prepare(found, source, out, settings, overwrite=overwrite)


def find_rasters(places: Sequence[str | Path]) -> dict[str, Path]:
    """Return the rasters of files, folders and globs, each under a key that is unique among them.

    The key is what a glob's wildcards match, else the file's name without suffix; it becomes part of file names.

    Raises:
        DataError: when a place holds no raster, or two rasters have one key.
    """
    found: list[tuple[str, Path]] = []
    faults: list[Fault] = []
    for place in places:
        matches = _rasters_at(place)
        if not matches:
            folder = Path(place).parent
            near = did_you_mean(Path(place).name, [p.name for p in folder.iterdir()]) if folder.is_dir() else ""
            faults.append(Fault("there is no raster", str(place), expected="a file, a folder or a glob", mend=near))
        found += matches
    by_key: dict[str, list[Path]] = {}
    for key, path in found:
        by_key.setdefault(key.replace("/", "__"), []).append(path)
    for key, paths in by_key.items():
        if len(paths) > 1:
            mend = "name them by a glob whose wildcards tell them apart, such as 'scenes/*/*.tif'"
            faults.append(Fault(f"several rasters would be called {key!r}", got=shown(paths), mend=mend))
    if faults:
        raise DataError(faults, summary=plural(len(faults), "fault") + " in the scenes")
    return {key: paths[0] for key, paths in by_key.items()}


def _rasters_at(place: str | Path) -> list[tuple[str, Path]]:
    path = Path(place)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in RASTER_SUFFIXES and not p.name.startswith("."))
        return [(file.stem, file) for file in files]
    if path.exists():
        return [(path.stem, path)]
    if glob.has_magic(str(place)):
        return [(key, file) for key, files in find_files("", str(place)).items() for file in files]
    return []


def pair_scenes(scenes: Mapping[str, Path], labels: str | Path) -> dict[Path, Path]:
    """Return the label raster of each scene: the only one, or that of the same key.

    Raises:
        DataError: when a scene has no label.
    """
    rasters = find_rasters([labels])
    if len(rasters) == 1:
        only = next(iter(rasters.values()))
        return dict.fromkeys(scenes.values(), only)
    missing = [key for key in scenes if key not in rasters]
    if missing:
        raise DataError(
            Fault(
                what=f"{plural(len(missing), 'scene')} of {len(scenes)} without a label",
                where=str(labels),
                got=shown(missing),
                expected="a label raster of the same name for every scene",
                mend=did_you_mean(missing[0], rasters) or "name both by globs whose wildcards match the same text",
            )
        )
    return {path: rasters[key] for key, path in scenes.items()}
