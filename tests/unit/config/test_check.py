"""The check of whole configurations: what is right passes, and each wrong thing is said where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from geofoundry.config import check_config, load_document
from geofoundry.core.errors import Fault

from .conftest import GOOD, Check


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), start=1) if part in line)


def only(faults: list[Fault]) -> Fault:
    assert len(faults) == 1, "\n".join(map(str, faults))
    return faults[0]


def test_what_is_right_has_no_faults(check_text: Check):
    assert [str(fault) for fault in check_text()] == []


WRONG = [
    # (what stands there, what is written instead, words of the fault, mend)
    ("seed_everything: 0", "seed_evrything: 0", "unknown section 'seed_evrything'", "write 'seed_everything'"),
    (
        "class_path: SemanticSegmentationTask",
        "class_path: SemanticSegmentation",
        "unknown task",
        "SemanticSegmentationTask",
    ),
    ("EncoderDecoderFactory", "EncoderDecoder", "unknown model factory", "EncoderDecoderFactory"),
    ("backbone: vit_small_patch16_224", "backbone: vit_smal_patch16_224", "unknown backbone", "vit_small_patch16_224"),
    ("[2, 5, 8, 11]", "first", "backbone_out_indices", ""),
    ("backbone_out_indices", "backbone_outindices", "unknown argument", "write 'backbone_out_indices'"),
    ("backbone_out_indices: [2, 5, 8, 11]", "backbone_num_classes: 3", "means nothing", "num_classes"),
    ("GREEN, RED, NIR]\n      backbone_out", "GREN, RED, NIR]\n      backbone_out", "unknown band 'GREN'", "GREEN"),
    ("GREEN, RED, NIR]\n      backbone_out", "RED, GREEN, NIR]\n      backbone_out", "different bands", ""),
    ("GREEN, RED, NIR]\n      backbone_out", "GREEN, RED]\n      backbone_out", "numbers of bands", "same bands"),
    ("name: SelectIndices", "name: SelectIndexes", "unknown neck", "SelectIndices"),
    ("indices: [0, 1, 2, 3]", "indices: 3", "indices of SelectIndices", "write [3]"),
    ("indices: [0", "indexes: [0", "unknown argument 'indexes'", "indices"),
    ("decoder: UperNetDecoder", "decoder: UperNetDecode", "unknown decoder", "UperNetDecoder"),
    ("decoder_channels: 64", "decoder_chanels: 64", "unknown argument 'decoder_chanels'", "decoder_channels"),
    ("head_dropout: 0.1\n      num", "head_drop: 0.1\n      num", "unknown argument 'head_drop'", "head_dropout"),
    ("num_classes: 3", "num_classes: 4", "disagree", "num_classes: 3"),
    ("num_classes: 3", "num_clases: 3", "unknown argument 'num_clases'", "num_classes"),
    ("loss: {ce: 0.5, dice", "loss: {ce: 0.5, dise", "unknown loss 'dise'", "dice"),
    ("dice: 0.5}", "dice: much}", "weight of the loss 'dice'", ""),
    ("[1.0, 2.0, 1.0]", "[1.0, 2.0]", "class_weights and num_classes disagree", ""),
    ("ignore_index: 255\n    lr", "ignore_index: 0\n    lr", "disagree on ignore_index", "255"),
    ("lr: 1e-4", "lr: fast", "lr of SemanticSegmentationTask", ""),
    ("lr: 1e-4", "learning_rate: 1e-4", "unknown argument 'learning_rate'", ""),
    ("optimizer: AdamW", "optimizer: adamw", "unknown optimizer", "AdamW"),
    ("weight_decay: 0.05", "weight_deacy: 0.05", "unknown argument 'weight_deacy'", "weight_decay"),
    ("scheduler: OneCycleLR", "scheduler: OneCycle", "unknown scheduler", "OneCycleLR"),
    ("pct_start", "pct_strat", "unknown argument 'pct_strat'", "pct_start"),
    ("decoder: FCNDecoder", "decoder: FNCDecoder", "unknown decoder", "FCNDecoder"),
    ("{decoder_channels: 32,", "{channels: 32,", "'channels'", "decoder_channels"),
    (
        "class_path: SegmentationDataModule",
        "class_path: SegmentatonDataModule",
        "unknown datamodule",
        "SegmentationDataModule",
    ),
    ("root: data", "root: dta", "there is no 'dta'", "data"),
    ('image_glob: "images', 'image_glob: "image', "matches no file", ""),
    ("train.txt", "tain.txt", "train_split", "train.txt"),
    ("NIR]\n    classes", "RED]\n    classes", "given twice", "remove"),
    ("means: [0.1, 0.1, 0.1, 0.2]", "means: [0.1, 0.1, 0.1]", "means and the bands disagree", ""),
    ("batch_size: 4", "batch_size: 4.5", "batch_size of SegmentationDataModule", ""),
    ("batch_size: 4", "batch_size: true", "batch_size of SegmentationDataModule", ""),
    ("name: D4", "name: D5", "unknown transform", ""),
    ("p: 0.1}", "prob: 0.1}", "unknown argument 'prob'", ""),
    ("max_epochs: 4", "max_epoch: 4", "unknown argument 'max_epoch'", "max_epochs"),
    ("max_epochs: 4", "max_epochs: many", "max_epochs of Trainer", ""),
    ("bf16-mixed", "bf16-mix", "precision of Trainer", "bf16-mixed"),
    ("accelerator: cpu", "accelerator: gpuu", "unknown accelerator", "gpu"),
    ("class_path: EarlyStopping", "class_path: EarlyStoping", "unknown callback", "EarlyStopping"),
    ("patience: 3", "patiense: 3", "unknown argument 'patiense'", "patience"),
    ("{monitor: val/loss, patience: 3}", "{patience: 3}", "needs the argument 'monitor'", "add monitor"),
    ("- LearningRateMonitor", "- LearningRate", "unknown callback", "LearningRate"),
    ("class_path: CSVLogger", "class_path: lightning.pytorch.loggers.CSVLoger", "CSVLoger", "CSVLogger"),
    (
        "class_path: CSVLogger",
        "class_path: pytorch_lightning.loggers.CSVLogger",
        "pytorch_lightning",
        "lightning.pytorch",
    ),
    ("{save_dir: logs}", "{save_dr: logs}", "unknown argument 'save_dr'", "save_dir"),
    ("name: trial", "nam: trial", "unknown key 'nam' of run", "name"),
]


@pytest.mark.parametrize(("there", "instead", "words", "mend"), WRONG, ids=[instead for _, instead, _, _ in WRONG])
def test_each_wrong_thing_is_said_where_it_is(check_text: Check, there: str, instead: str, words: str, mend: str):
    assert GOOD.count(there) >= 1
    text = GOOD.replace(there, instead, 1)
    faults = check_text(text)
    found = [fault for fault in faults if words in fault.what]
    assert found, "\n".join(map(str, faults))
    assert mend in found[0].mend
    assert found[0].severity == "error"
    line = line_of(text, instead.splitlines()[0])
    assert abs(int(found[0].where.rpartition(":")[2]) - line) <= 1, found[0]


def test_all_faults_are_reported_at_once_in_the_order_of_the_lines(check_text: Check):
    text = GOOD
    chosen = [WRONG[index] for index in (0, 3, 5, 17, 23, 25, 34, 40, 42, 44)]
    for there, instead, _, _ in chosen:
        text = text.replace(there, instead, 1)
    faults = check_text(text)
    for _, _, words, _ in chosen:
        assert any(words in fault.what for fault in faults), words
    lines = [int(fault.where.rpartition(":")[2]) for fault in faults]
    assert lines == sorted(lines)
    assert len(set(map(str, faults))) == len(faults)


def test_an_override_is_named_as_the_place(check_text: Check):
    fault = only(check_text(GOOD, "--trainer.max_epoch=3"))
    assert fault.where == "command line, --trainer.max_epoch"


def test_a_misspelt_override_of_an_argument_is_found(check_text: Check):
    assert "unknown argument 'batchsize'" in only(check_text(GOOD, "--data.batchsize", "8")).what


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", {"'model' is missing", "'data' is missing"}),
        (
            "model: 3\ndata: {}\ntrainer: []\n",
            {"a task is named by its class", "no class_path", "trainer is a mapping"},
        ),
        ("model: {class_path: 3}\ndata: {class_path: X, init_args: [1]}\n", {"no class_path", "are a mapping"}),
        ("model: {class_pth: A}\ndata: {class_path: B, lr: 1}\n", {"unknown key 'class_pth'", "unknown key 'lr'"}),
        ("run: {name: [a]}\nckpt_path: nowhere.ckpt\n", {"name of run", "nowhere.ckpt"}),
    ],
)
def test_shapes_that_are_no_configuration(check_text: Check, text: str, words: set[str]):
    faults = check_text(text)
    for word in words:
        assert any(word in fault.what for fault in faults), (word, [str(fault) for fault in faults])


def test_a_band_of_the_users_own_is_doubtful_or_named_as_extra(check_text: Check):
    text = GOOD.replace("NIR]", "elevation]")
    faults = check_text(text)
    assert {fault.severity for fault in faults if "elevation" in fault.what} == {"error", "warning"}
    named = text.replace("    bands: [BLUE", "    dataset_bands: [BLUE, GREEN, RED, elevation]\n    bands: [BLUE")
    named = named.replace("backbone_out", "backbone_extra_bands: [elevation]\n      backbone_out")
    assert [str(fault) for fault in check_text(named)] == []


def test_without_bands_a_backbone_takes_three(check_text: Check):
    text = GOOD.replace("      backbone_bands: [BLUE, GREEN, RED, NIR]\n", "")
    assert "not told which bands" in only(check_text(text)).what


def test_files_may_be_left_out_of_the_check(good, workplace: Path):
    from geofoundry.config.document import document_of

    good["data"]["init_args"]["root"] = "elsewhere"
    assert check_config(document_of(good))
    assert [str(fault) for fault in check_config(document_of(good), files=False)] == []


def test_the_optimizer_sections_of_lightning(check_text: Check):
    text = (
        GOOD
        + "optimizer: {class_path: SGD, init_args: {lr: 0.1}}\nlr_scheduler: {class_path: StepLR, init_args: {step_size: 3}}\n"
    )
    assert check_text(text) == []
    assert "needs the argument 'step_size'" in only(check_text(text.replace("step_size: 3", "gamma: 0.5"))).what
    assert "gets 'params' from geofoundry" in only(check_text(text.replace("lr: 0.1", "params: []"))).what


FOREIGN = '''
class MyTask:
    """A task of a user's."""

    def __init__(self, width: int, *, depth: int = 3) -> None: ...

VALUE = 3
'''


def test_foreign_classes_are_looked_at_after_their_import(
    check_text: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "task_of_a_user.py").write_text(FOREIGN)
    (tmp_path / "broken_task.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    start = GOOD.index("model:")
    end = GOOD.index("data:")

    def check(model: str) -> list[Fault]:
        return check_text(GOOD[:start] + model + GOOD[end:])

    assert check("model: {class_path: task_of_a_user.MyTask, init_args: {width: 1}}\n") == []
    faults = check("model: {class_path: task_of_a_user.MyTask, init_args: {widht: wide, depth: deep}}\n")
    assert [fault.what for fault in faults] == [
        "unknown argument 'widht' of task_of_a_user.MyTask",
        "depth of task_of_a_user.MyTask has the wrong type",
        "task_of_a_user.MyTask needs the argument 'width'",
    ]
    assert only(check("model: {class_path: task_of_a_user.MyTsk}\n")).mend == "write 'MyTask'"
    assert "is no class" in only(check("model: {class_path: task_of_a_user.VALUE}\n")).what
    assert "no_such_library" in only(check("model: {class_path: broken_task.MyTask}\n")).got
    absent = only(check("model: {class_path: nowhere_at_all.SemanticSegmentationTask}\n"))
    assert "no package 'nowhere_at_all'" in absent.what
    assert absent.mend == "write 'SemanticSegmentationTask'"


def test_parts_of_custom_modules_are_known(check_text: Check, tmp_path: Path):
    folder = tmp_path / "modules_for_check"
    folder.mkdir()
    (folder / "mine.py").write_text(
        "from geofoundry.catalog import DECODER_REGISTRY\n"
        "@DECODER_REGISTRY.register\n"
        "class DecoderForCheck:\n"
        "    includes_head = False\n"
        "    def __init__(self, channel_list, width: int = 3): ...\n"
    )
    text = GOOD.replace("decoder: UperNetDecoder", "decoder: DecoderForCheck").replace(
        "decoder_channels: 64", "decoder_width: 64"
    )
    assert "unknown decoder" in check_text(text)[0].what
    with_folder = f"custom_modules_path: {folder}\n" + text
    assert [str(fault) for fault in check_text(with_folder)] == []
    faults = check_text(with_folder.replace("decoder_width: 64", "decoder_width: wide"))
    assert "decoder_width of DecoderForCheck" in only(faults).what
    missing = check_text(f"custom_modules_path: {tmp_path / 'nowhere'}\n" + GOOD)
    assert "not there" in only(missing).what


def test_a_class_of_torchgeo_is_read_without_import(check_text: Check):
    start, end = GOOD.index("data:"), GOOD.index("trainer:")
    data = "data: {class_path: torchgeo.datamodules.EuroSATDataModule, init_args: {batch_sizes: 4}}\n"
    fault = only(check_text(GOOD[:start] + data + GOOD[end:]))
    assert fault.severity == "warning"  # it takes any keyword
    assert "batch_size" in fault.what


def test_missing_packages_name_their_extra(check_text: Check, monkeypatch: pytest.MonkeyPatch):
    from geofoundry.config import class_check

    find = class_check.find_installed
    monkeypatch.setattr(class_check, "find_installed", lambda name: None if name == "wandb" else find(name))
    text = GOOD.replace("class_path: CSVLogger", "class_path: WandbLogger").replace(
        "init_args: {save_dir: logs}", "init_args: {}"
    )
    assert only(check_text(text)).mend == "pip install wandb"


def test_arguments_of_a_part_may_come_in_one_mapping(check_text: Check):
    text = GOOD.replace("decoder_channels: 64", "decoder_kwargs: {channels: 64}")
    assert check_text(text) == []
    assert "unknown argument 'chanels'" in only(check_text(text.replace("{channels", "{chanels"))).what
    twice = text.replace("decoder_kwargs:", "decoder_channels: 32\n      decoder_kwargs:")
    assert "decoder_channels is given twice" in only(check_text(twice)).what
    assert "decoder_kwargs" in only(check_text(text.replace("{channels: 64}", "[64]"))).what


def test_a_neck_that_is_no_mapping(check_text: Check):
    text = GOOD.replace("- {name: LearnedInterpolateToPyramidal}", "- LearnedInterpolateToPyramidal")
    assert only(check_text(text)).mend == "write {name: LearnedInterpolateToPyramidal}"


def test_schedulers_in_a_sequence(check_text: Check):
    right = "{schedulers: {LambdaLR: {lr_lambda: linear_warmup}, StepLR: {step_size: 3}}, milestones: [5]}"
    text = GOOD.replace("OneCycleLR", "SequentialLR").replace("{pct_start: 0.2}", right)
    assert [str(fault) for fault in check_text(text)] == []
    assert "unknown scheduler 'StpLR'" in only(check_text(text.replace("StepLR", "StpLR"))).what
    assert "unknown argument 'stepsize'" in check_text(text.replace("step_size", "stepsize"))[0].what


EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("**/*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_our_examples_have_no_faults(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(path.parents[1])
    assert [str(fault) for fault in check_config(load_document([path]), files=False)] == []
