"""The text of a first configuration: YAML in which every choice says why it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from geofoundry.core.errors import plural
from geofoundry.data.class_weights import suggest_class_weights

if TYPE_CHECKING:
    from geofoundry.recipes.init_config import Plan

WIDTH = 118
# Beyond this ratio of shares, rare classes are easily given up.
IMBALANCED = 20.0


def config_text(plan: Plan, command: str, name: str) -> str:
    """Return the configuration as YAML with comments."""
    lines = [
        *_header(plan, command, name),
        f"seed_everything: {plan.seed}",
        "",
        *_model(plan),
        "",
        *_data(plan),
        "",
        *_trainer(plan),
    ]
    return "\n".join(lines) + "\n"


def _header(plan: Plan, command: str, name: str) -> list[str]:
    remarks = [line for remark in plan.layout.remarks for line in _comment(f"Note: {remark}.")]
    return [
        f"# Written by `{command}`. Everything here is a proposal, with its reason; change what you know better.",
        "#",
        f"#   geofoundry config check {name}      is it right?",
        f"#   geofoundry fit -c {name} --dry-run  one real step: shapes, memory, time",
        f"#   geofoundry fit -c {name}            train; everything comes to lie in runs/",
        f"#   geofoundry test -c {name}           measure on the test split",
        *(["#"] if remarks else []),
        *remarks,
        "",
    ]


def _model(plan: Plan) -> list[str]:
    bands = plan.bands
    given = ["backbone_bands: " + _value(list(bands.names))] if bands.names else [f"backbone_in_chans: {bands.count}"]
    classes = plan.layout.naming.names
    return [
        "model:",
        "  class_path: SemanticSegmentationTask",
        "  init_args:",
        "    model_args:",
        *(_small_model(plan) if plan.is_small else _usual_model()),
        *(f"      {line}" for line in given),
        f"      num_classes: {len(classes)}",
        *_comment("Cross-entropy learns every pixel, dice every class alike; together they hold rare classes.", 4),
        "    loss: {ce: 0.5, dice: 0.5}",
        *_class_weights(plan),
        *_ignore_index(plan),
        *_comment(
            "AdamW with a cosine schedule; 1e-3 suits networks that start from nothing, 1e-4 pretrained ones.", 4
        ),
        "    lr: 1.0e-3",
    ]


def _small_model(plan: Plan) -> list[str]:
    why = (
        f"A small U-Net that starts at full resolution, since there are few or small chips ({plan.train_chips} of "
        f"{plan.chip_px} pixels). With more data try backbone: timm_resnet18; `geofoundry catalog list backbones` has all."
    )
    return [
        *_comment(why, 6),
        "      backbone: UNetEncoder",
        "      decoder: UNetDecoder",
        "      decoder_enlarge_last: false  # the encoder's first map has the size of the image already",
    ]


def _usual_model() -> list[str]:
    why = (
        "ResNet-18 in a U-Net: quick, hard to beat on a few thousand chips. It starts from random numbers, because nothing "
        "is downloaded unasked: backbone_weights takes a file of weights, which are adapted to the bands."
    )
    return [*_comment(why, 6), "      backbone: timm_resnet18", "      decoder: UNetDecoder"]


def _class_weights(plan: Plan) -> list[str]:
    shares = [share for share in plan.statistics.class_shares if share > 0]
    if not shares or max(shares) / min(shares) < IMBALANCED:
        return []
    weights = suggest_class_weights(plan.statistics.class_shares)
    listed = ", ".join(
        f"{name} {share:.1%}"
        for name, share in zip(plan.statistics.class_names, plan.statistics.class_shares, strict=True)
    )
    text = (
        f"The classes are imbalanced ({listed}). If a rare one is given up, try these weights (1 / sqrt of the share):"
    )
    return [*_comment(text, 4), f"    # class_weights: {_value(weights)}"]


def _ignore_index(plan: Plan) -> list[str]:
    index = plan.data.get("ignore_index")
    return [] if index is None else [f"    ignore_index: {index}  # the same as in the data"]


def _data(plan: Plan) -> list[str]:
    data, reasons = plan.data, plan.layout.reasons
    lines = ["data:", "  class_path: SegmentationDataModule", "  init_args:", f"    root: {_value(data['root'])}"]
    if "windows" in data:
        lines += [*_comment(_sentence(reasons.get("windows", "")), 4), f"    windows: {_value(data['windows'])}"]
        lines += _comment(f"Split {reasons['split']}.", 4)
    else:
        lines += [f"    {name}: {_value(data[name])}" for name in ("image_glob", "label_glob")]
        lines += _comment(f"Split {reasons['split']}.", 4)
        lines += [
            f"    {name}: {_value(data[name])}" for name in ("train_split", "val_split", "test_split") if name in data
        ]
    lines += _bands(plan)
    lines += _comment(f"Class names: from {plan.layout.naming.source}.", 4)
    lines += [f"    classes: {_value(data['classes'])}"]
    if "ignore_index" in data:
        lines += [f"    ignore_index: {data['ignore_index']}  # unlabelled pixels: nothing is learned from them"]
    if "label_map" in data:
        lines += [f"    label_map: {_value(data['label_map'])}  # as unlabelled pixels are called in the files"]
    lines += _comment("Mean and standard deviation of each band in the training split, for normalization.", 4)
    lines += [f"    statistics: {_value(data['statistics'])}", *_chips(plan)]
    return lines


def _bands(plan: Plan) -> list[str]:
    bands = plan.bands
    if not bands.names:
        text = f"The files don't name their {plural(bands.count, 'band')}; with dataset_bands: [BLUE, ...] you can."
        return _comment(text, 4)
    lines = []
    if bands.left_out:
        lines += _comment(f"Left out: {', '.join(bands.left_out)} (not of the ground, or of no known sensor).", 4)
    lines.append(f"    bands: {_value(list(bands.names))}")
    if bands.sensor:
        lines.append(f"    sensor: {bands.sensor}  # guessed by the names of bands and files")
    return lines


def _chips(plan: Plan) -> list[str]:
    lines = []
    if plan.crop_px is not None:
        lines += _comment("Images differ in size or are large: random crops in training, tiles in validation.", 4)
        lines.append(f"    crop_size: {plan.crop_px}")
    return [
        *lines,
        f"    batch_size: {plan.batch_size}",
        *_comment("Seen from above there is no up: all eight flips and turns are as likely.", 4),
        "    train_transforms: [{name: D4}]",
    ]


def _trainer(plan: Plan) -> list[str]:
    steps = plan.epochs * max(plan.train_chips // plan.batch_size, 1)
    return [
        *_comment(f"About {steps} steps. On a GPU add precision: bf16-mixed (or 16-mixed on older ones)."),
        f"trainer: {{max_epochs: {plan.epochs}}}",
    ]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." if text else ""


def _comment(text: str, indent: int = 0) -> list[str]:
    """Return comment lines of a width that an editor shows."""
    lines, current = [], ""
    for word in text.split():
        if current and len(current) + len(word) + indent + 3 > WIDTH:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}".strip()
    return [f"{' ' * indent}# {line}" for line in [*lines, current] if line]


def _value(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n").strip()
