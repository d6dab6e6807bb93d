"""The answer under every choice: what is among them, what counts, what is said."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from cases import data_folder, needs_data

import jaxscale
from jaxscale import Chinchilla, Huber, Runs, Skaling, Square, specify
from jaxscale.cli.parser import main
from jaxscale.datasets.synthetic import simulated_runs
from jaxscale.objective.residuals import RESIDUALS
from jaxscale.plotting.specification import plot_specification
from jaxscale.specification.solving import Answer, Solving
from jaxscale.specification.specify import _approaches, _others, held
from tests.isoflops.tables import isoflop_table


class Own(jaxscale.Law):
    """L = E + A N^-alpha + B D^-alpha."""

    E: jaxscale.Scalar = jaxscale.offset("bound")
    A: jaxscale.Scalar = jaxscale.coefficient("of N", per={"N": "alpha"})
    B: jaxscale.Scalar = jaxscale.coefficient("of D", per={"D": "alpha"})
    alpha: jaxscale.Scalar = jaxscale.exponent("of both")

    def __call__(self, N, D):
        return self.E + self.A * N**-self.alpha + self.B * D**-self.alpha


HOSTED = dict(laws=("Chinchilla", "Skaling"), draws=0)
"""What compiles nothing."""


@pytest.fixture(scope="module")
def found(fitted):
    return specify(fitted, compute=1e23, **HOSTED)


def test_the_fit_itself_stands_first_and_is_what_allocate_says(found, fitted):
    own, want = found.rows[0], jaxscale.allocate(fitted, compute=1e23)
    assert own.kind == "fit" and own.trusted
    assert (own.N, own.D, own.loss_there) == pytest.approx((want.N, want.D, want.loss))
    assert own.a == pytest.approx(jaxscale.laws.derived(fitted.law)["a"], rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "count"),
    [("fit", 1), ("law", 1), ("loss", 3), ("residual", 2), ("approach", 4), ("data", 5)],
)
def test_every_choice_is_made_once(found, kind, count):
    rows = [row for row in found.rows if row.kind == kind]
    assert len(rows) == len({row.changed for row in rows}) == count


def test_laws_losses_and_residuals_are_crossed(found):
    """2 laws, 4 losses and 3 residuals, less the fit itself and what differs in one."""
    crossed = {(r.law, r.loss, r.residual) for r in found.rows if r.kind == "cross"}
    assert len(crossed) == 2 * 4 * 3 - 1 - 1 - 3 - 2


@pytest.mark.parametrize(
    "given, counts", [("PowerLaw:C", 0), (jaxscale.Translog(), 1), (Own, 1)], ids=str
)
def test_laws_of_other_inputs_are_no_choice_and_laws_without_a_cost_are(fitted, given, counts):
    assert [type(law).__name__ for law in _others(fitted, (given, "Chinchilla"))] == (
        [getattr(given, "__name__", type(given).__name__)] * counts
    )


def test_minima_that_isoflop_would_not_trust_do_not_count(fitted):
    runs = isoflop_table(fitted.law, (1e18, 1e19, 1e20), noise=0.001)
    swapped = runs.replace(N=runs.columns["D"], D=runs.columns["N"])
    for table, counts in ((runs, True), (swapped, False)):
        odd = dataclasses.replace(fitted, runs=table, prepared=None)
        rows = [choice.solve() for choice in _approaches(odd, Solving(odd, 1e23, 64, 0))]
        assert [row.trusted for row in rows] == [counts] * 4
        assert all(("swapped" in row.reason) != counts for row in rows)


def test_what_is_not_certified_is_shown_with_its_reason(fitted):
    tokens = fitted.runs.columns["D"]
    odd = specify(fitted, compute=1e23, parameters={"tokens": tokens}, cross=False, **HOSTED)
    row = next(row for row in odd.rows if row.kind == "parameters")
    assert row.changed == "N as tokens"
    assert not row.trusted and row.reason[:60] in odd.text()
    assert all(row.reason for row in odd.rows if not row.trusted)
    lost = sum(not row.trusted for row in odd.rows)
    assert odd.notes[0].startswith(f"{lost} of {len(odd.rows)} do not count (")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(compute=-1.0), "positive number of FLOPs"),
        (dict(compute=1e23, draws=1), "2 or more, got 1"),
        (dict(compute=1e23, draws=-3), "2 or more, got -3"),
        (dict(compute=1e23, parameters={"few": [1.0, 2.0]}), "positive numbers, one per run"),
    ],
)
def test_what_cannot_be_asked_is_refused(fitted, options, message):
    with pytest.raises(ValueError, match=message):
        specify(fitted, **{**HOSTED, **options})


def test_the_sentence_names_what_moves_the_answer_most(found):
    kind, (row, far) = max(
        ((k, m) for k, m in found.moved.items() if k != "cross"), key=lambda m: abs(m[1][1])
    )
    assert row.changed in found.sentence and "What moves it most is" in found.sentence
    assert abs(far) == max(
        abs(np.log(r.N / found.rows[0].N))
        for r in found.rows
        if r.trusted and r.kind not in ("cross", "fit")
    )


def test_the_curve_draws_every_answer_and_its_choices(found):
    figure = plot_specification(found)
    upper, lower = figure.axes
    shown = sum(row.N > 0 for row in found.rows)
    points = [line for line in upper.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert len(points) == shown
    labels = [text.get_text() for text in lower.get_yticklabels()]
    assert {"Chinchilla", "Skaling", "square", "all runs", "cubic in log D"} <= set(labels)


@pytest.mark.slow
@pytest.mark.parametrize(
    "law",
    [Chinchilla(), pytest.param(Skaling(), marks=pytest.mark.nightly)],  # as in test_nesting
    ids=lambda law: type(law).__name__,
)
@pytest.mark.parametrize("loss", [Square(), Huber(1e-3)], ids=str)
def test_the_host_answers_as_a_fit_would(fitted, law, loss):
    solving = Solving(fitted, 1e23, 128, 0)
    for residual in (each for each in RESIDUALS.values() if not each.fraction):
        hosted = solving.answer(law, fitted.runs, loss, residual)
        full = jaxscale.fit(law, fitted.runs, loss=loss, residual=residual, starts=128)
        want = solving.of(full.law)
        assert hosted.trusted is full.certificate.trusted
        assert hosted[:4] == pytest.approx(want[:4], rel=1e-4)


@needs_data
@pytest.mark.slow
def test_on_the_points_of_llama_3_choices_move_the_best_n_from_393_to_894_billion(monkeypatch):
    monkeypatch.setenv("JAXSCALE_DATA", str(data_folder()))
    runs = jaxscale.datasets.load("llama3_isoflop")
    fit = jaxscale.fit(Chinchilla(), runs, starts=256)
    found = specify(fit, compute=3.8e25, **HOSTED)
    N = {row.changed: row.N / 1e9 for row in found.rows}
    known = {
        "the fit: Chinchilla, huber (delta 0.001), log": 894,
        "square": 628,
        "Skaling, square, log": 634,
        "approach 2, parabola in log D": 393,
        "approach 2, quartic in log D": 573,
    }
    assert {name: round(N[name]) for name in known} == known
    assert found.certified[0].N < 394e9 and found.certified[-1].N > 893e9
    assert "What moves it most is the approach" in found.sentence


@pytest.mark.slow
def test_the_command_prints_draws_and_writes(fitted, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fitted.save("fit.json")
    argv = ["specify", "fit.json", "--compute", "1e23", "--draws", "32", "--quiet"]
    assert main([*argv, "--figure", "spec.svg"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("N* at 1e+23 FLOPs is ") and " of 32 draws" in text
    assert (tmp_path / "spec.svg").stat().st_size > 10_000
    assert main([*argv, "--json", "--out", "spec.json"]) == 0
    printed, written = (
        json.loads(capsys.readouterr().out),
        json.loads(Path("spec.json").read_text()),
    )
    assert printed["specifications"][0]["kind"] == "fit" and set(printed["sampling"]) >= {"N", "D"}
    assert written["sentence"] == printed["sentence"]
    kinds = {row["kind"] for row in written["specifications"]}
    assert kinds == {"fit", "law", "loss", "residual", "approach", "data", "cross"}


def test_a_table_without_budgets_says_so_in_its_row(fitted):
    rng = np.random.default_rng(0)
    N, D = 10 ** rng.uniform(7, 10, 60), 10 ** rng.uniform(9, 11, 60)
    loss = fitted.predict(N=N, D=D) * np.exp(0.003 * rng.normal(size=60))
    fit = jaxscale.fit(Chinchilla(), Runs(N=N, D=D, loss=loss), starts=64)
    rows = [row for row in specify(fit, compute=1e23, **HOSTED).rows if row.kind == "approach"]
    assert rows and not any(row.trusted for row in rows)
    assert all("budget" in row.reason for row in rows)


@pytest.mark.parametrize(
    ("misfit", "runs", "counts"),
    [
        (0.004, 30, True),
        (0.0056, 200, True),
        (0.02, 30, False),
        (0.007, 30, False),
        (0.02, 5, True),
    ],
)
def test_a_law_that_fits_far_worse_is_no_defensible_choice(misfit, runs, counts):
    own = Answer(1e9, 2e10, 2.0, 0.5, True, "", 0.004)
    got = held(own._replace(misfit=misfit), own, runs)
    assert got.trusted is counts
    assert ("rejected: its residuals are" in got.reason) is not counts


@pytest.mark.slow
def test_minima_that_isoflop_does_not_trust_do_not_count():
    runs = simulated_runs()
    swapped = Runs(N=10 * runs.columns["D"], D=runs.columns["N"] / 10, loss=runs.loss)
    fit = jaxscale.fit(Chinchilla(), swapped)
    found = specify(fit, compute=1e23, cross=False, **HOSTED)
    rows = [row for row in found.rows if row.kind == "approach"]
    assert all(not row.trusted for row in rows)
    assert any("swapped" in row.reason for row in rows)
