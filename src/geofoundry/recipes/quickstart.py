"""The main job from end to end on a generated scene: train, test, map, and compare with a per-pixel classifier."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from geofoundry import __version__
from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.files import require_writable_folder, write_json, write_text
from geofoundry.core.hashing import sha256_file, sha256_json
from geofoundry.data.synthetic.scene import (
    SceneSpec,
    generate_scene,
    write_elevation,
    write_objects,
    write_part,
)
from geofoundry.recipes.quickstart_comparison import compare
from geofoundry.recipes.quickstart_config import EPOCHS, RUN_NAME, quickstart_config
from geofoundry.recipes.quickstart_report import QuickstartReport, read_report
from geofoundry.runs import RunFolder, RunStatus
from geofoundry.runs.metrics import read_metrics
from geofoundry.runs.results import read_results

Say = Callable[[str], None]

PARTS = {"west": (0.0, 0.5), "middle": (0.5, 0.625), "east": (0.625, 1.0)}  # shares of the width
SPLITS = {"train": "west", "val": "middle", "test": "east"}
STATE = "state.json"


@dataclass
class Workplace:
    """The folder of a quickstart, and what was done in it already."""

    folder: Path
    say: Say
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def scene(self) -> Path:
        """The generated data."""
        return self.folder / "scene"

    @property
    def config(self) -> Path:
        """The YAML."""
        return self.folder / "fit.yaml"

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return self.folder / "runs"

    @property
    def maps(self) -> Path:
        """The folder of maps."""
        return self.folder / "maps"

    def image(self, part: str) -> Path:
        """Return the image of a part of the scene."""
        return self.scene / "images" / f"{part}.tif"

    def labels(self, part: str) -> Path:
        """Return the labels of a part of the scene."""
        return self.scene / "labels" / f"{part}.tif"

    def remember(self, **facts: Any) -> None:
        """Note what is done, so that it need not be done again."""
        self.state |= facts
        write_json(self.folder / STATE, self.state)


def quickstart(
    folder: str | Path = "quickstart",
    *,
    seed: int = 0,
    size: int = 1024,
    minutes: float = 2.0,
    force: bool = False,
    say: Say = print,
) -> QuickstartReport:
    """Generate a scene, train on its west, test and map its east, and compare with a per-pixel classifier.

    What an earlier call has done with the same scene and the same YAML is not done again, unless `force`. A YAML that
    the user has changed is kept and trained with; a training that was interrupted goes on. `say` is told what happens.

    Raises:
        ConfigError: when the folder holds something else, or can't be written to.
    """
    place = _open_workplace(Path(folder), say, force=force)
    make_scene(place, SceneSpec(height=size, width=size, seed=seed))
    make_config(place, seed)
    run = train(place, minutes)
    test(place, run)
    mapped = make_map(place, run)
    report = read_report(place.folder)
    if report is not None and place.state.get("compared") == run.id:
        say("5/5  the comparison is made already")
        return report
    say("5/5  comparing with a classifier that sees one pixel at a time")
    report = compare(
        place.folder, place.config, run, mapped,
        images=[place.image(part) for part in PARTS], labels=[place.labels(part) for part in PARTS],
        stopped_by_time=_stopped_early(run),
    )  # fmt: skip
    report.write()
    place.remember(compared=run.id)
    return report


def make_scene(place: Workplace, spec: SceneSpec) -> None:
    """Generate the scene and write its parts, unless they are there."""
    wanted = sha256_json({"spec": asdict(spec), "version": __version__})
    files = [*map(place.image, PARTS), *map(place.labels, PARTS), *(place.scene / f"{s}.txt" for s in SPLITS)]
    if place.state.get("scene") == wanted and all(file.is_file() for file in files):
        place.say("1/5  the scene is there already")
        return
    kilometers = spec.width * 10 / 1000
    place.say(f"1/5  generating a Sentinel-2 scene of {kilometers:.0f} x {kilometers:.0f} km")
    scene = generate_scene(spec)
    for part, (first, last) in PARTS.items():
        # Multiples of 16 pixels, so that evaluation never has to pad.
        columns = (round(first * spec.width / 16) * 16, spec.width if last == 1 else round(last * spec.width / 16) * 16)
        write_part(scene, place.image(part), place.labels(part), columns)
    for split, part in SPLITS.items():
        write_text(place.scene / f"{split}.txt", part + "\n")
    write_elevation(scene, place.scene / "elevation.tif")
    write_objects(scene, place.scene / "objects.geojson")
    write_json(place.scene / "scene.json", asdict(spec))
    place.remember(scene=wanted)


def make_config(place: Workplace, seed: int) -> None:
    """Write the YAML, unless the user has changed it."""
    text = quickstart_config(place.folder, place.config, seed=seed, epochs=EPOCHS)
    if place.config.is_file():
        if place.config.read_text(encoding="utf-8") == text:
            place.say(f"2/5  {place.config} is there already")
            return
        if sha256_file(place.config) != place.state.get("config_written"):
            place.say(f"2/5  keeping your changes to {place.config} (--force writes the original again)")
            return
    place.say(f"2/5  writing {place.config}")
    write_text(place.config, text)
    place.remember(config_written=sha256_file(place.config))


def train(place: Workplace, minutes: float) -> RunFolder:
    """Train, go on with a training that was interrupted, or return the run that is finished."""
    made_of = sha256_json([place.state["scene"], sha256_file(place.config)])
    latest = RunFolder.latest(place.runs, RUN_NAME) if place.state.get("trained_on") == made_of else None
    if latest is not None and latest.status is RunStatus.FINISHED:
        place.say("3/5  the model is trained already (--force trains again)")
        return latest
    from geofoundry.recipes.fit import fit  # torch, which a second call has no need of

    checkpoint = latest.checkpoints / "last.ckpt" if latest is not None else None
    goes_on = checkpoint is not None and checkpoint.is_file()
    word = "going on with the training that was interrupted" if goes_on else "training on the west"
    place.say(f"3/5  {word}, {minutes:g} min at most; it chooses by the strip in the middle")
    place.remember(trained_on=made_of)
    limit = timedelta(minutes=minutes)
    hours, rest = divmod(limit.seconds, 3600)
    overrides = [f"--trainer.max_time={limit.days:02d}:{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"]
    return fit(place.config, overrides, ckpt_path=checkpoint if goes_on else None)


def test(place: Workplace, run: RunFolder) -> None:
    """Test the best checkpoint on the east, which puts figures and the final scores into the run folder."""
    if "test" in read_results(run.scores):
        return
    from geofoundry.recipes.evaluate import evaluate

    place.say("4/5  testing on the east and mapping it")
    evaluate("test", place.config, ckpt_path=best_checkpoint(run))


def make_map(place: Workplace, run: RunFolder) -> Path:
    """Map the east with the best checkpoint, unless its map is there."""
    known = place.state.get("map", {})
    if known.get("run") == run.id and Path(known["path"]).is_file():
        place.say("4/5  the east is tested and mapped already")
        return Path(known["path"])
    from geofoundry.recipes.predict import predict

    [written] = predict(
        place.config, ckpt_path=best_checkpoint(run), images=[place.image("east")], output_dir=place.maps
    )
    place.remember(map={"run": run.id, "path": str(written)})
    return written


def best_checkpoint(run: RunFolder) -> Path:
    """Return the checkpoint of the best epoch, or the last one."""
    best = run.checkpoints / "best.ckpt"
    return best if best.is_file() else run.checkpoints / "last.ckpt"


def _open_workplace(folder: Path, say: Say, *, force: bool) -> Workplace:
    state_file = folder / STATE
    if folder.is_dir() and any(folder.iterdir()) and not state_file.is_file():
        raise ConfigError(
            Fault(
                what="the folder holds something else",
                where=str(folder),
                got="files, but no quickstart",
                expected="an empty or a new folder, or that of an earlier quickstart",
                mend="choose another one with --folder",
            )
        )
    require_writable_folder(folder)
    if force:
        for name in ("scene", "runs", "maps"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in ("fit.yaml", "report.json", "overview.png", STATE):
            (folder / name).unlink(missing_ok=True)
    place = Workplace(folder, say)
    try:
        place.state = json.loads(state_file.read_text(encoding="utf-8")) if state_file.is_file() else {}
    except json.JSONDecodeError:
        place.state = {}  # all is done again, which mends it
    place.remember(version=__version__)
    return place


def _stopped_early(run: RunFolder) -> bool:
    """Whether training ended before its last epoch."""
    wanted = (yaml.safe_load(run.config.read_text(encoding="utf-8")).get("trainer") or {}).get("max_epochs")
    epochs = [row.get("epoch") or 0 for row in read_metrics(run.metrics_jsonl) if "train/loss" in row]
    return wanted is not None and wanted > 0 and (max(epochs, default=-1) + 1) < wanted
