"""Class names beside a GeoTIFF: the files that GDAL and QGIS read them from, and reading them back."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

from geofoundry.core.errors import DataError, Fault
from geofoundry.core.files import write_text
from geofoundry.geo.colors import Color, color_code
from geofoundry.geo.reading import open_raster, opening

CLASS_NAMES_TAG = "CLASS_NAMES"


def gdal_names_path(map_path: str | Path) -> Path:
    """Return where GDAL looks for what a GeoTIFF can't hold: `map.tif.aux.xml`."""
    return Path(f"{map_path}.aux.xml")


def qgis_style_path(map_path: str | Path) -> Path:
    """Return where QGIS looks for a layer's style: `map.qml`."""
    return Path(map_path).with_suffix(".qml")


def write_gdal_names(map_path: str | Path, class_names: Mapping[int, str]) -> Path:
    """Write the category names of band 1 as GDAL's auxiliary metadata.

    **Source**: GDAL, "Persistent Auxiliary Metadata" (`PAMDataset`, `CategoryNames`).
    """
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    categories = ElementTree.SubElement(band, "CategoryNames")
    for class_id in range(max(class_names) + 1):
        # The position is the id, so unused ids take an empty place.
        ElementTree.SubElement(categories, "Category").text = class_names.get(class_id, "")
    path = gdal_names_path(map_path)
    write_text(path, _as_text(root))
    return path


def write_qgis_style(map_path: str | Path, class_names: Mapping[int, str], palette: Mapping[int, Color]) -> Path:
    """Write a QGIS layer style with one legend entry per class.

    Without it QGIS lists all 256 entries that the color table of a GeoTIFF has.
    """
    root = ElementTree.Element("qgis", version="3.22", styleCategories="Symbology")
    pipe = ElementTree.SubElement(root, "pipe")
    attributes = {"type": "paletted", "band": "1", "opacity": "1", "alphaBand": "-1", "nodataColor": ""}
    renderer = ElementTree.SubElement(pipe, "rasterrenderer", attributes)
    entries = ElementTree.SubElement(renderer, "colorPalette")
    for class_id, name in class_names.items():
        entry = {"value": str(class_id), "label": name, "color": color_code(palette[class_id]), "alpha": "255"}
        ElementTree.SubElement(entries, "paletteEntry", entry)
    path = qgis_style_path(map_path)
    write_text(path, _as_text(root))
    return path


def read_class_names(raster_path: str | Path) -> dict[int, str]:
    """Return the class names that a raster carries, by id; empty when it carries none.

    They are looked for in the tag `CLASS_NAMES` that our maps have, then in GDAL's `.aux.xml`.

    Raises:
        DataError: when the raster or its `.aux.xml` can't be read.
    """
    with opening(), open_raster(raster_path) as dataset:
        tag = dataset.tags().get(CLASS_NAMES_TAG, "")
    return _from_tag(tag) or _from_gdal_names(gdal_names_path(raster_path))


def _from_tag(tag: str) -> dict[int, str]:
    try:
        return {int(class_id): str(name) for class_id, name in json.loads(tag).items()}
    except (ValueError, AttributeError):
        return {}  # the tag is someone else's


def _from_gdal_names(path: Path) -> dict[int, str]:
    if not path.is_file():
        return {}
    try:
        tree = ElementTree.parse(path)  # noqa: S314  # expat itself guards against entity bombs
    except ElementTree.ParseError as error:
        raise DataError(
            Fault("class names can't be read", str(path), str(error), "GDAL's XML", "delete the file")
        ) from error
    categories = tree.iterfind("./PAMRasterBand[@band='1']/CategoryNames/Category")
    return {class_id: category.text for class_id, category in enumerate(categories) if category.text}


def _as_text(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"
