"""What headers tell: sizes, grids, band counts, data types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from geofoundry.core.errors import Fault, plural
from geofoundry.data.inventory import Inventory, collapse, splits_of
from geofoundry.data.pairing import Sample, shown, shown_files
from geofoundry.data.sampling import area_of
from geofoundry.geo.reading import RasterHeader

# Pixel sizes that differ by more than this part are another resolution; degrees differ a little from place to place.
PIXEL_SIZE_TOLERANCE = 0.05


def check_headers(inventory: Inventory) -> list[Fault]:
    """Return every fault and warning that headers give reason for."""
    samples = [s for s in inventory.partition.all_samples if s.image in inventory.headers]
    images = [inventory.headers[path] for path in dict.fromkeys(sample.image for sample in samples)]
    return [
        *_odd_ones(images, lambda header: plural(header.count, "band"), "images have different numbers of bands"),
        *_odd_ones(images, lambda header: ", ".join(sorted(set(header.dtypes))), "images have different data types"),
        *_mixed_grids(images),
        *_without_crs(images),
        *collapse(_pair_faults(inventory, samples)),
        *_size_faults(inventory),
        *_split_faults(inventory),
    ]


def _odd_ones(images: Sequence[RasterHeader], trait: Callable[[RasterHeader], str], what: str) -> list[Fault]:
    traits = Counter(trait(header) for header in images)
    if len(traits) < 2:
        return []
    usual = traits.most_common(1)[0][0]
    odd = [header.path for header in images if trait(header) != usual]
    got = "; ".join(f"{count} x {name}" for name, count in traits.most_common(5))
    mend = "convert them, or leave them out with a narrower glob"
    return [Fault(what, shown_files(odd), got=got, expected=f"the same in all files: most have {usual}", mend=mend)]


def _mixed_grids(images: Sequence[RasterHeader]) -> list[Fault]:
    placed = [header for header in images if header.grid.is_georeferenced]
    if not placed:
        return []
    first = placed[0]

    def differs(header: RasterHeader) -> bool:
        if header.grid.crs.is_geographic != first.grid.crs.is_geographic:  # type: ignore[union-attr]
            return True
        sizes = zip(header.grid.pixel_size, first.grid.pixel_size, strict=True)
        return any(abs(a - b) > PIXEL_SIZE_TOLERANCE * b for a, b in sizes)

    odd = [header for header in placed if differs(header)]
    if not odd:
        return []
    return [
        Fault(
            what="images lie on different grids: pixel sizes or kinds of CRS differ",
            where=shown_files(header.path for header in odd),
            got=f"{_grid_name(odd[0])} in {plural(len(odd), 'image')}",
            expected=f"{_grid_name(first)}, as in {first.path.name}",
            mend="resample them to one pixel size (gdalwarp -tr), or train on one kind at a time",
        )
    ]


def _grid_name(header: RasterHeader) -> str:
    height, width = header.grid.pixel_size
    unit = "degrees" if header.grid.crs is not None and header.grid.crs.is_geographic else "CRS units"
    return f"pixels of {height:.6g} x {width:.6g} {unit}"


def _without_crs(images: Sequence[RasterHeader]) -> list[Fault]:
    bare = [header.path for header in images if not header.grid.is_georeferenced]
    if not bare:
        return []
    return [
        Fault(
            what=f"{len(bare)} of {plural(len(images), 'image')} without CRS or transform: maps of them will have no "
            "place on the ground, and splits can't be checked for overlap",
            where=shown_files(bare),
            mend="write CRS and transform into the files (gdal_edit.py), if you know them",
            severity="warning",
        )
    ]


def _pair_faults(inventory: Inventory, samples: Sequence[Sample]) -> Iterator[Fault]:
    for sample in samples:
        image = inventory.headers[sample.image]
        label = inventory.headers.get(sample.label) if sample.label is not None else None
        if label is not None:
            yield from _label_faults(image, label)
        if sample.window is None:
            continue
        bottom = sample.window.row_off + sample.window.height
        right = sample.window.col_off + sample.window.width
        if bottom > image.height or right > image.width:
            yield Fault(
                what="windows reach beyond their image",
                where=sample.key,
                got=f"rows to {bottom}, columns to {right} in {image.height} x {image.width} pixels",
                expected="windows within the image",
                mend="make the windows anew with `geofoundry data prepare`",
            )


def _label_faults(image: RasterHeader, label: RasterHeader) -> Iterator[Fault]:
    if label.count != 1:
        yield Fault(
            what="labels with several bands",
            where=str(label.path),
            got=plural(label.count, "band"),
            expected="one band of class numbers",
            mend="write a single band; of a color picture, make class numbers",
        )
    if label.dtypes[0].startswith("complex"):
        yield Fault("labels with complex numbers", str(label.path), got=label.dtypes[0], expected="whole numbers")
    difference = image.grid.difference(label.grid)
    if difference:
        yield Fault(
            what="image and label lie on different grids",
            where=str(label.path),
            got=difference,
            expected="the same size, CRS and transform",
            mend="warp the label to the image's grid, nearest neighbor (gdalwarp -r near -te ... -ts ...)",
        )


def _size_faults(inventory: Inventory) -> list[Fault]:
    faults = []
    crop, ignore = inventory.crop_size, inventory.label_spec.ignore_index
    for split, samples in splits_of(inventory).items():
        sizes: dict[tuple[int, int], list[Sample]] = {}
        for sample in samples:
            if sample.image in inventory.headers:
                area = area_of(sample, inventory.headers[sample.image].shape)
                sizes.setdefault((int(area.height), int(area.width)), []).append(sample)
        if crop is None and len(sizes) > 1:
            faults.append(_mixed_sizes(split, sizes))
        small = [
            s for size, members in sizes.items() if crop and (size[0] < crop[0] or size[1] < crop[1]) for s in members
        ]
        if crop and small and ignore is None:
            smallest = min(min(size) for size in sizes)
            faults.append(
                Fault(
                    what=f"{plural(len(small), 'sample')} of {split} smaller than crop_size, so that chips have pixels "
                    "without a label",
                    where=shown(sample.key for sample in small),
                    got=f"down to {smallest} pixels, for chips of {crop[0]} x {crop[1]}",
                    expected="larger samples, or an ignore_index for the pixels beyond them",
                    mend=f"set crop_size: {smallest}, or ignore_index: 255 here and in the model",
                )
            )
        uneven = crop and any(size[0] % crop[0] or size[1] % crop[1] for size in sizes)
        if crop and uneven and ignore is None and split != "train":
            faults.append(
                Fault(
                    what=f"tiles of {split} overlap at the edges, and without ignore_index what they share counts twice",
                    where=split,
                    mend="set ignore_index: 255 here and in the model, or a crop_size that divides the images",
                    severity="warning",
                )
            )
    return faults


def _mixed_sizes(split: str, sizes: dict[tuple[int, int], list[Sample]]) -> Fault:
    common = sorted(sizes, key=lambda size: -len(sizes[size]))
    smallest = min(min(size) for size in sizes)
    return Fault(
        what=f"samples of {split} differ in size, and a batch needs one size",
        where=shown(sample.key for size in common[1:] for sample in sizes[size]),
        got=", ".join(f"{len(sizes[size])} x {size[0]}x{size[1]}" for size in common[:5]),
        expected="one size, or crop_size",
        mend=f"set crop_size, for example to {smallest // 32 * 32 or smallest}",
    )


def _split_faults(inventory: Inventory) -> list[Fault]:
    if inventory.faults:
        return []  # an empty split then follows from something that is reported already
    partition = inventory.partition
    faults = []
    if not partition.train:
        mend = "lower val_fraction and test_fraction, or name training keys"
        faults.append(Fault("nothing is left to train on", "train", expected="at least one sample", mend=mend))
    if not partition.val:
        what = "there is no validation split, so no best checkpoint can be chosen"
        faults.append(Fault(what, "val", mend="set val_fraction, val_split or val_image_glob", severity="warning"))
    return faults
