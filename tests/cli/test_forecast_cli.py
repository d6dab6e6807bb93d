"""The command `forecast` as a person and a script meet it; how a curve becomes a forecast."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from jaxscale.cli.parser import main
from jaxscale.data.loss_curves import Curve, read_metrics
from jaxscale.forecast.forecaster import Forecaster
from jaxscale.forecast.offline import forecast_curve, forecast_fan, probability_below, take_in
from jaxscale.forecast.schedules import schedule_named

STEPS, PEAK = 4000, 3e-4
ENDS = (400, 500, 600, 777, 1000, 1234, 2000, 3000, 5000, 8191, 10_000, 20_000)
COSINE = ["--schedule", "cosine", "--warmup", "0.05", "--floor", "0.1"]
PLAN = schedule_named("cosine", peak=PEAK, steps=STEPS, warmup=0.05, floor=0.1)


def simulate(seed=0):
    """Return steps, rates and losses of a law with annealing."""
    step = np.arange(20, STEPS + 1, 20)
    lr = np.array([float(PLAN(int(t))) for t in step])
    summed = np.cumsum(lr)
    loss = 2.6 + 0.9 * (summed / summed[20]) ** -0.4 - 0.12 * (1 - lr / PEAK) * (step > 200)
    return step, lr, loss + 0.01 * np.random.default_rng(seed).normal(size=len(step))


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write(tmp_path_factory.mktemp("forecast"), *simulate()[1:])


def write(folder, rates, losses):
    path = folder / "log.csv"
    rows = [f"{t},{r},{x}\n" for t, r, x in zip(simulate()[0], rates, losses, strict=True)]
    path.write_text("step,lr,loss\n" + "".join(rows))
    return path


def run(capsys, *argv):
    code = main(["forecast", *map(str, argv)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_person_reads_a_block(capsys, log, tmp_path):
    figure = tmp_path / "end.png"
    code, out, err = run(
        capsys, log, "--final-step", "4e3", *COSINE, "--peak-lr", PEAK, "--until", 2400,
        "--below", 9, 0.5, "--figure", figure,
    )  # fmt: skip
    assert code == 0 and err == f"jaxscale: wrote {figure}\n"
    head, *rows = out.splitlines()
    assert head == f"log  ({log})"
    words = {row[:11].strip(): row[11:].split() for row in rows}
    assert list(words) == ["now", "forecast", "turned out", "below 9", "below 0.5"]
    assert rows[0].endswith("step 2,400 of 4,000") and rows[2].endswith("inside the interval")
    assert words["below 9"][0] == "100.0" and words["below 0.5"][0] == "0.0"
    assert float(words["turned out"][0]) == pytest.approx(simulate()[2][-5:].mean(), abs=1e-4)
    assert float(words["forecast"][0]) == pytest.approx(float(words["turned out"][0]), rel=0.02)
    assert figure.read_bytes().startswith(b"\x89PNG") and figure.stat().st_size > 20_000


@pytest.mark.slow
def test_finished_runs_teach_what_is_usual(capsys, tmp_path):
    """Runs whose annealing wins far more than usual: those before tell it, the prior cannot."""
    path = tmp_path / "runs.csv"
    step, lr, _ = simulate()
    lines = ["run,step,lr,loss\n"]
    for k in range(6):
        noise = 0.005 * np.random.default_rng(k).normal(size=len(step))
        loss = 2 + 0.9 * step**-0.2 - 0.6 * (1 - lr / PEAK) * (step > 200) + noise
        lines += [f"r{k},{t},{r},{x}\n" for t, r, x in zip(step, lr, loss, strict=True)]
    path.write_text("".join(lines))
    options = path, "--run", "r5", "--final-step", STEPS, *COSINE, "--until", 800, "--json"
    _, out, _ = run(capsys, *options)
    code, taught, err = run(capsys, *options, "--learn", path)
    usual, learned = (json.loads(text)["runs"][0] for text in (out, taught))
    assert code == 0 and "learned from 5 finished runs" in err
    error = [abs(each["forecast"] - each["outcome"]) for each in (usual, learned)]
    assert error[1] < 0.3 * error[0], error
    assert learned["lower"] < learned["outcome"] < learned["upper"]
    # The same from two files; and what the very last loss is, is no matter.
    parts = [tmp_path / "some.csv", tmp_path / "others.csv"]
    for part, names in zip(parts, ("r0r1r2", "r3r4"), strict=True):
        rows = [row for row in "".join(lines[1:]).splitlines(True) if row[:2] in names]
        part.write_text(lines[0] + "".join(rows))
    code, both, err = run(capsys, *options, "--learn", *parts)
    assert "learned from 5 finished runs" in err and both == taught
    wild = [
        row.replace(row.split(",")[3], f"{float(row.split(',')[3]) + 0.1}\n")
        for row in "".join(lines[1:]).splitlines(True)
        if row.split(",")[1] == str(STEPS) and row[:2] != "r5"
    ]
    rows = [row for row in "".join(lines[1:]).splitlines(True) if row.split(",")[1] != str(STEPS)]
    parts[0].write_text(lines[0] + "".join([*(row for row in rows if row[:2] != "r5"), *wild]))
    code, other, _ = run(capsys, *options, "--learn", parts[0])
    moved = json.loads(other)["runs"][0]["forecast"] - learned["forecast"]
    assert 0 < moved < 0.05  # of the five last losses one is off by 0.1
    code, _, err = run(capsys, *options, "--learn", tmp_path / "none.csv")
    assert code == 2 and "no such file" in err


def test_a_run_that_did_not_arrive_has_no_outcome(capsys, log):
    for final, arrived in ((4000, True), (4050, True), (4200, False), (8000, False)):
        _, out, _ = run(capsys, log, "--final-step", final, "--until", 2400, "--json")
        assert (json.loads(out)["runs"][0]["outcome"] is not None) == arrived


def test_a_script_reads_one_json_object(capsys, tmp_path):
    path = tmp_path / "two.jsonl"
    step, lr, loss = simulate()
    with open(path, "w") as file:
        for k in range(120):
            one = float("nan") if k == 50 else loss[k]
            for name, value in (("a", one), ("b/c", loss[k] + 1)):
                row = {"run": name, "step": int(step[k]), "lr": lr[k], "loss": value}
                file.write(json.dumps(row) + "\n")
    figure = tmp_path / "end.svg"
    code, out, err = run(
        capsys, path, "--final-step", STEPS, *COSINE, "--peak-lr", PEAK, "--below", 2.7, "--level",
        0.5, "--figure", figure, "--log-steps", "--json",
    )  # fmt: skip
    document = json.loads(out)
    a, b = document["runs"]
    assert code == 0 and (a["name"], b["name"], a["step"]) == ("a", "b/c", 2400)
    assert (document["final_step"], document["level"], document["curve"]) == (
        4000,
        0.5,
        "annealing",
    )
    assert a["skipped"] == 1 and b["skipped"] == 0 and a["outcome"] is None
    assert "1 of 120 losses are not finite; left out" in a["notes"]
    assert "jaxscale: note: a: 1 of 120 losses are not finite; left out\n" in err
    assert b["loss"] - a["loss"] == pytest.approx(1)
    assert a["lower"] < a["forecast"] < a["upper"] < b["lower"]
    (below,) = a["below"]
    assert below["loss"] == 2.7 and below["probability"] > b["below"][0]["probability"]
    assert {p.name for p in tmp_path.glob("*.svg")} == {"end-a.svg", "end-b_c.svg"}
    code, out, _ = run(capsys, path, "--run", "b/c", "--final-step", STEPS, "--json")
    assert [each["name"] for each in json.loads(out)["runs"]] == ["b/c"]


@pytest.mark.parametrize(
    "options, note",
    [
        ([], "! no --schedule: the learning rate is taken to stay at 0.000132\n"),
        ([*COSINE[:2], "--warmup", "0.3"], "! at step 200 the log has the learning rate 0.0003"),
        ([*COSINE, "--peak-lr", PEAK, "--until", "300"], "! only 15 losses"),
        ([*COSINE, "--peak-lr", PEAK], ""),
        (["--curve", "power"], ""),
    ],
)
def test_notes(capsys, log, options, note):
    options = options if "--until" in options else [*options, "--until", "2400"]
    code, out, err = run(capsys, log, "--final-step", STEPS, *options)
    assert code == 0 and err == "" and note in out and (bool(note) == ("!" in out))


def test_without_rates_a_schedule_counts_by_its_shape(capsys, tmp_path):
    path = tmp_path / "bare.csv"
    step, _, loss = simulate()
    rows = [f"{t},{x}\n" for t, x in zip(step[:120], loss[:120], strict=True)]
    path.write_text("step,loss\n" + "".join(rows))
    ends = {}
    for name, options in (("stay", []), ("fall", COSINE)):
        code, out, err = run(capsys, path, "--final-step", STEPS, *options, "--json")
        assert code == 0
        ends[name] = json.loads(out)["runs"][0]["forecast"]
    assert "a peak of 1 is taken" in err
    assert abs(ends["fall"] / loss[-10:].mean() - 1) < 0.02 and ends["fall"] != ends["stay"]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--final-step", "2000"], "has losses up to step 4,000, beyond the final step 2,000"),
        (
            ["--final-step", "4000", "--until", "10"],
            "no loss up to step 10; its first is at step 20",
        ),
        (["--final-step", "4000", "--warmup", "0.1"], "--warmup goes with --schedule"),
        (["--final-step", "4000", *COSINE, "--decay", ".1"], "--decay goes with --schedule wsd"),
        (["--final-step", "4000", *COSINE, "--curve", "power"], "--schedule goes with --curve"),
        (["--final-step", "4000", *COSINE, "--peak-lr", "0"], "must be positive and finite"),
        (["--final-step", "4000", "--level", "1"], "--level must lie between 0 and 1"),
        (["--final-step", "4000", "--below", "nan"], "--below takes finite losses, got nan"),
        (["--final-step", "4000", "--below", "2", "inf"], "takes finite losses, got 2 inf"),
        (
            ["--final-step", "4000", "--level", "0.9999999999999999"],
            "no finite forecast: a loss, a learning rate, the schedule or the level",
        ),
        (["--final-step", "4000", "--log-steps"], "--log-steps goes with --figure"),
        (["--final-step", "4000", "--column", "loss=x"], "--column loss=x: no column 'x'"),
        (["--final-step", "4000", "--run", "x"], "no run 'x'"),
        (["--final-step", "4000", "--figure", "x.gif"], "a figure file ends in one of"),
        (["--final-step", "4000", "--figure", "/nowhere/x.png"], "there is no folder"),
    ],
)
def test_bad_options_are_one_sentence_and_exit_2(capsys, log, options, message):
    code, out, err = run(capsys, log, *options)
    assert code == 2 and out == ""
    assert message in err and err.startswith("jaxscale: error: ") and err.count("\n") == 1


@pytest.mark.parametrize("text", ["0", "1.5", "many", "1e10", "inf", "nan"])
def test_a_final_step_is_a_whole_number(capsys, log, text):
    assert main(["forecast", str(log), "--final-step", text]) == 2
    assert "expected a whole number of steps" in capsys.readouterr().err


def test_a_curve_without_a_finite_loss_is_refused(capsys, tmp_path):
    path = tmp_path / "nan.csv"
    path.write_text("step,loss\n1,nan\n2,inf\n")
    code, _, err = run(capsys, path, "--final-step", 10)
    assert code == 2 and "run 'nan' has no finite loss" in err


NAMES = ("cosine", "linear", "wsd", "constant", "inverse-sqrt")


@pytest.mark.slow
@pytest.mark.parametrize(
    "steps", [4000, *(pytest.param(n, marks=pytest.mark.nightly) for n in ENDS)]
)
@pytest.mark.parametrize("name", NAMES)
def test_every_schedule_has_a_forecast(capsys, log, name, steps):
    options = log, "--until", 400, "--final-step", steps, "--schedule", name, "--below", 2.7
    code, out, _ = run(capsys, *options, "--json")
    (said,) = json.loads(out)["runs"]
    assert code == 0 and said["lower"] < said["forecast"] < said["upper"]
    assert 0 <= said["below"][0]["probability"] <= 1
    code, out, _ = run(capsys, *options)
    assert code == 0 and "nan" not in out and "inf" not in out


@pytest.mark.slow
def test_a_fall_to_zero_as_users_compile_it(log):
    """The tests' own compiler options leave out what ends a schedule at -1.4e-11."""
    script = (
        "import sys; from jaxscale.cli import main;"
        "sys.exit(max(main([*sys.argv[1:], '--schedule', x]) for x in ('linear', 'wsd')))"
    )
    options = ["forecast", str(log), "--until", "600", "--final-step", "1000", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", script, *options],
        env={**os.environ, "XLA_FLAGS": ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        (said,) = json.loads(line)["runs"]
        assert said["lower"] < said["forecast"] < said["upper"]
    assert done.stdout.count("\n") == 2


LOSSES = simulate()[2]


@pytest.mark.parametrize("how", [[], ["--json"], ["--curve", "power"]])
@pytest.mark.parametrize(
    "losses, message",
    [
        (0 * LOSSES, "run 'log' stands at a loss of 0 at step 4,000; a forecast is relative to"),
        (LOSSES * (np.arange(len(LOSSES)) < 150), "stands at a loss of 0"),
        (LOSSES * 1e-300, "e-300, has no finite forecast"),
        (LOSSES * 1e307, "e+307, has no finite forecast"),
    ],
    ids=["all zero", "zero at last", "too small", "too large"],
)
def test_a_log_without_a_forecast_is_refused(capsys, tmp_path, losses, message, how):
    path = write(tmp_path, simulate()[1], losses)
    code, out, err = run(capsys, path, "--final-step", 8000, *how)
    assert code == 2 and ("error" in json.loads(out) if "--json" in how else out == "")
    assert message in err and err.startswith("jaxscale: error: ") and err.count("\n") == 1


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf", "NaN"])
def test_one_bad_rate_does_no_harm_and_is_said(capsys, tmp_path, log, bad):
    rates = [*map(str, simulate()[1])]
    rates[90] = bad
    options = "--until", 2400, "--final-step", STEPS, *COSINE, "--json"
    _, out, _ = run(capsys, log, *options)
    code, hurt, err = run(capsys, write(tmp_path, rates, LOSSES), *options)
    want, got = (json.loads(text)["runs"][0] for text in (out, hurt))
    note = "1 of 200 learning rates are not finite; interpolated from the others"
    assert code == 0 and got["notes"] == [note] and f"note: log: {note}" in err
    for key in ("forecast", "lower", "upper"):
        assert got[key] == pytest.approx(want[key], rel=1e-4)


def test_rates_of_which_none_is_finite_count_as_not_logged(capsys, tmp_path):
    options = write(tmp_path, ["nan"] * 200, LOSSES), "--final-step", STEPS
    code, out, _ = run(capsys, *options)
    assert code == 0 and "! 200 of 200 learning rates are not finite; left out\n" in out
    code, out, err = run(capsys, *options, "--column", "lr=lr")
    assert code == 2 and out == "" and "column 'lr' (--column lr=lr) holds no finite number" in err


def test_rates_written_as_zero_are_refused_where_they_count(capsys, tmp_path):
    options = write(tmp_path, ["0.0000"] * 200, LOSSES), "--final-step", 8000, "--json"
    code, out, err = run(capsys, *options)
    assert (
        code == 2 and "error" in json.loads(out) and "every learning rate of run 'log' is 0" in err
    )
    code, out, _ = run(capsys, *options, "--curve", "power")
    assert code == 0 and json.loads(out)["runs"][0]["forecast"] < LOSSES[-1]


@pytest.mark.parametrize("size", [1e-9, 1e-4, 1e9, 1e300])
def test_losses_of_any_size_are_written_as_they_are(capsys, tmp_path, size):
    path = write(tmp_path, simulate()[1], LOSSES * size)
    options = "--until", 2400, "--final-step", STEPS, "--below", 2.6 * size
    _, out, _ = run(capsys, path, *options, "--json")
    (said,) = json.loads(out)["runs"]
    _, out, _ = run(capsys, path, *options)
    words = {row[:11].strip(): row[11:].split() for row in out.splitlines()[1:5]}
    low, _, high = words["forecast"][1:4]
    shown = [float(x) for x in (words["now"][0], words["forecast"][0], low, high)]
    true = [said[key] for key in ("loss", "forecast", "lower", "upper")]
    np.testing.assert_allclose(shown, true, rtol=2e-3)
    assert max(map(len, out.splitlines())) < 120


def test_the_loop_is_that_of_the_forecaster(log):
    """Padding changes nothing, and probabilities belong to the quantiles."""
    import jax

    forecaster, curve = Forecaster(schedule=PLAN), read_metrics(log)["log"].until(700)
    state = take_in(forecaster, curve)
    with jax.enable_x64(True):
        want, update = forecaster.init(), jax.jit(forecaster.update)
        for step, loss, lr in zip(curve.step, curve.loss, curve.lr, strict=True):
            want = update(want, step, loss, lr)
    for got, each in zip(jax.tree.leaves(state), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(got, each, rtol=1e-12)
    forecast = forecast_curve(forecaster, curve, STEPS, level=0.8)
    ends = probability_below(forecast, [forecast.lower, forecast.loss, forecast.upper])
    np.testing.assert_allclose(ends, [0.1, 0.5, 0.9], atol=1e-6)
    fan = forecast_fan(forecaster, curve, STEPS, level=0.8, points=5)
    assert fan.step[0] == 700 and fan.step[-1] == STEPS
    np.testing.assert_allclose(
        [fan.loss[-1], fan.lower[-1], fan.upper[-1]],
        [forecast.loss, forecast.lower, forecast.upper],
        rtol=1e-9,
    )
    np.testing.assert_allclose(fan.rate[-1], 0.1 * PEAK, rtol=1e-6)


def test_the_figure_shows_what_is_known():
    from jaxscale.plotting.forecast import plot_forecast

    step, lr, loss = simulate()
    curve = Curve(step[:120], loss[:120], lr[:120], "a$b", "log.csv")
    later = Curve(step[120:], loss[120:], None, "a$b", "log.csv")
    forecaster = Forecaster(schedule=PLAN)
    forecast = forecast_curve(forecaster, curve, STEPS)
    fan = forecast_fan(forecaster, curve, STEPS)
    history = [(1000, forecast_curve(forecaster, curve.until(1000), STEPS))]
    figure = plot_forecast(curve, forecast, fan, truth=later, history=history)
    top, strip = figure.axes
    names = top.get_legend_handles_labels()[1]
    assert {"losses", "later losses", "forecast, median", "90 % interval", "the end"} < set(names)
    assert "the end, as forecast at this step" in names
    low, high = top.get_ylim()
    assert low < fan.lower.min() and high > loss[10:120].max()
    drawn = np.concatenate([line.get_ydata() for line in strip.lines])
    assert np.nanmax(drawn) == pytest.approx(PEAK, rel=1e-3) and drawn[-1] < 0.11 * PEAK
    assert (
        f"{float(forecast.loss):.3f}" in figure.get_suptitle() and "a\\$b" in figure.get_suptitle()
    )
    bare = Curve(curve.step, curve.loss, None, "a", "log.csv")
    steady = Forecaster()
    figure = plot_forecast(
        bare, forecast_curve(steady, bare, STEPS), forecast_fan(steady, bare, STEPS), log=True
    )
    assert len(figure.axes) == 1 and figure.axes[0].get_xscale() == "log"


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def metric(folder, name, values):
    """Write a log of 100 values, every 10 steps."""
    path = folder / "metric.csv"
    noise = 0.003 * np.random.default_rng(3).normal(size=100)
    rows = [f"{10 * k},{x}\n" for k, x in enumerate(values * (1 + noise))]
    path.write_text(f"step,{name}\n" + "".join(rows))
    return path


K = np.arange(100)
POWER = (10 * K + 1.0) ** -0.3  # of the steps that `metric` writes
OPTIONS = "--final-step", 990, "--curve", "power"


@pytest.mark.parametrize(
    "name, values, until, word",
    [
        ("val_loss", 0.8 + 2.2 * sigmoid((30 - K) / 4), 300, "'val_loss' jumps by more than"),
        ("error", 0.3 + 0.66 * sigmoid((40 - K) / 5), 400, "'error' jumps by more than"),
        ("reward", 0.05 + 0.6 * sigmoid((K - 40) / 6), 450, "1 - 'reward' jumps by more than"),
        ("val_loss", 2.6 + 0.3 * (K + 1) ** -0.5 + 0.004 * K, 500, "'val_loss' moves away from"),
        ("loss", 3 + 0 * K, 300, "'loss' has not come down so far"),
        ("return", 4 + 0.2 * K, 500, "rises and has no ceiling that is known"),
    ],
)
def test_a_run_that_leaves_its_law_is_said_not_to_be_trusted(
    capsys, tmp_path, name, values, until, word
):
    options = metric(tmp_path, name, values), *OPTIONS, "--until", until, "--column", f"loss={name}"
    code, out, _ = run(capsys, *options, "--json")
    (said,) = json.loads(out)["runs"]
    assert code == 1 and said["trusted"] is False
    assert said["lower"] < said["loss"] < said["upper"]
    assert said["lower"] < said["outcome"] < said["upper"]
    code, out, _ = run(capsys, *options)
    assert code == 1 and word in out and "not to be trusted, and the interval is a wide" in out


@pytest.mark.parametrize(
    "name, values, metric_, link",
    [
        ("accuracy", 0.7 - 0.5 * POWER, "share", "1 - x"),
        ("top1", 70 - 50 * POWER, "percent", "100 - x"),
        ("ppl", np.exp(2 + 2 * POWER), "perplexity", "log x"),
        ("error", 0.3 + 0.5 * POWER, "error", "x"),
    ],
)
def test_a_metric_is_forecast_by_the_loss_it_stands_for(
    capsys, tmp_path, name, values, metric_, link
):
    options = metric(tmp_path, name, values), *OPTIONS, "--until", 500, "--column", f"loss={name}"
    code, out, _ = run(capsys, *options, "--below", values[50], "--json")
    (said,) = json.loads(out)["runs"]
    assert code == 0 and (said["metric"], said["link"], said["trusted"]) == (metric_, link, True)
    assert said["lower"] < said["outcome"] < said["upper"]
    rises = values[-1] > values[0]
    assert (said["forecast"] > said["loss"]) == rises
    assert (said["below"][0]["probability"] < 0.1) == rises
    code, out, err = run(capsys, *options, "--metric", "share")
    assert code == {"accuracy": 0, "error": 1}.get(name, 2), err


def test_an_accuracy_is_drawn_as_it_was_logged(capsys, tmp_path):
    path, figure = metric(tmp_path, "acc", 0.7 - 0.5 * POWER), tmp_path / "a.svg"
    code, *_ = run(capsys, path, *OPTIONS, "--column", "loss=acc", "--figure", figure)
    assert code == 0 and "acc" in figure.read_text()
