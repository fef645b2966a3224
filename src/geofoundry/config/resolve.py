"""A document as plain data in which every class is named by its full import path, as LightningCLI wants it."""

from __future__ import annotations

import copy
from typing import Any

from geofoundry.config.class_names import TRAINER_LISTS, class_places
from geofoundry.config.document import Document


def resolve_config(document: Document) -> dict[str, Any]:
    """Return the document's data with bare class names written out; sections of our own stay as they are.

    Names that are not known are left alone: `check_config` is what refuses them.
    """
    data = copy.deepcopy(document.data)
    for path, node, kind in class_places(document.data):
        resolved = {"class_path": node} if isinstance(node, str) else copy.deepcopy(node)
        if not isinstance(resolved, dict):
            continue
        name = resolved.get("class_path")
        if isinstance(name, str) and (import_path := kind.find(name)):
            resolved["class_path"] = import_path
        if resolved.get("init_args") is None:
            resolved.pop("init_args", None)
        _put(data, path, resolved)
    trainer = data.get("trainer")
    if isinstance(trainer, dict):
        for key in TRAINER_LISTS:
            if isinstance(trainer.get(key), dict):
                trainer[key] = [trainer[key]]
    return data


def _put(data: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    node: Any = data
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
