import pytest
import torch
from safetensors.torch import save_file

from geofoundry.core.errors import ConfigError, IntegrityError
from geofoundry.nn.state_dicts import compare, read_state_dict

STATE = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.int64)}


def same(got):
    assert got.keys() == STATE.keys()
    assert all(torch.equal(got[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
@pytest.mark.parametrize("zipped", [True, False])
def test_pytorch_files_are_read_without_running_code(tmp_path, wrap, zipped):
    torch.save(wrap(STATE), tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    same(read_state_dict(tmp_path / "w.pt"))


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    same(read_state_dict(tmp_path / "w.safetensors"))


class Payload:
    def __reduce__(self):
        return (print, ("code ran",))


def test_pickled_code_is_not_run(tmp_path, capsys):
    torch.save({"a": Payload()}, tmp_path / "w.pt")
    with pytest.raises(IntegrityError, match="can't be read"):
        read_state_dict(tmp_path / "w.pt")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.95])
def test_truncated_files_are_refused(tmp_path, name, keep):
    file = tmp_path / name
    (save_file if name.endswith("safetensors") else torch.save)(STATE, file)
    file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    with pytest.raises(IntegrityError, match=name):
        read_state_dict(file)


def test_what_is_no_state_dict_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(IntegrityError, match="named tensors"):
        read_state_dict(tmp_path / "w.pt")
    with pytest.raises(ConfigError, match="no such file"):
        read_state_dict(tmp_path / "none.pt")
    (tmp_path / "w.npz").write_bytes(b"PK")
    with pytest.raises(ConfigError, match="suffix"):
        read_state_dict(tmp_path / "w.npz")


def test_comparison_tells_everything_at_once():
    found = {"a": torch.zeros(3, 3), "c": torch.zeros(1), "head.weight": torch.zeros(1)}
    faults = compare(STATE, found, where="w.pt", may_have={"head.weight"})
    assert [fault.what for fault in faults] == [
        "1 of 2 tensors are missing",
        "1 tensors belong to no part of the model",
        "1 tensors have another shape",
    ]
    assert "a (3, 3) instead of (2, 3)" in faults[2].got
    assert not compare(STATE, STATE, where="w.pt")


def test_a_folder_stands_for_its_one_file(tmp_path):
    with pytest.raises(ConfigError, match="exactly one file"):
        read_state_dict(tmp_path)
    torch.save(STATE, tmp_path / "w.pt")
    (tmp_path / "README.md").write_text("weights")
    same(read_state_dict(tmp_path))
    save_file(STATE, tmp_path / "w.safetensors")
    with pytest.raises(ConfigError, match=r"w\.pt, w\.safetensors"):
        read_state_dict(tmp_path)
