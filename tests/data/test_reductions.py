"""One row per run: the last of a log, the best of a sweep, the mean of seeds, the envelope."""

import numpy as np
import pandas
import pytest
from cases import data_folder, needs_data

import jaxscale
from jaxscale.errors import DataError
from jaxscale.fitting.constraints import with_errors
from jaxscale.objective.residuals import residual_named


def read(tmp_path, text, **options):
    path = tmp_path / "runs.csv"
    path.write_text(text)
    return jaxscale.read_runs(path, **options)


LOG = "run,step,N,loss\n"
LAST = {
    "in order": (LOG + "a,1,1,4\na,2,1,3\nb,1,2,5\nb,2,2,2\n", [3, 5], [3, 2]),
    "by step, not by row": (LOG + "a,2,1,3\na,1,1,4\nb,1,2,5\n", [2, 4], [3, 5]),
    "runs mixed": (LOG + "a,1,1,4\nb,1,2,5\na,2,1,3\nb,2,2,2\n", [4, 5], [3, 2]),
    "a step logged again": (LOG + "a,1,1,4\na,2,1,3\na,2,1,3.5\n", [4], [3.5]),
    "no loss logged at the end": (LOG + "a,1,1,4\na,2,1,3\na,3,1,\n", [3], [3]),
    "a step is empty": (LOG + "a,1,1,4\na,2,1,3\na,,1,9\n", [3], [3]),
    "tokens without steps": ("run,D,N,loss\na,2,1,3\na,1,1,4\n", [2], [3]),
    "steps planned, all the same": ("run,steps,D,N,loss\na,9,2,1,3\na,9,1,1,4\n", [2], [3]),
    "nothing grows": ("run,N,loss\na,1,4\na,1,3\n", [3], [3]),
    "ends at nan": (LOG + "a,1,1,4\na,2,1,nan\nb,1,2,3\n", [4], [3]),
    "ends at inf": (LOG + "a,1,1,4\na,2,1,inf\nb,1,2,3\n", [4], [3]),
    "nan before the end": (LOG + "a,1,1,nan\na,2,1,3\n", [3], [3]),
}  # fmt: skip


@pytest.mark.parametrize("bad", ["raise", "drop"])
@pytest.mark.parametrize("name", LAST)
def test_the_last_row_of_every_run_is_kept(name, bad, tmp_path):
    text, rows, loss = LAST[name]
    if name == "a step is empty" and bad == "raise":
        bad = "drop"  # a column of letters may have no gaps otherwise; a step may
    runs = read(tmp_path, text, last_of="run", bad=bad)
    assert runs.rows.tolist() == rows and runs.loss.tolist() == loss
    assert len(runs) + len(runs.dropped) == text.count("\n") - 1
    said = "\n".join(runs.warnings)
    assert f"{len(rows)} row" in said and "last row of each run by " in said
    assert ("ends at" in name) == ("1 run left out that end" in said)


def steady(values):
    return LOG + "".join(f"a,{k},1,{x}\n" for k, x in enumerate(values))


ENDS = {
    "last": ([5, 4, 3, 2], "last", 2),
    "median of the last": ([5, 4, 3, 2], "median:3", 3),
    "median of an even number": ([5, 4, 3, 2], "median:2", 2.5),
    "median of more than there are": ([5, 4, 3, 2], "median:99", 3.5),
    "median without nan": ([5, 4, "nan", 2], "median:3", 3),
    "mean that forgets": ([5, 4, 2], "ema:0.5", (2 + 4 / 2 + 5 / 4) / 1.75),
    "mean that forgets without nan": ([5, "nan", 2], "ema:0.5", (2 + 5 / 4) / 1.25),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_end_of_a_run_is_smoothed_as_asked(name, tmp_path):
    values, end, expected = ENDS[name]
    runs = read(tmp_path, steady(values), last_of="run", end=end)
    assert runs.loss == pytest.approx([expected]) and runs.rows.tolist() == [len(values) + 1]
    assert runs.columns["step"].tolist() == [len(values) - 1]


@pytest.mark.parametrize(
    "end", ["median", "median:1", "median:x", "median:-3", "ema:1", "ema:0", "ema:nan", "mean:3",
            "", "median:99999999", "ema:.5e-1"],
)  # fmt: skip
def test_an_end_that_there_is_not_is_refused(end, tmp_path):
    with pytest.raises(ValueError, match="--end .*median:K"):
        read(tmp_path, steady([2, 1]), last_of="run", end=end)


WAVE = 2 + 1 / np.arange(1, 40) + 0.002 * np.cos(np.arange(39))


@pytest.mark.parametrize(
    ("values", "spike"),
    [
        ([*WAVE, 3.0], True), ([*WAVE, 2.1], True), (WAVE, False), ([*WAVE, 2.03], False),
        ([*WAVE, 1.0], False), ([4, 3, 9], False), ([2.0] * 20, False),
    ],
)  # fmt: skip
def test_a_run_that_ends_on_a_spike_is_named(values, spike, tmp_path):
    runs = read(tmp_path, steady(values), last_of="run")
    said = "\n".join(runs.warnings)
    assert ("1 run cut short on a spike" in said) == spike
    assert not spike or f"(row {len(values) + 1})" in said


SWEEP = "N,D,lr,seed,tag,loss\n" + "".join(
    f"{n},{20 * n},{lr},{seed},{tag},{3 + 1 / n + 0.1 * abs(np.log(lr)) + 0.01 * seed}\n"
    for n in (1, 2)
    for lr in (0.5, 1, 2)
    for seed, tag in ((1, "x"), (2, "y"))
)
REFUSED = {
    "no such column": (dict(best_of="N,size"), "--best-of N,size: no column 'size'; there are 'N'"),
    "none to tell runs apart": (dict(last_of="run"), "--last-of run: no column 'run'"),
    "no seeds": (dict(average_over="rep"), "--average-over rep: no column 'rep'"),
    "no such rate": (dict(best_of="N", over="wd"), "--over wd: no column 'wd'"),
    "tuned and grouped by": (dict(best_of="N,lr", over="lr"), "none of which is in --best-of"),
    "three tuned": (dict(best_of="N", over="lr,seed,D"), "expected one or two columns"),
    "no compute": (dict(envelope="E"), "--envelope E: no column 'E'"),
    "nothing repeated": (dict(average_over="seed", where="seed == 1"), "no two rows are alike in"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_columns_that_are_not_there_are_named(name, tmp_path):
    options, said = REFUSED[name]
    with pytest.raises(DataError) as error:
        read(tmp_path, SWEEP, **options)
    assert said in str(error.value)


@pytest.mark.parametrize("given", ["", " , ", []])
@pytest.mark.parametrize("option", ["last_of", "best_of", "over", "average_over", "envelope"])
def test_no_column_at_all_is_refused(option, given, tmp_path):
    with pytest.raises(ValueError, match="expected columns"):
        read(tmp_path, SWEEP, **{option: given})


def test_options_of_others_are_refused_alone(tmp_path):
    with pytest.raises(ValueError, match="--over.* goes with best_of"):
        read(tmp_path, SWEEP, over="lr")
    with pytest.raises(ValueError, match="--end.* goes with last_of"):
        read(tmp_path, SWEEP, end="median:3")


BLANKS = {
    "a label": ("kind,N,loss\na,1,3\n,1,2\nb,1,1\n", dict(best_of="kind"), 2),
    "a number": ("lot,N,loss\n1,1,3\n,1,2\n2,1,1\n", dict(best_of="lot"), 2),
    "a run": ("run,N,step,loss\na,1,1,3\n,1,2,2\nb,1,3,1\n", dict(last_of="run"), 2),
    "a rate": ("lr,N,loss\n1,1,3\n,1,2\n2,1,1\n", dict(best_of="N", over="lr"), 1),
    "a seed": ("seed,N,loss\n1,1,3\n,1,2\n2,1,1\n", dict(average_over="seed"), 1),
}


@pytest.mark.parametrize("name", BLANKS)
def test_an_empty_cell_belongs_to_no_group(name, tmp_path):
    text, options, count = BLANKS[name]
    column = next(iter(options.values())) if "over" not in options else "lr"
    with pytest.raises(DataError, match=f"row 3, column '{column}': .*--bad drop"):
        read(tmp_path, text, **options)
    runs = read(tmp_path, text, **options, bad="drop")
    assert len(runs) == count and (3, f"{column} is missing") in runs.dropped


@pytest.mark.parametrize("rate", ["0", "-1e-3", "inf"])
def test_a_rate_without_a_logarithm_is_named(rate, tmp_path):
    text = f"N,lr,loss\n1,1e-3,3\n1,{rate},2\n1,3e-3,3\n"
    with pytest.raises(DataError, match="row 3, column 'lr': .* takes positive numbers, got"):
        read(tmp_path, text, best_of="N", over="lr")
    assert read(tmp_path, text, best_of="N").rows.tolist() == [3]


def test_the_optimum_of_every_group_is_a_row_and_a_response(tmp_path):
    lr = np.geomspace(1e-4, 1e-2, 7)
    N = np.repeat([1e7, 1e8], 7)
    best = 3e-3 * (N / 1e7) ** -0.3
    loss = 2 + 1e3 / N**0.5 + 0.05 * np.log(np.tile(lr, 2) / best) ** 2
    table = {"params": N, "tokens": 20 * N, "learning_rate": np.tile(lr, 2), "loss": loss}
    runs = jaxscale.Runs.of(table).best_of("N", "D", over="lr")
    assert len(runs) == 2 and len(runs.dropped) == 12
    np.testing.assert_allclose(runs.columns["lr_opt"], [3e-3, 3e-3 * 10**-0.3], rtol=1e-6)
    np.testing.assert_allclose(runs.loss, 2 + 1e3 / np.array([1e7, 1e8]) ** 0.5, rtol=1e-9)
    assert "2 rows of 14 remain, all with the minimum of a parabola" in runs.warnings[0]
    rates = jaxscale.Runs.of(table).best_of("N,D", over="lr", of="lr_opt")
    np.testing.assert_allclose(rates.loss, runs.columns["lr_opt"])
    np.testing.assert_allclose(rates.columns["loss_opt"], runs.loss)
    assert rates.response.column == "lr_opt"
    with pytest.raises(DataError, match="expected 'loss' or what `over` makes"):
        runs.best_of("N", over="lr", of="wd_opt")


def test_groups_without_an_optimum_keep_their_lowest_point_and_make_no_rate(tmp_path):
    text = "N,lr,loss\n" + "".join(
        f"{n},{lr},{loss}\n"
        for n, losses in ((1, [3.1, 3, 3.1]), (2, [3, 2.9, 2.85]), (3, [2.5]), (4, [2.6, 2.4]))
        for lr, loss in zip((1, 2, 4), losses, strict=False)
    )
    runs = read(tmp_path, text, best_of="N", over="lr")
    assert runs.loss == pytest.approx([3, 2.85, 2.5, 2.4])
    assert np.isfinite(runs.columns["lr_opt"]).tolist() == [True, False, False, False]
    said = "\n".join(runs.warnings)
    for row, why in ((7, "at the edge of the sweep"), (10, "too few points"), (8, "one run")):
        assert f"lowest point kept in 1 group (row {row}): " in said and why in said
    rates = read(tmp_path, text, best_of="N", over="lr", map={"loss": "lr_opt"})
    assert rates.loss == pytest.approx([2], rel=1e-6)
    assert sum("no optimum over lr" in why for _, why in rates.dropped) == 3
    assert "1 row of 9 remain, all with" in rates.warnings[0]
    assert rates.warnings[1].startswith("no lr_opt, so left out: 1 group (row 7): the optimum lies")


def seeds(noise, sizes=(3, 3, 1)):
    rng = np.random.default_rng(3)
    N = np.repeat(np.arange(1.0, len(sizes) + 1), sizes)
    seed = np.concatenate([np.arange(k) for k in sizes])
    return jaxscale.Runs(
        N=N, lr=1 / N, seed=seed, hours=rng.random(len(N)),
        loss=3 + 1 / N + noise * rng.standard_normal(len(N)),
    )  # fmt: skip


def test_seeds_are_averaged_and_their_spread_is_the_error():
    runs = seeds(0.1)
    found = runs.average(over="seed")
    groups = [runs.loss[:3], runs.loss[3:6], runs.loss[6:]]
    pooled = np.sqrt(sum(((g - g.mean()) ** 2).sum() for g in groups) / 4)
    np.testing.assert_allclose(found.loss, [g.mean() for g in groups])
    np.testing.assert_allclose(found.columns["loss_se"], pooled / np.sqrt([3, 3, 1]))
    assert found.weight.tolist() == [3, 3, 1] and "seed" not in found.columns
    assert found.columns["hours"][0] == pytest.approx(runs.columns["hours"][:3].mean())
    said = "\n".join(found.warnings)
    assert "3 rows of 7 remain, each of 1 to 3 alike in 'N', 'lr'; 1 row without a repeat" in said
    assert "measured, and averaged too: 'hours'" in said
    assert [why for _, why in found.dropped] == [
        "averaged with others that differ in seed only"
    ] * 4


def test_an_error_of_a_mean_is_not_counted_a_second_time_by_its_weight():
    found = seeds(0.1).average()
    weighted = with_errors(found, "loss_se", residual_named("absolute"))
    np.testing.assert_allclose(weighted.weight / weighted.weight[2], [3, 3, 1])


def test_the_same_run_twice_is_no_repeat():
    runs = seeds(0.1)
    twice = jaxscale.Runs(
        loss=np.append(runs.loss, runs.loss[:2]),
        **{name: np.append(column, column[:2]) for name, column in runs.columns.items()},
    )
    found = twice.average()
    np.testing.assert_allclose(found.loss, runs.average().loss)
    assert "2 rows left out: the same run again" in found.warnings[0]
    with pytest.raises(DataError, match="no two rows are alike"):
        seeds(0.1, (1, 1, 1)).average()


@pytest.mark.parametrize("noise", [0.0, 1e-18])
def test_repeats_that_agree_to_the_last_digit_have_no_error(noise):
    found = seeds(noise).average()
    assert "loss_se" not in found.columns and "no error of their means" in found.warnings[-1]


SET = {
    "a rate, by its name": (dict(lr=np.arange(8.0)), True),
    "a batch size, by its name": (dict(global_batch=np.arange(8.0)), True),
    "a width that comes again": (dict(width=[1, 2, 1, 2, 3, 4, 3, 4.0]), True),
    "a time that does not": (dict(wall=np.arange(8.0)), False),
    "an accuracy that does": (dict(val_acc=[0.5, 0.6] * 4), False),
}


@pytest.mark.parametrize("name", SET)
def test_what_was_set_is_told_from_what_was_measured(name):
    more, was_set = SET[name]
    seed = [0, 0, 1, 1, 0, 0, 1, 1]
    runs = jaxscale.Runs(N=[1.0] * 4 + [2.0] * 4, seed=seed, loss=np.arange(8) / 9 + 1, **more)
    if was_set and "comes again" not in name:
        with pytest.raises(DataError, match=f"alike in 'N', '{next(iter(more))}' and differ"):
            runs.average()
        return
    assert len(runs.average()) == (4 if was_set else 2)


ENVELOPES = {
    "on it": ([1, 10, 100], [3, 2, 1], [0, 1, 2]),
    "beaten at less": ([1, 10, 100], [3, 1, 2], [0, 1]),
    "beaten at the same": ([1, 1, 10], [3, 2, 1], [1, 2]),
    "equal losses at more": ([1, 10], [2, 2], [0]),
    "in no order": ([100, 1, 10], [1, 3, 2], [0, 1, 2]),
    "two in one bin": ([1, 1.001, 10], [3, 2.9, 1], [1, 2]),
    "not finite": ([1, 10, 100], [np.nan, 2, 1], [1, 2]),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_what_no_cheaper_run_beats_is_on_the_envelope(name):
    C, loss, rows = ENVELOPES[name]
    found = jaxscale.Runs(C=C, loss=loss).envelope("C")
    assert (found.rows - 1).tolist() == rows
    both = jaxscale.Runs(C=C + C, loss=[*loss, *loss], group=["a"] * len(C) + ["b"] * len(C))
    assert len(both.envelope("C")) == 2 * len(rows)


def test_the_envelope_of_many_points_is_that_of_one_by_one():
    rng = np.random.default_rng(5)
    C, loss = 10 ** rng.uniform(0, 3, 300), rng.random(300)
    kept = jaxscale.Runs(C=C, loss=loss).envelope("C").rows - 1
    assert all(loss[k] < loss[(C <= C[k]) & (np.arange(300) != k)].min(initial=9) for k in kept)
    front = [k for k in range(300) if not (loss[C <= C[k]] < loss[k]).any()]
    assert len(np.unique(np.floor(40 * np.log10(C[front])))) == len(kept)


def test_reductions_follow_one_another_in_one_order(tmp_path):
    text = "run,D,lr,seed,loss\n"
    for n in (10, 20, 40):
        for lr in (1, 2):
            for seed in (0, 1):
                for step, loss in ((1, 5.0), (2, 3 + 1 / n + 0.1 * lr + 0.01 * seed)):
                    text += f"{n}M-lr{lr}-s{seed},{step * n}e6,{lr},{seed},{loss}\n"
    options = dict(parse="{N}-{}", best_of="N,seed", average_over="seed")
    runs = read(tmp_path, text, last_of="run", **options)
    assert runs.columns["N"].tolist() == [1e7, 2e7, 4e7]
    assert runs.loss == pytest.approx([3 + 1 / n + 0.105 for n in (10, 20, 40)])
    said = [note.split(":")[0] for note in runs.warnings]
    assert said[0].startswith("column 'run' by '{N}-{}'")
    assert [s.split(" ")[0] for s in said[1:4]] == ["last", "best", "averaged"]
    assert len(runs) + len(runs.dropped) == text.count("\n") - 1
    frame = jaxscale.Runs.from_dataframe(
        pandas.read_csv(tmp_path / "runs.csv"), last_of=["run"], **options
    )
    np.testing.assert_allclose(frame.loss, runs.loss)


@needs_data
def test_the_best_of_every_size_are_those_that_the_authors_mark():
    path = data_folder() / "misfitting" / "misfitting_final.csv"
    best = jaxscale.read_runs(path, best_of="N,D")
    marked = jaxscale.read_runs(path, where="best_lr == 1")
    assert best.rows.tolist() == marked.rows.tolist() and len(best) == 81


SIZES = ("1,1", "1,2", "2,1", "2,2")
TWO = [("web,", 3.0), ("code,", 2.0)]
FAMILIES = {
    "two corpora": ("corpus,", TWO, "N,D", "", "corpus"),
    "a parabola over two corpora": ("corpus,", TWO, "N,D", "lr", "corpus"),
    "corpora kept apart": ("corpus,", TWO, "N,D,corpus", "", None),
    "one corpus": ("corpus,", [("web,", 3.0)], "N,D", "", None),
    "names of runs": ("run,", None, "N,D", "", None),
    "a sweep alone": ("", [("", 3.0)], "N,D", "", None),
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_the_best_over_families_is_said_to_be_over_them(name, tmp_path):
    head, families, by, over, said = FAMILIES[name]
    rows = []
    for size in SIZES:
        for label, loss in families or [("", 3.0)]:
            for lr, more in ((1, 0.1), (2, 0.0), (4, 0.1)):
                label = f"r{len(rows)}," if head == "run," else label
                rows.append(f"{label}{size},{lr},{loss + more}")
    runs = read(tmp_path, f"{head}N,D,lr,loss\n" + "\n".join(rows), best_of=by, over=over or None)
    told = [line for line in runs.warnings if "between rows that are compared" in line]
    assert len(told) == (said is not None)
    assert said is None or f"--best-of N,D,{said}" in told[0]


BACK = {
    "the last": ("last", 10, False),
    "three of ten": ("median:3", 10, True),
    "three of a hundred": ("median:3", 100, False),
    "a long mean": ("ema:.9", 50, True),
    "a short mean of many": ("ema:.9", 1000, False),
}


@pytest.mark.parametrize("name", BACK)
def test_an_end_that_looks_far_back_is_said_to(name, tmp_path):
    end, rows, far = BACK[name]
    text = LOG + "".join(f"a,{k},1,{1 + 1 / k}\n" for k in range(1, rows + 1))
    runs = read(tmp_path, text, last_of="run", end=end)
    assert any("looks back over" in line for line in runs.warnings) == far


def test_labels_that_come_again_in_an_envelope_are_said(tmp_path):
    text = "corpus,N,D,loss\n" + "".join(
        f"{name},{n},{d},{loss + 1 / d}\n"
        for name, loss in (("web", 3), ("code", 2))
        for n in (1, 2)
        for d in (1, 2, 4)
    )
    assert any("'corpus' differs" in x for x in read(tmp_path, text, envelope="C").warnings)
