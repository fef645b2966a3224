"""What the `data` commands found and made, as tables and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from geofoundry.cli.fault_text import print_faults
from geofoundry.cli.tables import print_table

if TYPE_CHECKING:
    from geofoundry.data.prepare import PrepareSummary
    from geofoundry.recipes.examine_data import CheckReport, StatisticsReport
    from geofoundry.recipes.split_data import SplitReport


def print_statistics(report: StatisticsReport) -> None:
    """Print a table of the bands and one of the classes."""
    s = report.statistics
    columns = ["band", "mean", "std", "min", "2 %", "50 %", "98 %", "max", "nodata"]
    points = [s.percentiles[percent] for percent in ("2", "50", "98")]
    numbers = zip(s.means, s.stds, s.minima, *points, s.maxima, strict=True)
    shares = [f"{share:.2%}" for share in s.nodata_shares]
    rows = [[band, *row, share] for band, row, share in zip(s.bands, numbers, shares, strict=True)]
    print_table(columns, rows, title=f"{s.samples} sample(s), {s.pixels} pixels of the split {s.split}")
    per_class = zip(s.class_names, s.class_pixels, s.class_shares, report.class_weights, strict=True)
    rows = [[name, pixels, f"{share:.2%}", weight] for name, pixels, share, weight in per_class]
    print_table(["class", "pixels", "share", "weight"], rows, title=f"{s.ignored_share:.2%} of the pixels unlabelled")


def print_check(report: CheckReport, subject: str) -> None:
    """Print what there is, then every fault and warning."""
    names = list(next(iter(report.class_shares.values()), {}))
    rows = [
        [split, count, *(f"{report.class_shares[split][name]:.1%}" for name in names)]
        for split, count in report.samples.items()
    ]
    if rows:
        print_table(["split", "samples", *names], rows)
    for word, found in (("sizes", report.sizes), ("grids", report.grids), ("types", report.dtypes)):
        if found:
            typer.echo(f"{word:<6} " + "; ".join(f"{count} x {name}" for name, count in found.items()))
    typer.echo(f"bands  {', '.join(report.bands)}")
    print_faults(report.faults, subject)


def print_splits(report: SplitReport) -> None:
    """Print the size and class shares of each split, and the files written."""
    for number, split in enumerate(report.splits):
        shares = split.class_shares()
        ids = list(next(iter(shares.values())))
        total = sum(len(items) for items in split.members.values())
        rows = [
            [name, len(items), f"{len(items) / total:.1%}", *(f"{shares[name][i]:.1%}" for i in ids)]
            for name, items in split.members.items()
        ]
        if split.left_out:
            rows.append(["left out", len(split.left_out), *[None] * (1 + len(ids))])
        title = f"fold {number}" if len(report.splits) > 1 else ""
        print_table(
            ["split", "images", "share", *(report.class_names.get(i, f"class {i}") for i in ids)], rows, title=title
        )
    typer.echo(report.splits[0].method)
    for remark in report.gaps():
        typer.echo(f"note: {remark}")
    for file in report.files:
        typer.echo(f"wrote {file}")
    first = report.files[0]
    use = f"windows: {first}" if first.suffix == ".csv" else f"train_split: {first}, and so on"
    typer.echo(f"in the configuration: {use}")


def print_summary(summary: PrepareSummary, virtual: bool) -> None:
    """Print what was cut, and what a user should know about it."""
    total = sum(summary.class_px.values())
    rows = [[name, px, f"{px / total:.2%}"] for name, px in summary.class_px.items()]
    rows.append(["(unlabelled)", summary.unlabelled_px, None])
    print_table(["class", "pixels", "share"], rows)
    what = "windows" if virtual else "chips"
    dropped = f"{summary.dropped_unlabelled} without a label"
    if summary.dropped_sparse:
        dropped += f", {summary.dropped_sparse} labelled too little"
    typer.echo(f"{summary.kept} {what} of {summary.scenes} scene(s); dropped {dropped}")
    if summary.resumed:
        typer.echo(f"{summary.resumed} of them were there already")
    for remark in summary.remarks:
        typer.echo(f"note: {remark}")
    place = summary.out / "windows.csv" if virtual else summary.out
    typer.echo(f"wrote {place}")
