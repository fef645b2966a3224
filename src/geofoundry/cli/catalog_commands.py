"""`geofoundry catalog list | show | search`: what a configuration can name."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from geofoundry.catalog.listing import CatalogEntry
    from geofoundry.catalog.signatures import StaticParameter, StaticSignature

app = typer.Typer(help="What a configuration can name: backbones, necks, decoders, tasks, ...", no_args_is_help=True)

# Longer lists are counted in the overview and printed when their kind is asked for.
SHORT_LIST = 30

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CustomModules = Annotated[
    str | None,
    typer.Option("--custom_modules_path", "--custom-modules-path", help="A folder of modules that register parts."),
]


@app.command("list")
def list_names(
    kind: Annotated[
        str | None, typer.Argument(help="backbones, necks, decoders, ...; all kinds when left out.")
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only names of this source, such as timm.")] = None,
    as_json: AsJson = False,
    custom_modules_path: CustomModules = None,
) -> None:
    """List names: of all kinds in brief, or every name of one kind."""
    from geofoundry.catalog import import_custom_modules
    from geofoundry.catalog.listing import entries, read_kind

    import_custom_modules(custom_modules_path)
    kind = read_kind(kind) if kind else None
    _require_source(kind, source)
    found = list(entries(kind, source))
    if as_json:
        _print_json([_entry_as_dict(entry) for entry in found])
    elif kind:
        _print_names([_written(entry) for entry in found])
    else:
        _print_overview(found)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A name from the catalog, or the import path of a class.")],
    kind: Annotated[str | None, typer.Option("--kind", help="Its kind, where several kinds have the name.")] = None,
    as_json: AsJson = False,
    custom_modules_path: CustomModules = None,
) -> None:
    """Show where a part lives and what it takes: arguments, types, defaults, what they mean."""
    from geofoundry.catalog import import_custom_modules
    from geofoundry.catalog.listing import find_entries, read_kind
    from geofoundry.catalog.signatures import read_signature

    import_custom_modules(custom_modules_path)
    special = {"Trainer": "lightning.pytorch.Trainer"}
    path = special.get(name, name if "." in name else "")
    signature = read_signature(path) if path and kind is None else None
    if signature is not None:
        described = [{"name": name, "kind": "class", "source": path.partition(".")[0], "address": signature.address}]
        signatures: list[StaticSignature | None] = [signature]
    else:
        found = find_entries(name, read_kind(kind) if kind else None)
        described = [_entry_as_dict(entry) for entry in found]
        signatures = [entry.signature() for entry in found]
    if as_json:
        _print_json([entry | _signature_as_dict(s) for entry, s in zip(described, signatures, strict=True)])
        return
    for index, (entry, each) in enumerate(zip(described, signatures, strict=True)):
        if index:
            typer.echo()
        _print_part(entry, each)


@app.command("search")
def search(
    text: Annotated[list[str], typer.Argument(help="Words that the name, kind or description must have.")],
    as_json: AsJson = False,
    custom_modules_path: CustomModules = None,
) -> None:
    """Search names and descriptions; when nothing has the words, the nearest names are given."""
    from geofoundry.catalog import import_custom_modules
    from geofoundry.catalog.listing import search_entries

    import_custom_modules(custom_modules_path)
    found = search_entries(" ".join(text))
    if as_json:
        _print_json([_entry_as_dict(entry) for entry in found])
        return
    for entry in found:
        typer.echo(f"{entry.kind:<16} {_written(entry)}")
    if not found:
        typer.echo(f"nothing is like {' '.join(text)!r}", err=True)
        raise typer.Exit(2)


def _require_source(kind: str | None, source: str | None) -> None:
    from geofoundry.catalog.listing import sources
    from geofoundry.core.errors import ConfigError, Fault
    from geofoundry.core.suggest import did_you_mean

    known = sources(kind)
    if source is not None and source not in known:
        raise ConfigError(
            Fault(
                what=f"no source {source!r}" + (f" of {kind}" if kind else ""),
                got=repr(source),
                expected=f"one of: {', '.join(known)}",
                mend=did_you_mean(source, known),
            )
        )


def _written(entry: CatalogEntry) -> str:
    """Return the name as it stands in a YAML; a prefix tells the sources of one kind apart."""
    from geofoundry.catalog.listing import LIBRARY_KINDS, sources

    several = entry.kind not in LIBRARY_KINDS and len(sources(entry.kind)) > 1
    return f"{entry.source}_{entry.name}" if several else entry.name


def _entry_as_dict(entry: CatalogEntry) -> dict[str, Any]:
    return {"name": entry.name, "kind": entry.kind, "source": entry.source, "address": entry.address}


def _signature_as_dict(signature: StaticSignature | None) -> dict[str, Any]:
    if signature is None:
        return {"summary": "", "arguments": None, "takes_any": True}
    plain = signature.as_dict()
    return {"summary": plain["summary"], "arguments": plain["parameters"], "takes_any": plain["takes_any"]}


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_names(names: Iterable[str]) -> None:
    names = list(names)
    if not sys.stdout.isatty():
        typer.echo("\n".join(names))
        return
    from rich.columns import Columns
    from rich.console import Console

    Console().print(Columns(names, padding=(0, 2), column_first=True))


def _print_overview(found: list[CatalogEntry]) -> None:
    groups: dict[tuple[str, str], list[str]] = {}
    for entry in found:
        groups.setdefault((entry.kind, entry.source), []).append(entry.name)
    for (kind, source), names in groups.items():
        some = ", ".join(names) if len(names) <= SHORT_LIST else f"{', '.join(names[:4])}, ..."
        typer.echo(f"{kind:<16} {source:<12} {len(names):>5}  {some}")
    typer.echo(
        "\n`geofoundry catalog list KIND` prints every name, `geofoundry catalog show NAME` what it takes.", err=True
    )


def _print_part(entry: dict[str, Any], signature: StaticSignature | None) -> None:
    typer.echo(typer.style(entry["name"], bold=True) + f"  ({entry['kind']}, {entry['source']})")
    typer.echo(f"  at  {entry['address']}")
    if signature is None:
        typer.echo("  its arguments can't be read without importing it")
        return
    if signature.summary:
        typer.echo(f"  {signature.summary}")
    if signature.parameters:
        typer.echo("  arguments")
    for parameter in signature.parameters:
        _print_parameter(parameter)
    if signature.takes_any:
        typer.echo("    and any other keyword, which it checks itself")


def _print_parameter(parameter: StaticParameter) -> None:
    from geofoundry.config.value_types import describe

    kind = describe(parameter.annotation) if parameter.annotation else ""
    default = "required" if parameter.required else f"= {parameter.default}" if parameter.default is not None else ""
    head = typer.style(parameter.name, fg=typer.colors.CYAN)
    typer.echo(f"    {head}  {' '.join(part for part in (kind, default) if part)}".rstrip())
    if parameter.doc:
        typer.echo(f"        {parameter.doc}")
