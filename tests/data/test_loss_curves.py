"""Curves from the files that loggers write, and what is refused."""

import json
import sys

import numpy as np
import pytest

from jaxscale.data.loss_curves import read_metrics
from jaxscale.errors import DataError
from jaxscale.forecast.schedules import SCHEDULES, schedule_named

CHART = (
    '"Step","new - run - train/loss","new - run - train/loss__MIN","new - run - train/loss__MAX",'
    '"b - train/loss","b - train/loss__MIN","b - train/loss__MAX"\n'
    '"0","4","1","9","5","1","9"\n"10","3","1","9","","",""\n"20","","","","2.5","1","9"\n'
)
HISTORY = "_step,train/global_step,train/loss,eval/loss,train/learning_rate\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="log.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


CASES = {
    "plain": ("log.csv", "step,loss\n1,3\n2,2\n", [1, 2], [3, 2], None),
    "unsorted": ("log.csv", "step,loss,lr\n2,2,.1\n1,3,.2\n", [1, 2], [3, 2], [0.2, 0.1]),
    "cells of a history are empty": (
        "log.csv",
        HISTORY + "0,0,,,\n1,10,3,,.1\n2,10,,2.9,\n3,30,2,,.3\n4,40,,1.9,.4\n",
        [10, 30],
        [3, 2],
        [0.1, 0.3],
    ),
    "a rate in rows of its own": (
        "log.jsonl",
        lines({"step": 0, "lr": 0.0}, {"step": 1, "loss": 3}, {"step": 4, "lr": 0.4}),
        [1],
        [3],
        [0.1],
    ),
    "nested": (
        "log.jsonl",
        lines({"step": 0, "train": {"loss": 3.5}}, {"step": 1, "train": {"loss": 3}}),
        [0, 1],
        [3.5, 3],
        None,
    ),
    "MaxText": (
        "log.jsonl",
        lines({"step": 5.0, "learning/loss": 3, "learning/current_learning_rate": 0.1}),
        [5],
        [3],
        [0.1],
    ),
    "rate of a group": ("log.csv", "trainer/global_step,loss,lr-AdamW\n7,1,.5\n", [7], [1], [0.5]),
    "not finite": (
        "log.csv",
        "step,loss\n1,nan\n2,inf\n3,\n4,-Infinity\n",
        [1, 2, 4],
        [np.nan, np.inf, -np.inf],
        None,
    ),
    "rates not finite": (
        "log.csv",
        "step,loss,lr\n1,5,.1\n2,4,inf\n3,3,nan\n5,2,.5\n6,1,-inf\n",
        [1, 2, 3, 5, 6],
        [5, 4, 3, 2, 1],
        [0.1, 0.2, 0.3, 0.5, 0.5],
    ),
    "a name of its own": ("log.csv", "iteration,distill/loss\n1,3\n", [1], [3], None),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_formats(write, case):
    name, text, step, loss, lr = CASES[case]
    (curve,) = read_metrics(write(text, name)).values()
    assert curve.name == "log" and curve.step.dtype == np.int64
    np.testing.assert_array_equal(curve.step, step)
    np.testing.assert_array_equal(curve.loss, loss)
    assert (curve.lr is None) == (lr is None)
    if lr is not None:
        np.testing.assert_allclose(curve.lr, lr, rtol=1e-12)


def test_a_chart_of_wandb_has_a_curve_per_run(write):
    curves = read_metrics(write(CHART))
    assert list(curves) == ["new - run", "b"]
    np.testing.assert_array_equal(curves["new - run"].loss, [4, 3])
    np.testing.assert_array_equal(curves["b"].step, [0, 20])


@pytest.mark.parametrize("key", ["run", "run_name", "name"])
def test_runs_are_told_apart_by_their_name(write, key):
    records = [
        {key: "x", "step": 1, "loss": 3},
        {key: "y", "step": 1, "loss": 4},
        {key: "z", "step": 1, "accuracy": 0.5},
        {key: "x", "step": 2, "loss": 2},
    ]
    path = write(lines(*records), "log.jsonl")
    curves = read_metrics(path)
    assert {name: curve.loss.tolist() for name, curve in curves.items()} == {"x": [3, 2], "y": [4]}
    assert list(read_metrics(path, run="y")) == ["y"]
    with pytest.raises(DataError, match="no run 'xx'; did you mean 'x'"):
        read_metrics(path, run="xx")
    with pytest.raises(DataError, match="for run 'z'|no column of the loss"):
        read_metrics(path, run="z")


def test_the_first_of_several_losses_is_taken_and_said(write):
    path = write("step,val_loss,train_loss,loss\n1,3,2,1\n")
    curve = read_metrics(path)["log"]
    assert (
        curve.loss == 1 and "loss=COLUMN could also be 'train_loss', 'val_loss'" in curve.notes[0]
    )
    chosen = read_metrics(path, loss="val_loss")["log"]
    assert chosen.loss == 3 and chosen.notes == ()
    assert read_metrics(path, loss="val/loss")["log"].loss == 3  # as the logger called it


def test_a_step_of_the_optimizer_goes_before_a_count_of_logs(write):
    curve = read_metrics(write("Step,train/global_step,loss\n3,300,1\n"))["log"]
    assert curve.step == 300 and "step is column 'train/global_step'" in curve.notes[0]
    assert read_metrics(write("_step,step,loss\n3,300,1\n"))["log"].step == 300


def test_of_a_step_logged_twice_the_last_counts(write):
    curve = read_metrics(write("step,loss\n1,5\n2,4\n2,3\n1,2\n"))["log"]
    assert curve.loss.tolist() == [2, 3] and curve.notes[0].startswith(
        "left out 2 of 4 losses: logged"
    )


def test_losses_without_step_and_a_torn_line_are_noted(write):
    text = lines({"step": 1, "loss": 3}, {"loss": 2}) + '{"step": 3, "lo'
    curve = read_metrics(write(text, "log.jsonl"))["log"]
    assert curve.loss.tolist() == [3]
    assert (
        "row 3: cut off" in curve.notes[0]
        and "left out 1 of 2 losses: no step in column 'step'" in curve.notes[1]
    )


def test_rates_that_are_not_finite_are_counted(write):
    curve = read_metrics(write("step,loss,lr\n1,3,nan\n2,2,1\n3,2,\n4,2,inf\n"))["log"]
    assert curve.lr.tolist() == [1, 1, 1, 1]
    assert curve.notes == ("2 of 3 learning rates are not finite; interpolated from the others",)


def test_rates_of_which_none_is_finite_are_none(write):
    curve = read_metrics(write("step,loss,lr\n1,3,nan\n2,2,inf\n"))["log"]
    assert curve.lr is None and curve.notes == ("2 of 2 learning rates are not finite; left out",)


def test_until(write):
    curve = read_metrics(write("step,loss,lr\n1,3,1\n5,2,2\n9,1,3\n"))["log"].until(5)
    assert (curve.step.tolist(), curve.loss.tolist(), curve.lr.tolist()) == ([1, 5], [3, 2], [1, 2])


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("step,accuracy\n1,2\n", {}, "no column of the loss is recognized; there are"),
        ("epoch,loss\n1,2\n", {}, "no column of the step is recognized"),
        ("step,loss\n1,\n", {}, "no column of the loss is recognized"),
        (
            "step,loss\n1,2\n",
            {"loss": "los"},
            "--column loss=los: no column 'los'; there are",
        ),
        ("step,loss,x\n1,2,\n", {"loss": "x"}, r"column 'x' \(--column loss=x\) holds no number"),
        ("step,loss\n1,2\n", {"lr": "eta"}, "--column lr=eta: no column 'eta'"),
        ("step,loss\n1,2\n2,low\n", {}, "row 3, column 'loss': expected a number, got 'low'"),
        ("step,loss\n1,2\n-2,1\n", {}, "row 3, column 'step': a step is a whole number"),
        ("step,loss\n1.5,2\n", {}, "row 2, column 'step': a step is a whole number"),
        ("step,loss\n3e9,2\n", {}, "are these tokens?"),
        ("step,loss,lr\n1,2,-1\n", {}, "row 2, column 'lr': a learning rate is at least 0"),
        (
            "step,loss,x\n1,2,inf\n2,2,nan\n",
            {"lr": "x"},
            r"\(--column lr=x\) holds no finite number",
        ),
        ("", {}, "is empty"),
    ],
)
def test_broken_input_is_refused_by_row_and_column(write, text, options, message):
    with pytest.raises(DataError, match=message):
        read_metrics(write(text), **options)


@pytest.mark.parametrize("name", ["none.csv", "events.out.tfevents.1.host"])
def test_a_missing_file(tmp_path, name):
    with pytest.raises(DataError, match="no such file"):
        read_metrics(tmp_path / name)


def events(folder, *scalars, v2=False, number=1):
    """Write an event file with (step, tag, value)."""
    pb = pytest.importorskip("tensorboard.compat.proto.summary_pb2")
    from tensorboard.compat.proto import event_pb2
    from tensorboard.plugins.scalar import summary_v2
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{number}.host"
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        writer.write(event_pb2.Event(file_version="brain.Event:2").SerializeToString())
        for step, tag, value in scalars:
            summary = pb.Summary(value=[pb.Summary.Value(tag=tag, simple_value=value)])
            if v2:
                summary = summary_v2.scalar_pb(tag, value)
            writer.write(event_pb2.Event(step=step, summary=summary).SerializeToString())
    return path


@pytest.mark.parametrize("v2", [False, True], ids=["simple value", "tensor"])
def test_events_of_tensorboard(tmp_path, v2):
    run = tmp_path / "base"
    scalars = [(0, "lr", 0.5), (0, "train/loss", 4.0), (2, "lr", 1.5), (2, "train/loss", 3.0)]
    path = events(run, *scalars, v2=v2)
    events(run, (2, "train/loss", 2.5), (3, "train/loss", 2.0), v2=v2, number=2)
    (alone,) = read_metrics(path).values()
    assert (
        alone.name == "base" and alone.loss.tolist() == [4, 3] and alone.lr.tolist() == [0.5, 1.5]
    )
    curve = read_metrics(run)["base"]
    assert curve.step.tolist() == [0, 2, 3] and curve.loss.tolist() == [4, 2.5, 2]
    assert "logged again" in curve.notes[0]


def test_folders_of_events_are_runs_and_others_are_refused(tmp_path):
    events(tmp_path / "logs" / "a", (1, "loss", 3.0))
    events(tmp_path / "logs" / "b" / "train", (1, "loss", 4.0), v2=True)
    curves = read_metrics(tmp_path / "logs")
    assert {name: float(curve.loss[0]) for name, curve in curves.items()} == {
        "a": 3.0, "b/train": 4.0,
    }  # fmt: skip
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="a folder without event files"):
        read_metrics(tmp_path / "empty")
    torn = events(tmp_path / "torn", (1, "loss", 3.0), (2, "loss", 2.0))
    torn.write_bytes(torn.read_bytes()[:-5])
    assert read_metrics(torn)["torn"].loss.tolist() == [3.0]
    torn.write_bytes(b"no events at all, but text " * 9)
    with pytest.raises(DataError, match="hold no scalars"):
        read_metrics(torn)


def test_without_tensorboard_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "events.out.tfevents.1").write_bytes(b"")
    for name in ("", ".backend.event_processing.event_file_loader"):
        monkeypatch.setitem(sys.modules, "tensorboard" + name, None)
    with pytest.raises(DataError, match=r"pip install 'jaxscale\[tensorboard\]'"):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    "name, at",
    [
        ("cosine", {0: 0.0, 10: 1.0, 20: 2.0, 60: 1.1, 100: 0.2, 120: 0.2}),
        ("linear", {10: 1.0, 20: 2.0, 60: 1.1, 100: 0.2}),
        ("wsd", {10: 1.0, 20: 2.0, 60: 2.0, 80: 1.1, 100: 0.2}),
        ("constant", {10: 1.0, 20: 2.0, 100: 2.0}),
        ("inverse-sqrt", {10: 1.0, 20: 2.0, 80: 1.0, 10**6: 0.2}),
    ],
)
def test_schedules(name, at):
    import jax

    for warmup, decay in ((20, 40), (0.2, 0.4)):
        schedule = schedule_named(name, peak=2.0, steps=100, warmup=warmup, floor=0.1, decay=decay)
        rate = jax.jit(jax.vmap(schedule))(np.array(list(at), np.float32))
        np.testing.assert_allclose(rate, list(at.values()), rtol=1e-5, atol=1e-6)


def test_the_same_schedule_is_the_same_function():
    """So that a program compiled with it is found again."""
    one, same, other = (schedule_named("cosine", peak=x, steps=100) for x in (1.0, 1.0, 2.0))
    assert one is same and one is not other


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_without_warmup_start_at_the_peak(name):
    assert float(schedule_named(name, peak=2.0, steps=100)(0)) == 2.0


@pytest.mark.parametrize(
    "change, message",
    [
        ({"name": "step"}, "no schedule 'step'; there are cosine"),
        ({"peak": 0.0}, "peak learning rate must be positive"),
        ({"steps": 0}, "at least 1 step"),
        ({"floor": 1.5}, "fraction of the peak"),
        ({"warmup": 100}, "fills the run"),
        ({"warmup": 2.5}, "in whole steps"),
        ({"warmup": -1}, "number of steps or a fraction"),
        ({"decay": 101}, "does not fit"),
    ],
)
def test_schedules_that_make_no_sense(change, message):
    given = {"name": "wsd", "peak": 1.0, "steps": 100} | change
    with pytest.raises(ValueError, match=message):
        schedule_named(given.pop("name"), **given)
