"""The command itself: its groups, and what becomes of errors."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from typing import Annotated

import typer

from geofoundry import __version__
from geofoundry.cli import (
    catalog_commands,
    config_commands,
    data_commands,
    doctor_commands,
    init_command,
    quickstart_command,
    training_commands,
)
from geofoundry.core.errors import EXIT_INTERRUPTED, GeofoundryError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

app = typer.Typer(
    name="geofoundry",
    help="Earth-observation foundation models, from weights on disk to an approved, deployable model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"geofoundry {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


training_commands.add_to(app)
app.command("init")(init_command.init)
app.command("quickstart")(quickstart_command.quickstart)
app.command("doctor")(doctor_commands.doctor)
app.add_typer(config_commands.app, name="config")
app.add_typer(data_commands.app, name="data")
app.add_typer(catalog_commands.app, name="catalog")


def main() -> None:
    """Run the command, and turn errors into one clear answer and an exit code."""
    warnings.showwarning = _show_warning
    if "" not in sys.path:
        # A module beside the YAML can be named in it, as with `python -m`.
        sys.path.insert(0, "")
    try:
        app()
    except GeofoundryError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("interrupted; what was finished is kept")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader, `head` for example, has gone. Nothing more can be said on this pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        _say(f"the disk is full: {error}\n    mend      free space; a training goes on with --ckpt_path last")
        sys.exit(1)
    except Exception:  # noqa: BLE001 - the last stop: what nobody foresaw is a bug, and is reported as one
        traceback.print_exc()
        _say("this is a fault in geofoundry or in a plug-in; please report it with the lines above")
        sys.exit(1)


def _say(text: str) -> None:
    print(f"geofoundry: {text}", file=sys.stderr, flush=True)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    # Where in our code a warning was raised tells a user nothing; what it says does.
    _say(f"warning: {message}")
