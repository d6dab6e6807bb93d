"""Accuracies of so many questions: what weighs how much, and what is no count is refused."""

import dataclasses

import numpy as np
import pytest

import jaxscale
from jaxscale import DataError, FitError, Runs
from jaxscale.fitting.constraints import with_errors
from jaxscale.fitting.dispersion import dispersion, overdispersion
from jaxscale.fitting.preparation import prepare
from jaxscale.fitting.second import refuse_twofold, residual_scale, sized
from jaxscale.fitting.trials import counted, weighs_trials
from jaxscale.objective.residuals import residual_named

BINOMIAL, LOGIT, LOG = map(residual_named, ("binomial", "logit", "log"))
C = np.geomspace(1e18, 1e22, 8)
N = np.array([50, 50, 100, 100, 200, 200, 400, 400.0])
K = np.array([0, 14, 31, 40, 101, 120, 301, 400.0])


def runs(**changes):
    return Runs(**{"C": C, "loss": K / N, "trials": N, **changes})


def test_trials_are_the_weights_of_counts():
    found = counted(runs(), BINOMIAL)
    np.testing.assert_array_equal(found.weight, N)
    np.testing.assert_array_equal(found.loss, K / N)
    assert "trials" not in found.columns and weighs_trials(found) and not weighs_trials(runs())
    assert counted(found, BINOMIAL) is found  # they count once
    doubled = counted(runs(weight=np.full(8, 2.0)), BINOMIAL)
    np.testing.assert_array_equal(doubled.weight, 2 * N)


def test_log_odds_have_their_variance_and_no_end():
    found = counted(runs(), LOGIT)
    y = (K + 0.5) / (N + 1)
    np.testing.assert_allclose(found.loss, y)
    np.testing.assert_allclose(found.weight, (N + 1) * y * (1 - y))
    assert LOGIT.allows(found.loss).all()
    assert "(k + 1/2) / (n + 1)" in found.warnings[-1]


@pytest.mark.parametrize("residual", [LOG, residual_named("absolute"), residual_named("relative")])
def test_other_residuals_do_not_look_at_trials(residual):
    given = runs()
    assert counted(given, residual) is given


REFUSED = {
    "half a question": (dict(trials=N + 0.5), "row 1, column 'trials': expected a whole number"),
    "no question": (dict(trials=np.where(N == 400, 0, N)), "row 7, column 'trials': .* got 0"),
    "fewer than none": (dict(trials=-N), "row 1, .* got -50"),
    "unknown": (dict(trials=np.where(N == 100, np.nan, N)), "row 3, .* got nan"),
    "without end": (dict(trials=np.where(N == 100, np.inf, N)), "row 3, .* got inf"),
    "more right than asked": (
        dict(loss=np.where(K == 31, 1.01, K / N)),
        "row 3, column 'loss': expected a fraction .* got 1.01; are there more right",
    ),
    "less than none": (dict(loss=np.where(K == 31, -0.1, K / N)), "row 3, .* got -0.1"),
    "per cent": (
        dict(loss=100 * K / N, names={"loss": "acc"}),
        "row 2, column 'acc' .* got 28 .7 rows.; of percent, --column 'loss=acc/100'",
    ),
    "no number": (dict(loss=np.where(K == 31, np.nan, K / N)), "row 3, .* got an empty or NaN"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("residual", [BINOMIAL, LOGIT], ids=str)
def test_what_is_no_count_is_refused_by_row_and_column(name, residual):
    changes, said = REFUSED[name]
    with pytest.raises(DataError, match=said):
        counted(runs(**changes), residual)


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_a_rate_without_trials_has_no_log_odds_at_its_ends(end):
    from jaxscale.fitting.trials import require_fractions

    given = Runs(C=C, loss=np.array([0.3, end, 0.5, 0.5, 0.6, 0.7, 0.7, 0.8]))
    with pytest.raises(DataError, match=f"row 2, .*got {end:g}; use residual='binomial'"):
        require_fractions(given, LOGIT, LOGIT.allows(given.loss))


ROUNDED = {
    "counts": (K / N, False),
    "counts of three digits": (np.round(K / N, 3), False),
    "means over tasks": (K / N + np.where(K == 120, 0.0023, 0), True),
    "another number of questions": (np.round(K / (N + 1), 6), True),
}


@pytest.mark.parametrize("name", ROUNDED)
def test_fractions_that_are_no_counts_are_told(name):
    loss, told = ROUNDED[name]
    found = counted(runs(loss=loss), BINOMIAL)
    assert any("are no whole count of their trials" in text for text in found.warnings) == told


def test_standard_errors_are_worth_the_trials_that_have_them():
    y = np.clip(K / N, 0.1, 0.9)
    given, sem = Runs(C=C, loss=y), np.sqrt(y * (1 - y) / N)
    found = with_errors(given, sem, BINOMIAL)
    np.testing.assert_allclose(found.weight, N)
    np.testing.assert_allclose(with_errors(given, sem, LOGIT).weight, N * y * (1 - y))
    assert weighs_trials(found)
    both = with_errors(given.replace(trials=N), sem, BINOMIAL)  # errors that are given count alone
    np.testing.assert_allclose(counted(both, BINOMIAL).weight, N)


@dataclasses.dataclass
class Fitted:
    """As much of a fit as an estimate of its dispersion reads."""

    runs: Runs
    prediction: np.ndarray
    free: tuple = ("k", "C0")
    residual: object = BINOMIAL


@pytest.mark.parametrize("rho", [0.0, 0.01, 0.1])
def test_overdispersion_is_that_of_the_draws(rho):
    rng = np.random.default_rng(3)
    n, p = np.tile([50.0, 200.0, 1000.0], 400), rng.uniform(0.2, 0.8, 1200)
    q = p if rho == 0 else rng.beta(p * (1 / rho - 1), (1 - p) * (1 / rho - 1))
    fit = Fitted(Runs(C=n, loss=rng.binomial(n.astype(int), q) / n, weight=n), p)
    assert overdispersion(fit) == pytest.approx(rho, rel=0.15, abs=4e-4)
    expected = np.mean(1 + (n - 1) * rho)
    assert dispersion(fit) == pytest.approx(expected, rel=0.12)


def test_the_robust_scale_is_that_of_normal_noise_whatever_the_wild_runs():
    rng = np.random.default_rng(5)
    r = 0.02 * rng.normal(size=4000)
    r[:400] = 3.0
    r[400:402] = 0.0  # which a fit of two parameters passes through
    fit = Fitted(Runs(C=np.ones(4000), loss=np.exp(-r)), np.ones(4000), residual=LOG)
    assert residual_scale(fit) == pytest.approx(0.02 * 1.15, rel=0.05)  # a tenth are wild


@pytest.mark.parametrize(
    "loss, delta, said",
    [
        (jaxscale.Square(), "auto", "the loss square has no width"),
        (jaxscale.Absolute(), 0.1, "the loss absolute has no width"),
        (jaxscale.Huber(), "wide", "delta must be a width or 'auto', got 'wide'"),
        (jaxscale.Huber(), -1.0, "positive and finite"),
        (jaxscale.Huber(), float("nan"), "positive and finite"),
    ],
)
def test_a_width_that_a_loss_cannot_have_is_refused(loss, delta, said):
    with pytest.raises(ValueError, match=said):
        sized(loss, delta)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("residual", "delta", "pooled", "said"),
    [
        ("beta-binomial", None, True, "and pool= estimates"),
        ("beta-binomial", None, 0.3, "and pool= estimates"),
        ("log", "auto", True, "delta='auto' sets the width"),
        ("beta-binomial", "auto", False, "under another width"),
    ],
)
def test_what_two_first_fits_would_estimate_is_refused(residual, delta, pooled, said):
    with pytest.raises(ValueError, match=said):
        refuse_twofold(residual_named(residual), delta, pooled)
    refuse_twofold(residual_named("binomial"), 1e-3, pooled)


@pytest.mark.parametrize("fits", [jaxscale.solver, jaxscale.exponent_grid])
def test_what_fits_once_refuses_residuals_of_two_fits(fits):
    with pytest.raises(ValueError, match="beta-binomial residuals take two fits, and"):
        fits(jaxscale.PowerLaw(of="C"), runs(), residual="beta-binomial", loss=jaxscale.Square())


def test_laws_are_not_compared_on_weights_of_their_own():
    with pytest.raises(ValueError, match="every law would have other weights"):
        jaxscale.compare([jaxscale.PowerLaw(of="C")], runs(), residual="beta-binomial", draws=0)


def test_trials_weigh_runs_for_the_residual_that_they_were_counted_for():
    problem = prepare(jaxscale.PowerLaw(of="C"), runs(), None, "binomial")
    assert problem.under(loss=jaxscale.Huber(1.0)).residual is problem.residual
    with pytest.raises(DataError, match="fit anew with residual='logit'"):
        problem.under(residual="logit")


class TestFits:
    """End to end, on one shape of table."""

    law = jaxscale.PowerLaw(c=0.95, of="C")
    truth = jaxscale.PowerLaw(a=-900.0, b=-0.18, c=0.95, of="C")

    def table(self, n=400, rho=0.0, seed=0):
        rng = np.random.default_rng(seed)
        C = np.geomspace(1e18, 1e21, 24)
        p = np.asarray(self.truth(C))
        q = p if rho == 0 else rng.beta(p * (1 / rho - 1), (1 - p) * (1 / rho - 1))
        return Runs(C=C, loss=rng.binomial(n, q) / n, trials=np.full(24, n))

    def test_the_binomial_fit_is_the_best_likelihood_and_survives_a_file(self, tmp_path):
        from scipy import optimize, stats

        given = self.table()
        fit = jaxscale.fit(self.law, given, residual="binomial", starts=32)
        k = np.round(given.loss * 400)

        def lost(x):
            p = np.clip(0.95 + x[0] * given.columns["C"] ** x[1], 1e-9, 1 - 1e-9)
            return -stats.binom.logpmf(k, 400, p).sum()

        here = lost([fit.law.a, fit.law.b])
        best = optimize.minimize(lost, [fit.law.a, fit.law.b], method="Nelder-Mead").fun
        assert fit.certificate.trusted and fit.loss.quadratic
        assert here <= best + 1e-6 * abs(best)
        saturated = -stats.binom.logpmf(k, 400, k / 400).sum()
        assert fit.value == pytest.approx(here - saturated, rel=1e-9)
        fit.save(tmp_path / "fit.json")
        again = jaxscale.load(tmp_path / "fit.json")
        assert again.value == fit.value and again.residual == BINOMIAL
        assert weighs_trials(again.runs)
        drawn, other = (jaxscale.bootstrap(each, draws=20, seed=2) for each in (fit, again))
        assert drawn.method == other.method == "trials"
        np.testing.assert_array_equal(drawn.law.a, other.law.a)
        with pytest.raises(ValueError, match="goes with residual='binomial'"):
            jaxscale.bootstrap(jaxscale.fit(self.law, given, starts=32), method="trials", draws=4)

    def test_more_scatter_than_counts_have_is_told_and_weighs_less(self):
        given = self.table(rho=0.05)
        plain = jaxscale.fit(self.law, given, residual="binomial", starts=32)
        assert any("times as much as counts of independent trials" in w for w in plain.warnings)
        fit = jaxscale.fit(self.law, given, residual="beta-binomial", starts=32)
        rho = fit.settings["overdispersion"]
        assert 0.02 < rho < 0.12
        np.testing.assert_allclose(fit.runs.weight, 400 / (1 + 399 * rho))
        assert dispersion(fit) == pytest.approx(1, abs=0.05)
        with pytest.raises(ValueError, match="beta-binomial residuals take two fits"):
            jaxscale.fit_many(self.law, [given], residual="beta-binomial")

    def test_a_width_by_the_residuals_is_one_of_theirs(self):
        given = self.table()
        fit = jaxscale.fit(self.law, given, delta="auto", starts=32)
        first = jaxscale.fit(self.law, given, starts=32)
        assert fit.loss.delta == pytest.approx(1.345 * residual_scale(first))
        assert fit.settings["delta"] == "auto" and "delta" not in first.settings
        exact = given.replace(loss=np.asarray(self.truth(given.columns["C"])))
        with pytest.raises(FitError, match="residuals of the first fit are rounding"):
            jaxscale.fit(self.law, exact, delta="auto", starts=32)

    @pytest.mark.parametrize("tau", [0.1, 0.5, 0.9])
    def test_a_quantile_law_leaves_its_share_of_the_runs_below(self, tau):
        given = self.table()
        fit = jaxscale.fit(self.law, given, loss=jaxscale.Quantile(tau), starts=32)
        above = np.mean(given.loss > fit.prediction + 1e-9)
        assert abs((1 - above) - tau) <= 3 / 24 and fit.certificate.trusted

    def test_an_asymmetric_law_lies_below_most_runs(self):
        rng = np.random.default_rng(1)
        C = np.geomspace(1e18, 1e21, 24)
        best = 2 + 900 * C**-0.18
        given = Runs(C=C, loss=best * np.exp(0.02 * rng.exponential(size=24)))
        law = jaxscale.PowerLaw(of="C")
        skewed = jaxscale.fit(law, given, loss=jaxscale.Asymmetric(), starts=32)
        plain = jaxscale.fit(law, given, starts=32)
        assert np.mean(given.loss >= skewed.prediction) > 0.7
        off = [np.abs(np.log(fit.prediction / best)).mean() for fit in (skewed, plain)]
        assert off[0] < off[1] / 2
