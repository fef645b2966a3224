import math
import warnings

import pytest
import torch

from geofoundry.core.errors import ConfigError
from geofoundry.tasks.schedules import RunLength, Schedule, build_schedules, check_schedule, scheduler_names

LR = 0.5
LENGTH = RunLength(steps=20, steps_per_epoch=5)


def rates(schedule, counts, length=LENGTH, groups=1):
    """Return the learning rate at each step or epoch, as a training would see it."""
    parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": LR / 10**index} for index in range(groups)]
    optimizer = torch.optim.SGD(parameters, lr=LR)
    (entry,) = build_schedules(schedule, optimizer, length)
    seen = []
    for _ in range(counts):
        seen.append(optimizer.param_groups[-1]["lr"])
        optimizer.step()
        entry["scheduler"].step()
    return seen


def cosine(index, count):
    return LR * (1 + math.cos(math.pi * index / count)) / 2


def test_cosine_without_a_length_lasts_as_long_as_the_training_and_counts_steps():
    schedule = Schedule("CosineAnnealingLR")
    assert check_schedule(schedule) == []
    assert schedule.interval == "step"
    assert rates(schedule, 20) == pytest.approx([cosine(step, 20) for step in range(20)])


def test_cosine_with_a_length_counts_epochs_as_in_torch():
    schedule = Schedule("CosineAnnealingLR", {"T_max": 4})
    assert schedule.interval == "epoch"
    assert rates(schedule, 4) == pytest.approx([cosine(epoch, 4) for epoch in range(4)])


def test_a_length_left_out_counts_epochs_when_the_interval_says_so():
    schedule = Schedule("CosineAnnealingLR", {"interval": "epoch"})
    assert rates(schedule, 4) == pytest.approx([cosine(epoch, 4) for epoch in range(4)])


def test_a_warm_up_rises_to_the_rate_and_the_schedule_follows():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = rates(Schedule("CosineAnnealingLR", warmup_steps=4), 20)
    expected = [LR * (step + 1) / 5 for step in range(4)] + [cosine(step, 16) for step in range(16)]
    assert seen == pytest.approx(expected)


def test_a_warm_up_keeps_the_proportions_of_parameter_groups():
    seen = rates(Schedule("CosineAnnealingLR", warmup_steps=4), 20, groups=2)
    assert seen == pytest.approx([rate / 10 for rate in rates(Schedule("CosineAnnealingLR", warmup_steps=4), 20)])


def test_a_warm_up_in_epochs_becomes_steps_when_the_schedule_counts_steps():
    assert rates(Schedule("CosineAnnealingLR", warmup_epochs=0.8), 20) == pytest.approx(
        rates(Schedule("CosineAnnealingLR", warmup_steps=4), 20)
    )


def test_a_warm_up_in_epochs_before_a_schedule_in_epochs():
    schedule = Schedule("StepLR", {"step_size": 2}, warmup_epochs=1)
    assert rates(schedule, 6) == pytest.approx([LR / 2, LR, LR, LR / 10, LR / 10, LR / 100])


def test_a_warm_up_alone_ends_at_the_rate():
    assert rates(Schedule(None, warmup_steps=2), 5) == pytest.approx([LR / 3, 2 * LR / 3, LR, LR, LR])


def test_no_schedule_is_no_schedule():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    assert build_schedules(Schedule(None), optimizer, LENGTH) == []


def test_a_plateau_watches_its_metric_beside_a_warm_up():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    schedule = Schedule("ReduceLROnPlateau", {"patience": 0, "monitor": "val/mIoU", "mode": "max"}, warmup_epochs=0.4)
    plateau, warm_up = build_schedules(schedule, optimizer, LENGTH)
    assert (plateau["monitor"], plateau["interval"], warm_up["interval"]) == ("val/mIoU", "epoch", "step")
    seen = []
    for step in range(8):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        warm_up["scheduler"].step()
        if step in (3, 5):
            plateau["scheduler"].step(0.5)  # the second one brings no gain
    assert seen == pytest.approx([LR / 3, 2 * LR / 3, LR, LR, LR, LR, LR / 10, LR / 10])


def test_one_cycle_takes_its_peak_and_its_length_from_the_training():
    seen = rates(Schedule("OneCycleLR", {"cycle_momentum": False}), 20)
    assert max(seen) == pytest.approx(LR, rel=0.05)
    assert seen[-1] < LR / 1e4


def test_a_sequence_of_schedulers_with_a_linear_warm_up_as_lambda():
    hparams = {
        "schedulers": {
            "LambdaLR": {"lr_lambda": "linear_warmup"},
            "CosineAnnealingLR": None,
            "ConstantLR": {"factor": 0.1, "total_iters": 99},
        },
        "milestones": [2, 6],
        "interval": "step",
    }
    assert check_schedule(Schedule("SequentialLR", hparams)) == []
    seen = rates(Schedule("SequentialLR", hparams), 8)
    expected = [LR / 2, LR, *(cosine(step, 4) for step in range(4)), LR / 10, LR / 10]
    assert seen == pytest.approx(expected)


def test_a_warm_up_longer_than_the_training_warns_and_works():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    with pytest.warns(UserWarning, match="the warm-up takes 50 steps and the training 20"):
        build_schedules(Schedule("CosineAnnealingLR", warmup_steps=50), optimizer, LENGTH)


def test_a_training_without_end_needs_a_length():
    endless = RunLength(steps=None, steps_per_epoch=5)
    with pytest.raises(ConfigError, match="has no end"):
        rates(Schedule("CosineAnnealingLR"), 1, endless)
    assert rates(Schedule("CosineAnnealingLR", {"T_max": 9}), 1, endless) == [LR]


def test_the_state_of_a_warmed_up_schedule_is_plain_and_comes_back(tmp_path):
    schedule = Schedule("CosineAnnealingLR", warmup_steps=4)
    expected = rates(schedule, 20)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    (entry,) = build_schedules(schedule, optimizer, LENGTH)
    seen = []
    for step in range(20):
        if step == 9:
            torch.save([entry["scheduler"].state_dict(), optimizer.state_dict()], tmp_path / "state.pt")
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
            (entry,) = build_schedules(schedule, optimizer, LENGTH)
            states = torch.load(tmp_path / "state.pt", weights_only=True)
            entry["scheduler"].load_state_dict(states[0])
            optimizer.load_state_dict(states[1])
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        entry["scheduler"].step()
    assert seen == pytest.approx(expected)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Schedule("CosineAnealingLR"), "write 'CosineAnnealingLR'"),
        (Schedule("LambdaLR", {"lr_lambda": "x"}), "unknown scheduler"),
        (Schedule("StepLR", {"step_sise": 3, "step_size": 3}), "write 'step_size'"),
        (Schedule("StepLR"), "StepLR needs 'step_size'"),
        (Schedule("StepLR", {"step_size": 3, "interval": "epochs"}), "write 'epoch'"),
        (Schedule("StepLR", {"step_size": 3, "monitor": "val/loss"}), "watches no metric"),
        (Schedule("StepLR", {"step_size": 3}, warmup_steps=5), "write warmup_epochs"),
        (Schedule("StepLR", {"step_size": 3}, warmup_epochs=1.5), "a whole number"),
        (Schedule("CosineAnnealingLR", warmup_steps=5, warmup_epochs=1), "given twice"),
        (Schedule("CosineAnnealingLR", warmup_steps=-1), "can't be negative"),
        (Schedule("OneCycleLR", warmup_steps=5), "pct_start"),
        (Schedule("ReduceLROnPlateau", {"monitor": "val/mIoU"}), "mode: max or mode: min"),
        (Schedule(None, {"T_max": 3}), "do nothing"),
        (Schedule("SequentialLR"), "needs schedulers"),
        (Schedule("SequentialLR", {"schedulers": {"StepLR": {"step_size": 1}}, "milestones": [3]}), "0 rising"),
        (Schedule("SequentialLR", {"schedulers": {"StepLr": {}}}), "write 'StepLR'"),
        (Schedule("SequentialLR", {"schedulers": {"StepLR": {}}}), "needs 'step_size'"),
        (Schedule("SequentialLR", {"schedulers": {"LambdaLR": {}}}), "before other schedulers"),
        (
            Schedule(
                "SequentialLR",
                {"schedulers": {"LinearLR": {}, "ConstantLR": {}, "StepLR": {"step_size": 1}}, "milestones": [4, 4]},
            ),
            "2 rising",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_mend(schedule, words):
    faults = check_schedule(schedule)
    assert len(faults) == 1
    assert words in str(faults[0])


def test_all_faults_come_at_once():
    faults = check_schedule(Schedule("StepLR", {"gama": 1, "interval": "day"}, warmup_steps=-1, warmup_epochs=2))
    assert len(faults) == 5


@pytest.mark.parametrize("name", sorted(set(scheduler_names()) - {"SequentialLR", "ReduceLROnPlateau"}))
def test_every_scheduler_that_may_be_written_can_be_built(name):
    needed = {
        "StepLR": {"step_size": 2},
        "MultiStepLR": {"milestones": [2]},
        "ExponentialLR": {"gamma": 0.9},
        "CosineAnnealingWarmRestarts": {"T_0": 3},
        "CyclicLR": {"base_lr": 0.1, "max_lr": 1.0, "cycle_momentum": False},
        "OneCycleLR": {"cycle_momentum": False},
    }
    schedule = Schedule(name, needed.get(name, {}))
    assert check_schedule(schedule) == []
    assert len(rates(schedule, 3)) == 3
