"""Check of `model_args`: the factory's own arguments, and what it hands on to backbone, necks, decoder and head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from geofoundry.catalog import (
    BACKBONE_REGISTRY,
    DECODER_REGISTRY,
    HEAD_REGISTRY,
    MODEL_FACTORY_REGISTRY,
    NECK_REGISTRY,
    ComponentRegistry,
    MultiSourceRegistry,
)
from geofoundry.catalog.installed import find_installed
from geofoundry.catalog.signatures import StaticSignature
from geofoundry.catalog.source_files import read_constant
from geofoundry.catalog.sources.timm import BUILDER as TIMM_BUILDER
from geofoundry.catalog.sources.timm import REFUSED as TIMM_REFUSED
from geofoundry.config.class_check import HOME, ClassCheck, check_arguments, check_value, not_installed
from geofoundry.config.report import Report
from geofoundry.config.yaml_reading import Path
from geofoundry.core.errors import UnknownNameError
from geofoundry.core.suggest import nearest

# The task says these to the factory; the user says them to the task.
GIVEN_BY_TASK = ("task", "aux_decoders")
PACKAGE_OF_SOURCE = {"timm": "timm", "smp": "segmentation_models_pytorch"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a model that the factory builds from prefixed arguments."""

    word: str
    registry: ComponentRegistry | MultiSourceRegistry
    provided: tuple[str, ...]

    @property
    def prefix(self) -> str:
        """What stands before its arguments in `model_args`."""
        return f"{self.word}_"


BACKBONE = Part("backbone", BACKBONE_REGISTRY, ())
DECODER = Part("decoder", DECODER_REGISTRY, ("channel_list", "reductions"))
HEAD = Part("head", HEAD_REGISTRY, ("channel_list", "in_channels", "in_dim", "num_classes", "num_outputs"))
NECK = Part("neck", NECK_REGISTRY, ("channel_list", "reductions"))
PARTS = (BACKBONE, DECODER, HEAD)
# The head that a task's models end in.
HEAD_OF_TASK = {"SemanticSegmentationTask": "SegmentationHead"}


class ModelCheck:
    """Checks what a task gives to its model factory."""

    def __init__(self, report: Report, classes: ClassCheck, task_name: str) -> None:
        self.report = report
        self.classes = classes
        self.task_name = task_name

    def check(self, path: Path, factory: Any, arguments: Mapping[str, Any], factory_path: Path) -> None:
        """Check the factory's name and everything in `model_args`."""
        if not isinstance(factory, str):
            self.report.error(factory_path, "a model factory is named by text", got=repr(factory))
            return
        if factory not in MODEL_FACTORY_REGISTRY:
            self.report.unknown(factory_path, "model factory", factory, MODEL_FACTORY_REGISTRY.names())
            return
        signature = MODEL_FACTORY_REGISTRY.signature_of_method(factory, "build_model")
        if signature is None:
            return
        if not MODEL_FACTORY_REGISTRY.address(factory).startswith(f"{HOME}."):
            # What a factory of the user's does with prefixed arguments is its own affair.
            check_arguments(self.report, path, factory, signature, arguments, provided=GIVEN_BY_TASK)
            return
        parts = [part for part in PARTS if part.word in signature.names() or f"{part.word}_kwargs" in signature.names()]
        grouped = self._group(path, arguments, parts)
        self._check_own(path, factory, signature, arguments, parts, grouped)
        for part in parts:
            self._check_part(path, part, arguments, grouped[part.word])
        if "necks" in signature.names():
            self._check_necks((*path, "necks"), arguments.get("necks"))
        if "num_classes" in arguments and "num_outputs" in arguments:
            self.report.error(
                (*path, "num_outputs"), "num_classes and num_outputs exclude each other", mend="remove one of them"
            )
        self.classes.check_nested(path, arguments)

    def _group(self, path: Path, arguments: Mapping[str, Any], parts: list[Part]) -> dict[str, dict[str, Any]]:
        """Return the arguments of each part without the prefix."""
        grouped: dict[str, dict[str, Any]] = {part.word: {} for part in parts}
        for part in parts:
            whole = f"{part.word}_kwargs"
            given = [key for key in arguments if str(key).startswith(part.prefix) and key != whole]
            grouped[part.word] = {str(key)[len(part.prefix) :]: arguments[key] for key in given}
            twice = arguments[whole] if isinstance(arguments.get(whole), Mapping) else {}
            for name in grouped[part.word].keys() & twice:
                key = f"{part.prefix}{name}"
                self.report.error((*path, key), f"{key} is given twice", mend=f"remove it here or in {whole}")
                del grouped[part.word][name]
        return grouped

    def _check_own(
        self,
        path: Path,
        factory: str,
        signature: StaticSignature,
        arguments: Mapping[str, Any],
        parts: list[Part],
        grouped: dict[str, dict[str, Any]],
    ) -> None:
        known = [name for name in signature.names() if name not in GIVEN_BY_TASK]
        for name, value in arguments.items():
            place = (*path, name)
            parameter = signature.get(str(name))
            if name in GIVEN_BY_TASK:
                self.report.error(place, f"{name!r} is given by the task", got=repr(value), mend="remove it")
            elif parameter is not None:
                check_value(self.report, place, factory, parameter, value)
            elif not any(str(name).startswith(part.prefix) for part in parts):
                self.report.unknown(
                    place, "argument", name, [*known, *self._prefixed(arguments, parts)], owner="model_args"
                )
        for parameter in signature.parameters:
            if parameter.required and parameter.name not in arguments and parameter.name not in GIVEN_BY_TASK:
                self.report.error(path, f"model_args lacks {parameter.name!r}", mend=f"add {parameter.name}: ...")

    def _prefixed(self, arguments: Mapping[str, Any], parts: list[Part]) -> list[str]:
        """Return the arguments of the parts as the user would write them, for suggestions."""
        names = []
        for part in parts:
            name = self._name_of(part, arguments)
            signature = part.registry.signature(name) if name in part.registry else None
            if signature is not None:
                names += [part.prefix + known for known in signature.names() if known not in part.provided]
        return names

    def _name_of(self, part: Part, arguments: Mapping[str, Any]) -> Any:
        if part is HEAD:
            return HEAD_OF_TASK.get(self.task_name, "")
        return arguments.get(part.word)

    def _check_part(self, path: Path, part: Part, arguments: Mapping[str, Any], prefixed: dict[str, Any]) -> None:
        name = self._name_of(part, arguments)
        if not isinstance(name, str):
            if name is not None and not (isinstance(name, dict) and "class_path" in name):
                self.report.error((*path, part.word), f"a {part.word} is named by text", got=repr(name))
            return
        if part is HEAD and not name:
            return
        whole = f"{part.word}_kwargs"
        given = arguments.get(whole)
        place = (*path, part.word)
        if isinstance(given, Mapping) and name in part.registry:
            self.check_component((*path, whole), place, part, name, given, missing=False)
            part = replace(part, provided=(*part.provided, *given))
        self.check_component(path, place, part, name, prefixed, prefix=part.prefix)

    def check_component(
        self,
        path: Path,
        name_path: Path,
        part: Part,
        name: str,
        arguments: Mapping[str, Any],
        *,
        prefix: str = "",
        missing: bool = True,
    ) -> None:
        """Check a component's name and its arguments."""
        try:
            signature = part.registry.signature(name)
        except UnknownNameError as error:
            self._explain_unknown(name_path, part, name, error)
            return
        if signature is not None:
            owner = name if part is not HEAD else f"the head {name}"
            if part is BACKBONE and signature.address == TIMM_BUILDER:
                arguments = self._refuse_meaningless(path, name, arguments, prefix)
            check_arguments(
                self.report,
                path,
                owner,
                signature,
                arguments,
                provided=part.provided,
                prefix=prefix,
                missing=missing,
            )

    def _refuse_meaningless(self, path: Path, name: str, arguments: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        """Report keywords of timm's that mean nothing for a backbone; return the others."""
        refused = read_constant(TIMM_REFUSED) or {}
        for key in arguments:
            if key in refused:
                what = f"{prefix}{key} means nothing for the backbone {name}"
                self.report.error((*path, f"{prefix}{key}"), what, got=repr(arguments[key]), mend=refused[key])
        return {key: value for key, value in arguments.items() if key not in refused}

    def _explain_unknown(self, path: Path, part: Part, name: str, error: UnknownNameError) -> None:
        sources = part.registry.sources if isinstance(part.registry, MultiSourceRegistry) else {}
        packages = [PACKAGE_OF_SOURCE[source] for source in sources if source in PACKAGE_OF_SOURCE]
        missing = next((package for package in packages if find_installed(package) is None), None)
        if missing is None:
            self.report.raised(path, error)
        else:
            not_installed(self.report, path, name, missing)

    def _check_necks(self, path: Path, necks: Any) -> None:
        if necks is None:
            return
        if not isinstance(necks, list):
            self.report.error(
                path, "necks are a list", got=repr(necks), expected="[{name: SelectIndices, indices: [...]}]"
            )
            return
        for index, neck in enumerate(necks):
            place = (*path, index)
            if not isinstance(neck, dict) or not isinstance(neck.get("name"), str):
                self.report.error(
                    place,
                    "a neck is a mapping with a name",
                    got=repr(neck),
                    expected="{name: SelectIndices, indices: [...]}",
                    mend=f"write {{name: {neck}}}" if isinstance(neck, str) else _misspelt_name(neck),
                )
                continue
            arguments = {key: value for key, value in neck.items() if key != "name"}
            self.check_component(place, (*place, "name"), NECK, neck["name"], arguments)

    def check_auxiliary_heads(self, path: Path, heads: Any) -> None:
        """Check the decoders of auxiliary heads: a list of mappings of name, decoder and decoder_args."""
        if not isinstance(heads, list):
            return
        for index, head in enumerate(heads):
            place = (*path, index)
            if not isinstance(head, dict) or "class_path" in head:
                continue
            for key in head:
                if key not in ("name", "decoder", "decoder_args"):
                    self.report.unknown(
                        (*place, key), "key", key, ["name", "decoder", "decoder_args"], owner="an auxiliary head"
                    )
            for key in ("name", "decoder"):
                if not isinstance(head.get(key), str):
                    self.report.error(place, f"an auxiliary head needs {key!r}", got=repr(head), mend=f"add {key}: ...")
            arguments = head.get("decoder_args") or {}
            if isinstance(head.get("decoder"), str) and isinstance(arguments, dict):
                self._check_auxiliary_decoder((*place, "decoder_args"), (*place, "decoder"), head["decoder"], arguments)

    def _check_auxiliary_decoder(self, path: Path, name_path: Path, name: str, arguments: Mapping[str, Any]) -> None:
        grouped = self._group(path, arguments, [DECODER, HEAD])
        self.check_component(path, name_path, DECODER, name, grouped["decoder"], prefix=DECODER.prefix)
        head = HEAD_OF_TASK.get(self.task_name)
        if head:
            self.check_component(path, path, HEAD, head, grouped["head"], prefix=HEAD.prefix)
        for key in arguments:
            if not str(key).startswith((DECODER.prefix, HEAD.prefix)):
                self.report.error(
                    (*path, key),
                    f"{key!r} says not whose argument it is",
                    got=repr(key),
                    expected="decoder_... or head_...",
                    mend=f"write decoder_{key}",
                )


def _misspelt_name(neck: Any) -> str:
    """Return how to mend a mapping in which `name` is misspelt."""
    keys = [key for key in neck if isinstance(key, str)] if isinstance(neck, Mapping) else []
    near = nearest("name", keys, count=1)
    return f"write 'name' for {near[0]!r}" if near else ""
