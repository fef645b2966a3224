"""The `geofoundry` command: one file per group of commands, each importing what it needs when it runs."""

from geofoundry.cli.app import main

__all__ = ["main"]
