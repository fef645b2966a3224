"""Parts from outside: entry points and folders of modules."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from geofoundry.catalog import DECODER_REGISTRY, ComponentRegistry, MultiSourceRegistry, import_custom_modules, plugins
from geofoundry.core.errors import ConfigError


def module_folder(tmp_path: Path, name: str, **modules: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)
    return folder


def test_a_folder_registers_parts_and_its_modules_import_each_other(tmp_path: Path):
    folder = module_folder(
        tmp_path,
        "parts_of_mine",
        shared="WIDTH = 7\n",
        decoder=(
            "from geofoundry.catalog import DECODER_REGISTRY\n"
            "from parts_of_mine.shared import WIDTH\n"
            "@DECODER_REGISTRY.register\n"
            "class PartOfMine:\n"
            "    def __init__(self, channel_list, width=WIDTH): self.width = width\n"
        ),
    )
    assert import_custom_modules(folder) == ["parts_of_mine.decoder", "parts_of_mine.shared"]
    assert import_custom_modules(folder)  # a second time registers nothing twice
    assert DECODER_REGISTRY.build("PartOfMine", [1]).width == 7


def test_without_a_path_the_folder_in_the_working_directory_is_optional(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert import_custom_modules() == []
    module_folder(tmp_path, "custom_modules", one="VALUE = 1\n")
    assert import_custom_modules() == ["custom_modules.one"]
    for name in ("custom_modules.one", "custom_modules"):
        sys.modules.pop(name, None)


def test_a_missing_folder_and_a_broken_module_are_faults(tmp_path: Path):
    with pytest.raises(ConfigError, match="not there"):
        import_custom_modules(tmp_path / "nowhere")
    folder = module_folder(tmp_path, "broken_parts", bad="import no_such_package_at_all\n")
    with pytest.raises(ConfigError, match="no_such_package_at_all"):
        import_custom_modules(folder)


def test_a_folder_that_hides_behind_an_installed_package_is_refused(tmp_path: Path):
    folder = module_folder(tmp_path, "json", decoder="VALUE = 1\n")
    with pytest.raises(ConfigError, match=r"hidden|can't be imported"):
        import_custom_modules(folder)


def test_entry_points_are_added_by_address_without_import(monkeypatch: pytest.MonkeyPatch):
    installed = EntryPoints(
        [
            EntryPoint("theirs", "no_such_package.parts:Theirs", "geofoundry.necks"),
            EntryPoint("taken", "no_such_package.parts:Taken", "geofoundry.full_models"),
        ]
    )
    monkeypatch.setattr(plugins, "entry_points", lambda: installed)
    necks = MultiSourceRegistry("neck", ComponentRegistry("neck"))
    models = ComponentRegistry("full model", {"taken": "builtins:list"})
    with pytest.warns(UserWarning, match="left out"):
        plugins.add_entry_points({"necks": necks, "full-models": models})
    assert necks.address("theirs") == "no_such_package.parts:Theirs"
    assert models["taken"] is list
