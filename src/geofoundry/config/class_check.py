"""Check of a named class and of the arguments it is given, against signatures read from files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from geofoundry.catalog.installed import find_installed
from geofoundry.catalog.library_names import LibraryNames
from geofoundry.catalog.signatures import StaticParameter, StaticSignature, read_signature
from geofoundry.catalog.source_files import exported_names, is_compiled, module_file, read_module
from geofoundry.config.class_names import ClassKind
from geofoundry.config.overrides import CLASS_KEYS
from geofoundry.config.report import Report
from geofoundry.config.value_types import describe, fits, literal_choices
from geofoundry.config.yaml_reading import Path
from geofoundry.core.suggest import did_you_mean, nearest

HOME = "geofoundry"
# Packages whose files tell everything; other packages are imported to be looked at.
READ_FROM_FILES = {
    HOME: "",
    "torch": "train",
    "torchvision": "train",
    "lightning": "train",
    "timm": "train",
    "segmentation_models_pytorch": "train",
    "torchgeo": "train",
    "torchmetrics": "train",
}
NEEDED_PACKAGES = {
    "TensorBoardLogger": (("tensorboard", "tensorboardX"), "pip install '.[tensorboard]'"),
    "MLFlowLogger": (("mlflow",), "pip install '.[mlflow]'"),
    "WandbLogger": (("wandb",), "pip install wandb"),
    "CometLogger": (("comet_ml",), "pip install comet-ml"),
}
# How alike a misspelt word must be to a known one where unknown words are allowed.
ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class NamedClass:
    """A class that a configuration names, with what it is given."""

    path: Path
    name: str
    import_path: str
    arguments: Mapping[str, Any]
    kind: ClassKind | None
    signature: StaticSignature | None = None

    @property
    def arguments_path(self) -> Path:
        """The path of the arguments."""
        return (*self.path, "init_args")

    @property
    def is_ours(self) -> bool:
        """Whether the class belongs to geofoundry."""
        return self.import_path.partition(".")[0] == HOME


@dataclass(slots=True)
class ClassCheck:
    """Checks named classes; those of packages that must be imported to be known are put aside in `foreign`."""

    report: Report
    foreign: list[NamedClass] = field(default_factory=list)

    def check(self, path: Path, node: Any, kind: ClassKind | None) -> NamedClass | None:
        """Check the class at `path` and return it; None when it can't be known."""
        found = self._read_node(path, node, kind)
        if found is None:
            return None
        import_path = self._find(found, (*path, "class_path") if isinstance(node, dict) else path)
        if import_path is None:
            return None
        found = NamedClass(path, found.name, import_path, found.arguments, kind)
        self._check_needed_packages(found)
        top = import_path.partition(".")[0]
        if top not in READ_FROM_FILES:
            self.foreign.append(found)
            return found
        signature = read_signature(import_path)
        if signature is None:
            self._explain_unreadable(found)
            return None
        self.check_arguments(found, signature)
        return NamedClass(path, found.name, import_path, found.arguments, kind, signature)

    def check_arguments(self, found: NamedClass, signature: StaticSignature) -> None:
        """Check every argument of a named class, and that none is missing."""
        provided = found.kind.provided if found.kind else ()
        check_arguments(self.report, found.arguments_path, found.name, signature, found.arguments, provided=provided)
        self.check_nested(found.arguments_path, found.arguments)

    def check_nested(self, path: Path, value: Any) -> None:
        """Check the classes that are named inside arguments, at any depth."""
        if isinstance(value, Mapping):
            if isinstance(value.get("class_path"), str) and "." in value["class_path"]:
                self.check(path, value, None)
                return
            for key, item in value.items():
                self.check_nested((*path, key), item)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.check_nested((*path, index), item)

    def _read_node(self, path: Path, node: Any, kind: ClassKind | None) -> NamedClass | None:
        word = kind.word if kind else "class"
        if isinstance(node, str):
            return NamedClass(path, node, node, {}, kind)
        expected = "class_path: NAME, and its arguments under init_args:"
        if not isinstance(node, dict):
            self.report.error(path, f"a {word} is named by its class", got=repr(node), expected=expected)
            return None
        name, arguments = node.get("class_path"), node.get("init_args")
        for key in node:
            if key not in CLASS_KEYS:
                mend = did_you_mean(str(key), CLASS_KEYS) or f"move {key!r} under init_args"
                what = f"unknown key {key!r} beside class_path"
                self.report.error((*path, key), what, got=repr(key), expected=expected, mend=mend)
        if not isinstance(name, str):
            example = next(iter(kind.names()), "") if kind else ""
            mend = f"for example class_path: {example}" if example else ""
            self.report.error(path, f"the {word} has no class_path", expected=expected, mend=mend)
            return None
        if arguments is not None and not isinstance(arguments, dict):
            self.report.error(
                (*path, "init_args"),
                f"the arguments of {name} are a mapping",
                got=repr(arguments),
                expected="name: value",
            )
            return None
        return NamedClass(path, name, name, arguments or {}, kind)

    def _find(self, found: NamedClass, path: Path) -> str | None:
        """Return the import path of a class; a bare name is looked up among the names of its kind."""
        kind = found.kind
        if kind is not None and (known := kind.find(found.name)) is not None:
            if deprecation := kind.deprecation(found.name):
                self.report.warning(path, deprecation)
            return known
        if "." in found.name:
            return self._find_dotted(found, path)
        if kind is None:
            return None
        if isinstance(kind.source, LibraryNames) and not kind.source.is_installed():
            not_installed(self.report, path, found.name, kind.source.module.partition(".")[0])
            return None
        self.report.unknown(
            path, kind.word, found.name, kind.names(), mend="write the full import path, package.module.Class"
        )
        return None

    def _find_dotted(self, found: NamedClass, path: Path) -> str | None:
        top, _, rest = found.name.partition(".")
        if top == "pytorch_lightning":
            self.report.error(
                path,
                f"{found.name!r} belongs to the package pytorch_lightning, whose classes lightning does not take",
                got=found.name,
                expected="a class of lightning.pytorch",
                mend=f"write lightning.pytorch.{rest}",
            )
            return None
        if top in READ_FROM_FILES and find_installed(top) is None:
            not_installed(self.report, path, found.name, top)
            return None
        return found.name

    def _check_needed_packages(self, found: NamedClass) -> None:
        name = found.import_path.rpartition(".")[2]
        if name not in NEEDED_PACKAGES or not found.import_path.startswith("lightning."):
            return
        packages, mend = NEEDED_PACKAGES[name]
        if not any(find_installed(package) for package in packages):
            self.report.error(
                found.path, f"{name} needs the package {packages[0]!r}, which is not installed", mend=mend
            )

    def _explain_unreadable(self, found: NamedClass) -> None:
        """Say why a class of a readable package was not found, or put it aside to be imported."""
        module_name, _, attribute = found.import_path.rpartition(".")
        path = (*found.path, "class_path")
        if module_file(module_name) is None:
            if is_compiled(module_name):
                self.foreign.append(found)
            else:
                self.report.error(
                    path, f"there is no module {module_name!r}", got=found.name, mend=nearest_class(found)
                )
            return
        module = read_module(module_name)
        if module is None or module.star_imports or "__getattr__" in module.definitions:
            self.foreign.append(found)
            return
        names = exported_names(module_name)
        self.report.unknown(
            path,
            f"name {attribute!r} in {module_name}; class",
            found.name,
            [f"{module_name}.{n}" for n in names],
            mend=nearest_class(found),
        )


def nearest_class(found: NamedClass) -> str:
    """Return `write NAME` for a known class whose name is like the last word of a path, or an empty text."""
    name = found.name.rpartition(".")[2]
    known = found.kind.names() if found.kind else {}
    near = nearest(name, known, count=1)
    return f"write {near[0]!r}" if near else ""


def check_arguments(
    report: Report,
    path: Path,
    owner: str,
    signature: StaticSignature,
    arguments: Mapping[str, Any],
    *,
    provided: Iterable[str] = (),
    prefix: str = "",
    missing: bool = True,
) -> None:
    """Check arguments against a signature: unknown names, missing ones, values of the wrong type.

    Args:
        report: Gathers the faults.
        path: Where the arguments stand.
        owner: What errors call the thing that takes them.
        signature: What it takes.
        arguments: What it is given, without the prefix.
        provided: Arguments that are filled in by us.
        prefix: What the user writes before an argument, such as `backbone_`.
        missing: Report arguments that are not given.
    """
    provided = set(provided)
    open_to_user = [name for name in signature.names() if name not in provided]
    for name, value in arguments.items():
        place = (*path, f"{prefix}{name}")
        parameter = signature.get(str(name))
        if parameter is None:
            _unknown_argument(report, place, owner, signature, f"{prefix}{name}", [prefix + n for n in open_to_user])
        elif name in provided:
            report.error(place, f"{owner} gets {name!r} from geofoundry", got=repr(value), mend="remove it")
        else:
            check_value(report, place, owner, parameter, value, label=f"{prefix}{name}")
    for parameter in signature.parameters:
        if missing and parameter.required and parameter.name not in {*provided, *arguments}:
            report.error(
                path,
                f"{owner} needs the argument {prefix + parameter.name!r}",
                expected=describe(parameter.annotation) if parameter.annotation else "",
                mend=f"add {prefix}{parameter.name}: ...",
            )


def not_installed(report: Report, path: Path, name: str, package: str) -> None:
    """Report that a package is missing which a name belongs to.

    Where nothing of the extra is installed, configurations are only looked at; then it is no fault of theirs.
    """
    extra = READ_FROM_FILES[package]
    what = f"{name!r} needs the package {package!r}, which is not installed"
    expected, mend = f"geofoundry with the extra [{extra}]", f"pip install '.[{extra}]'"
    if find_installed("torch") is None:
        report.warning(path, f"{what}: it is not checked", expected=expected, mend=mend)
    else:
        report.error(path, what, expected=expected, mend=mend)


def check_value(
    report: Report, path: Path, owner: str, parameter: StaticParameter, value: Any, *, label: str = ""
) -> None:
    """Check one value against its annotation, where that is sure."""
    if value is None and parameter.default == "None":
        return
    if isinstance(value, dict) and "class_path" in value:
        return
    if fits(value, parameter.annotation) is False:
        expected = describe(parameter.annotation or "")
        problem = "is not one of its choices" if expected.startswith("one of ") else "has the wrong type"
        report.error(
            path,
            f"{label or parameter.name} of {owner} {problem}",
            got=f"{value!r} ({_type_word(value)})",
            expected=expected,
            mend=_mend_value(value, parameter.annotation or ""),
        )


def _unknown_argument(
    report: Report, path: Path, owner: str, signature: StaticSignature, label: str, known: list[str]
) -> None:
    if not signature.takes_any:
        report.unknown(path, "argument", label, known, owner=owner)
        return
    near = nearest(label, known, count=1, cutoff=ALIKE)
    if near:
        report.warning(
            path,
            f"{owner} takes any argument, and {label!r} looks like {near[0]!r}",
            got=repr(label),
            mend=f"write {near[0]!r}, if that is meant",
        )


def _mend_value(value: Any, annotation: str) -> str:
    choices = [choice for choice in literal_choices(annotation) if isinstance(choice, str)]
    if isinstance(value, str) and choices:
        return did_you_mean(value, choices)
    if isinstance(value, float) and value.is_integer() and fits(int(value), annotation):
        return f"write {int(value)}"
    if fits([value], annotation):
        return f"write [{value}]"
    if isinstance(value, str) and value.lower() in ("none", "null") and fits(None, annotation):
        return "write null"
    if isinstance(value, str) and value.lower() in ("true", "false") and fits(True, annotation):
        return f"write {value.lower()} without quotes"
    return ""


def _type_word(value: Any) -> str:
    words = {str: "text", dict: "a mapping", list: "a list", bool: "a truth value", int: "a whole number"}
    return words.get(type(value), "null" if value is None else "a number" if isinstance(value, float) else "a value")
