"""Decoders of segmentation-models-pytorch, without its encoders and heads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from geofoundry.catalog.component_registry import Component, import_address, unknown_name
from geofoundry.catalog.installed import find_installed
from geofoundry.catalog.signatures import StaticSignature, extend_builder, read_signature
from geofoundry.catalog.source_files import read_constant

BUILDER = "geofoundry.nn.decoders.smp_decoder:build_smp_decoder"
FILLED_IN = "geofoundry.nn.decoders.smp_decoder:FILLED_IN"
PREFIX = "decoder_"

# Name of the architecture to the address of its decoder. Read from the package's files by a test.
DECODERS = {
    "DPT": "segmentation_models_pytorch.decoders.dpt.decoder:DPTDecoder",
    "DeepLabV3": "segmentation_models_pytorch.decoders.deeplabv3.decoder:DeepLabV3Decoder",
    "DeepLabV3Plus": "segmentation_models_pytorch.decoders.deeplabv3.decoder:DeepLabV3PlusDecoder",
    "FPN": "segmentation_models_pytorch.decoders.fpn.decoder:FPNDecoder",
    "Linknet": "segmentation_models_pytorch.decoders.linknet.decoder:LinknetDecoder",
    "MAnet": "segmentation_models_pytorch.decoders.manet.decoder:MAnetDecoder",
    "PAN": "segmentation_models_pytorch.decoders.pan.decoder:PANDecoder",
    "PSPNet": "segmentation_models_pytorch.decoders.pspnet.decoder:PSPDecoder",
    "Segformer": "segmentation_models_pytorch.decoders.segformer.decoder:SegformerDecoder",
    "UPerNet": "segmentation_models_pytorch.decoders.upernet.decoder:UPerNetDecoder",
    "Unet": "segmentation_models_pytorch.decoders.unet.decoder:UnetDecoder",
    "UnetPlusPlus": "segmentation_models_pytorch.decoders.unetplusplus.decoder:UnetPlusPlusDecoder",
}


class SmpDecoderSource:
    """The decoders of the installed segmentation-models-pytorch, under the names of their architectures.

    Listing imports nothing; the package is imported when a decoder is built. Without it the source is empty.
    """

    def names(self) -> list[str]:
        """Return the names of the decoders, sorted."""
        return sorted(DECODERS) if find_installed("segmentation_models_pytorch") else []

    def spellings(self, name: str) -> list[str]:
        """Return the names among which an unknown name's nearest are looked for."""
        return self.names()

    def decoder_address(self, name: str) -> str:
        """Return the address of the decoder class itself."""
        return DECODERS[self._known(name)]

    def address(self, name: str) -> str:
        """Return the address of what builds every smp decoder."""
        self._known(name)
        return BUILDER

    def signature(self, name: str) -> StaticSignature | None:
        """Return what `build` takes for a decoder: our builder's own arguments, and the decoder's.

        The builder finds out some of the decoder's arguments, has a default for each of the others, and takes
        `channels` for `decoder_channels`.
        """
        decoder = read_signature(self.decoder_address(name))
        if decoder is None:
            return read_signature(BUILDER)
        filled_in = read_constant(FILLED_IN) or ()
        parameters = [replace(p, required=False) for p in decoder.parameters if p.name not in filled_in]
        taken = {parameter.name for parameter in parameters}
        short = [replace(p, name=p.name.removeprefix(PREFIX)) for p in parameters if p.name.startswith(PREFIX)]
        parameters += [parameter for parameter in short if parameter.name not in taken]
        return extend_builder(BUILDER, replace(decoder, parameters=tuple(parameters)))

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __getitem__(self, name: str) -> Component:
        self._known(name)
        builder = import_address(BUILDER)

        def build(*args: Any, **kwargs: Any) -> Any:
            """Build the smp decoder of this name."""
            return builder(name, *args, **kwargs)

        build.__name__ = name
        return build

    def build(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Build a decoder on the channels of a backbone: see `build_smp_decoder`."""
        return import_address(BUILDER)(self._known(name), *args, **kwargs)

    def _known(self, name: str) -> str:
        if name not in self:
            raise unknown_name("decoder", name, self.names())
        return name
