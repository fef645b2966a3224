"""Which label belongs to which image: by the text that the globs' wildcards match."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rasterio.windows import Window

from geofoundry.core.errors import Fault, plural
from geofoundry.core.suggest import did_you_mean

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """An image, its label, and the pixel window of both that is meant; None is the whole image."""

    key: str
    image: Path
    label: Path | None = None
    window: Window | None = None


def find_files(root: str | Path, pattern: str) -> dict[str, list[Path]]:
    """Return the files that match a glob below `root`, by the text that its wildcards match.

    Several wildcards join with `/`: `*/images/*.tif` gives `scene1/0001`. `**` stands for any folders. A pattern
    without wildcards gives the file's stem. Hidden files are left out.
    """
    full_pattern = os.path.join(root, pattern)  # noqa: PTH118 - keeps an absolute pattern, as a shell would
    listed = os.path.join(glob.escape(str(root)), pattern)  # noqa: PTH118
    expression = re.compile(_as_regex(full_pattern, literal_prefix=len(full_pattern) - len(pattern)))
    found: dict[str, list[Path]] = {}
    for name in sorted(glob.glob(listed, recursive=True)):  # noqa: PTH207 - Path.glob drops "./" and follows other rules
        path = Path(name)
        match = expression.fullmatch(name)
        if match is None or not path.is_file():
            continue
        texts = [text.strip("/") for text in match.groups()]
        key = "/".join(text for text in texts if text) if texts else path.stem
        found.setdefault(key, []).append(path)
    return found


def pair_files(root: str | Path, image_glob: str, label_glob: str) -> tuple[list[Sample], list[Fault]]:
    """Pair images with labels whose wildcards match the same text, in the keys' order.

    Faults: a glob without files, several files for one key, a file matched by both globs, images without a label
    and labels without an image.
    """
    images, labels = find_files(root, image_glob), find_files(root, label_glob)
    empty = [
        *(_empty_glob(root, "image_glob", image_glob) if not images else ()),
        *(_empty_glob(root, "label_glob", label_glob) if not labels else ()),
    ]
    faults = [
        *dict.fromkeys(empty),  # a missing root is said once
        *_ambiguous_keys(images, image_glob),
        *_ambiguous_keys(labels, label_glob),
    ]
    both = sorted({p for paths in images.values() for p in paths} & {p for paths in labels.values() for p in paths})
    if both:
        # Whatever else could be said of such pairs follows from this.
        return [], [*faults, _matched_twice(both, image_glob, label_glob)]
    if images and labels:
        faults.extend(_orphans(images, labels, image_glob, label_glob))
    keys = sorted(images.keys() & labels.keys())
    return [Sample(key, images[key][0], labels[key][0]) for key in keys], faults


def list_images(root: str | Path, image_glob: str) -> tuple[list[Sample], list[Fault]]:
    """List images that need no labels, in the keys' order."""
    images = find_files(root, image_glob)
    faults = _empty_glob(root, "image_glob", image_glob) if not images else _ambiguous_keys(images, image_glob)
    return [Sample(key, paths[0]) for key, paths in sorted(images.items())], faults


def shown(names: Iterable[object], count: int = _SHOWN) -> str:
    """Return the first names, and how many more there are."""
    listed = [str(name) for name in names]
    more = len(listed) - count
    return ", ".join(listed[:count]) + (f" and {more} more" if more > 0 else "")


def shown_files(paths: Iterable[str | Path], count: int = _SHOWN) -> str:
    """Return the first files, those after the first of one folder by name only, and how many more there are."""
    files = list(dict.fromkeys(map(Path, paths)))
    folder = files[0].parent if files else None
    return shown([files[0], *(f.name if f.parent == folder else f for f in files[1:])] if files else [], count)


def _as_regex(pattern: str, literal_prefix: int) -> str:
    expression, position = re.escape(pattern[:literal_prefix]), literal_prefix
    while position < len(pattern):
        rest = pattern[position:]
        if rest.startswith("**/"):
            expression, position = expression + "((?:[^/]+/)*)", position + 3
        elif rest.startswith("**"):
            expression, position = expression + "(.*)", position + 2
        elif (bracket := re.match(r"\[(!?)(\]?[^\]]*)\]", rest)) is not None:
            negation, members = bracket.groups()
            members = members.replace("\\", r"\\")
            expression += f"([{'^' if negation else ''}{members}])"
            position += bracket.end()
        else:
            expression += {"*": "([^/]*)", "?": "([^/])"}.get(rest[0], re.escape(rest[0]))
            position += 1
    return expression


def _empty_glob(root: str | Path, option: str, pattern: str) -> list[Fault]:
    folder = Path(root)
    if not folder.is_dir():
        siblings = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
        return [
            Fault(
                what="the data folder does not exist",
                where=str(folder),
                expected="a folder",
                mend=did_you_mean(folder.name, siblings) or "correct root; it is relative to the working directory",
            )
        ]
    looked_in = folder
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part) or not (looked_in / part).is_dir():
            break
        looked_in = looked_in / part
    entries = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in looked_in.iterdir())
    kinds = Counter(Path(name).suffix or name for name in entries)
    holds = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common(_SHOWN)) or "nothing"
    missing = next((part for part in Path(pattern).parts[len(looked_in.parts) - len(folder.parts) :]), "")
    return [
        Fault(
            what="no file matches the glob",
            where=f"{option}: {pattern}",
            got=f"{looked_in} holds {holds}",
            expected="at least one file",
            mend=did_you_mean(missing, [name.rstrip("/") for name in entries]) or f"correct {option} or root",
        )
    ]


def _ambiguous_keys(files: dict[str, list[Path]], pattern: str) -> list[Fault]:
    return [
        Fault(
            what=f"several files have the key {key!r}",
            where=pattern,
            got=shown(paths),
            expected="one file per text that the wildcards match",
            mend="narrow the glob, or rename the files",
        )
        for key, paths in files.items()
        if len(paths) > 1
    ]


def _matched_twice(both: Sequence[Path], image_glob: str, label_glob: str) -> Fault:
    return Fault(
        what=f"{plural(len(both), 'file')} would be image and label at once",
        where=f"image_glob: {image_glob}, label_glob: {label_glob}",
        got=shown_files(both),
        expected="globs that match different files",
        mend="narrow the globs, for example to *_image.tif and *_mask.tif",
    )


def _orphans(
    images: dict[str, list[Path]], labels: dict[str, list[Path]], image_glob: str, label_glob: str
) -> list[Fault]:
    mend = _better_globs(images, labels, image_glob, label_glob)
    faults = []
    sides = (("image", images, "label", labels, label_glob), ("label", labels, "image", images, image_glob))
    for kind, files, other, others, pattern in sides:
        lonely = sorted(files.keys() - others.keys())
        if lonely:
            faults.append(
                Fault(
                    what=f"{plural(len(lonely), kind)} of {len(files)} without {'an' if other == 'image' else 'a'} {other}",
                    where=f"{other}_glob: {pattern}",
                    got=shown_files(files[key][0] for key in lonely),
                    expected=f"for each {kind} a file in {pattern} whose wildcards match the same text",
                    mend=mend or "remove the files, narrow the glob, or rename them",
                )
            )
    return faults


def _better_globs(
    images: dict[str, list[Path]], labels: dict[str, list[Path]], image_glob: str, label_glob: str
) -> str:
    """Propose globs that leave out what all keys of one side share: `x_image` and `x_mask` meet without the ending."""
    image_ends, label_ends = _shared_ends(list(images)), _shared_ends(list(labels))
    image_keys = {key[len(image_ends[0]) : len(key) - len(image_ends[1])] for key in images}
    label_keys = {key[len(label_ends[0]) : len(key) - len(label_ends[1])] for key in labels}
    single = image_glob.count("*") == 1 and label_glob.count("*") == 1
    if not single or image_ends == label_ends or image_keys != label_keys or len(image_keys) < 2:
        return ""
    better_image = image_glob.replace("*", "*".join(image_ends))
    better_label = label_glob.replace("*", "*".join(label_ends))
    return f"write image_glob: {better_image!r} and label_glob: {better_label!r}"


def _shared_ends(keys: list[str]) -> tuple[str, str]:
    """Return what all keys begin and end with, cut at a separator so that no digit of a number is taken."""
    start = _common_prefix(keys)
    end = _common_prefix([key[::-1] for key in keys])[::-1]
    start = start[: max(start.rfind(mark) for mark in "_-./") + 1]
    places = [end.find(mark) for mark in "_-." if mark in end]
    return start, end[min(places) :] if places else ""


def _common_prefix(texts: list[str]) -> str:
    low, high = min(texts), max(texts)  # what these two share, all between them share
    same = next((place for place, letter in enumerate(low) if letter != high[place]), len(low))
    return low[:same]
