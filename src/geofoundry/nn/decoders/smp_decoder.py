"""The decoders of segmentation-models-pytorch behind any of our backbones.

Those decoders expect the maps of their own encoders: the image itself first, then 1/2, 1/4 and so on, with an empty
map (no channels) where an encoder has none. `SmpDecoder` puts such placeholders before the maps that there are.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch.nn.functional as F
from segmentation_models_pytorch.base.initialization import initialize_decoder
from torch import Tensor, nn

from geofoundry.catalog.component_registry import import_address, unknown_name
from geofoundry.catalog.sources.smp import DECODERS
from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.suggest import did_you_mean
from geofoundry.nn.decoders.unet import default_channels
from geofoundry.nn.normalization import tolerate_single_values
from geofoundry.nn.reductions import assumed_pyramid, is_single_scale, nominal, require_pyramid

PREFIX = "decoder_"

# What the wrapper finds out itself.
FILLED_IN = frozenset(
    {
        "encoder_channels",
        "encoder_depth",
        "encoder_has_prefix_tokens",
        "encoder_out_channels",
        "encoder_output_strides",
        "in_channels",
        "n_blocks",
        "output_stride",
        "readout",
    }
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one architecture asks of its maps, and the defaults that smp keeps in its model instead of its decoder."""

    width: str  # the keyword that sets the channels of the decoder's output
    reads: Literal["all", "from_quarter", "deepest"]  # the maps that it uses
    halving: bool = False  # each map must be half as large as the one before
    stepwise: bool = False  # one step, with channels of its own, per map
    fewest: int = 1
    most: int | None = None
    most_of_one_size: int | None = None
    smallest: int = 1  # the deepest map must have at least this height and width, in cells
    defaults: dict[str, Any] = field(default_factory=dict)


_ATROUS = {"out_channels": 256, "atrous_rates": (12, 24, 36), "aspp_dropout": 0.5}

_KINDS = {
    "DPT": _Kind("fusion_channels", "all", most_of_one_size=4),
    "DeepLabV3": _Kind("out_channels", "deepest", defaults={**_ATROUS, "aspp_separable": False}),
    "DeepLabV3Plus": _Kind("out_channels", "from_quarter", fewest=2, defaults={**_ATROUS, "aspp_separable": True}),
    "FPN": _Kind("", "from_quarter", halving=True, fewest=4),
    "Linknet": _Kind("prefinal_channels", "all", halving=True),
    "MAnet": _Kind("decoder_channels", "all", halving=True, stepwise=True),
    "PAN": _Kind(
        "decoder_channels",
        "from_quarter",
        fewest=2,
        most=4,
        most_of_one_size=4,
        smallest=8,
        defaults={"decoder_channels": 32},
    ),
    "PSPNet": _Kind("out_channels", "deepest"),
    "Segformer": _Kind("segmentation_channels", "from_quarter", fewest=2),
    "UPerNet": _Kind("decoder_channels", "from_quarter", fewest=2),
    "Unet": _Kind("decoder_channels", "all", stepwise=True),
    "UnetPlusPlus": _Kind("decoder_channels", "all", halving=True, stepwise=True),
}


def build_smp_decoder(
    decoder_name: str,
    channel_list: Sequence[int],
    *,
    reductions: Sequence[float] | None = None,
    **keywords: Any,
) -> SmpDecoder:
    """Build a decoder of segmentation-models-pytorch by the name of its architecture, such as `Unet`.

    Keywords are those of the decoder's class; one that begins with `decoder_` may be written without it, so that both
    `decoder_channels` and `decoder_decoder_channels` work in a config.

    Args:
        decoder_name: Name of the architecture.
        channel_list: Channels of each map, largest map first.
        reductions: How many times smaller than the image each map is; the usual pyramid unless given.
        **keywords: Options of the decoder.

    Raises:
        ConfigError: when a keyword is not one that the decoder takes, or the maps don't suit it.
    """
    if decoder_name not in _KINDS:
        raise unknown_name("decoder", decoder_name, sorted(_KINDS))
    decoder_class = import_address(DECODERS[decoder_name])
    options = _read_keywords(decoder_name, decoder_class, keywords)
    sizes = list(reductions) if reductions is not None else assumed_pyramid(len(channel_list))
    return SmpDecoder(decoder_name, decoder_class, list(channel_list), sizes, options)


class SmpDecoder(nn.Module):
    """A decoder of segmentation-models-pytorch, given maps the way it expects them.

    **Shapes:** n maps `(B, C_i, h_i, w_i)`, largest first, to `(B, out_channels, H', W')`; H' and W' depend on the
    architecture: the image's size for U-shaped ones, 1/4 or the deepest map's for others.

    **Source:** qubvel-org/segmentation_models.pytorch.
    """

    def __init__(
        self,
        decoder_name: str,
        decoder_class: type[nn.Module],
        channel_list: list[int],
        reductions: list[float],
        options: dict[str, Any],
    ) -> None:
        super().__init__()
        kind = _KINDS[decoder_name]
        _require_sizes(decoder_name, kind, reductions)
        options = {**kind.defaults, **options}
        # How much larger than the largest map each placeholder before it is.
        self.placeholders = _placeholders(decoder_name, kind, reductions, options)
        if kind.reads != "deepest":
            _require_maps(decoder_name, kind, reductions, self.placeholders)
        self.smallest = kind.smallest
        self.passes_tokens = decoder_name == "DPT"
        channels = [0] * len(self.placeholders) + channel_list
        options |= _map_arguments(decoder_name, decoder_class, channels, reductions)
        self.decoder = decoder_class(**options)
        if decoder_name == "DeepLabV3Plus":
            _fit_enlargement(self.decoder, reductions, position=2 - len(self.placeholders))
        initialize_decoder(self.decoder)
        tolerate_single_values(self.decoder)
        self.out_channels = _out_channels(kind, decoder_class, self.decoder, options)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return the decoder's map."""
        largest = features[0]
        batch, height, width = largest.shape[0], largest.shape[-2], largest.shape[-1]
        before = [largest.new_empty((batch, 0, height * scale, width * scale)) for scale in self.placeholders]
        maps = [*before, *features]
        if self.smallest > 1:
            maps[-1] = _at_least(maps[-1], self.smallest)
        if self.passes_tokens:
            return self.decoder(maps, [None] * len(maps))
        return self.decoder(maps)


def _read_keywords(name: str, decoder_class: type[nn.Module], keywords: dict[str, Any]) -> dict[str, Any]:
    taken = [parameter for parameter in inspect.signature(decoder_class).parameters if parameter not in FILLED_IN]
    spellings = {parameter: parameter for parameter in taken}
    for parameter in taken:
        if parameter.startswith(PREFIX):
            spellings.setdefault(parameter.removeprefix(PREFIX), parameter)
    options: dict[str, Any] = {}
    faults = []
    for keyword, value in keywords.items():
        parameter = spellings.get(keyword)
        if parameter is None:
            faults.append(
                Fault(
                    what=f"the decoder {name!r} takes no keyword {keyword!r}",
                    got=keyword,
                    expected=f"one of: {', '.join(spellings)}",
                    mend=did_you_mean(keyword, spellings) or f"remove {keyword!r}",
                )
            )
        elif parameter in options:
            faults.append(
                Fault(
                    what=f"the decoder {name!r} is given {parameter!r} twice",
                    got=f"{parameter!r} and {parameter.removeprefix(PREFIX)!r}",
                    expected="one of the two spellings",
                    mend=f"remove {keyword!r}",
                )
            )
        else:
            options[parameter] = value
    if faults:
        raise ConfigError(faults)
    return options


def _require_maps(name: str, kind: _Kind, reductions: list[float], placeholders: tuple[int, ...]) -> None:
    # Places 0 and 1 stand for the image and 1/2 of its size.
    used = len(reductions) + (len(placeholders) - 2 if kind.reads == "from_quarter" else 0)
    most = kind.most_of_one_size if is_single_scale(reductions) else kind.most
    if used < kind.fewest or (most is not None and used > most):
        kept = ", after those larger than 1/4 of the image" if used < len(reductions) else ""
        raise ConfigError(
            Fault(
                what=f"the decoder {name!r} doesn't suit the number of maps",
                where="decoder",
                got=f"{used} maps{kept}",
                expected=f"at least {kind.fewest}" if most is None else f"{kind.fewest} to {most}",
                mend="choose maps with backbone_out_indices or the neck SelectIndices",
            )
        )


def _require_sizes(name: str, kind: _Kind, reductions: list[float]) -> None:
    if kind.halving or kind.stepwise:
        require_pyramid(name, reductions, halving=kind.halving)
    elif name == "DPT" and not is_single_scale(reductions):
        require_pyramid(name, reductions, halving=True)


def _placeholders(name: str, kind: _Kind, reductions: list[float], options: dict[str, Any]) -> tuple[int, ...]:
    """Return how many times larger than the largest map each placeholder before it is; sets the default channels."""
    if kind.reads == "deepest" or name == "DPT":
        return ()
    first = nominal(reductions[0])
    usual = () if first == 1 else (2,) if first == 2 else (4, 2)
    if not kind.stepwise:
        return usual
    choices = {len(reductions) + len(placeholders) - 1: placeholders for placeholders in ((2,), usual)}
    if first == 1:
        del choices[len(reductions)]
    steps = max(choices)
    options["decoder_channels"] = list(options.get("decoder_channels", default_channels(steps)))
    given = len(options["decoder_channels"])
    if given not in choices:
        raise ConfigError(
            Fault(
                what=f"the decoder {name!r} needs one number of channels per step",
                where="decoder_channels",
                got=f"{given} numbers for {len(reductions)} maps",
                expected=" or ".join(str(default_channels(count)) for count in sorted(choices)),
                mend="give as many channels as there are steps",
            )
        )
    return choices[given]


def _map_arguments(
    name: str, decoder_class: type[nn.Module], channels: list[int], reductions: list[float]
) -> dict[str, Any]:
    depth = len(channels) - 1
    values: dict[str, Any] = {
        "encoder_channels": channels,
        "encoder_depth": depth,
        "n_blocks": depth,
        "in_channels": channels[-1],
        "encoder_out_channels": channels,
        # Only the ratios between maps matter, so one size counts as patches of 16 and a pyramid as starting at 1/4.
        "encoder_output_strides": (
            [16] * len(reductions) if is_single_scale(reductions) else [4 * 2**i for i in range(len(reductions))]
        ),
        "encoder_has_prefix_tokens": False,
        "output_stride": 16,
        "readout": "ignore",  # maps bring no tokens to read out
    }
    taken = inspect.signature(decoder_class).parameters
    arguments = {key: value for key, value in values.items() if key in taken}
    if name == "DPT":
        arguments.setdefault("intermediate_channels", [min(1024, 256 << level) for level in range(len(reductions))])
    return arguments


def _fit_enlargement(decoder: nn.Module, reductions: list[float], position: int) -> None:
    """Enlarge the deepest map to the size of the one that it is joined with; smp knows output strides 8 and 16 only."""
    factor = reductions[-1] / reductions[position]
    decoder.up = nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=True)


def _at_least(x: Tensor, smallest: int) -> Tensor:
    height, width = x.shape[-2:]
    if height >= smallest and width >= smallest:
        return x
    size = (max(height, smallest), max(width, smallest))
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def _out_channels(kind: _Kind, decoder_class: type[nn.Module], decoder: nn.Module, options: dict[str, Any]) -> int:
    if not kind.width:
        return int(decoder.out_channels)  # pyright: ignore[reportArgumentType]
    value = options.get(kind.width, inspect.signature(decoder_class).parameters[kind.width].default)
    return int(value[-1]) if kind.stepwise else int(value)
