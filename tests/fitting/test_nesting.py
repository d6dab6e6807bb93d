"""Every fit of an additive law of N and D says whether an outer exponent is wanted."""

import dataclasses
import json

import numpy as np
import pytest
from cases import TRUTH, data_folder, needs_data

import jaxscale
from jaxscale import Absolute, Chinchilla, Huber, Runs, Skaling, Square
from jaxscale._numerics.precision import scope
from jaxscale.datasets.synthetic import isoflop_design
from jaxscale.fitting.mixed import least_sure
from jaxscale.fitting.nesting import nesting
from jaxscale.fitting.outer_solve import best, moving, solve, table_of
from jaxscale.objective.host_losses import log_normalizer, on_host
from jaxscale.objective.residuals import RESIDUALS

NESTED = Skaling(E=0.9, A=4100.0, B=13000.0, alpha=0.45, beta=0.44, k=0.6)
FREE = ("E", "A", "B", "alpha", "beta")
LOG = RESIDUALS["log"]
OF_LOSSES = [name for name, residual in RESIDUALS.items() if not residual.fraction]
N, D = isoflop_design(np.logspace(19, 22, 8), sizes=11)


def runs_of(law, noise, seed=0, shared=0.0, outliers=0):
    """Runs of a law, with noise of their own, noise per budget, and some far off."""
    rng = np.random.default_rng(seed)
    r = noise * rng.normal(size=len(N)) + shared * np.repeat(rng.normal(size=8), 11)
    r[rng.choice(len(N), outliers, replace=False)] += 0.1
    return Runs(N=N, D=D, loss=np.asarray(jaxscale.predict(law, N=N, D=D)) * np.exp(r))


def asked(runs, loss=None, law=TRUTH, free=FREE, residual=LOG):
    loss = loss or Square()
    return nesting(law, runs, runs.weights, loss=loss, residual=residual, free=free)


@pytest.fixture(scope="module")
def table():
    """The solve of a noisy table under any loss and residual."""

    def made(loss, residual, runs):
        form = on_host(loss)
        return table_of([N, D], runs.loss, runs.weights, loss=form, residual=RESIDUALS[residual])

    return made


@pytest.mark.parametrize("loss", [Square(), Huber(0.02), Absolute(1.0)], ids=str)
@pytest.mark.parametrize("residual", OF_LOSSES)
@pytest.mark.parametrize("k", [0.3, 1.0, 1.8])
def test_slopes_and_curvatures_are_those_of_the_value(table, loss, residual, k):
    at = table(loss, residual, runs_of(NESTED, 0.002))
    z = at.of({**NESTED.values, "k": k, "E": 0.7})
    got, h = at.curvatures(z), 1e-5
    steps = h * np.eye(6)
    slope = np.array([at.value(z + e) - at.value(z - e) for e in steps]) / (2 * h)
    bend = np.array([at.curvatures(z + e).gradient - at.curvatures(z - e).gradient for e in steps])
    np.testing.assert_allclose(got.gradient, slope, atol=1e-6 * np.abs(slope).max())
    np.testing.assert_allclose(got.exact, bend / (2 * h), atol=1e-4 * np.abs(got.exact).max())
    assert got.value == pytest.approx(at.value(z)) and np.all(np.linalg.eigvalsh(got.safe) > 0)


@pytest.mark.parametrize("k", [0.2, 1.0, 2.0])
def test_coordinates_are_a_law_and_back(table, k):
    at = table(Square(), "log", runs_of(TRUTH, 0.01))
    law = {**NESTED.values, "k": k}
    assert at.law(at.of(law)) == pytest.approx(law, rel=1e-10)
    want = at.y * 0 + np.asarray(jaxscale.predict(NESTED.replace(k=k), N=N, D=D))
    r = np.log(want / (at.y * at.unit))
    assert at.value(at.of(law)) == pytest.approx(0.5 * r @ r)


@pytest.mark.parametrize("loss", [Square(), Huber(1e-3), Absolute()], ids=str)
def test_losses_of_the_host_are_those_of_the_fit(loss):
    form, r, s = on_host(loss), np.linspace(-0.02, 0.02, 41), np.array([1e-6, 1e-4])
    with scope(np.float64):
        for got, want in (
            (form.rho(r), loss.rho(r)),
            (form.weight(r), loss.weight(r)),
            (form.psi(r), loss.weight(r) * r),
            (form.smoothed(r, 0.004), loss.smoothed_curvature(r, 0.004)),
            (log_normalizer(loss, s), loss.log_normalizer(np.log(s))),
        ):
            np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-13)


def test_the_best_run_of_the_host_is_that_of_allocate():
    want = jaxscale.allocate(NESTED, compute=6e23)
    assert best(NESTED.values, 1e23) == pytest.approx((want.N, want.loss), rel=1e-10)


@pytest.mark.parametrize("loss", [Square(), Huber(1e-3)], ids=str)
@pytest.mark.parametrize("shared", [0.0, 0.004])
def test_clean_additive_tables_are_not_doubted(loss, shared):
    """How often they are, of thousands: `python -m benchmarks.nesting --simulate`."""
    for seed in range(25):
        found = asked(runs_of(TRUTH, 0.004, seed, shared, outliers=seed % 3), loss)
        assert not found.rejected, seed


@pytest.mark.parametrize("loss", [Square(), Huber(1e-3)], ids=str)
@pytest.mark.parametrize(("shared", "outliers"), [(0.0, 0), (0.0, 4), (0.002, 0)])
def test_an_outer_exponent_is_seen(loss, shared, outliers):
    found = asked(runs_of(NESTED, 0.002, 1, shared, outliers), loss)
    assert found.rejected and abs(found.k - 0.6) < 4 * found.error + 0.05
    assert found.said.startswith("k = 0.") and "the additive law is rejected" in found.said
    assert found.budget == 1e24 and "at 1e+24" in found.said


@pytest.mark.parametrize(
    ("verdict", "ratio", "said"),
    [
        ("kept", 2.0, "likelihood ratio 2: the additive law (k = 1) is not rejected"),
        ("kept", 75.0, "ratio 75, which noise shared by runs could make: k = 1 is not rejected"),
        ("rejected", 75.0, "N* at 1e+24 is 2.4 % larger, the loss there 2.1 % smaller"),
        ("open", 75.0, ""),
    ],
)
def test_what_is_said_follows_from_the_verdict(verdict, ratio, said):
    found = asked(runs_of(TRUTH, 0.004))
    changes = dict(verdict=verdict, ratio=ratio, budget=1e24, N=1.024, loss=0.979)
    sentence = dataclasses.replace(found, **changes).said
    assert sentence.endswith(said) and bool(sentence) is bool(said)


def test_what_the_runs_do_not_tell_is_not_said():
    ray = Runs(N=N, D=20 * N, loss=np.asarray(jaxscale.predict(TRUTH, N=N, D=20 * N)) * 1.001)
    found = asked(ray.replace(loss=ray.loss * np.exp(0.02 * np.sin(np.arange(len(N))))))
    assert found is None or (found.verdict != "rejected" and found.said == "")


class Renamed(Chinchilla):
    """Another name."""


class Tied(jaxscale.Law):
    """L = E + A (N^-alpha + D^-alpha): a smaller family."""

    E: jaxscale.Scalar = jaxscale.offset("e")
    A: jaxscale.Scalar = jaxscale.coefficient("a", per=dict(N="alpha"))
    alpha: jaxscale.Scalar = jaxscale.exponent("x")

    def __call__(self, N, D):
        return self.E + self.A * (N**-self.alpha + D**-self.alpha)

    def closed_form(self):
        terms = jaxscale.Term("N", self.A, self.alpha), jaxscale.Term("D", self.A, self.alpha)
        return jaxscale.Sum(self.E, terms)


@pytest.mark.parametrize(
    ("law", "free", "asks"),
    [
        (TRUTH, FREE, True),
        (jaxscale.ChinchillaNDC(**TRUTH.values), FREE, True),
        (Renamed(**TRUTH.values), FREE, True),
        (TRUTH, FREE[1:], True),  # E is held
        (TRUTH, FREE[:4], False),  # beta is
        (Tied(E=1.8, A=480.0, alpha=0.35), ("E", "A", "alpha"), False),
        (jaxscale.PowerLaw(of="N", a=40.0, b=-0.2, c=1.7), ("a", "b", "c"), False),
        (jaxscale.Kaplan.preset("kaplan_2020"), ("A", "B", "alpha_N", "alpha_D"), False),
    ],
)
def test_who_is_asked(law, free, asks):
    assert (asked(runs_of(TRUTH, 0.01), law=law, free=free) is not None) is asks


def test_a_loss_of_ones_own_is_not_asked():
    class Cauchy(jaxscale.Loss):
        """Lorentzian."""

        width = "c"
        c: float = 1e-2

        def rho(self, r):
            return 0.5 * self.c**2 * jaxscale.power(1 + (r / self.c) ** 2, 1.0)

    assert asked(runs_of(TRUTH, 0.01), Cauchy()) is None


def test_of_a_tall_table_a_sample_is_asked():
    many = runs_of(NESTED, 0.002)
    tall = Runs(N=np.tile(N, 60), D=np.tile(D, 60), loss=np.tile(many.loss, 60))
    found = asked(tall)
    assert found.sampled and found.runs == 4096 and found.rejected


@pytest.mark.parametrize("groups", [4, 8])
def test_shared_noise_makes_an_estimate_less_sure(groups):
    rng = np.random.default_rng(2)
    member = np.repeat(np.arange(groups), 12)
    x = np.stack([np.ones(12 * groups), member + 0.0], axis=1)  # moves between groups only
    y = rng.normal(size=12 * groups) + 3 * rng.normal(size=groups)[member] + member
    alone, shared = least_sure(x, y, 0.0, []), least_sure(x, y, 0.0, [member])
    assert alone.ratio == 0 < shared.ratio and abs(shared.t) < 0.5 * abs(alone.t)


@pytest.mark.parametrize("gone", ["A", "B", "alpha", "beta"])
def test_without_one_of_the_terms_there_is_no_best_run_and_no_error(gone):
    N, loss = best({**NESTED.values, gone: 0.0}, 1e23)
    assert not (0 < N < np.inf and np.isfinite(loss)) or gone in ("alpha", "beta")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("law", [NESTED, NESTED.replace(A=1e-3), NESTED.replace(B=1e-3)])
def test_noisy_tables_of_few_runs_never_fail(law, seed):
    some = np.random.default_rng(seed).choice(len(N), 14, replace=False)
    runs = runs_of(law, 0.03, seed, outliers=8)
    few = Runs(N=N[some], D=D[some], loss=runs.loss[some])
    for loss in (Square(), Huber(1e-3), Absolute()):
        found = asked(few, loss)
        assert found is None or found.verdict in ("open", "kept", "rejected")


@pytest.mark.slow
@pytest.mark.parametrize("loss", [Square(), Huber(1e-3)], ids=str)
@pytest.mark.parametrize(
    "residual",
    [pytest.param(r, marks=[pytest.mark.nightly] if r == "relative" else []) for r in OF_LOSSES],
)
def test_the_host_finds_what_the_full_fit_does(loss, residual):
    """Values to 1e-8, and the error of k; from either side, outliers and all."""
    runs = runs_of(NESTED, 0.004, 3, 0.002, outliers=3)
    small, large = (
        jaxscale.fit(law, runs, loss=loss, residual=residual, starts=128)
        for law in (Chinchilla(), Skaling())
    )
    for found in (small.nesting, large.nesting):
        assert found.additive == pytest.approx(small.value, rel=1e-8)
        assert found.value == pytest.approx(large.value, rel=1e-8)
        assert found.params == pytest.approx(large.law.values, rel=1e-3)
        assert found.error == pytest.approx(large.errors["k"], rel=1e-3)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "loss", "k", "ratio"),
    [
        ("llama3_isoflop", Square(), 0.5786, 89.32),
        ("epoch_chinchilla", Square(), 0.7369, 46.2),
        ("epoch_chinchilla", Huber(1e-3), 0.774, 28.2),
    ],
)
def test_public_tables_reject_the_additive_law(table, loss, k, ratio, monkeypatch):
    monkeypatch.setenv("JAXSCALE_DATA", str(data_folder()))
    fit = jaxscale.fit(Chinchilla(), jaxscale.datasets.load(table), loss=loss, starts=256)
    found = fit.nesting
    assert found.rejected and found.k == pytest.approx(k, abs=1e-3)
    assert found.ratio == pytest.approx(ratio, abs=0.05)


def test_a_fit_says_it_and_saves_it(fitted, tmp_path):
    found = fitted.nesting
    assert found is not None and found.additive == pytest.approx(fitted.value, rel=1e-8)
    assert not found.rejected and found.said and found.said in str(fitted)
    fitted.save(tmp_path / "fit.json")
    document = json.loads((tmp_path / "fit.json").read_text())
    assert document["nesting"]["k"] == found.k and document["nesting"]["verdict"] == found.verdict
    assert jaxscale.load(tmp_path / "fit.json").nesting.k == pytest.approx(found.k, rel=1e-6)


def test_a_fit_in_doubt_is_not_asked(fitted):
    doubted = dataclasses.replace(fitted.certificate, at_bound=("E",))
    assert dataclasses.replace(fitted, certificate=doubted).nesting is None


def test_a_solve_that_cannot_move_stays(table):
    at = table(Square(), "log", runs_of(TRUTH, 0.01))
    z = at.of({**TRUTH.values, "k": 1.0})
    same, value = solve(at, z, np.zeros(6, bool))
    assert (same == z).all() and value == at.value(z)
    assert moving(False, outer=False).tolist() == [False, True, True, True, True, False]
