"""One full look at every file: headers, pixel summaries, label counts, hashes; each kept until the file changes."""

from __future__ import annotations

import json
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geofoundry.core.errors import DataError, Fault
from geofoundry.core.hashing import sha256_file, sha256_json
from geofoundry.core.progress import track
from geofoundry.data.image_spec import BandPlan, ImageSpec
from geofoundry.data.pixel_summary import PixelSummary, merge
from geofoundry.data.scan_cache import ScanCache
from geofoundry.geo.grid import Grid
from geofoundry.geo.reading import RasterHeader, open_raster, opening, read_pixels

SCAN_VERSION = 1  # part of every key: a change of what is computed makes older entries unknown
_VALUES_PER_BLOCK = 4_000_000
_DISTINCT_LABELS = 1000
_SAVE_INTERVAL_S = 5.0

Place = tuple[Path, Window | None]


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """How often each value occurs in a label; `truncated` when there are too many values for labels."""

    counts: Mapping[float, int]
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class _Job:
    """Work on one file: the keys of its results, and how to compute some of them, by position."""

    path: Path
    keys: tuple[str, ...]
    compute: Callable[[list[int]], list[dict[str, Any]]]


class FileScanner:
    """Looks at files in parallel, remembers what it saw, and collects what can't be read in `faults`."""

    def __init__(self, store: ScanCache | None = None) -> None:
        self.faults: list[Fault] = []
        self._store = store or ScanCache()
        self._identities: dict[Path, str] = {}

    def headers(self, paths: Sequence[Path]) -> dict[Path, RasterHeader]:
        """Return the header of every file that can be opened."""

        def job(path: Path, identity: str) -> _Job:
            return _Job(path, (f"{identity}/header",), lambda _: [_header_record(path)])

        results = self._run(paths, job, "reading headers")
        return {path: _header_of(path, records[0]) for path, records in results.items()}

    def hashes(self, paths: Sequence[Path]) -> dict[Path, str]:
        """Return the SHA-256 of every file that can be read."""

        def job(path: Path, identity: str) -> _Job:
            return _Job(path, (f"{identity}/sha256",), lambda _: [{"sha256": sha256_file(path)}])

        return {path: records[0]["sha256"] for path, records in self._run(paths, job, "hashing files").items()}

    def images(
        self, places: Sequence[Place], plans: Mapping[Path, BandPlan], spec: ImageSpec
    ) -> dict[Place, PixelSummary]:
        """Return a summary of the planned bands of every image window that can be read."""
        windows = _by_file(places)

        def job(path: Path, identity: str) -> _Job:
            plan = plans[path]
            what = [plan.indexes, [str(value) for value in plan.nodata], spec.allow_nan, spec.nodata_rule]
            keys = tuple(f"{identity}/image/{sha256_json(what)}/{_window_key(window)}" for window in windows[path])
            return _Job(path, keys, lambda chosen: _image_records(path, plan, spec, [windows[path][i] for i in chosen]))

        results = self._run(list(windows), job, "reading images")
        return {
            (path, window): PixelSummary.from_dict(record)
            for path, records in results.items()
            for window, record in zip(windows[path], records, strict=True)
        }

    def labels(self, places: Sequence[Place]) -> dict[Place, LabelSummary]:
        """Return how often each value occurs in the first band of every label window that can be read."""
        windows = _by_file(places)

        def job(path: Path, identity: str) -> _Job:
            keys = tuple(f"{identity}/label/{_window_key(window)}" for window in windows[path])
            return _Job(path, keys, lambda chosen: _label_records(path, [windows[path][i] for i in chosen]))

        results = self._run(list(windows), job, "reading labels")
        return {
            (path, window): _label_summary_of(record)
            for path, records in results.items()
            for window, record in zip(windows[path], records, strict=True)
        }

    def _run(
        self, paths: Sequence[Path], make_job: Callable[[Path, str], _Job], description: str
    ) -> dict[Path, list[dict[str, Any]]]:
        """Return the records of each file, from the store where it knows them."""
        jobs = [make_job(path, identity) for path in dict.fromkeys(paths) if (identity := self._identify(path))]
        known = self._store.get([key for job in jobs for key in job.keys])
        todo = [job for job in jobs if any(key not in known for key in job.keys)]
        failed = self._compute(todo, known, description) if todo else set()
        return {job.path: [known[key] for key in job.keys] for job in jobs if job.path not in failed}

    def _compute(self, jobs: list[_Job], known: dict[str, Any], description: str) -> set[Path]:
        """Do the jobs, put what they find into `known` and the store, and return the files that failed."""
        failed: set[Path] = set()
        fresh: dict[str, Any] = {}
        last_saved = time.monotonic()
        pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                futures = {
                    pool.submit(_do, job, [i for i, k in enumerate(job.keys) if k not in known]): job for job in jobs
                }
                for future in track(as_completed(futures), description, total=len(futures)):
                    job = futures[future]
                    try:
                        fresh.update(future.result())
                    except DataError as error:
                        self._add_faults(error.faults)
                        failed.add(job.path)
                    if time.monotonic() - last_saved > _SAVE_INTERVAL_S:
                        # What was read is kept even if the process is killed.
                        self._store.put(fresh)
                        known.update(fresh)
                        fresh, last_saved = {}, time.monotonic()
        finally:
            pool.shutdown(cancel_futures=True)
            self._store.put(fresh)
        known.update(fresh)
        return failed

    def _identify(self, path: Path) -> str:
        """Return what stands for the very content of a file, or an empty text when there is no such file."""
        if path not in self._identities:
            try:
                status = path.stat()
            except OSError as error:
                reason = error.strerror or str(error)
                self._add_faults([Fault("the file can't be read", str(path), got=reason, mend="check the path")])
                return ""
            place = [_resolved(path.parent), path.name]
            what = [SCAN_VERSION, *place, status.st_size, status.st_mtime_ns, status.st_ino]
            self._identities[path] = sha256_json(what)
        return self._identities[path]

    def _add_faults(self, faults: Sequence[Fault]) -> None:
        self.faults.extend(fault for fault in faults if fault not in self.faults)


@cache
def _resolved(folder: Path) -> str:
    return str(folder.resolve())


def _do(job: _Job, missing: list[int]) -> dict[str, Any]:
    with opening():
        records = job.compute(missing)
    return {job.keys[index]: record for index, record in zip(missing, records, strict=True)}


def _by_file(places: Sequence[Place]) -> dict[Path, list[Window | None]]:
    windows: dict[Path, list[Window | None]] = {}
    for path, window in dict.fromkeys(places):
        windows.setdefault(path, []).append(window)
    return windows


def _window_key(window: Window | None) -> str:
    return "whole" if window is None else f"{window.row_off},{window.col_off},{window.height},{window.width}"


def _header_record(path: Path) -> dict[str, Any]:
    with open_raster(path) as dataset:
        header = RasterHeader.of(dataset, path)
    return {
        "crs": header.grid.crs.to_wkt() if header.grid.crs is not None else None,
        "transform": list(header.grid.transform)[:6],
        "shape": header.shape,
        "driver": header.driver,
        "dtypes": header.dtypes,
        "descriptions": header.descriptions,
        "nodata": [None if value is None else json.loads(json.dumps(value)) for value in header.nodata],
    }


def _header_of(path: Path, record: dict[str, Any]) -> RasterHeader:
    height, width = record["shape"]
    grid = Grid(_crs(record["crs"]), Affine(*record["transform"]), height, width)
    names = ("dtypes", "descriptions", "nodata")
    dtypes, descriptions, nodata = (tuple(record[name]) for name in names)
    return RasterHeader(path, grid, record["driver"], dtypes, descriptions, nodata)


@cache
def _crs(wkt: str | None) -> CRS | None:
    return None if wkt is None else CRS.from_wkt(wkt)


def _blocks(dataset: DatasetReader, bands: int, window: Window | None) -> list[Window]:
    """Return strips of a window, or of the whole, that hold whole blocks and fit into memory."""
    area = window or Window(0, 0, dataset.width, dataset.height)  # type: ignore[call-arg]
    block_height = dataset.block_shapes[0][0]
    rows = max(_VALUES_PER_BLOCK // max(1, bands * int(area.width)), 1)
    rows = max(rows // block_height, 1) * block_height
    top, bottom = int(area.row_off), int(area.row_off + area.height)
    starts = [top, *range((top // rows + 1) * rows, bottom, rows)]
    ends = [*starts[1:], bottom]
    return [
        Window(area.col_off, start, area.width, end - start)  # type: ignore[call-arg]
        for start, end in zip(starts, ends, strict=True)
    ]


def _image_records(
    path: Path, plan: BandPlan, spec: ImageSpec, windows: Sequence[Window | None]
) -> list[dict[str, Any]]:
    records = []
    with open_raster(path) as dataset:
        for window in windows:
            parts = [
                PixelSummary.of(
                    read_pixels(dataset, plan.indexes, block),
                    plan.nodata,
                    allow_nan=spec.allow_nan,
                    nodata_rule=spec.nodata_rule,
                )
                for block in _blocks(dataset, len(plan.indexes), window)
            ]
            records.append(merge(parts).as_dict())
    return records


def _label_records(path: Path, windows: Sequence[Window | None]) -> list[dict[str, Any]]:
    records = []
    with open_raster(path) as dataset:
        for window in windows:
            counts: dict[float, int] = {}
            for block in _blocks(dataset, 1, window):
                for value, number in _count_values(read_pixels(dataset, [1], block)):
                    # NaN differs from itself and would be a new key every time.
                    key = math.nan if math.isnan(value) else value
                    counts[key] = counts.get(key, 0) + number
            truncated = len(counts) > _DISTINCT_LABELS
            records.append({"counts": list(counts.items())[:_DISTINCT_LABELS], "truncated": truncated})
    return records


def _count_values(labels: np.ndarray) -> Sequence[tuple[float, int]]:
    if labels.dtype == np.uint8:
        numbers = np.bincount(labels.ravel(), minlength=256)
        values = np.flatnonzero(numbers)
        numbers = numbers[values]
    else:
        values, numbers = np.unique(labels, return_counts=True)
    return list(zip(values.tolist(), numbers.tolist(), strict=True))[: _DISTINCT_LABELS + 1]


def _label_summary_of(record: dict[str, Any]) -> LabelSummary:
    return LabelSummary(dict(record["counts"]), record["truncated"])
