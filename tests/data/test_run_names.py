"""Names of runs are kept and shown with their rows; the best run of a group is kept on request."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import jaxscale
from jaxscale.checks.repeats import sweep_notes
from jaxscale.fitting.account import notes
from jaxscale.text import columns

CALLED = {
    "run": ("run,N,D,loss\na,1,2,3\nb,2,2,2\n", ["a", "b"]),
    "model": ("N,model,D,loss\n1,tiny-350M,2,3\n2,big,2,2\n", ["tiny-350M", "big"]),
    "run before model": ("model,run_name,N,loss\nx,a,1,2\nx,b,2,2\n", ["a", "b"]),
    "id, in part a number": ("id,N,loss\n7,1,2\nq8,2,2\n", ["7", "q8"]),
    "one name of all is none": ("experiment,name,N,loss\nx,a,1,2\nx,b,2,2\nx,c,3,2\n", ["a", "b"]),
    "numbers are no names": ("id,N,loss\n7,1,2\n8,2,2\n", [None, None]),
    "some have none": ("name,N,loss\na,1,2\n,2,2\n", ["a", None]),
    "a long one is cut": (f"name,N,loss\n{'x' * 99},1,2\nb,2,2\n", ["x" * 29 + "...", "b"]),
    "controls are written out": ("name,N,loss\n\x1b[31mred,1,2\nb,2,2\n", [r"\x1b[31mred", "b"]),
}


@pytest.mark.parametrize("name", CALLED)
def test_names_of_runs_are_kept(name, tmp_path):
    text, expected = CALLED[name]
    path = tmp_path / "runs.csv"
    path.write_text(text)
    runs = jaxscale.read_runs(path)
    assert [runs.called.get(row) for row in (2, 3)] == expected
    shown = [runs.row(k) for k in range(2)]
    assert shown == [
        f"{row}" if name is None else f"{row} ({name})"
        for row, name in zip((2, 3), expected, strict=True)
    ]
    assert runs.where(1) == f"{path}, row {shown[1]}"
    assert runs.select(runs.rows == 3, "not asked for").row(0) == shown[1]


def test_names_are_shown_wherever_rows_are(fitted):
    named = {int(row): f"run-{row}" for row in fitted.runs.rows}
    runs = fitted.runs.replace(called=named, dropped=[(99, "not where a > 1")])
    fit = dataclasses.replace(fitted, runs=runs.replace(called={**named, 99: "lost"}))
    said = "\n".join(notes(fit))
    assert "left out 1 row (99 (lost)): not where a > 1" in said
    assert f"{fit.runs.rows[fit.suspects[0]]} (run-{fit.runs.rows[fit.suspects[0]]})" in said


def test_names_are_saved_with_a_fit(fitted, tmp_path):
    called = {int(row): f"run-{row}\x1b" for row in fitted.runs.rows[:3]}
    path = tmp_path / "fit.json"
    dataclasses.replace(fitted, runs=fitted.runs.replace(called=called)).save(path)
    loaded = jaxscale.load(path)
    assert loaded.runs.called == called
    assert "\x1b" not in columns([[loaded.runs.row(0)]], "<")
    assert loaded.runs.digest() == fitted.runs.digest()


def sweep(text="params,tokens,lr,val_loss\n"):
    for n in (2e7, 8e7, 3e8):
        for k, off in enumerate((0.05, 0.01, 0.0, 0.02)):
            text += (
                f"{n:.0f},{100 * n:.0f},{2.0**k / n**0.4:.4g},{4 - 0.3 * np.log10(n) + off:.4f}\n"
            )
    return text


LOWEST = {
    "letters": (sweep(), "N,D", [4, 8, 12]),
    "a column": (sweep(), ["params"], [4, 8, 12]),
    "text": ("kind,N,loss\na,1,3\nb,1,2\na,2,1\nb,2,5\n", "kind", [3, 4]),
    "text and a letter": ("kind,N,loss\na,1,3\na,1,2\nb,1,1\nb,1,5\n", "kind,N", [3, 4]),
    "equal losses: the first": ("N,loss\n1,2\n1,2\n2,1\n", "N", [2, 4]),
    "one that diverged": ("N,loss\n1,nan\n1,2\n2,inf\n2,3\n", "N", [3, 5]),
    "the same size written twice": ("N,loss\n1e6,2\n1000000,1\n", "N", [3]),
}


@pytest.mark.parametrize("name", LOWEST)
def test_the_lowest_loss_of_every_group_is_kept(name, tmp_path):
    text, lowest, rows = LOWEST[name]
    path = tmp_path / "runs.csv"
    path.write_text(text)
    runs = jaxscale.read_runs(path, best_of=lowest)
    assert runs.rows.tolist() == rows
    assert all("not the lowest loss of its " in why for _, why in runs.dropped)
    assert len(runs) + len(runs.dropped) == text.count("\n") - 1


def test_rows_that_go_for_another_reason_are_not_the_lowest(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("N,seed,loss\n1,0,1\n1,1,2\n1,2,3\n2,1,1\n")
    runs = jaxscale.read_runs(path, best_of="N", where="seed > 0")
    assert runs.rows.tolist() == [3, 5]
    with pytest.raises(jaxscale.DataError, match="--best-of lr: no column 'lr'; there are 'N'"):
        jaxscale.read_runs(path, best_of="lr")


@pytest.mark.parametrize("name", ["acc", "val_accuracy", "mean_reward"])
def test_the_lowest_accuracy_is_not_taken_for_the_best(name, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(f"N,{name}\n1,0.2\n1,0.3\n2,0.4\n")
    with pytest.raises(jaxscale.DataError, match="which is its worst run"):
        jaxscale.read_runs(path, best_of="N")
    turned = jaxscale.read_runs(path, best_of="N", map={"loss": f"1-{name}"})
    assert turned.rows.tolist() == [3, 4]


rng = np.random.default_rng(5)
N = np.repeat([2e7, 8e7, 3e8, 1e9], 5)
LOSS = 4 - 0.3 * np.log10(N)
SEEDS = LOSS + 0.01 * rng.standard_normal(20)
SWEEPS = {
    "a sweep of rates": (dict(lr=np.tile([1, 2, 3, 4, 5], 4)), SEEDS, "differ in 'lr'"),
    "a sweep of batches": (dict(batch_size=np.arange(20)), SEEDS, "differ in 'batch_size'"),
    "nested names": ({"config.weightDecay": np.arange(20)}, SEEDS, "differ in 'config.weight"),
    "far apart": ({}, LOSS * np.tile([1, 1.1, 1.3, 1.2, 1.5], 4), "are no repeats"),
    "seeds": (dict(seed=np.tile(np.arange(5), 4)), SEEDS, ""),
    "seeds at one rate": (dict(lr=np.repeat([1.0, 2, 3, 4], 5)), SEEDS, ""),
    "measured, whatever it is called": (dict(err_lsat_lr=SEEDS), SEEDS, ""),
    "measured beside the loss": (dict(train_loss=SEEDS + 0.1, hours=SEEDS), SEEDS, ""),
    "no name of what is tuned": (dict(global_number=np.arange(20)), SEEDS, ""),
    "nothing twice": (dict(lr=np.arange(20)), None, ""),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_is_told_from_repeats(name):
    more, loss, said = SWEEPS[name]
    sizes = np.geomspace(1e7, 1e9, 20) if loss is None else N
    runs = jaxscale.Runs(N=sizes, D=20 * sizes, loss=LOSS if loss is None else loss, **more)
    found = sweep_notes(runs, {"N": runs.columns["N"], "D": runs.columns["D"]})
    assert bool(found) == bool(said)
    assert said in "".join(found) and all("--best-of N,D" in note for note in found)


def stages(**columns):
    N, D = np.repeat([1e8, 2e8, 4e8], 4), np.tile([1e9, 2e9, 3e9, 4e9], 3)
    table = {"params": N, "tokens": D, "loss": 3 + 1e3 * N**-0.4 + 1e3 * D**-0.4, **columns}
    return pd.DataFrame(table)


THREE, FOUR = np.repeat(["a", "b", "c"], 4), np.tile([1, 2, 3, 4], 3)


@pytest.mark.parametrize("name", ["run_id", "Name", "experiment"])
@pytest.mark.parametrize("step", ["step", "_step", "global step"])
def test_checkpoints_that_are_read_as_runs_are_said_to_be(name, step):
    runs = jaxscale.Runs.from_dataframe(stages(**{name: THREE, step: FOUR}))
    assert any(f"12 rows are of 3 runs by {name!r}" in note for note in runs.warnings)
    ends = jaxscale.Runs.from_dataframe(stages(**{name: THREE, step: FOUR}), last_of=name)
    assert len(ends) == 3 and not any("checkpoint" in note for note in ends.warnings)


@pytest.mark.parametrize(
    "columns",
    [
        {"model": THREE, "step": FOUR},  # a model of several runs
        {"run": THREE, "seed": FOUR},
        {"run": [f"r{k}" for k in range(12)], "step": FOUR},
        {"run": THREE, "step": np.full(12, 100)},  # the same end, by different seeds
        {"run": THREE, "steps": FOUR},  # how many a run had
    ],
)
def test_runs_that_share_a_name_or_a_step_are_no_checkpoints(columns):
    assert jaxscale.Runs.from_dataframe(stages(**columns)).warnings == ()


def logged(*losses):
    """Return a log of runs, a loss or none at every step."""
    rows = [(f"r{k}", at, x) for k, run in enumerate(losses) for at, x in enumerate(run, 1)]
    run, step, loss = zip(*rows, strict=True)
    N = [1e6 * 2 ** int(name[1:]) for name in run]
    return pd.DataFrame({"run": run, "step": np.multiply(100, step), "params": N, "loss": loss})


FULL, BEFORE, SPARSE = [3.3, 3.2, 3.1], [3.3, 3.2, None], [None, 3.2, None]


@pytest.mark.parametrize(
    "losses, row",
    [
        ([FULL, BEFORE, FULL], 5),
        ([BEFORE, FULL], 2),
        ([FULL, [3.3, None, None]], 4),  # of a single loss; how often there is one, others say
        ([FULL, FULL], None),
        ([[3.4, None, 3.3, None]] * 3, None),  # evaluated every other step
        ([SPARSE, SPARSE], None),  # nothing says that another one was due
    ],
)
def test_an_earlier_loss_that_stands_for_the_end_is_named(losses, row):
    runs = jaxscale.Runs.from_dataframe(logged(*losses), last_of="run")
    said = [note for note in runs.warnings if "no loss was logged at the end" in note]
    stands = (
        f"1 run of which no loss was logged at the end: an earlier one stands for it (row {row})"
    )
    assert said == ([] if row is None else [stands])
    assert len(runs) == len(losses)


@pytest.mark.parametrize("losses", [[FULL, BEFORE], [SPARSE] * 3, [FULL, FULL, [3.0, None, 3.2]]])
def test_a_log_taken_for_runs_is_said_to_be_one_where_a_loss_is_missing(losses):
    with pytest.raises(jaxscale.DataError, match=r"--last-of COLUMN"):
        jaxscale.fit("KaplanN", jaxscale.Runs.from_dataframe(logged(*losses)))


@pytest.mark.parametrize("table", [logged([3.1], [None], [3.2]), logged(FULL).drop(columns="run")])
def test_a_table_with_a_gap_is_no_log(table):
    with pytest.raises(jaxscale.DataError, match="empty or NaN cell") as refused:
        jaxscale.fit("KaplanN", jaxscale.Runs.from_dataframe(table.assign(loss=[3, np.nan, 3])))
    assert "last-of" not in str(refused.value)
