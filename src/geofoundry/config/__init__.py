"""Configurations: reading with line numbers, overrides, the check, the schema, and what LightningCLI gets."""

from geofoundry.config.check import check_config
from geofoundry.config.document import Document, load_document
from geofoundry.config.resolve import resolve_config

__all__ = ["Document", "check_config", "load_document", "resolve_config"]
