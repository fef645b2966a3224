"""Names and keywords of timm and smp, read from files and held against the libraries themselves."""

from __future__ import annotations

import inspect
import sys

import pytest

from geofoundry.catalog.library_names import CALLBACKS, LOGGERS, OPTIMIZERS, SCHEDULERS, TRANSFORMS, LibraryNames
from geofoundry.catalog.sources.smp import DECODERS, SmpDecoderSource
from geofoundry.catalog.sources.timm import TimmBackboneSource
from geofoundry.catalog.sources.timm_keywords import read_model_signature
from geofoundry.core.errors import UnknownNameError

timm = pytest.importorskip("timm")


@pytest.fixture(scope="module")
def source() -> TimmBackboneSource:
    return TimmBackboneSource()


def test_the_names_are_those_of_timm(source: TimmBackboneSource):
    assert sorted(timm.list_models()) == source.names()


def test_deprecated_names_are_those_of_timm(source: TimmBackboneSource):
    from timm.models import _registry

    working = {name: new for name, new in _registry._deprecated_models.items() if new}
    assert all(name in source for name in working)
    for name, new in working.items():
        assert source.canonical(name) == new.partition(".")[0]
        assert name not in source.names()


def test_pretrained_tags_are_those_of_timm(source: TimmBackboneSource):
    from timm.models import _registry

    tagged = [name for name in _registry._model_pretrained_cfgs if "." in name]
    assert [name for name in tagged if name not in source] == []
    known = {f"{name}.{tag}" for name in source.names() for tag in source.pretrained_tags(name)}
    assert known <= set(tagged)


@pytest.mark.parametrize("name", ["resnet18.nonsense", "resnet1", "", "resnet18.", None, 3])
def test_what_timm_has_not_is_not_there(source: TimmBackboneSource, name: object):
    assert name not in source


def test_an_unknown_tag_is_answered_with_the_tags(source: TimmBackboneSource):
    with pytest.raises(UnknownNameError, match=r"resnet18\.a1_in1k"):
        source.address("resnet18.a1_in1")


class Captured(Exception):
    """Raised in place of building a model."""


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.long)])
def test_models_take_the_keywords_that_were_read(
    source: TimmBackboneSource, monkeypatch: pytest.MonkeyPatch, every: int
):
    """Call entry points of timm up to the moment when it would build, and look at the class that it chose."""
    from timm.models import _registry

    chosen: list[type] = []

    def capture(model_cls: type, *args: object, **kwargs: object) -> None:
        chosen.append(model_cls)
        raise Captured

    for name, module in list(sys.modules.items()):
        if name.startswith("timm.models.") and hasattr(module, "build_model_with_cfg"):
            monkeypatch.setattr(module, "build_model_with_cfg", capture)
    missed: list[tuple[str, set[str]]] = []
    for name in source.names()[::every]:
        with pytest.raises(Captured):
            _registry.model_entrypoint(name)()
        real = list(inspect.signature(chosen[-1]).parameters.values())
        named = {p.name for p in real if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"cfg"}
        read = read_model_signature(source.module(name), name)
        if not named <= set(read.names()):
            missed.append((name, named - set(read.names())))
    assert missed == []


def test_keywords_that_no_class_takes_are_not_read(source: TimmBackboneSource):
    signature = source.signature("resnet18")
    assert "output_stride" in signature.names()
    assert "bands" in signature.names()
    assert "model_name" not in signature.names()
    assert "dynamic_img_size" not in signature.names()
    assert "dynamic_img_size" in source.signature("vit_small_patch16_224").names()
    assert not signature.takes_any


def test_smp_decoders_are_those_of_smp():
    import segmentation_models_pytorch as smp

    architectures = {cls.__name__: cls for cls in smp._MODEL_ARCHITECTURES}
    assert set(SmpDecoderSource().names()) == set(architectures)
    for name, cls in architectures.items():
        module, _, decoder = DECODERS[name].partition(":")
        assert hasattr(sys.modules[module], decoder), name
        assert cls.__module__.rpartition(".")[0] == module.rpartition(".")[0]


def test_smp_keywords_may_be_written_without_their_prefix():
    signature = SmpDecoderSource().signature("Segformer")
    assert signature is not None
    assert {"segmentation_channels"} <= set(signature.names())
    assert "encoder_channels" not in signature.names()
    unet = SmpDecoderSource().signature("Unet")
    assert unet is not None
    assert {"decoder_channels", "channels", "attention_type", "channel_list"} <= set(unet.names())


@pytest.mark.parametrize("library", [OPTIMIZERS, SCHEDULERS, CALLBACKS, LOGGERS, TRANSFORMS], ids=lambda lib: lib.kind)
def test_names_of_other_libraries_are_what_they_offer(library: LibraryNames):
    import importlib

    module = importlib.import_module(library.module)
    bases = {
        "Optimizer": "torch.optim.Optimizer",
        "LRScheduler": "torch.optim.lr_scheduler.LRScheduler",
        "Callback": "lightning.pytorch.Callback",
        "Logger": "lightning.pytorch.loggers.Logger",
        "Transform": "torchvision.transforms.v2.Transform",
    }
    place, _, base_name = bases[library.base].rpartition(".")
    base = getattr(importlib.import_module(place), base_name)
    public = {name: value for name, value in vars(module).items() if inspect.isclass(value) and name[0] != "_"}
    real = {name for name, value in public.items() if issubclass(value, base) and value is not base}
    read = {name for name in library.names() if name not in library.ours}
    # LitLogger becomes a mere placeholder where its package is missing.
    assert read - {"LitLogger"} == real - {"LitLogger"} - set(library.ours)
