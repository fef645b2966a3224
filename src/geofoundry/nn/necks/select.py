"""Choose some of a backbone's features."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.nn.necks.neck import Neck


class SelectIndices(Neck):
    """Select features by their place in the list.

    **Shapes:** a list of features to a list of `len(indices)` of them.
    """

    def __init__(self, channel_list: list[int], indices: Sequence[int]) -> None:
        """Take the places, counted from 0, or from -1 backwards.

        Raises:
            ConfigError: when a place is not in the list.
        """
        super().__init__(channel_list)
        count = len(channel_list)
        wrong = [index for index in indices if not -count <= index < count]
        if wrong or not indices:
            raise ConfigError(
                Fault(
                    what="SelectIndices asks for features that the backbone does not give",
                    where="necks.SelectIndices.indices",
                    got=str(list(indices)),
                    expected=f"places from 0 to {count - 1}, or from -{count} to -1",
                    mend=f"choose among the {count} features, or ask the backbone for others with backbone_out_indices",
                )
            )
        self.indices = list(indices)

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return the channels of the selected features."""
        return [channel_list[index] for index in self.indices]

    def process_reductions(self, reductions: list[float]) -> list[float]:
        """Return the reductions of the selected features."""
        return [reductions[index] for index in self.indices]

    def forward(self, features: list[Tensor], image_size: tuple[int, int] | None = None) -> list[Tensor]:
        """Return the selected features."""
        return [features[index] for index in self.indices]
