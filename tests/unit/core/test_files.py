import hashlib
import os
import stat
from pathlib import Path

import pytest

from geofoundry.core.errors import ConfigError
from geofoundry.core.files import atomic_path, cache_folder, require_writable_folder, write_json, write_text
from geofoundry.core.hashing import sha256_file, sha256_json
from geofoundry.core.progress import track


def test_a_file_is_whole_or_as_it_was(tmp_path: Path):
    target = tmp_path / "deep" / "map.tif"
    write_text(target, "old")
    with pytest.raises(ValueError), atomic_path(target) as temporary:
        temporary.write_text("half")
        assert temporary.suffix == ".tif"
        assert target.read_text() == "old"
        raise ValueError
    assert target.read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["map.tif"]


def test_a_written_file_has_the_usual_permissions(tmp_path: Path):
    plain = tmp_path / "plain"
    plain.touch()
    write_json(tmp_path / "a.json", {"b": "ü"})
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert "ü" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_an_unwritable_folder_is_a_config_error(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match="can't be written to"):
        require_writable_folder(file / "below")
    assert require_writable_folder(tmp_path / "new").is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_a_config_error(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="can't be written to"):
        require_writable_folder(tmp_path)


def test_hashes(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"abc" * 100_000)
    assert sha256_file(tmp_path / "x") == hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert sha256_json({"b": 1, "a": [1.5, None]}) == hashlib.sha256(b'{"a":[1.5,null],"b":1}').hexdigest()


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("GEOFOUNDRY_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("GEOFOUNDRY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "geofoundry"


def test_progress_passes_every_item_on(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("geofoundry.core.progress.LOG_INTERVAL_S", 0.0)
    assert list(track([1, 2, 3], "reading")) == [1, 2, 3]
    assert "reading: 2/3" in capsys.readouterr().err
    assert list(track(iter("ab"), "reading")) == ["a", "b"]
