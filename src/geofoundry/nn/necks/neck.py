"""What a neck is, and how several are run one after another."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from geofoundry.catalog import NECK_REGISTRY
from geofoundry.core.errors import ConfigError, Fault


class Neck(ABC, nn.Module):
    """Maps a list of features to another list of features."""

    def __init__(self, channel_list: Sequence[int]) -> None:
        """Take the number of channels of each feature that will come in."""
        super().__init__()
        self.channel_list = list(channel_list)

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return the number of channels of each feature that goes out."""
        return channel_list

    def process_reductions(self, reductions: list[float]) -> list[float]:
        """Return, for each map that goes out, how many times smaller than the image it is."""
        return reductions

    @abstractmethod
    def forward(self, features: list[Tensor], image_size: tuple[int, int] | None = None) -> list[Tensor]:
        """Map the features; `image_size` is the (height, width) of the image that the backbone saw."""


class NeckSequential(nn.Sequential):
    """Necks, one after another; only those that take `image_size` are given it."""

    def __init__(self, *necks: nn.Module) -> None:
        super().__init__(*necks)
        # Found out once and by name: retrying after a TypeError would hide a neck's own errors.
        self.takes_image_size = [_takes_image_size(neck) for neck in necks]

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, features: list[Tensor], image_size: tuple[int, int] | None = None
    ) -> list[Tensor]:
        """Run the necks in order."""
        for neck, takes_image_size in zip(self, self.takes_image_size, strict=True):
            features = neck(features, image_size=image_size) if takes_image_size else neck(features)
        return features


def build_necks(
    necks: Sequence[Mapping[str, Any]], channel_list: Sequence[int], reductions: Sequence[float] | None
) -> tuple[NeckSequential | None, list[int], list[float] | None]:
    """Build necks from `{name: ..., argument: ...}` mappings; an error of a neck's own comes through unchanged.

    Returns the necks (None when there are none), and the channels and reductions of what comes out of the last one;
    the reductions are None when a neck does not say what it does to them.

    Raises:
        ConfigError: when a mapping has no name, or an argument is not one that the neck takes.
    """
    built: list[nn.Module] = []
    channels, sizes = list(channel_list), list(reductions) if reductions is not None else None
    for position, entry in enumerate(necks):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise ConfigError(
                Fault(
                    what="a neck has no name",
                    where=f"necks[{position}]",
                    got=repr(entry),
                    expected="a mapping such as {name: SelectIndices, indices: [2, 5, 8, 11]}",
                    mend="write the neck's name under the key 'name'",
                )
            )
        arguments = {key: value for key, value in entry.items() if key != "name"}
        neck = NECK_REGISTRY.build(entry["name"], channels, **arguments)
        channels = list(neck.process_channel_list(channels))
        process = getattr(neck, "process_reductions", None)
        sizes = list(process(sizes)) if sizes is not None and process is not None else None
        built.append(neck)
    return (NeckSequential(*built) if built else None), channels, sizes


def _takes_image_size(neck: nn.Module) -> bool:
    parameters = inspect.signature(neck.forward).parameters.values()
    return any(p.name == "image_size" or p.kind is p.VAR_KEYWORD for p in parameters)
