"""What a dataset is, to the byte."""

from __future__ import annotations

from typing import Any

from geofoundry.core.hashing import sha256_json
from geofoundry.data.inventory import Inventory, splits_of
from geofoundry.data.normalization import Normalization


def dataset_provenance(inventory: Inventory, normalization: Normalization) -> dict[str, Any]:
    """Return, as plain data: files with size and SHA-256, keys of each split, bands, classes, normalization.

    `digest` stands for all of it: two datasets with the same digest give the same batches for the same options.
    """
    spec, labels = inventory.image_spec, inventory.label_spec
    files = [
        {"path": str(path), "bytes": path.stat().st_size, "sha256": digest}
        for path, digest in sorted(inventory.hashes.items())
    ]
    facts: dict[str, Any] = {
        "splits": {name: [sample.key for sample in samples] for name, samples in splits_of(inventory).items()},
        "bands": list(inventory.band_names),
        "scale": list(spec.scale),
        "offset": list(spec.offset),
        "classes": dict(zip(map(str, labels.class_values), labels.class_names, strict=True)),
        "ignore_index": labels.ignore_index,
        "means": list(normalization.means),
        "stds": list(normalization.stds),
    }
    digest = sha256_json({**facts, "files": sorted(file["sha256"] for file in files)})
    return {"digest": digest, "files": files, **facts}


def split_digests(inventory: Inventory) -> dict[str, str]:
    """Return a hash of the keys of each split."""
    return {name: sha256_json(sorted(s.key for s in samples)) for name, samples in splits_of(inventory).items()}
