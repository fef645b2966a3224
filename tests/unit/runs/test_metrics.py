import csv
import json
import math

import pytest

from geofoundry.core.errors import DataError
from geofoundry.runs.metrics import MetricsWriter, merge_rows, read_metrics, read_table, series


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "metrics.csv", tmp_path / "metrics.jsonl"


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def without_time(rows):
    return [{name: value for name, value in row.items() if name != "time"} for row in rows]


def test_rows_of_one_moment_share_a_line_of_the_table(paths):
    writer = MetricsWriter(*paths)
    writer.write({"train/loss": 1.5}, step=9, epoch=0)
    writer.write({"val/loss": 1.25, "val/mIoU": 0.1}, step=9, epoch=0)
    writer.write({"train/loss": 0.5}, step=19, epoch=1)
    assert len(read_metrics(paths[1])) == 3
    rows = table(paths[0])
    assert [row["step"] for row in rows] == ["9", "19"]
    assert (rows[0]["train/loss"], rows[0]["val/loss"], rows[1]["val/loss"]) == ("1.5", "1.25", "")


def test_the_table_is_complete_after_every_call(paths):
    """Oracle: merging the JSON lines anew, after each of many writes that merge, widen and shorten rows."""
    writer = MetricsWriter(*paths)
    for index in range(60):
        step = index // 3
        values = {f"m{index % 7}": 1 / (index + 1) if index % 2 else 1.0, "shrinks": 1.0 if index % 3 else 1 / 3}
        writer.write(values, step=step, epoch=step // 4)
        expected = without_time(merge_rows(read_metrics(paths[1])))
        assert without_time(read_table(paths[0])) == [
            {name: value for name, value in row.items() if value is not None} for row in expected
        ]
    writer.close()
    header = paths[0].read_text().splitlines()[0].split(",")
    assert header[:3] == ["step", "epoch", "time"]
    assert all(len(line.split(",")) == len(header) for line in paths[0].read_text().splitlines())


def test_values_that_are_not_finite_stay_strict_json(paths):
    writer = MetricsWriter(*paths)
    writer.write({"a": math.nan, "b": math.inf, "c": -math.inf}, step=0)
    json.loads(paths[1].read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    row = read_metrics(paths[1])[0]
    assert math.isnan(row["a"])
    assert (row["b"], row["c"]) == (math.inf, -math.inf)
    assert table(paths[0])[0]["a"] == "nan"


def test_a_torn_last_line_is_dropped_and_both_files_go_on(paths):
    writer = MetricsWriter(*paths)
    for step in range(3):
        writer.write({"loss": step / 2}, step=step, epoch=0)
    writer.close()
    paths[1].write_bytes(paths[1].read_bytes()[:-9])
    paths[0].write_bytes(paths[0].read_bytes()[:-2])
    assert [row["step"] for row in read_metrics(paths[1])] == [0, 1]
    writer = MetricsWriter(*paths)
    writer.write({"loss": 9.0}, step=2, epoch=0)
    assert [row["loss"] for row in table(paths[0])] == ["0.0", "0.5", "9.0"]
    assert [row["loss"] for row in read_metrics(paths[1])] == [0.0, 0.5, 9.0]


def test_a_damaged_line_in_the_middle_is_refused(paths):
    MetricsWriter(*paths).write({"loss": 1.0}, step=0)
    paths[1].write_text('{"step": 0}\nnonsense\n{"step": 1}\n')
    with pytest.raises(DataError, match=r"metrics\.jsonl:2"):
        read_metrics(paths[1])


def test_a_resumed_run_drops_what_it_computes_again(paths):
    writer = MetricsWriter(*paths)
    for step in range(10):
        writer.write({"loss": float(step)}, step=step, epoch=step // 5)
    writer.close()
    writer = MetricsWriter(*paths)
    assert writer.drop_after(4) == 5
    writer.write({"loss": 50.0}, step=5, epoch=1)
    assert [(row["step"], row["loss"]) for row in read_metrics(paths[1])] == [(s, float(s)) for s in range(5)] + [
        (5, 50.0)
    ]
    assert [row["step"] for row in table(paths[0])] == ["0", "1", "2", "3", "4", "5"]
    assert writer.drop_after(100) == 0


def test_dropping_before_anything_was_written_is_nothing(paths):
    assert MetricsWriter(*paths).drop_after(0) == 0
    assert not paths[0].exists()


def test_all_values_that_are_no_numbers_are_named(paths):
    with pytest.raises(DataError) as caught:
        MetricsWriter(*paths).write({"a": "x", "b": None, "step": 3, "good": 1.0}, step=0)
    assert len(caught.value.faults) == 3
    assert not paths[1].exists()


def test_series_takes_the_later_value_of_a_step():
    rows = [{"step": 3, "a": 1.0}, {"step": 1, "a": 2.0}, {"step": 3, "a": 4.0}, {"step": 5}]
    assert series(rows, "a") == ([1, 3], [2.0, 4.0])
