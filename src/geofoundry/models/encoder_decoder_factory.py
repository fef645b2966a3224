"""Models of a backbone, necks, a decoder and a head, composed by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from geofoundry.catalog import BACKBONE_REGISTRY, DECODER_REGISTRY, HEAD_REGISTRY, NECK_REGISTRY
from geofoundry.core.errors import ConfigError, Fault
from geofoundry.core.suggest import did_you_mean
from geofoundry.models.keywords import (
    Arguments,
    auxiliary_head_faults,
    class_count_faults,
    left_over_faults,
    module_argument_faults,
    name_faults,
    split_by_prefix,
)
from geofoundry.models.model import AuxiliaryHead, Model
from geofoundry.models.pixel_wise_model import PixelWiseModel, size_multiple_of
from geofoundry.nn.necks.neck import build_necks

# What each task's head is called.
TASK_HEADS = {"segmentation": "SegmentationHead"}

Keywords = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Maps:
    """What every decoder gets: channels of each map, how many times smaller than the image it is, what to predict."""

    channels: list[int]
    reductions: list[float] | None
    head_name: str
    num_classes: int


class EncoderDecoderFactory:
    """Builds a model from the names of its parts and their arguments."""

    def build_model(
        self,
        task: str,
        backbone: str | nn.Module,
        decoder: str | nn.Module,
        backbone_kwargs: Keywords | None = None,
        decoder_kwargs: Keywords | None = None,
        head_kwargs: Keywords | None = None,
        num_classes: int | None = None,
        necks: Sequence[Keywords] | None = None,
        aux_decoders: Sequence[AuxiliaryHead | Keywords] | None = None,
        rescale: bool = True,
        image_size_out: int | Sequence[int] | None = None,
        padding: str = "reflect",
        **kwargs: Any,
    ) -> Model:
        """Build a model; errors of its parts come through as they are.

        Args:
            task: `segmentation`.
            backbone: Name of a backbone, or a module with `out_channels` that returns a list of features.
            decoder: Name of a decoder, or a module with `out_channels`.
            backbone_kwargs: Arguments of the backbone; more may be given as `backbone_<argument>`.
            decoder_kwargs: Arguments of the decoder; more may be given as `decoder_<argument>`.
            head_kwargs: Arguments of the head; more may be given as `head_<argument>`.
            num_classes: Number of classes.
            necks: Necks in order, each a mapping of its `name` and its arguments.
            aux_decoders: Auxiliary heads, each with arguments of its own.
            rescale: Enlarge the output to the image's size.
            image_size_out: (height, width) of the output, cut from the center; the image's size unless given.
            padding: How images are padded to a size that the backbone takes: reflect, replicate, circular, constant.
            **kwargs: Arguments of the parts by prefix.

        Raises:
            ConfigError: when a name or an argument is wrong; all of them in one error, as far as they can be seen
                before a part is built.
        """
        given = {"backbone": backbone_kwargs, "decoder": decoder_kwargs, "head": head_kwargs}
        arguments, left_over = split_by_prefix(kwargs, given)
        heads = [_as_auxiliary_head(head, position) for position, head in enumerate(aux_decoders or [])]
        head_name = TASK_HEADS.get(task.lower(), TASK_HEADS["segmentation"])
        faults = _faults(task, backbone, decoder, num_classes, necks or [], arguments)
        faults += left_over_faults(left_over, backbone, decoder, head_name, self.build_model)
        faults += auxiliary_head_faults(heads, head_name)
        if faults:
            raise ConfigError(faults)
        encoder = BACKBONE_REGISTRY.build(backbone, **arguments["backbone"]) if isinstance(backbone, str) else backbone
        neck, channels, reductions = build_necks(necks or [], *_describe(encoder))
        maps = _Maps(channels, reductions, head_name, num_classes or 0)
        return PixelWiseModel(
            task.lower(),
            encoder,
            *_build_decoder(decoder, maps, arguments["decoder"], arguments["head"]),
            neck=neck,
            auxiliary_heads={head.name: _build_auxiliary(head, maps) for head in heads},
            size_multiple=size_multiple_of(encoder),
            padding=padding,
            rescale=rescale,
            image_size_out=image_size_out,
        )


def _faults(
    task: str,
    backbone: str | nn.Module,
    decoder: str | nn.Module,
    num_classes: int | None,
    necks: Sequence[Keywords],
    arguments: Arguments,
) -> list[Fault]:
    faults = class_count_faults(num_classes)
    if task.lower() not in TASK_HEADS:
        faults.append(Fault("unknown task", "task", repr(task), f"one of: {', '.join(TASK_HEADS)}"))
    faults += name_faults(BACKBONE_REGISTRY, backbone, "backbone")
    faults += name_faults(DECODER_REGISTRY, decoder, "decoder")
    for position, neck in enumerate(necks):
        if isinstance(neck, Mapping):
            faults += name_faults(NECK_REGISTRY, neck.get("name"), f"necks[{position}].name")
    faults += module_argument_faults("backbone", backbone, arguments["backbone"])
    faults += module_argument_faults("decoder", decoder, arguments["decoder"])
    return faults


def _describe(encoder: nn.Module) -> tuple[list[int], list[float] | None]:
    channels = getattr(encoder, "out_channels", None)
    if channels is None:
        raise ConfigError(
            Fault(
                what="the backbone does not say how many channels its features have",
                where=f"backbone {type(encoder).__name__}",
                expected="the attribute out_channels, a list of numbers",
                mend="set self.out_channels in the backbone",
            )
        )
    return list(channels), getattr(encoder, "reductions", None)


def _build_decoder(
    decoder: str | nn.Module, maps: _Maps, decoder_kwargs: Keywords, head_kwargs: Keywords
) -> tuple[nn.Module, nn.Module | None]:
    """Return a decoder and its head, None when the decoder includes it."""
    component = DECODER_REGISTRY[decoder] if isinstance(decoder, str) else decoder
    includes_head = bool(getattr(component, "includes_head", False))
    if includes_head and head_kwargs:
        raise ConfigError(
            Fault(
                what="the decoder includes its head, so arguments for a head have no effect",
                where="head_kwargs",
                got=", ".join(f"head_{key}" for key in head_kwargs),
                mend="remove them",
            )
        )
    if isinstance(decoder, str):
        known: dict[str, Any] = {"num_classes": maps.num_classes} if includes_head else {}
        if maps.reductions is not None and _takes_reductions(decoder):
            known["reductions"] = maps.reductions
        decoder = DECODER_REGISTRY.build(decoder, maps.channels, **known, **decoder_kwargs)
    assert isinstance(decoder, nn.Module)
    if includes_head:
        return decoder, None
    head = HEAD_REGISTRY.build(maps.head_name, decoder.out_channels, num_classes=maps.num_classes, **head_kwargs)
    return decoder, head


def _takes_reductions(decoder: str) -> bool:
    source, _ = DECODER_REGISTRY.find(decoder)
    return source == "smp" or "reductions" in inspect.signature(DECODER_REGISTRY[decoder]).parameters


def _build_auxiliary(head: AuxiliaryHead, maps: _Maps) -> nn.Sequential:
    arguments, _ = split_by_prefix(head.decoder_args or {}, {"decoder": None, "head": None})
    decoder, built = _build_decoder(head.decoder, maps, arguments["decoder"], arguments["head"])
    return nn.Sequential(decoder) if built is None else nn.Sequential(decoder, built)


def _as_auxiliary_head(head: AuxiliaryHead | Keywords, position: int) -> AuxiliaryHead:
    if isinstance(head, AuxiliaryHead):
        return head
    taken = ("name", "decoder", "decoder_args")
    where = f"aux_decoders[{position}]"
    faults = [
        Fault(
            f"an auxiliary head takes no {key!r}", where, expected=", ".join(taken), mend=did_you_mean(str(key), taken)
        )
        for key in head
        if key not in taken
    ]
    faults += [Fault(f"an auxiliary head needs a {key}", where) for key in taken[:2] if key not in head]
    if faults:
        raise ConfigError(faults)
    return AuxiliaryHead(**head)
