"""Batches of runs for an answer: their intervals, their refusals, plans and figures."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from cases import TRUTH

import jaxscale
from jaxscale.datasets.synthetic import isoflop_design, simulate
from jaxscale.designs.design import design, posed
from jaxscale.designs.information import Believed
from jaxscale.designs.rivals import apart
from jaxscale.designs.simulation import simulate as simulated
from jaxscale.shown.blocks import full_text
from jaxscale.uncertainty.covariance import covariance
from jaxscale.uncertainty.quantities import Best, evaluate

slow = pytest.mark.slow
RAY = dict(N=np.geomspace(1e8, 3e9, 7), D=20 * np.geomspace(1e8, 3e9, 7))
ONE_BUDGET = dict(N=np.geomspace(1e8, 3e9, 7), C=np.full(7, 1e20))
TWO_SIZES = dict(N=np.repeat([1e8, 1e9], 4), D=np.tile(np.geomspace(1e9, 1e11, 4), 2))


@pytest.fixture(scope="module")
def batch(fitted):
    return design(fitted, budget=1e21, what="N* at 1e25")


def test_the_batch_narrows_the_interval_within_its_budget(batch, fitted):
    assert 1 <= len(batch) <= 12 and batch.spent[-1] <= 1e21 * (1 + 1e-9)
    assert batch.identified and len(batch.steps) == len(batch.spent) == len(batch) + 1
    assert (np.diff(batch.steps) < 0).all() and batch.ratio < 0.9
    answer = batch.answers[0]
    assert answer.name == "N*(C=1e25)" and answer.before.low < answer.after.low
    assert answer.after.estimate == pytest.approx(jaxscale.allocate(fitted.law, compute=1e25).N)
    assert answer.ratio == pytest.approx(batch.ratio) == pytest.approx(batch.steps[-1])
    np.testing.assert_allclose(batch.cost, 6 * batch.inputs["N"] * batch.inputs["D"])
    np.testing.assert_allclose(batch.loss, jaxscale.predict(fitted.law, **batch.inputs))


def test_the_usual_designs_of_that_cost_narrow_it_less(batch):
    assert len(batch.others) == 4
    for other in batch.others:
        assert other.cost == pytest.approx(batch.spent[-1], rel=1e-6) and other.against > 1


def test_the_text_has_the_batch_the_answer_and_the_notes(batch):
    text = full_text(batch)
    assert "N*(C=1e25)" in text and "interval left" in text and "isoFLOP" in text
    assert all(f"! {note}" in text for note in batch.notes)


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_plan_is_read_back_as_candidates(batch, fitted, tmp_path, ending):
    path = tmp_path / f"plan.{ending}"
    batch.save(path)
    text = path.read_text()
    rows = json.loads(text) if ending == "json" else list(csv.DictReader(text.splitlines()))
    assert [int(row["order"]) for row in rows] == list(range(1, len(batch) + 1))
    np.testing.assert_allclose([float(row["flops"]) for row in rows], batch.cost, rtol=1e-9)
    assert {"N", "D", "tokens_per_parameter", "predicted_loss", "interval_left"} <= rows[0].keys()
    again = design(fitted, plan=path, what="N* at 1e25")
    assert again.ratio == pytest.approx(batch.ratio, rel=1e-6) and again.identified


def test_a_plan_of_another_kind_is_refused(batch, tmp_path):
    with pytest.raises(ValueError, match=r"\.csv, \.json"):
        batch.save(tmp_path / "plan.xlsx")


@slow
def test_before_any_batch_the_information_is_the_covariance_of_least_squares():
    runs = simulate(TRUTH, *isoflop_design(np.logspace(18, 20, 4), 8), noise=0.005, seed=2)
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs, loss=jaxscale.Square(), starts=64)
    question, _ = posed(fit, what=[Best(1e25), "alpha"], candidates=RAY)
    believed = question.believed
    assert not believed.trend.said  # else it is a sandwich of its own
    error = np.sqrt(question.plain.after([]).variance / believed.scale)
    laplace = covariance(fit, kind="laplace").intervals([Best(1e25), "alpha"])
    center = np.array([laplace[0].estimate, 1.0])
    np.testing.assert_allclose(error * center, [i.error for i in laplace], rtol=1e-4)


@slow
@pytest.mark.parametrize("loss", [jaxscale.Square(), jaxscale.Huber(1e-3), jaxscale.Huber(1e-2)])
def test_the_predicted_error_is_the_spread_of_refits_of_simulated_losses(loss):
    N, D = isoflop_design(np.logspace(18, 20, 4), 8)
    fit = jaxscale.fit(
        jaxscale.Chinchilla(), simulate(TRUTH, N, D, noise=0.005, seed=2), loss=loss, starts=64
    )
    batch = design(fit, budget=1e21, what="N* at 1e24", batch=8)
    found = simulated(fit, batch, "N* at 1e24", tables=300, stages=[0, 4, 8])
    np.testing.assert_allclose(found.ratio, found.predicted, rtol=0.2)
    assert not found.lost.any() and "predicted" in str(found)


@slow
def test_the_noise_of_a_fit_is_that_of_its_refits():
    N, D = isoflop_design(np.logspace(18, 20, 6), 8)
    runs = simulate(TRUTH, N, D, noise=0.005, seed=2)
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs, starts=64)
    mean = np.asarray(jaxscale.predict(TRUTH, N=N, D=D))
    losses = mean * np.exp(np.random.default_rng(0).normal(0, 0.005, (300, len(N))))
    refits = jaxscale.refit(fit, losses=losses).law
    spread = np.log(evaluate([Best(1e24)], refits)[:, 0]).std()
    errors = []
    for k in range(12):
        law = refits.replace(**{name: float(x[k]) for name, x in refits.values.items()})
        prediction = np.asarray(jaxscale.predict(law, N=N, D=D))
        one = dataclasses.replace(
            fit, law=law, runs=runs.replace(loss=losses[k]), prediction=prediction, prepared=None
        )
        question, _ = posed(one, what=Best(1e24), candidates=RAY)
        errors.append(np.sqrt(question.plain.after([]).variance[0]))
    assert np.median(errors) == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (RAY, "D/N is 20 in all 7 runs"),
        (ONE_BUDGET, "share one compute budget"),
        (TWO_SIZES, "N takes only 2 values"),
        ({name: x[:5] for name, x in RAY.items()}, "5 runs for the 5 parameters"),
    ],
    ids=["ray", "one budget", "two sizes", "too few"],
)
def test_a_plan_that_cannot_identify_the_law_is_named_before_it_is_run(plan, said):
    found = design(TRUTH, plan=plan, noise=0.005, what="N* at 1e23")
    assert not found.identified and any(said in note for note in found.notes)
    assert found.others == () and "not determined" in str(found)


def test_from_a_ray_the_batch_leaves_the_ray():
    found = design(TRUTH, present=RAY, noise=0.002, budget=1e20, what="N* at 1e23")
    ratio = found.inputs["D"] / found.inputs["N"]
    assert found.identified and ratio.max() > 20 * ratio.min()
    assert np.isinf(found.halves[0]) and np.isfinite(found.halves[-1])


def test_before_any_run_a_batch_determines_the_law():
    found = design(TRUTH, noise=0.01, budget=1e20, what="N* at 1e23")
    assert found.identified and len(found) > 5 and np.isfinite(found.halves[-1])
    assert found.others[0].against > 1


@pytest.mark.parametrize(
    ("what", "criterion"),
    [("loss at 1e24", None), ("loss at N=7e9 D=1e12", "c"), ("alpha", None), ("a", None),
     (["N* at 1e23", "loss at 1e24"], None), ("compute for 2.1", None), ((), "D"),
     (lambda law: law.alpha - law.beta, None)],
    ids=lambda value: "a function" if callable(value) else str(value),
)  # fmt: skip
def test_whatever_is_asked_becomes_better_known(fitted, what, criterion):
    found = design(fitted, budget=1e20, what=what, criterion=criterion, batch=5)
    assert found.ratio < 0.999 and found.criterion == (criterion or "cV"[isinstance(what, list)])
    assert all(answer.ratio < 1.001 for answer in found.answers)


def test_half_the_interval_takes_no_run_that_could_be_spared(fitted):
    found = design(fitted, narrow=0.7, largest=1e21, what="N* at 1e24")
    assert 0.6 < found.ratio <= 0.7 and found.budget == pytest.approx(found.spent[-1])
    for k in range(len(found)):
        rest = {name: np.delete(x, k) for name, x in found.inputs.items()}
        assert design(fitted, plan=rest, what="N* at 1e24").ratio > 0.7


def test_seeds_of_one_candidate_count_as_runs(fitted):
    table = {"N": [3e9], "D": [3e9]}
    once = design(fitted, candidates=table, budget=1e21, what="N* at 1e24")
    often = design(fitted, candidates=table, budget=1e21, what="N* at 1e24", repeats=5)
    assert len(once) == 1 and len(often) == 5 and often.ratio < once.ratio


def test_a_table_with_prices_is_bought_in_its_own_unit(fitted):
    table = {"N": [3e9, 3e7, 3e9], "D": [3e9, 3e10, 3.1e9], "dollars": [50.0, 40.0, 900.0]}
    found = design(fitted, candidates=table, budget=100, what="N* at 1e24")
    assert found.candidates.unit == "dollars" and found.spent[-1] == 90
    assert found.others == () and found.rows()[0]["cost"] in (40, 50)


@slow
def test_noise_that_shrinks_with_size_sends_runs_where_it_is_small():
    N, D = isoflop_design(np.logspace(18, 20, 6), 8)
    mean = np.asarray(jaxscale.predict(TRUTH, N=N, D=D))
    size = 0.02 * (6 * N * D / 1e18) ** -0.4
    loss = mean * np.exp(size * np.random.default_rng(0).normal(size=len(N)))
    fit = jaxscale.fit(jaxscale.Chinchilla(), jaxscale.Runs(N=N, D=D, loss=loss), starts=64)
    believed = Believed.of_fit(fit)
    assert believed.trend.said
    at = {"N": np.array([N.min(), N.max()]), "D": np.array([D.min(), D.max()])}
    bend, pull = believed.counts(at, np.ones(2))
    assert bend[1] > 1.5 * bend[0]  # a small residual counts for more


REFUSED = {
    "no budget": (dict(), ValueError, "--budget.*--narrow.*--check"),
    "both": (dict(budget=1e21, narrow=0.5), ValueError, "one of budget"),
    "nothing asked": (dict(budget=1e21, what=()), ValueError, r"say what.*N\* at 1e25"),
    "a poor budget": (dict(budget=1e12), ValueError, "no grid of candidates fits 1e"),
    "a poor budget for a table": (
        dict(budget=1e12, candidates=RAY), ValueError, "budget of 1e.12 FLOPs is less than the",
    ),
    "small runs only": (
        dict(budget=1e21, largest=1e12, candidates=RAY), ValueError, "largest run of 1e.12",
    ),
    "a negative budget": (dict(budget=-1e21), ValueError, "budget must be a positive number"),
    "an endless budget": (dict(budget=np.inf), ValueError, "budget must be a positive number"),
    "a budget beyond all": (dict(budget=1e308), ValueError, "from 1e-09 to 1e.45"),
    "noise beyond all": (dict(budget=1e20, noise=1e308), ValueError, "noise must be a positive"),
    "no noise to speak of": (dict(budget=1e20, noise=1e-300), ValueError, "noise must be"),
    "no such family": (dict(budget=1e21, candidates="circle"), ValueError, "grid, isoflop"),
    "no such file": (dict(budget=1e21, candidates="no.csv"), jaxscale.DataError, "no.csv"),
    "no such criterion": (dict(budget=1e21, criterion="A"), ValueError, "c, V, D"),
    "no runs": (dict(budget=1e21, batch=0), ValueError, "batch"),
    "more than can be": (
        dict(narrow=0.01, largest=1e19, batch=2), jaxscale.FitError, "2 runs .* at best, not 1 %",
    ),
    "no interval of that share": (dict(narrow=1.5, largest=1e19), ValueError, "share"),
    "present beside a fit": (dict(budget=1e21, present=RAY), ValueError, "present goes with a law"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_designed_is_refused_with_the_reason(fitted, name):
    options, error, said = REFUSED[name]
    with pytest.raises(error, match=said):
        design(fitted, **{"what": "N* at 1e24", **options})


def test_a_fit_that_is_not_certified_designs_nothing_unless_it_is_told_to(fitted):
    doubted = dataclasses.replace(fitted.certificate, at_bound=("E",))
    fit = dataclasses.replace(fitted, certificate=doubted)
    with pytest.raises(jaxscale.FitError, match=r"not certified \(E ended.*--force"):
        design(fit, budget=1e20, what="N* at 1e24")
    assert len(design(fit, budget=1e20, what="N* at 1e24", force=True))


def test_a_fit_without_noise_asks_for_it(fitted):
    exact = dataclasses.replace(fitted.certificate, exact=True)
    fit = dataclasses.replace(fitted, certificate=exact)
    with pytest.raises(jaxscale.FitError, match="--noise .01"):
        design(fit, budget=1e20, what="N* at 1e24")
    assert design(fit, budget=1e20, what="N* at 1e24", noise=0.02).noise == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(budget=1e20), "--noise"),
        (dict(budget=1e20, noise=-1), "noise must be a positive"),
        (dict(budget=1e20, noise=0.01, batch=4), "4 runs for the 5 parameters"),
        (dict(budget=1e23, noise=0.01, candidates=RAY), "D/N is 20 in all"),
    ],
    ids=["no noise", "bad noise", "few", "ray"],
)
def test_a_law_without_runs_is_refused_what_no_batch_gives(options, said):
    with pytest.raises((ValueError, jaxscale.FitError), match=said):
        design(TRUTH, what="N* at 1e23", **options)


def test_a_law_of_one_scale_takes_a_table_of_candidates():
    law = jaxscale.PowerLaw(a=30.0, b=-0.35, c=1.0, of="C")
    table = {"C": np.geomspace(1e18, 1e21, 9)}
    found = design(law, budget=3e21, what="c", noise=0.01, candidates=table)
    assert found.identified and found.inputs["C"].max() > 3e20
    with pytest.raises(ValueError, match="give a table of candidates"):
        design(law, budget=3e21, what="c", noise=0.01)


def test_a_batch_says_whether_it_tells_another_law_from_its_own(fitted, batch):
    same = apart(batch, fitted, fitted.law)
    assert same.batch == 0 and "0 standard deviations" in same.said
    other = apart(batch, fitted, fitted.law.replace(E=1.01 * fitted.law.E))
    each = np.log(jaxscale.predict(fitted.law.replace(E=1.01 * fitted.law.E), **batch.inputs))
    each = (each - np.log(batch.loss)) / batch.noise
    assert other.batch == pytest.approx(float(np.sqrt(np.sum(each**2))))
    gain = other.each**2 / batch.candidates.cost
    assert gain[other.best] == gain.max()
    with pytest.raises(ValueError, match="the rival PowerLaw takes C"):
        apart(batch, fitted, jaxscale.PowerLaw(a=30.0, b=-0.35, c=1.0, of="C"))
