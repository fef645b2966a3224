"""Read label polygons from GeoJSON, GeoPackage and their like, and refuse what can't be labels, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError

from geofoundry.core.errors import ConfigError, DataError, Fault, plural
from geofoundry.core.optional import require
from geofoundry.core.suggest import did_you_mean
from geofoundry.geo.vectors import LabelPolygons

USUAL_ATTRIBUTES = ("class", "class_name", "classname", "class_id", "label", "category", "landcover")
POLYGON_TYPES = (3, 6)  # shapely's numbers of Polygon and MultiPolygon
LISTED = 5  # how many offending features a fault names


def read_polygons(
    path: str | Path,
    *,
    attribute: str | None = None,
    classes: Sequence[str] | None = None,
    layer: str | None = None,
    ignore_index: int = 255,
    repair: bool = False,
) -> LabelPolygons:
    """Read polygons and the class of each.

    `attribute` is the field that holds the class: the only field, or one with a usual name, unless given. Numbers
    are taken as class ids, texts as class names, whose ids follow `classes`, or the alphabet without it. `repair`
    mends invalid polygons (self-intersections) instead of refusing them.

    Raises:
        ConfigError: when the layer or the attribute is unknown or can't be guessed.
        DataError: when the file can't be read, is empty, or holds anything that can't be a label.
    """
    path = Path(path)
    meta, feature_ids, geometries, fields = _read(path, layer)
    chosen = _choose_attribute(path, attribute, [str(name) for name in meta["fields"]])
    values = fields[[str(name) for name in meta["fields"]].index(chosen)]
    if repair:
        geometries = _repaired(geometries)
    faults = _geometry_faults(path, feature_ids, geometries)
    class_ids, class_names, class_faults = _classes(path, chosen, values, feature_ids, classes, ignore_index)
    faults += class_faults
    if faults:
        raise DataError(faults, summary=f"{plural(len(faults), 'fault')} in {path}")
    return LabelPolygons(geometries, class_ids, feature_ids, class_names, _crs(meta["crs"]), str(path))


def read_outlines(path: str | Path, *, layer: str | None = None) -> LabelPolygons:
    """Read polygons without a look at their attributes; all have class 0, and invalid ones are repaired.

    Raises:
        ConfigError: when the layer is unknown or has to be chosen.
        DataError: when the file can't be read, is empty, or holds anything but polygons.
    """
    meta, feature_ids, geometries, _ = _read(Path(path), layer)
    geometries = _repaired(geometries)
    faults = _geometry_faults(Path(path), feature_ids, geometries)
    if faults:
        raise DataError(faults, summary=f"{plural(len(faults), 'fault')} in {path}")
    no_classes = np.zeros(len(geometries), dtype=np.int64)
    return LabelPolygons(geometries, no_classes, feature_ids, {}, _crs(meta["crs"]), str(path))


def _read(path: Path, layer: str | None) -> tuple[dict[str, Any], np.ndarray, np.ndarray, list[np.ndarray]]:
    pyogrio = require("pyogrio", "vector", purpose="reading label polygons")
    shapely = require("shapely", "vector", purpose="reading label polygons")
    if not path.is_file():
        near = did_you_mean(path.name, [file.name for file in path.parent.glob("*")] if path.parent.is_dir() else [])
        raise DataError(Fault("there is no such file", str(path), mend=near))
    try:
        layer = _choose_layer(path, layer, [str(name) for name, _ in pyogrio.list_layers(path)])
        meta, ids, wkb, fields = pyogrio.raw.read(path, layer=layer, return_fids=True)
    except pyogrio.errors.DataSourceError as error:
        raise DataError(
            Fault("a vector file can't be read", str(path), str(error), "GeoJSON, GeoPackage or another OGR format")
        ) from error
    if not len(ids):
        raise DataError(Fault("a vector file has no features", str(path), f"an empty layer {layer!r}", "polygons"))
    return meta, ids, shapely.from_wkb(wkb), fields


def _choose_layer(path: Path, layer: str | None, layers: list[str]) -> str:
    if layer is None and len(layers) == 1:
        return layers[0]
    if layer in layers:
        return str(layer)
    raise ConfigError(
        Fault(
            what="there is no such layer" if layer else "the file has several layers, and none was chosen",
            where=str(path),
            got=repr(layer) if layer else ", ".join(layers),
            expected="one of " + ", ".join(layers),
            mend=did_you_mean(layer, layers) if layer else "name one as the layer",
        )
    )


def _choose_attribute(path: Path, attribute: str | None, names: list[str]) -> str:
    if attribute in names:
        return str(attribute)
    if attribute is None:
        usual = [name for name in names if name.casefold() in USUAL_ATTRIBUTES]
        if len(names) == 1 or len(usual) == 1:
            return names[0] if len(names) == 1 else usual[0]
    raise ConfigError(
        Fault(
            what="there is no such attribute" if attribute else "which attribute holds the class can't be guessed",
            where=str(path),
            got=repr(attribute) if attribute else (", ".join(names) or "no attribute at all"),
            expected="one of " + ", ".join(names) if names else "an attribute with the class of each polygon",
            mend=did_you_mean(attribute, names) if attribute else "name one as the class attribute",
        )
    )


def _repaired(geometries: np.ndarray) -> np.ndarray:
    shapely = require("shapely", "vector", purpose="repairing label polygons")
    valid = shapely.make_valid(geometries)
    # Repairing may leave lines and points beside the polygons; a buffer of zero width keeps only areas.
    mixed = shapely.get_type_id(valid) == 7
    valid[mixed] = shapely.buffer(valid[mixed], 0)
    return valid


def _geometry_faults(path: Path, feature_ids: np.ndarray, geometries: np.ndarray) -> list[Fault]:
    shapely = require("shapely", "vector", purpose="reading label polygons")
    missing = shapely.is_missing(geometries) | shapely.is_empty(geometries)
    other = ~missing & ~np.isin(shapely.get_type_id(geometries), POLYGON_TYPES)
    invalid = ~missing & ~other & ~shapely.is_valid(geometries)
    infinite = ~missing & ~np.isfinite(shapely.bounds(geometries)).all(axis=1)
    faults = []
    if missing.any():
        faults.append(
            Fault(
                "features have no geometry", str(path), _listed(feature_ids[missing]), "a polygon each", "delete them"
            )
        )
    if other.any():
        kinds = sorted({geometry.geom_type for geometry in geometries[other]})
        got = f"{', '.join(kinds)} in {_listed(feature_ids[other])}"
        faults.append(
            Fault("features are not polygons", str(path), got, "polygons", "buffer points and lines, or drop them")
        )
    if infinite.any():
        got = _listed(feature_ids[infinite])
        faults.append(Fault("coordinates are not finite numbers", str(path), got, "numbers", "delete the features"))
    if invalid.any():
        reasons = shapely.is_valid_reason(geometries[invalid])
        got = f"{_listed(feature_ids[invalid])}: {reasons[0]}"
        mend = "pass repair (--repair on the command line), or repair the file with `ogr2ogr -makevalid`"
        faults.append(Fault("polygons are invalid", str(path), got, "polygons that don't cross themselves", mend))
    return faults


def _classes(
    path: Path,
    attribute: str,
    values: np.ndarray,
    feature_ids: np.ndarray,
    classes: Sequence[str] | None,
    ignore_index: int,
) -> tuple[np.ndarray, dict[int, str], list[Fault]]:
    """Return the class id of each feature, the names by id, and what is wrong with them."""
    where = f"{path}, attribute {attribute!r}"
    absent = np.array([value is None or value != value or str(value).strip() == "" for value in values])
    if absent.any():
        mend = "give them a class or delete them"
        return values, {}, [Fault("features have no class", where, _listed(feature_ids[absent]), "a class each", mend)]
    numbers = _as_numbers(values)
    if numbers is None:
        return _classes_by_name(where, [str(value).strip() for value in values], classes, ignore_index)
    if not np.all(numbers == np.floor(numbers)):
        got = ", ".join(str(value) for value in np.unique(numbers[numbers != np.floor(numbers)])[:LISTED])
        return values, {}, [Fault("class ids are not whole numbers", where, got, "whole numbers, or names")]
    ids = numbers.astype(np.int64)
    faults = _id_faults(where, ids.tolist(), len(classes) if classes else 255, ignore_index)
    names = dict(enumerate(classes)) if classes else {int(value): f"class {value}" for value in np.unique(ids)}
    return ids, names, faults


def _as_numbers(values: np.ndarray) -> np.ndarray | None:
    try:
        return np.asarray(values, dtype=np.float64)
    except ValueError:
        return None


def _classes_by_name(
    where: str, values: list[str], classes: Sequence[str] | None, ignore_index: int
) -> tuple[np.ndarray, dict[int, str], list[Fault]]:
    names = list(classes) if classes else sorted(set(values))
    known = {name: class_id for class_id, name in enumerate(names)}
    faults = [
        Fault("a class isn't among the classes", where, repr(name), ", ".join(names), did_you_mean(name, names))
        for name in sorted(set(values) - set(known))
    ]
    ids = np.array([known.get(value, 0) for value in values], dtype=np.int64)
    faults += _id_faults(where, range(len(names)), 255, ignore_index)
    return ids, dict(enumerate(names)), faults


def _id_faults(where: str, ids: Iterable[int], count: int, ignore_index: int) -> list[Fault]:
    present = sorted(set(ids))
    faults = []
    if wrong := [value for value in present if not 0 <= value < count and value != ignore_index]:
        faults.append(Fault("a class id is outside the classes", where, str(wrong[:LISTED]), f"0 to {count - 1}"))
    if ignore_index in present:
        got = f"{ignore_index}, which stands for unlabelled"
        faults.append(
            Fault("a class has the id that marks unlabelled pixels", where, got, mend="choose another ignore index")
        )
    return faults


def _crs(wkt: str | None) -> CRS | None:
    if not wkt:
        return None
    try:
        crs = CRS.from_user_input(wkt)
    except CRSError as error:
        raise DataError(
            Fault("the CRS of a vector file isn't understood", got=str(wkt), mend="declare a known one")
        ) from error
    # A GeoPackage writes "undefined" as an engineering or an unnamed geographic CRS.
    return None if crs.wkt.startswith(("ENGCRS", "LOCAL_CS")) or '"Undefined' in crs.wkt else crs


def _listed(feature_ids: np.ndarray) -> str:
    shown = ", ".join(str(feature_id) for feature_id in feature_ids[:LISTED])
    more = len(feature_ids) - LISTED
    return f"feature {shown}" + (f" and {more} more" if more > 0 else "")
