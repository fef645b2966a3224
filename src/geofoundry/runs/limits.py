"""What a model can't do, in plain sentences, read from its confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geofoundry.runs.results import StageResult
from geofoundry.runs.scores import ClassScore, Scores

GIVEN_UP_IOU = 0.05
RARE_SHARE = 0.01


def describe_limits(results: Sequence[StageResult], status: str) -> list[str]:
    """Return what a user of the model should know before trusting it."""
    lines: list[str] = []
    if not results:
        lines.append("It has not been evaluated: nothing is known about how good it is.")
    elif results[0].stage != "test":
        lines.append(
            f"It was scored on the {results[0].stage} split only. Checkpoints were chosen on that split, so the scores "
            "flatter the model; `geofoundry test` on data that had no part in training gives honest ones."
        )
    if results:
        headline = results[0]
        lines += given_up_classes(headline.scores, headline.confusion, headline.stage)
        lines += absent_classes(headline.scores, headline.stage, headline.ignore_index)
    if status != "finished":
        lines.append(f"The run is {status}: training did not come to its end.")
    lines.append(
        "Scores hold for images like those it was tested on. Other places, seasons, sensors, processing levels or "
        "units of pixel values have to be tested before they are mapped."
    )
    return lines


def given_up_classes(scores: Scores, confusion: NDArray[np.integer], stage: str) -> list[str]:
    """Return one sentence for every class with an IoU below 0.05: its name, its score, and the likely reason.

    **Shapes:** `confusion` is (C, C), rows are the labels, columns the predictions.
    """
    return [
        f"The class **{score.name}** is given up: its IoU on the {stage} split is {score.iou:.3f}. "
        + _likely_reason(index, score, scores, confusion)
        for index, score in enumerate(scores.classes)
        if score.true_pixels > 0 and score.iou < GIVEN_UP_IOU
    ]


def absent_classes(scores: Scores, stage: str, ignore_index: int | None) -> list[str]:
    """Return a sentence that names the classes without a single labelled pixel, the ignored one aside."""
    absent = [s for index, s in enumerate(scores.classes) if not s.true_pixels and index != ignore_index]
    if not absent or not scores.pixels:
        return []
    names = ", ".join(f"**{score.name}**" for score in absent)
    taken = sum(score.predicted_pixels for score in absent)
    wrongly = f" It is predicted for {taken:,} pixels there, all of them wrong." if taken else ""
    verb = "does" if len(absent) == 1 else "do"
    return [f"{names} {verb} not occur in the labels of the {stage} split: nothing is known about it.{wrongly}"]


def _likely_reason(index: int, score: ClassScore, scores: Scores, confusion: NDArray[np.integer]) -> str:
    share = score.true_pixels / scores.pixels
    others = np.array(confusion[index], dtype=np.int64)
    others[index] = 0
    rival = int(others.argmax())
    taken = others[rival] / score.true_pixels
    mostly = f"{100 * taken:.0f} % of its pixels are taken for {scores.classes[rival].name}" if others.any() else ""
    if share < RARE_SHARE:
        return (
            f"Likely because it is rare: only {_percent(share)} of the labelled pixels ({score.true_pixels:,}) are of "
            f"this class{'; ' + mostly if mostly else ''}. More labels of it, or class weights, would help."
        )
    if score.recall > 0.5:
        return (
            f"It is found, but {score.predicted_pixels:,} pixels are called so and only {score.true_pixels:,} are: "
            "other classes spill into it. Labels of what is mistaken for it would help."
        )
    return (
        f"It is not rare ({_percent(share)} of the labelled pixels); {mostly or 'its pixels are spread over others'}. "
        "Likely the two look alike in these bands, or the training was too short, or the labels disagree."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.095 else f"{100 * share:.0f} %"
