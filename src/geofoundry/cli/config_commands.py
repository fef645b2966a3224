"""`geofoundry config check | show | schema`: configurations, without running them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geofoundry.cli.fault_text import print_faults

if TYPE_CHECKING:
    from geofoundry.core.errors import Fault

app = typer.Typer(help="Check, show and describe configurations without running them.", no_args_is_help=True)

PASS_OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}
EXIT_FAULTS = 2

Words = Annotated[
    list[str], typer.Argument(metavar="FILE... [--KEY VALUE]...", help="YAML files, and overrides as for `fit`.")
]


@app.command("check", context_settings=PASS_OVERRIDES)
def check(
    words: Words,
    merge: Annotated[
        bool, typer.Option("--merge", help="Take the files as one configuration, later ones overriding earlier ones.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the faults as JSON.")] = False,
) -> None:
    """Report every fault of each file, with its line and how to mend it; exit with 2 if there is an error."""
    files, overrides = split_words(words)
    faults: list[Fault] = []
    for group in [files] if merge else [[file] for file in files]:
        found = _faults_of(group, overrides)
        faults += found
        if not as_json:
            print_faults(found, ", ".join(group))
    errors = sum(fault.severity == "error" for fault in faults)
    if as_json:
        plain = {
            "files": files,
            "errors": errors,
            "warnings": len(faults) - errors,
            "faults": [fault.as_dict() for fault in faults],
        }
        typer.echo(json.dumps(plain, indent=2, ensure_ascii=False))
    if errors:
        raise typer.Exit(EXIT_FAULTS)


@app.command("show", context_settings=PASS_OVERRIDES)
def show(
    words: Words,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the configuration as it will run: files merged, overrides applied, names written out in full."""
    import yaml

    from geofoundry.config import load_document, resolve_config
    from geofoundry.core.errors import ConfigError

    files, overrides = split_words(words)
    document = load_document(files, overrides)
    if document.faults:
        raise ConfigError(document.faults)
    resolved = resolve_config(document)
    text = json.dumps(resolved, indent=2) if as_json else yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True)
    typer.echo(text.rstrip("\n"))


@app.command("schema")
def schema(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file instead of the terminal.")
    ] = None,
) -> None:
    """Print the JSON Schema of configurations, for completion and checks in an editor.

    In VS Code with the YAML extension, put `# yaml-language-server: $schema=geofoundry.schema.json` on the first line of a configuration.
    """
    from geofoundry.config.schema import config_schema
    from geofoundry.core.files import write_json

    content = config_schema()
    if output is None:
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        write_json(output, content)
        typer.echo(f"wrote {output}")


def split_words(words: list[str]) -> tuple[list[str], list[str]]:
    """Split the command's words into files and overrides; everything from the first `--key` on is an override.

    Raises:
        ConfigError: when no file is named.
    """
    from geofoundry.core.errors import ConfigError, Fault

    first = next((index for index, word in enumerate(words) if word.startswith("--")), len(words))
    if not first:
        raise ConfigError(Fault("no configuration file is named", "command line", expected="FILE... [--key value]..."))
    return words[:first], words[first:]


def _faults_of(files: list[str], overrides: list[str]) -> list[Fault]:
    from geofoundry.config import check_config, load_document
    from geofoundry.core.errors import ConfigError

    try:
        document = load_document(files, overrides)
    except ConfigError as error:
        return list(error.faults)
    return check_config(document)
