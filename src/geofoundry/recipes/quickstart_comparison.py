"""Hold the map of the quickstart's model against one that a per-pixel classifier makes, on the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from geofoundry.bands import match_bands
from geofoundry.data.synthetic.materials import CLASS_NAMES, CLOUD, IGNORE
from geofoundry.data.synthetic.spectra import BANDS
from geofoundry.recipes.pixel_baseline import fit_pixel_baseline
from geofoundry.recipes.quickstart_report import QuickstartReport, class_results, draw_overview
from geofoundry.runs import RunFolder
from geofoundry.runs.card_facts import read_provenance, short_path
from geofoundry.runs.panels import TRUE_COLOR
from geofoundry.runs.scores import count_confusion, score_confusion


def compare(
    folder: Path,
    config: Path,
    run: RunFolder,
    mapped: Path,
    *,
    images: Sequence[Path],
    labels: Sequence[Path],
    stopped_by_time: bool,
) -> QuickstartReport:
    """Score the map and the per-pixel classifier on the last part of the scene, draw all, and report.

    `images` and `labels` are the parts of the scene from west to east; the classifier learns from the first part.
    """
    pixels = [_read(path) for path in images]
    truths = [_read(path)[0].astype(np.uint8) for path in labels]
    predicted = _read(mapped)[0].astype(np.uint8)
    baseline_map = _classify_pixels(pixels[0], truths[0], pixels[-1])
    truth = truths[-1]
    # The model is scored on what its map says; a pixel that the map leaves out would count as wrong.
    ours, theirs = (
        score_confusion(
            count_confusion(truth, np.where(guess == IGNORE, 0, guess), len(CLASS_NAMES), IGNORE), CLASS_NAMES
        )
        for guess in (predicted, baseline_map)
    )
    whole = np.concatenate(pixels, axis=2)
    overview = folder / "overview.png"
    draw_overview(
        overview,
        image=whole,
        bright=np.concatenate(truths, axis=1) >= CLOUD,
        trained=slice(0, truths[0].shape[1]),
        east=slice(whole.shape[2] - truth.shape[1], whole.shape[2]),
        labels=truth,
        predicted=predicted,
        baseline=baseline_map,
        class_names=CLASS_NAMES,
        true_color=match_bands(TRUE_COLOR, BANDS),
        titles=(f"errors of the model ({100 * (1 - ours.accuracy):.0f} %)",
                f"errors of single pixels ({100 * (1 - theirs.accuracy):.0f} %)"),
    )  # fmt: skip
    provenance = read_provenance(run)
    return QuickstartReport(
        folder=str(folder),
        config=str(config),
        run=short_path(run.path),
        map=str(mapped),
        overview=str(overview),
        kilometers=(whole.shape[1] / 100, whole.shape[2] / 100),
        parameters=int(provenance["session"]["model"]["parameters"].replace(",", "")),
        trained_s=float(provenance.get("duration_s", 0.0)),
        stopped_by_time=stopped_by_time,
        pixels=ours.pixels,
        miou=ours.miou,
        accuracy=ours.accuracy,
        baseline_miou=theirs.miou,
        baseline_accuracy=theirs.accuracy,
        classes=class_results(ours, theirs),
    )


def _classify_pixels(west: NDArray[np.uint16], truth: NDArray[np.uint8], east: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Learn from the labelled pixels of one part, and return the classes of every pixel of another."""
    known = truth != IGNORE
    classifier = fit_pixel_baseline(west[:, known].T.astype(np.float64), truth[known])
    return classifier.predict(east.reshape(len(east), -1).T.astype(np.float64)).reshape(east.shape[1:])


def _read(path: Path) -> NDArray[np.uint16]:
    with rasterio.open(path) as file:
        return file.read()
