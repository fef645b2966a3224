"""The model card of a run: Markdown that says what the model is, how good it is, and what it can't do.

Everything in it is read from the run folder, so a card can be written again at any time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from geofoundry.core.errors import plural
from geofoundry.core.files import write_text
from geofoundry.runs.limits import describe_limits
from geofoundry.runs.results import StageResult


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card is written from.

    `results` holds the stages in order of weight: the first one is the headline. `model`, `data` and `training` are
    rows of tables: what it is called, and what it is.
    """

    name: str
    run_id: str
    status: str
    summary: str
    class_names: Sequence[str]
    bands: Sequence[str]
    model: Mapping[str, Any]
    data: Mapping[str, Any]
    training: Mapping[str, Any]
    results: Sequence[StageResult]
    provenance: Mapping[str, Any]
    commands: Sequence[tuple[str, str]]
    figures: Sequence[str] = ()
    tags: Sequence[str] = ()


def write_card(path: str | Path, facts: CardFacts) -> Path:
    """Write the card, atomically, and return its path."""
    path = Path(path)
    write_text(path, card_text(facts))
    return path


def card_text(facts: CardFacts) -> str:
    """Return the card as Markdown with a Hugging Face front matter."""
    parts = [
        _front_matter(facts),
        f"# {facts.name}",
        facts.summary,
        _status_line(facts),
        "## Classes and input",
        _classes_and_bands(facts),
        _table(("model", ""), facts.model.items()),
        "## Data",
        _table(("data", ""), facts.data.items()),
        "## Training",
        _table(("setting", ""), facts.training.items()),
        "## How good it is",
        *_results(facts),
        "## Limits",
        _bullets(describe_limits(facts.results, facts.status)),
        "## How to use it",
        *(f"{say}\n\n```\n{command}\n```" for say, command in facts.commands),
        "## Where it comes from",
        _table(("fact", ""), _provenance_rows(facts.provenance)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: CardFacts) -> str:
    front: dict[str, Any] = {
        "library_name": "geofoundry",
        "pipeline_tag": "image-segmentation",
        "tags": list(dict.fromkeys(["earth-observation", "remote-sensing", "semantic-segmentation", *facts.tags])),
    }
    if facts.results:
        front["model-index"] = [{"name": facts.name, "results": [_index_entry(result) for result in facts.results]}]
    return "---\n" + yaml.safe_dump(front, sort_keys=False, allow_unicode=True) + "---"


def _index_entry(result: StageResult) -> dict[str, Any]:
    scores = result.scores
    values = (
        ("mean_iou", "mIoU", scores.miou),
        ("accuracy", "pixel accuracy", scores.accuracy),
        ("f1", "F1", scores.f1),
    )
    return {
        "task": {"type": "image-segmentation"},
        "dataset": {"type": "local", "name": f"{result.stage} split", "split": result.stage},
        "metrics": [
            {"type": kind, "name": name, "value": round(value, 4)}
            for kind, name, value in values
            if math.isfinite(value)
        ],
    }


def _status_line(facts: CardFacts) -> str:
    if facts.status == "finished":
        return f"Run `{facts.run_id}`, finished."
    return f"Run `{facts.run_id}`. **The run is {facts.status}**: what stands here is what was reached until then."


def _classes_and_bands(facts: CardFacts) -> str:
    classes = ", ".join(f"{index} {name}" for index, name in enumerate(facts.class_names))
    bands = ", ".join(facts.bands)
    return "\n\n".join(
        part
        for part in (
            f"{plural(len(facts.class_names), 'class', 'classes')}: {classes}." if classes else "",
            f"{plural(len(facts.bands), 'band')}, in this order: {bands}." if bands else "",
        )
        if part
    )


def _results(facts: CardFacts) -> list[str]:
    if not facts.results:
        return ["The model has not been evaluated yet."]
    headline = facts.results[0]
    rows = [
        (result.stage, _number(s.miou), _number(s.accuracy), _number(s.f1), f"{s.pixels:,}", result.weights)
        for result in facts.results
        for s in (result.scores,)
    ]
    overall = _table(("split", "mIoU", "pixel accuracy", "F1", "pixels", "of"), rows)
    means = "Means are over the classes that occur in labels or predictions."
    if headline.scores.pixels and abs(headline.scores.miou - headline.scores.miou_labelled) > 5e-4:
        means += f" Over those in the labels alone the mIoU is {headline.scores.miou_labelled:.3f}."
    pixels = max(headline.scores.pixels, 1)
    per_class = _table(
        ("class", "IoU", "precision", "recall", "F1", "share of pixels"),
        [
            (
                c.name,
                _number(c.iou),
                _number(c.precision),
                _number(c.recall),
                _number(c.f1),
                f"{100 * c.true_pixels / pixels:.2f} %",
            )
            for c in headline.scores.classes
        ],
    )
    figures = [f"![{Path(figure).stem.replace('_', ' ')}]({figure})" for figure in facts.figures]
    return [overall, means, f"Per class, on the {headline.stage} split:", per_class, *figures]


def _provenance_rows(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of the table of origins, from what `collect_provenance` gave."""
    if not provenance:
        return []
    code = provenance.get("code", {})
    environment = provenance.get("environment", {})
    packages = provenance.get("packages", {})
    shown = [
        f"{name} {packages[name]}" for name in ("torch", "lightning", "timm", "rasterio", "numpy") if name in packages
    ]
    machine = ", ".join([str(environment.get("cpu", "")), *environment.get("accelerators", [])])
    rows = [
        (
            "geofoundry",
            f"{code.get('geofoundry', {}).get('version', '')} {_commit(code.get('geofoundry', {}).get('git'))}",
        ),
        ("project", _commit(code.get("project"))),
        ("packages", ", ".join(shown)),
        ("Python, system", f"{environment.get('python', '')}, {environment.get('os', '')}"),
        ("machine", machine),
        ("command", " ".join(str(part) for part in provenance.get("argv", []))),
        ("seed", provenance.get("seed")),
        ("started, ended", f"{provenance.get('started')}, {provenance.get('ended')}"),
        ("SHA-256 of the configuration", provenance.get("config_sha256")),
        ("everything, with hashes of data and weights", "[provenance.json](provenance.json)"),
    ]
    return [(name, str(value).strip()) for name, value in rows if str(value or "").strip()]


def _commit(git: Mapping[str, Any] | None) -> str:
    if not git:
        return ""
    return f"commit {git['commit'][:12]}" + (", changed since (see *.patch in this folder)" if git.get("dirty") else "")


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [tuple(_in_words(cell) for cell in row) for row in rows]
    if not lines:
        return ""
    body = ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *body])


def _in_words(value: Any) -> str:
    """Return `ce 0.5, dice 0.5` for a mapping, `a, b` for a list."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_in_words(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_in_words, value))
    return str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"
