"""Gather what a card says from the files of a run folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from geofoundry.core.errors import plural
from geofoundry.runs.card import CardFacts
from geofoundry.runs.limits import given_up_classes
from geofoundry.runs.metrics import read_metrics
from geofoundry.runs.results import StageResult, read_results
from geofoundry.runs.run_folder import RunFolder

# Settings that a reader of a card looks for, in the order of the YAML. Those left at "nothing" are not listed.
MODEL_KEYS = ("model_factory", "loss", "class_weights", "ignore_index")
TRAINING_KEYS = ("optimizer", "lr", "scheduler", "warmup_steps", "warmup_epochs", "layer_decay")
INPUT_KEYS = ("scale", "offset", "nodata", "sensor", "crop_size", "patch_size")
TRAINER_KEYS = ("max_epochs", "max_steps", "precision", "accelerator", "devices", "accumulate_grad_batches")


def facts_of_run(run: RunFolder) -> CardFacts:
    """Return what is known about a run from its folder: configuration, scores, provenance, metrics.

    Raises:
        DataError: when the folder is no run, or one of its files is damaged.
    """
    config = _read_yaml(run.config)
    provenance = read_provenance(run)
    results = order_results(read_results(run.scores))
    session = provenance.get("session", {})
    model, data, trainer = (config.get(key) or {} for key in ("model", "data", "trainer"))
    task = _init_args(model)
    class_names = results[0].class_names if results else tuple(session.get("class_names", ()))
    bands = [str(band) for band in session.get("bands") or _init_args(data).get("bands") or ()]
    return CardFacts(
        name=run.name,
        run_id=run.id,
        status=str(run.status),
        summary=_summary(class_names, bands, task, run),
        class_names=class_names,
        bands=bands,
        model={
            **_architecture(task),
            **session.get("model", {}),
            **_chosen(task, MODEL_KEYS),
            **_chosen(_init_args(data), INPUT_KEYS),
        },
        data=_data_rows(provenance.get("data") or {}, _init_args(data)),
        training=_training_rows(run, provenance, task, data, trainer),
        results=results,
        provenance=provenance,
        commands=how_to_use(run),
        figures=[f"figures/{path.name}" for path in sorted(run.figures.glob("*.png"))],
        tags=[str(session["sensor"])] if session.get("sensor") else [],
    )


def read_provenance(run: RunFolder) -> dict[str, Any]:
    """Return the record of origins, empty when none was written yet."""
    if not run.provenance.is_file():
        return {}
    return json.loads(run.provenance.read_text(encoding="utf-8"))


def order_results(results: Mapping[str, StageResult]) -> list[StageResult]:
    """Return results with test before validation: what had no part in choosing the weights weighs more."""
    rank = {"test": 0, "val": 2}
    return sorted(results.values(), key=lambda result: rank.get(result.stage, 1 if "test" in result.stage else 3))


def how_to_use(run: RunFolder) -> list[tuple[str, str]]:
    """Return what to say and what to type: map, test, train again, go on."""
    folder = short_path(run.path)
    config = f"{folder}/{run.config.name}"
    return [
        ("Map images:", f"geofoundry predict -c {config} --ckpt_path {folder} -i IMAGE.tif -o maps"),
        ("Measure it on the test split:", f"geofoundry test -c {config} --ckpt_path {folder}"),
        ("Train it again from the start:", f"geofoundry fit -c {config}"),
        ("Train on from where it stopped:", f"geofoundry fit -c {config} --ckpt_path {folder}/checkpoints/last.ckpt"),
    ]


def short_path(path: Path) -> str:
    """Return a path as a user would type it here: relative where it lies below the working directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def summarize_run(run: RunFolder) -> str:
    """Return a few lines for the terminal: where, how good, which classes were given up, what to type next."""
    results = order_results(read_results(run.scores))
    lines = [f"run folder  {short_path(run.path)}  ({run.status})"]
    for result in results:
        scores = result.scores
        of = f", {result.weights}" if result.weights else ""
        lines.append(f"{result.stage:<10}  mIoU {scores.miou:.3f}, pixel accuracy {scores.accuracy:.3f}{of}")
    if results:
        headline = results[0]
        lines += [
            sentence.replace("**", "'")
            for sentence in given_up_classes(headline.scores, headline.confusion, headline.stage)
        ]
    if run.card.is_file():
        lines.append(f"model card  {short_path(run.card)}")
    if run.checkpoints.is_dir():
        lines.append(f"next        {how_to_use(run)[0][1]}")
    return "\n".join(lines)


def _summary(class_names: Sequence[str], bands: Sequence[str], task: Mapping[str, Any], run: RunFolder) -> str:
    """Return one sentence: what it does, with what it looks, what it was made with."""
    classes = plural(len(class_names), "class", "classes") if class_names else "classes"
    look = f" from {plural(len(bands), 'band')} ({', '.join(bands)})" if bands else ""
    backbone = (task.get("model_args") or {}).get("backbone")
    made = f", with the backbone `{backbone}`" if isinstance(backbone, str) else ""
    when = run.record()["created"][:10]
    return (
        f"Semantic segmentation: it gives every pixel one of {classes}{look}. Trained with geofoundry on {when}{made}."
    )


def _architecture(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts that the model was composed of."""
    arguments = task.get("model_args") or {}
    parts = {key: arguments.get(key) for key in ("backbone", "backbone_weights", "backbone_pretrained", "decoder")}
    necks = [neck.get("name") for neck in arguments.get("necks") or () if isinstance(neck, Mapping)]
    return {
        key.replace("_", " "): value for key, value in {**parts, "necks": ", ".join(map(str, necks))}.items() if value
    }


def _training_rows(
    run: RunFolder,
    provenance: Mapping[str, Any],
    task: Mapping[str, Any],
    data: Mapping[str, Any],
    trainer: Mapping[str, Any],
) -> dict[str, Any]:
    rows = read_metrics(run.metrics_jsonl) if run.metrics_jsonl.is_file() else []
    trained = [row for row in rows if any(name.startswith("train/") for name in row)]
    rows_of_card: dict[str, Any] = {}
    if trained:
        epochs = max(row.get("epoch") or 0 for row in trained) + 1
        rows_of_card["trained"] = (
            f"{plural(epochs, 'epoch')}, {plural(max(row['step'] for row in trained) + 1, 'step')}"
        )
    rows_of_card |= _chosen(trainer, TRAINER_KEYS) | _chosen(task, TRAINING_KEYS)
    rows_of_card |= _chosen(_init_args(data), ("batch_size",))
    rows_of_card |= {"seed": provenance["seed"]} if provenance.get("seed") is not None else {}
    if provenance.get("duration_s") is not None:
        rows_of_card["took"] = _duration(provenance["duration_s"])
    return rows_of_card


def _data_rows(data: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a digest of what the datamodule says of its files; the whole of it stands in provenance.json."""
    rows = _chosen(arguments, ("root", "image_glob", "label_glob", "windows"))
    files, splits = data.get("files"), data.get("splits")
    if isinstance(files, (list, Mapping)):
        rows["files"] = f"{len(files)}, each with its SHA-256 in provenance.json"
    if isinstance(splits, Mapping):
        rows["samples"] = ", ".join(f"{name} {len(keys)}" for name, keys in splits.items())
    if data.get("digest"):
        rows["digest of the data"] = data["digest"]
    return rows


def _chosen(values: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    nothing = (None, "", [], {}, 0, -1, 0.0)
    return {key.replace("_", " "): values[key] for key in keys if values.get(key) not in nothing}


def _init_args(section: Mapping[str, Any]) -> Mapping[str, Any]:
    return section.get("init_args") or {}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded if isinstance(loaded, dict) else {}
