"""Which data a `data` command works on: from a configuration's `data` section, or from paths on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geofoundry.config import load_document
from geofoundry.core.errors import ConfigError, DataError, Fault, plural
from geofoundry.data.pairing import Sample, list_images, pair_files
from geofoundry.data.windows_file import WindowRow, read_windows

DATAMODULE = "SegmentationDataModule"
IMAGE_GLOB, LABEL_GLOB = "images/*.tif", "masks/*.tif"


@dataclass(frozen=True, slots=True)
class DataSelection:
    """Where images and labels lie; `windows` is a windows file in place of the globs.

    An empty `label_glob` means that there are no labels, or none that matter. `options` are the other arguments of
    the datamodule, when the selection comes from a configuration.
    """

    root: Path
    image_glob: str = IMAGE_GLOB
    label_glob: str = LABEL_GLOB
    windows: Path | None = None
    ignore_index: int | None = None
    options: Mapping[str, Any] | None = None

    def rows(self) -> list[WindowRow]:
        """Return the samples: rows of the windows file, or one row per chip.

        Raises:
            ConfigError: when the configuration has globs for each split, so that there is nothing left to decide.
            DataError: with everything that keeps images and labels from being paired.
        """
        if self.options and self.options.get("train_image_glob"):
            mend = "name the data's folder in place of the configuration, with --image-glob and --label-glob"
            raise ConfigError(Fault("the configuration has images of their own for each split", "data", mend=mend))
        if self.windows is not None:
            rows, faults = read_windows(self.windows, self.root)
        else:
            samples, faults = self._chips()
            rows = [WindowRow(sample) for sample in samples]
        if faults:
            faults = list(dict.fromkeys(faults))
            raise DataError(faults, summary=f"{plural(len(faults), 'fault')} in {self.windows or self.root}")
        return rows

    def _chips(self) -> tuple[list[Sample], list[Fault]]:
        if not self.label_glob:
            return list_images(self.root, self.image_glob)
        return pair_files(self.root, self.image_glob, self.label_glob)


def select_data(
    place: Path | None,
    config: Path | None,
    *,
    image_glob: str | None = None,
    label_glob: str | None = None,
    ignore_index: int | None = None,
) -> DataSelection:
    """Return what `place` (a folder, or a windows file) or the `data` section of a configuration names.

    Globs and ignore index, where given, take the place of the configuration's.

    Raises:
        ConfigError: when neither or both are given, or the configuration can't be read.
    """
    if (place is None) == (config is None):
        got = "neither" if place is None else f"both {place} and -c {config}"
        raise ConfigError(
            Fault("which data is meant isn't clear", got=got, expected="a folder or windows file, or -c config.yaml")
        )
    options = _data_section(config) if config is not None else {}
    if place is not None:
        options["windows" if place.suffix.lower() == ".csv" else "root"] = str(place)
    windows = options.get("windows")
    root = Path(options.get("root") or (Path(windows).parent if windows else "."))
    return DataSelection(
        root=root,
        image_glob=image_glob or options.get("image_glob") or IMAGE_GLOB,
        label_glob=label_glob if label_glob is not None else options.get("label_glob", LABEL_GLOB) or "",
        windows=_found(Path(windows), root) if windows else None,
        ignore_index=ignore_index if ignore_index is not None else options.get("ignore_index"),
        options=options if config is not None else None,
    )


def _found(path: Path, root: Path) -> Path:
    return root / path if not path.is_file() and (root / path).is_file() else path


def _data_section(config: Path) -> dict[str, Any]:
    document = load_document([config], [])
    if document.faults:
        raise ConfigError(document.faults, summary=f"{plural(len(document.faults), 'fault')} in {config}")
    section = document.data.get("data")
    name = section.get("class_path", DATAMODULE) if isinstance(section, Mapping) else DATAMODULE
    if str(name).rpartition(".")[2] != DATAMODULE:
        raise ConfigError(
            Fault("these commands read no other datamodule than ours", "data.class_path", str(name), DATAMODULE)
        )
    arguments = section.get("init_args", {}) if isinstance(section, Mapping) else None
    if not isinstance(arguments, Mapping):
        expected = "data: {class_path: SegmentationDataModule, init_args: {root: ...}}"
        raise ConfigError(Fault("the configuration has no data section", str(config), expected=expected))
    return dict(arguments)
