"""Effective speed-up, compute multiplier and the pinned asymptote, against closed forms."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from scipy import optimize, stats

import jaxscale
from jaxscale._numerics.precision import scope
from jaxscale.datasets.synthetic import isoflop_design, simulate
from jaxscale.decisions.allocation import allocate
from jaxscale.decisions.frontier import curve, log_scale, log_scales, loss_at, losses_at
from jaxscale.laws import Henighan, KaplanC, KaplanD, KaplanN, LogLaw, PowerLaw, PurePowerLaw
from jaxscale.objective.residuals import residual_named
from jaxscale.recipes import speedup
from jaxscale.recipes.multiplier import compute_multiplier
from jaxscale.recipes.speedup import effective_speedup
from jaxscale.uncertainty.asymptote import asymptote_profile, reducible

pytestmark = pytest.mark.slow

MINIMA_C = np.array([1e18, 3e18, 1e19, 3e19, 1e20, 3e20])
MINIMA = np.array([3.522, 3.339, 3.154, 3.000, 2.848, 2.725])
LATER = np.array([1e21, 1e23])
TRUTH = np.array([2.599, 2.234])
DRAWS = 300
"""Everywhere the same, as are the 64 values of profiles: a solve of another size compiles anew."""
BASELINE = PowerLaw(a=95.0, b=-0.094, c=1.6, of="C")
CHINCHILLA = jaxscale.Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)


class Own(PowerLaw):
    """P(S) = a S^b + c, of a class that nobody knows."""

    def __call__(self, S):
        return super().__call__(S)


class OwnPlane(jaxscale.Chinchilla):
    """L(N, D) = E + A N^-alpha + B D^-beta, of a class that nobody knows."""

    def __call__(self, N, D):
        return super().__call__(N, D)


OWN_PLANE = OwnPlane(**CHINCHILLA.values)


@pytest.fixture(scope="module")
def minima():
    return jaxscale.Runs(C=MINIMA_C, loss=MINIMA)


@pytest.fixture(scope="module")
def line(minima):
    """Ordinary least squares of log(L - 1.6) on log C."""
    return jaxscale.fit(
        PurePowerLaw(of="C"), reducible(minima, 1.6), loss=jaxscale.Square(), starts=16
    )


@pytest.fixture(scope="module")
def free(minima):
    return jaxscale.fit(
        PowerLaw(of="C"), minima, loss=jaxscale.Square(), residual="absolute", starts=64
    )


# Six isoFLOP minima of a public project, and what it measured at larger budgets afterwards.


def test_minima_with_a_pinned_asymptote(line):
    slope, cut = np.polyfit(np.log(MINIMA_C), np.log(MINIMA - 1.6), 1)
    assert line.law.b == pytest.approx(slope, rel=1e-9)
    assert line.law.a == pytest.approx(np.exp(cut), rel=1e-8)
    assert line.law.a == pytest.approx(95.253, abs=1e-3)
    assert -line.law.b == pytest.approx(0.094119, abs=1e-6)
    np.testing.assert_allclose(1.6 + line.predict(C=LATER), [2.6055, 2.2518], atol=5e-5)


def test_minima_with_a_free_asymptote(free):
    assert free.law.c == pytest.approx(1.438, abs=5e-4)
    assert -free.law.b == pytest.approx(0.0847, abs=5e-5)
    assert free.law.a == pytest.approx(69.9, abs=0.05)
    np.testing.assert_allclose(free.predict(C=LATER), [2.5992, 2.2241], atol=5e-5)


def test_the_admitted_asymptotes_cover_what_came_later(free):
    profile = asymptote_profile(free, at=dict(C=LATER))
    error = (profile.high - profile.low) / 2 / stats.t.ppf(0.95, 3)
    assert error == pytest.approx(0.054, abs=1e-3)
    assert profile.low < 1.438 < profile.high < 1.6  # the pinned 1.6 is not among them
    low, high = profile.range()
    assert np.all(low < TRUTH) and np.all(high > TRUTH)
    assert np.all(high < [2.6055, 2.2518])
    text = str(profile)
    assert "at 90 % the runs admit c from 1.301 to 1.556; the best is 1.438" in text
    assert "3 degrees of freedom" in text and "C = 1e+23 moves from 2.2028 to 2.2448" in text


def test_worked_example_of_the_source():
    """A is recentered to pass through the baseline's run: it cancels, and so does the budget."""
    A = (3.5422 - 1.6) * 3.82e17**0.0941
    assert A == pytest.approx(87.7, abs=0.05)
    needed = (A / (3.52 - 1.6)) ** (1 / 0.0941) / 3.82e17
    for a in (A, 1.0):
        got = effective_speedup(PowerLaw(a=a, b=-0.0941, c=1.6, of="C"), 3.5422, 3.52)
        assert got.factor == pytest.approx(needed, rel=1e-12)
    assert (got.method, got.scale) == ("none", "C") and str(got) == "1.13 times the C"


# The scale at which a law reaches a loss.


@pytest.mark.parametrize(
    "law, losses",
    [
        (BASELINE, (3.0, 2.9)),
        (PowerLaw(a=-3.0, b=-0.3, c=0.9, of="D"), (0.5, 0.6)),  # a score that rises
        (PurePowerLaw(a=20.0, b=-0.1, of="N"), (3.0, 2.9)),
        (Henighan(L_inf=1.2, A=30.0, alpha=0.15, of="C"), (2.0, 1.9)),
        (KaplanN.preset("kaplan_2020"), (3.0, 2.9)),
        (KaplanD.preset("kaplan_2020"), (3.0, 2.9)),
        (KaplanC.preset("kaplan_2020"), (3.0, 2.9)),
        (LogLaw(a=-0.1, b=6.0, of="C"), (2.0, 1.9)),
        (Own(a=95.0, b=-0.094, c=1.6, of="C"), (3.0, 2.9)),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, jaxscale.Law) else "",
)
def test_one_scale_is_the_root_of_the_law(law, losses):
    (name,) = law.inputs
    roots = [
        optimize.brentq(lambda x: jaxscale.predict(law, **{name: np.exp(x)}) - loss, 1, 80)  # noqa: B023
        for loss in losses
    ]
    got = effective_speedup(law, *losses)
    assert np.log(got.factor) == pytest.approx(roots[1] - roots[0], rel=1e-8)
    np.testing.assert_allclose(losses_at(law, [roots]), [losses], rtol=1e-9)


@pytest.mark.parametrize(
    "law, flops",
    [
        (CHINCHILLA, None),
        (CHINCHILLA, jaxscale.flops.SixND(k=7.5)),
        (jaxscale.ChinchillaNDC(**CHINCHILLA.values), None),
        (jaxscale.Kaplan.preset("kaplan_2020"), None),
        (OWN_PLANE, None),
    ],
    ids=["Chinchilla", "7.5ND", "NDC", "Kaplan", "own law"],
)
def test_the_frontier_is_that_of_allocate(law, flops):
    budget = np.log(allocate(law, target_loss=2.3, flops=flops).compute)
    assert log_scales(law, [[2.3]], flops)[0, 0] == pytest.approx(budget, rel=1e-8)
    assert losses_at(law, [[budget]], flops)[0, 0] == pytest.approx(2.3, rel=1e-9)


def test_a_users_flops_are_searched():
    model = jaxscale.flops.SixND(k=7.5)
    here = losses_at(CHINCHILLA, [[50.0]], model)
    there = losses_at(CHINCHILLA, [[50.0]], lambda N, D: 7.5 * N * D)
    np.testing.assert_allclose(there, here, rtol=1e-9)


@pytest.mark.parametrize(
    "known, searched, loss",
    [(CHINCHILLA, OWN_PLANE, 2.3), (BASELINE, Own(**BASELINE.values, of="C"), 2.9)],
)
def test_closed_form_and_search_have_the_same_derivatives(known, searched, loss):
    assert curve(known) is not None and curve(searched) is None
    with scope(np.float64):
        wide = [jax.tree.map(np.asarray, law) for law in (known, searched)]
        by_law, by_loss = zip(
            *(jax.grad(log_scale, (0, 1))(law, loss) for law in wide), strict=True
        )
        here = float(log_scale(wide[0], loss))
        by_scale = [float(jax.grad(loss_at, 1)(law, here)) for law in wide]
    for name in known.parameters:
        pair = [float(getattr(gradient, name)) for gradient in by_law]
        assert pair[1] == pytest.approx(pair[0], rel=1e-6)
    by_loss = [float(x) for x in by_loss]
    assert by_loss[1] == pytest.approx(by_loss[0], rel=1e-6)
    assert by_scale[0] == pytest.approx(1 / by_loss[0], rel=1e-9)
    assert by_scale[1] == pytest.approx(by_scale[0], rel=1e-6)


@pytest.mark.parametrize("law", [BASELINE, Own(**BASELINE.values, of="C"), CHINCHILLA, OWN_PLANE])
def test_a_loss_out_of_reach_takes_an_infinite_scale(law):
    found = log_scales(law, [[1.5, 2.5]])
    assert found[0, 0] == np.inf and np.isfinite(found[0, 1])


# Intervals.


def test_lack_of_fit_on_a_line_is_the_textbook(line):
    """The log factor is (y0 - y1) / alpha, of two new runs under a fitted line."""
    x = np.log(MINIMA_C)
    fitted = stats.linregress(x, np.log(MINIMA - 1.6))
    s2 = np.sum((np.log(line.runs.loss) - np.log(line.prediction)) ** 2) / 4
    size = np.log(1.4 / 1.37) / -fitted.slope
    law = (size / fitted.slope * fitted.stderr) ** 2
    for noise, variance in ((None, law + 2 * s2 / fitted.slope**2), (0.0, law)):
        got = effective_speedup(line, 1.4, 1.37, noise=noise)
        assert (got.method, got.count) == ("lack of fit", 4)
        assert np.log(got.factor) == pytest.approx(size, rel=1e-7)
        half = stats.t.ppf(0.95, 4) * np.sqrt(variance)
        assert np.log(got.high / got.factor) == pytest.approx(half, rel=1e-6)
        assert np.log(got.factor / got.low) == pytest.approx(half, rel=1e-6)


def test_bootstrap_agrees_with_the_delta_method(free):
    plain = effective_speedup(free, 3.0, 2.97)
    again = effective_speedup(free, 3.0, 2.97, method="residual", draws=1000)
    assert again.count > 990 and again.method in str(again)
    for end in ("low", "high"):
        ratio = np.log(getattr(again, end) / again.factor) / np.log(
            getattr(plain, end) / plain.factor
        )
        assert 0.7 < ratio < 1.3
    known = effective_speedup(free, 3.0, 2.97, method="residual", draws=1000, noise=0.0)
    assert plain.low < known.low < known.factor < known.high < plain.high


@pytest.fixture
def quick(monkeypatch):
    """Student's quantile worked out once."""
    monkeypatch.setattr(speedup, "student_t", functools.cache(speedup.student_t))


def test_lack_of_fit_covers_two_new_runs(line, quick):
    """Simulated tables from a known line: 90 % intervals of the true factor."""
    rng = np.random.default_rng(0)
    truth = PurePowerLaw(a=95.0, b=-0.094, of="C")
    losses = jaxscale.predict(truth, C=MINIMA_C) * np.exp(0.004 * rng.normal(size=(200, 6)))
    hit = 0
    for table in losses:
        b, cut = np.polyfit(np.log(MINIMA_C), np.log(table), 1)
        law = line.law.replace(a=float(np.exp(cut)), b=float(b))
        fit = dataclasses.replace(line, law=law, runs=line.runs.replace(loss=table))
        pair = np.array([1.4, 1.37]) * np.exp(0.004 * rng.normal(size=2))
        got = effective_speedup(fit, *pair)
        hit += got.low < (1.4 / 1.37) ** (1 / 0.094) < got.high
    assert 0.85 <= hit / 200 <= 0.95  # 2.4 standard errors


def test_pairs_are_a_student_t_over_log_factors(quick):
    rng = np.random.default_rng(1)
    scales, hit = np.array([1e19, 3e19, 1e20, 3e20, 1e21]), 0
    for _ in range(300):
        base = jaxscale.predict(BASELINE, C=scales) + 0.003 * rng.normal(size=5)
        new = jaxscale.predict(BASELINE, C=1.3 * scales) + 0.003 * rng.normal(size=5)
        got = effective_speedup(BASELINE, base, new)
        hit += got.low < 1.3 < got.high
    each = np.log((base - 1.6) / (new - 1.6)) / 0.094
    low, high = stats.t.interval(0.9, 4, each.mean(), stats.sem(each))
    assert (got.method, got.count) == ("paired", 4)
    np.testing.assert_allclose(np.log([got.low, got.factor, got.high]), [low, each.mean(), high])
    assert 0.86 <= hit / 300 <= 0.94


def test_units_of_compute_change_nothing(free, line):
    moved = jaxscale.fit(
        PowerLaw(of="C"),
        free.runs.replace(C=MINIMA_C / 1e18),
        loss=jaxscale.Square(),
        residual="absolute",
        starts=64,
    )
    one, other = effective_speedup(free, 3.0, 2.95), effective_speedup(moved, 3.0, 2.95)
    np.testing.assert_allclose(
        [one.factor, one.low, one.high], [other.factor, other.low, other.high], rtol=1e-6
    )
    there = compute_multiplier(free.law, moved.law, losses=3.0).factor
    np.testing.assert_allclose(there, 1e18, rtol=1e-5)


def test_a_factor_may_overflow():
    got = effective_speedup(BASELINE.replace(b=-0.04), 3.0, 1.6 + 1e-15)
    assert got.factor == np.inf and np.isnan(got.low)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(loss_new=1.6), "loss_new is 1.6, at or beyond the asymptote 1.6 of PowerLaw: no C"),
        (dict(loss_baseline=1.5), "loss_baseline is 1.5, at or beyond the asymptote 1.6"),
        (dict(law=OWN_PLANE, loss_new=1.7), "beyond what can be reached of OwnPlane"),
        (dict(loss_new=np.nan), "finite"),
        (dict(level=1.0), "level"),
        (dict(method="magic"), "one of none, lack of fit, paired, .*case.*, got 'magic'"),
        (dict(method="lack of fit"), "needs a fit"),
        (dict(method="paired"), "m at least 2"),
        (dict(loss_new=[2.9]), "m at least 2"),
        (dict(method="none", loss_new=[2.9, 2.8]), r"\[m\] take 'paired'"),
        (dict(noise=-1.0), "standard deviation"),
        (dict(law=PowerLaw(c=1.6, of="C")), "a, b is free; fit the law first"),
        (dict(law=jaxscale.KaplanSteps(A=1.0, K=1.0, alpha_N=0.1, alpha_S=0.1)), "takes N, S"),
    ],
)
def test_bad_requests_get_a_sentence(options, message):
    given = dict(law=BASELINE, loss_baseline=3.0, loss_new=2.9) | options
    with pytest.raises(ValueError, match=message):
        effective_speedup(
            given.pop("law"), given.pop("loss_baseline"), given.pop("loss_new"), **given
        )


# The compute multiplier of one recipe over another.


def of_runs(fit, law, runs):
    """A least-squares fit with another law and other runs in it: refits need no more."""
    N, D = runs.columns["N"], runs.columns["D"]
    return dataclasses.replace(
        fit,
        law=law,
        runs=runs,
        prediction=jaxscale.predict(law, N=N, D=D),
        residual=residual_named("log"),
    )


@pytest.fixture(scope="module")
def recipes(free):
    """Two fits to the same sizes: B's coefficients are 4 % lower, and the runs share noise."""
    N, D = isoflop_design(np.logspace(18, 21, 5), sizes=6)
    better = CHINCHILLA.replace(A=0.96 * CHINCHILLA.A, B=0.96 * CHINCHILLA.B)
    shared = np.exp(0.004 * np.random.default_rng(5).normal(size=len(N)))
    both = [
        runs.replace(loss=runs.loss * shared)
        for runs in (
            simulate(CHINCHILLA, N, D, noise=0.001, seed=1),
            simulate(better, N, D, noise=0.001, seed=2),
        )
    ]
    fits = []
    for runs in both:
        once = of_runs(free, CHINCHILLA, runs)
        solved = jaxscale.refit(once, weights=np.ones((DRAWS, len(runs))))
        law = CHINCHILLA.replace(**{n: float(v[0]) for n, v in solved.law.values.items()})
        fit = of_runs(free, law, runs)
        fits.append(dataclasses.replace(fit, value=float(solved.value[0])))
    return *fits, better


def test_multiplier_is_the_ratio_of_frontiers(recipes):
    _, _, better = recipes
    gamma = 0.35 * 0.36 / 0.71
    got = compute_multiplier(CHINCHILLA, better, compute=[1e20, 1e24])
    np.testing.assert_allclose(got.factor, 0.96 ** (-1 / gamma), rtol=1e-9)
    assert np.isnan(got.low).all() and got.draws == 0
    for C, loss, factor in zip(got.compute, got.losses, got.factor, strict=True):
        assert loss == pytest.approx(allocate(better, compute=C).loss, rel=1e-12)
        assert factor * C == pytest.approx(allocate(CHINCHILLA, target_loss=loss).compute, rel=1e-6)
    back = compute_multiplier(CHINCHILLA, better, losses=got.losses)
    np.testing.assert_allclose(back.compute, got.compute, rtol=1e-9)
    own = compute_multiplier(OWN_PLANE, OwnPlane(**better.values), compute=[1e20, 1e24])
    np.testing.assert_allclose(own.factor, got.factor, rtol=1e-6)


def test_pairs_of_runs_cancel_what_they_share(recipes):
    a, b, _ = recipes
    truth = 0.96 ** (-0.71 / (0.35 * 0.36))
    paired = compute_multiplier(a, b, compute=[1e20, 1e23], level=0.98, draws=DRAWS)
    columns = {name: column[::-1] for name, column in b.runs.columns.items()}
    turned = dataclasses.replace(b, runs=jaxscale.Runs(loss=b.runs.loss[::-1], **columns))
    fewer = of_runs(b, b.law, b.runs.select(np.arange(30) > 0, "one less"))
    same = compute_multiplier(a, turned, compute=[1e20, 1e23], level=0.98, draws=DRAWS)
    apart = compute_multiplier(a, fewer, compute=[1e20, 1e23], level=0.98, draws=DRAWS)
    assert paired.paired and same.paired and not apart.paired
    np.testing.assert_allclose(same.low, paired.low, rtol=1e-6)
    assert np.all(paired.low < truth) and np.all(paired.high > truth)
    width, other = (np.log(x.high / x.low)[0] for x in (paired, apart))
    assert width < 0.6 * other
    assert "300 paired draws" in str(paired) and "1e+23" in str(paired)


def test_a_loss_that_the_baseline_never_reaches(recipes):
    a, b, _ = recipes
    lower = b.law.replace(E=0.5 * b.law.E)
    got = compute_multiplier(a, lower, compute=[1e19, 1e26], draws=DRAWS)
    assert np.isfinite(got.factor[0]) and got.never[0] == 0
    assert got.factor[1] == got.low[1] == got.high[1] == np.inf and got.never[1] == 1
    assert not got.paired


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(), "exactly one of losses and compute"),
        (dict(losses=2.0, compute=1e20), "exactly one"),
        (dict(compute=-1.0), "positive"),
        (dict(losses=1.0), "of B reaches loss 1 at no C"),
        (dict(losses=2.0, b=KaplanN.preset("kaplan_2020")), "different scales: C and N"),
    ],
)
def test_bad_comparisons_get_a_sentence(options, message):
    other = options.pop("b", BASELINE)
    with pytest.raises(ValueError, match=message):
        compute_multiplier(CHINCHILLA, other, **options)


# The profile over the asymptote.


def test_each_point_of_a_profile_is_a_pinned_fit(free):
    values = np.linspace(1.5, 1.2, 63)
    profile = asymptote_profile(free, values=values, at=dict(C=1e23))
    np.testing.assert_array_equal(profile.values, np.sort([*values, free.law.c]))
    assert not profile.admitted[0] and profile.admitted[-1] and profile.open == (False, True)
    assert profile.low == pytest.approx(1.301, abs=1e-3) and profile.high == 1.5
    x = np.log(MINIMA_C / 1e19)
    for k, E in [(0, 1.2), (63, 1.5)]:
        one = optimize.least_squares(
            lambda p, E=E: E + p[0] * np.exp(-p[1] * x) - MINIMA, [1.5, 0.1], xtol=1e-12
        )
        assert profile.objective[k] == pytest.approx(one.cost, rel=1e-7)
        assert -profile.law.b[k] == pytest.approx(one.x[1], rel=1e-5)
        later = E + one.x[0] * 1e4 ** -one.x[1]
        assert profile.prediction[k, 0] == pytest.approx(later, rel=1e-6)


def test_the_ends_are_where_the_f_rule_says(recipes):
    fit = recipes[0]
    profile = asymptote_profile(fit, at=dict(N=1e10, C=1e22), level=0.8)
    assert profile.name == "E" and profile.freedom == 25 and profile.open == (False, False)
    limit = fit.value * (1 + stats.f.ppf(0.8, 1, 25) / 25)
    ends = asymptote_profile(fit, values=np.linspace(profile.low, profile.high, 63))
    np.testing.assert_allclose(ends.objective[[0, -1]], limit, rtol=1e-3)
    one = {name: float(value[9]) for name, value in profile.law.values.items()}
    exact = jaxscale.predict(jaxscale.Chinchilla(**one), N=1e10, C=1e22)
    assert profile.prediction[9, 0] == pytest.approx(exact, rel=1e-12)


def test_the_profile_of_a_robust_fit_is_one_of_least_squares(free):
    robust = dataclasses.replace(free, loss=jaxscale.Huber(1e-3))
    one, other = (asymptote_profile(fit, starts=64) for fit in (free, robust))
    assert (other.low, other.high) == pytest.approx((one.low, one.high), rel=1e-5)


def test_runs_may_admit_every_asymptote_down_to_zero():
    rng = np.random.default_rng(0)
    C = np.logspace(18, 20, 8)
    runs = jaxscale.Runs(C=C, loss=jaxscale.predict(BASELINE, C=C) + 0.06 * rng.normal(size=8))
    profile = asymptote_profile(
        PowerLaw(of="C"), runs, at=dict(C=1e23), residual="absolute", starts=64
    )
    assert profile.open[0] and profile.low == 0
    assert "from 0 (or below)" in str(profile)
    low, high = profile.range()
    assert high[0] - low[0] > 0.2


@pytest.mark.parametrize(
    "law, options, message",
    [
        (PurePowerLaw(of="C"), {}, r"PurePowerLaw has no asymptote: P\(S\) = a S\^b"),
        (jaxscale.Piecewise(of="C"), {}, "several offsets: name one of b1, c2"),
        (PowerLaw(of="C"), dict(name="a"), "no asymptote 'a'; it has c"),
        (PowerLaw(of="C"), dict(level=2), "level"),
    ],
)
def test_bad_profiles_get_a_sentence(minima, law, options, message):
    with pytest.raises(ValueError, match=message):
        asymptote_profile(law, minima, **options)


def test_runs_belong_to_a_law_and_not_to_a_fit(minima, free):
    with pytest.raises(ValueError, match="has its own runs"):
        asymptote_profile(free, minima)
    with pytest.raises(ValueError, match="give runs"):
        asymptote_profile(PowerLaw(of="C"))
    with pytest.raises(ValueError, match=r"E is 2.8, the least 2.725"):
        reducible(minima, 2.8)
