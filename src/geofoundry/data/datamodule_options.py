"""What the options of a datamodule mean together, and which of them contradict each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geofoundry.core.errors import Fault
from geofoundry.core.hashing import sha256_json
from geofoundry.data.normalization import Normalization
from geofoundry.data.sampling import Size
from geofoundry.data.sources import SampleSource
from geofoundry.data.windows_file import SPLIT_NAMES

# What an image specification is made of, beside the bands.
IMAGE_OPTIONS = (
    *("dataset_bands", "sensor", "time_steps", "scale", "offset"),
    *("nodata", "nodata_rule", "nodata_replace", "allow_nan"),
)
POSITIVE = ("batch_size", "crops_per_image", "samples_per_epoch")


def as_size(value: int | Sequence[int] | None) -> Size | None:
    """Return (height, width) of one number or of two."""
    if value is None or isinstance(value, int):
        return None if value is None else (value, value)
    return value[0], value[1]


def sample_source(options: Mapping[str, Any]) -> SampleSource:
    """Return where samples come from."""
    globs = {
        name: (options[f"{name}_image_glob"], options[f"{name}_label_glob"])
        for name in SPLIT_NAMES
        if options[f"{name}_image_glob"]
    }
    files = {name: options[f"{name}_split"] for name in SPLIT_NAMES if options[f"{name}_split"]}
    names = ("root", "image_glob", "label_glob", "windows", "fold", "val_fraction", "test_fraction")
    plain = {name: options[name] for name in names}
    return SampleSource(split_files=files, split_globs=globs, seed=options["split_seed"], **plain)


def option_faults(options: Mapping[str, Any]) -> list[Fault]:
    """Return every contradiction between options, and every value out of range."""
    return [*_source_faults(options), *_number_faults(options), *_normalization_faults(options)]


def _source_faults(options: Mapping[str, Any]) -> list[Fault]:
    faults = []
    own_globs = [f"{name}_{kind}_glob" for name in SPLIT_NAMES for kind in ("image", "label")]
    given = [name for name in own_globs if options[name]]
    files = [f"{name}_split" for name in SPLIT_NAMES if options[f"{name}_split"]]
    for name in SPLIT_NAMES:
        pair = [f"{name}_image_glob", f"{name}_label_glob"]
        missing = [option for option in pair if not options[option]]
        if len(missing) == 1:
            faults.append(Fault(f"{missing[0]} is missing", missing[0], expected=" and ".join(pair)))
    if given and not options["train_image_glob"]:
        faults.append(Fault("train_image_glob is missing", "train_image_glob", got=", ".join(given)))
    ways = {"windows": ["windows"] if options["windows"] else [], "globs per split": given}
    ways |= {"split files": files} if given else {}
    chosen = [name for names in ways.values() for name in names]
    if sum(bool(names) for names in ways.values()) > 1:
        mend = "keep one of them"
        faults.append(Fault("samples are dealt out in two ways at once", ", ".join(chosen), mend=mend))
    if options["fold"] is not None and (not options["windows"] or files):
        faults.append(Fault("fold needs a windows file with a column fold, and no split files", "fold"))
    total = options["val_fraction"] + options["test_fraction"]
    if min(options["val_fraction"], options["test_fraction"]) < 0 or total >= 1:
        got = f"val_fraction {options['val_fraction']}, test_fraction {options['test_fraction']}"
        faults.append(Fault("nothing is left to train on", "val_fraction", got=got, expected="less than 1 together"))
    return faults


def _number_faults(options: Mapping[str, Any]) -> list[Fault]:
    faults = [
        Fault(f"{name} must be at least 1", name, got=str(options[name]))
        for name in POSITIVE
        if options[name] is not None and options[name] < 1
    ]
    if options["num_workers"] < 0:
        faults.append(Fault("num_workers must be at least 0", "num_workers", got=str(options["num_workers"])))
    for name in ("crop_size", "predict_tile"):
        value = options[name]
        sizes = [value] if isinstance(value, int) else list(value or ())
        if value is not None and (len(sizes) > 2 or (len(sizes) < 2 and not isinstance(value, int)) or min(sizes) < 1):
            expected = "a number of pixels, or [height, width]"
            faults.append(Fault(f"{name} is no size", name, got=str(value), expected=expected))
    if options["crops_per_image"] is not None and options["crop_size"] is None:
        faults.append(Fault("crops_per_image needs crop_size", "crops_per_image", mend="set crop_size"))
    if options["predict_halo"] < 0:
        faults.append(Fault("predict_halo must be at least 0", "predict_halo", got=str(options["predict_halo"])))
    for name in ("seed", "split_seed"):
        if options[name] is not None and options[name] < 0:
            faults.append(Fault(f"{name} must be at least 0", name, got=str(options[name])))
    return faults


def _normalization_faults(options: Mapping[str, Any]) -> list[Fault]:
    means, stds, file = options["means"], options["stds"], options["statistics"]
    faults = []
    if (means is None) != (stds is None):
        missing = "means" if means is None else "stds"
        faults.append(Fault(f"{missing} are missing", missing, expected="means and stds, or neither"))
    if file and (means or stds):
        faults.append(
            Fault("normalization is given twice", "means, statistics", mend="keep means and stds, or the file")
        )
    count = len(options["bands"]) if options["bands"] else None
    for name, values in (("means", means), ("stds", stds)):
        if values is not None and count is not None and len(values) != count:
            got, expected = f"{len(values)} values", f"one per band: {count}"
            faults.append(Fault(f"{name} has a wrong number of values", name, got=got, expected=expected))
    if stds is not None and any(not value > 0 for value in stds):
        faults.append(Fault("stds must be above 0", "stds", got=str(stds)))
    return faults


def state_faults(
    state: Mapping[str, Any],
    given: Normalization | None,
    bands: Sequence[str | int],
    splits: Mapping[str, str],
) -> list[Fault]:
    """Return in what the data of a checkpoint differs from that of a datamodule."""
    faults = []
    if bands and list(map(str, bands)) != list(map(str, state["bands"])):
        faults.append(
            Fault(
                what="the model was trained with other bands, or in another order",
                where="bands",
                got=", ".join(map(str, bands)),
                expected=", ".join(map(str, state["bands"])),
                mend="write the bands as they were in training",
            )
        )
    ours = None if given is None else sha256_json([list(given.means), list(given.stds)])
    if ours is not None and ours != sha256_json([state["means"], state["stds"]]):
        faults.append(
            Fault(
                what="means and stds are not those that the model was trained with; scores will drop",
                where="means, stds",
                got=f"{[*given.means]}, {[*given.stds]}" if given else "",
                expected=f"{state['means']}, {state['stds']}",
                mend="leave them out: the checkpoint has them",
                severity="warning",
            )
        )
    changed = [name for name, digest in state.get("splits", {}).items() if splits and splits.get(name) != digest]
    if changed:
        faults.append(
            Fault(
                what="the split is not the one that the model was trained with; it may have seen what it is measured on",
                where=", ".join(changed),
                mend="restore files, seed and fractions, or write the split into files with `geofoundry data split`",
                severity="warning",
            )
        )
    return faults
