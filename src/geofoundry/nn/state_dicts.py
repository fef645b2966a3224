"""State dicts: read from files without running pickled code, compared with what a module expects."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from geofoundry.core.errors import ConfigError, Fault, IntegrityError

SAFETENSORS_SUFFIX = ".safetensors"
PICKLE_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
WRAPPERS = ("state_dict", "model")
LISTED = 5


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read named tensors from a safetensors file, or from a PyTorch file that holds nothing but tensors and plain data.

    A folder stands for the one such file in it. Bytes are mapped, not read: they come into memory when a tensor is first used, so the file must stay as it is
    while its tensors are in use. A PyTorch file may keep the tensors under `state_dict` or `model`.

    Raises:
        ConfigError: when there is no such file, or its suffix is not known.
        IntegrityError: when the file is damaged, or holds something else.
    """
    file = _weights_file(Path(path).expanduser())
    if file.suffix == SAFETENSORS_SUFFIX:
        try:
            return load_file(file)
        except (SafetensorError, OSError, ValueError) as error:
            raise _damaged(file, str(error)) from error
    if file.suffix in PICKLE_SUFFIXES:
        return _read_pytorch_file(file)
    raise ConfigError(
        Fault(
            what="the suffix of the weights is not known",
            where=str(file),
            got=file.suffix or "no suffix",
            expected=", ".join((SAFETENSORS_SUFFIX, *PICKLE_SUFFIXES)),
        )
    )


def _weights_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise ConfigError(Fault("there is no such file of weights", str(path), mend="correct the path"))
    suffixes = (SAFETENSORS_SUFFIX, *PICKLE_SUFFIXES)
    files = sorted(file for file in path.iterdir() if file.suffix in suffixes)
    if len(files) == 1:
        return files[0]
    raise ConfigError(
        Fault(
            what="the folder does not hold exactly one file of weights",
            where=str(path),
            got=", ".join(file.name for file in files) or "none",
            expected=f"one file with a suffix among {', '.join(suffixes)}",
            mend="give the file instead of the folder",
        )
    )


def _read_pytorch_file(file: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=_is_zip(file))
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise _damaged(file, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise IntegrityError(
            Fault(
                what="the file does not hold named tensors",
                where=str(file),
                got=f"a {type(content).__name__}" + (f" with {', '.join(map(str, content))[:200]}" if content else ""),
                expected=f"a mapping of names to tensors, or one under {' or '.join(map(repr, WRAPPERS))}",
            )
        )
    return dict(content)


def _is_zip(file: Path) -> bool:
    """Tell today's format, which can be mapped, from the one before PyTorch 1.6, which can't."""
    with file.open("rb") as stream:
        return stream.read(2) == b"PK"


def _damaged(file: Path, reason: str) -> IntegrityError:
    return IntegrityError(
        Fault(
            what="the weights can't be read",
            where=str(file),
            got=reason,
            expected="a whole file of tensors, without pickled code",
            mend="compare its size and SHA-256 with where it came from, and fetch it again",
        )
    )


def compare(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], *, where: str, may_have: Collection[str] = ()
) -> list[Fault]:
    """Return what is missing in, unexpected in, and shaped differently in `found`: one fault of each kind at most.

    Names in `may_have` may be in `found` without being expected.
    """
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected and name not in may_have]
    shapes = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    faults = []
    if missing:
        faults.append(
            Fault(
                what=f"{len(missing)} of {len(expected)} tensors are missing",
                where=where,
                got=_listing(missing),
                expected="every tensor of the model",
                mend="build the model that the weights were saved from",
            )
        )
    if unexpected:
        faults.append(
            Fault(
                what=f"{len(unexpected)} tensors belong to no part of the model",
                where=where,
                got=_listing(unexpected),
                expected=f"tensors such as {_listing(list(expected)[:2])}",
                mend="build the model that the weights were saved from",
            )
        )
    if shapes:
        faults.append(
            Fault(
                what=f"{len(shapes)} tensors have another shape",
                where=where,
                got=_listing(shapes),
                expected="the shapes of the model",
                mend="give the model the sizes (channels, classes, bands) that the weights were saved with",
            )
        )
    return faults


def _listing(names: list[str]) -> str:
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
