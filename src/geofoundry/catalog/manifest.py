"""Our own parts by name and address: the one list of them, readable without importing torch.

A part enters the catalog by its line here; a test holds every line against the module that it names.
"""

from __future__ import annotations

BACKBONES = {
    "UNetEncoder": "geofoundry.nn.backbones.unet_encoder:UNetEncoder",
}

NECKS = {
    "InterpolateToPyramidal": "geofoundry.nn.necks.pyramid:InterpolateToPyramidal",
    "LearnedInterpolateToPyramidal": "geofoundry.nn.necks.pyramid:LearnedInterpolateToPyramidal",
    "ReshapeTokensToImage": "geofoundry.nn.necks.tokens:ReshapeTokensToImage",
    "SelectIndices": "geofoundry.nn.necks.select:SelectIndices",
}

DECODERS = {
    "FCNDecoder": "geofoundry.nn.decoders.fcn:FCNDecoder",
    "UNetDecoder": "geofoundry.nn.decoders.unet:UNetDecoder",
    "UperNetDecoder": "geofoundry.nn.decoders.upernet:UperNetDecoder",
}

HEADS = {
    "SegmentationHead": "geofoundry.nn.heads.segmentation:SegmentationHead",
}

FULL_MODELS: dict[str, str] = {}

MODEL_FACTORIES = {
    "EncoderDecoderFactory": "geofoundry.models.encoder_decoder_factory:EncoderDecoderFactory",
}

TASKS = {
    "SemanticSegmentationTask": "geofoundry.tasks.segmentation:SemanticSegmentationTask",
}

DATAMODULES = {
    "SegmentationDataModule": "geofoundry.data.segmentation_datamodule:SegmentationDataModule",
}

# Flips and turns that work on stored integers; the other transforms are torchvision's.
TRANSFORMS = {
    "D4": "geofoundry.data.orientation:D4",
    "RandomHorizontalFlip": "geofoundry.data.orientation:RandomHorizontalFlip",
    "RandomRotate90": "geofoundry.data.orientation:RandomRotate90",
    "RandomVerticalFlip": "geofoundry.data.orientation:RandomVerticalFlip",
}
