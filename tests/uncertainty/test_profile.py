"""Covariances and profiles: exact where theory is, and equal to slow constrained fits elsewhere."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

import jaxscale
from jaxscale._numerics import programs
from jaxscale._numerics.precision import scope
from jaxscale.datasets.synthetic import simulate
from jaxscale.fitting.linearized import linearize
from jaxscale.fitting.sandwich import noise_ratio
from jaxscale.uncertainty.covariance import covariance, gradients
from jaxscale.uncertainty.profile import CALIBRATIONS, Profile, _ordered, profile
from jaxscale.uncertainty.quantities import Best, ComputeFor, Prediction, quantity

pytestmark = pytest.mark.slow

KINDS = ("laplace", "sandwich")
GROUPS = np.repeat(np.arange(12), 5)
RNG = np.random.default_rng(9)
NAMES = ("E", "A", "B", "alpha", "beta")


def asked(C=1e22):
    """One set of quantities, so that all profiles share a program."""
    return ["E", "alpha", "a", "b", Best(C), Prediction({"N": C / 1e12, "D": 2e11})]


def changed(fit, law=None, **columns):
    """The fit to other runs or at another law; nothing is solved."""
    runs = fit.runs.replace(**columns)
    return dataclasses.replace(fit, runs=runs, law=law or fit.law)


@pytest.fixture(scope="module")
def square(noisy):
    return jaxscale.fit(jaxscale.Chinchilla(), noisy, loss=jaxscale.Square(), starts=32)


@pytest.fixture(scope="module")
def line():
    """A law linear in its parameters, with outliers: theory is exact."""
    N = np.logspace(7, 10, 20)
    loss = 9 - 0.3 * np.log(N) + 0.02 * RNG.standard_t(3, 20)
    law, runs = jaxscale.LogLaw(of="N"), jaxscale.Runs(N=N, loss=loss)
    return jaxscale.fit(law, runs, loss=jaxscale.Square(), residual="absolute", starts=32)


@pytest.fixture(scope="module")
def curves(fitted):
    return {kind: profile(fitted, asked(), calibration=kind) for kind in CALIBRATIONS}


def slopes(law, N, D):
    """[n, 5] of the log prediction in the physical parameters."""
    E, A, B, alpha, beta = (getattr(law, name) for name in NAMES)
    one, x, y = np.ones_like(N), N**-alpha, D**-beta
    p = E + A * x + B * y
    return np.stack([one, x, y, -A * x * np.log(N), -B * y * np.log(D)], 1) / p[:, None]


def test_laplace_is_the_pcov_of_scipys_curve_fit(square):
    N, D = (square.runs.columns[name] for name in "ND")

    def model(_, *x):
        return np.log(jaxscale.predict(jaxscale.Chinchilla(*x), N=N, D=D))

    def jacobian(_, *x):
        return slopes(jaxscale.Chinchilla(*x), N, D)

    start = list(square.law.values.values())
    options = dict(p0=start, jac=jacobian, x_scale="jac", xtol=1e-12, ftol=1e-12, method="trf")
    best, pcov = optimize.curve_fit(model, N, np.log(square.runs.loss), **options)
    np.testing.assert_allclose(best, start, rtol=1e-4)
    found = covariance(square, kind="laplace")
    errors = [found.error(name) for name in NAMES]
    np.testing.assert_allclose(errors, np.sqrt(np.diag(pcov)), rtol=1e-3)
    # A covariance too, by the error of a difference.
    mixed = found.error(lambda law: law.alpha - law.beta)
    assert mixed == pytest.approx(np.sqrt(pcov[3, 3] + pcov[4, 4] - 2 * pcov[3, 4]), rel=1e-3)
    assert found.freedom == 55


@pytest.mark.parametrize("groups", [None, GROUPS], ids=["HC2", "clusters"])
@pytest.mark.parametrize("weight", [None, RNG.uniform(0.2, 2, 60)], ids=["equal", "weighted"])
def test_the_sandwich_follows_its_formula(square, groups, weight):
    fit = changed(square, weight=weight)
    w = np.ones(60) if weight is None else weight
    J = slopes(fit.law, *(fit.runs.columns[name] for name in "ND"))
    r = np.log(fit.prediction / fit.runs.loss)
    bread = np.linalg.inv((J * w[:, None]).T @ J)
    hat = np.einsum("np,pq,nq->n", J, bread, J) * w
    score = J * (w * r / np.sqrt(1 - hat))[:, None]
    if groups is not None:
        score = np.array([score[groups == g].sum(axis=0) for g in range(12)])
    correction = 1.0 if groups is None else 12 / 11
    expected = correction * bread @ (score.T @ score) @ bread
    found = covariance(fit, group=groups)
    errors = [found.error(name) for name in NAMES]
    np.testing.assert_allclose(errors, np.sqrt(np.diag(expected)), rtol=1e-6)
    assert found.freedom == (55 if groups is None else 11)
    interval = found.interval("alpha", level=0.8)
    t = stats.t.ppf(0.9, found.freedom)
    assert interval.high - fit.law.alpha == pytest.approx(t * errors[3], rel=1e-6)
    log_half = np.log(found.interval("A", level=0.8).high / fit.law.A)
    assert log_half == pytest.approx(t * errors[1] / fit.law.A, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_every_covariance_keeps(fitted, kind):
    """Under Huber's loss: units, the order of runs, the scale of weights, a run of weight zero."""
    base = covariance(fitted, kind=kind)
    assert np.all(np.linalg.eigvalsh(base.matrix) > 0)
    runs, law = fitted.runs, fitted.law
    order = RNG.permutation(60)
    shuffled = {name: x[order] for name, x in runs.columns.items()}
    first, zero = np.arange(60) < 55, np.where(np.arange(60) < 55, 1.0, 0.0)
    some = {name: x[first] for name, x in runs.columns.items()}
    fewer = dataclasses.replace(fitted, runs=jaxscale.Runs(loss=runs.loss[first], **some))
    larger = law.replace(A=law.A * 1e6**law.alpha)
    for other, same in (
        (changed(fitted, larger, N=runs.columns["N"] * 1e6), base),
        (changed(fitted, loss=runs.loss[order], **shuffled), base),
        (changed(fitted, weight=np.full(60, 7.0)), base),
        (changed(fitted, weight=zero), covariance(fewer, kind=kind)),
    ):
        found = covariance(other, kind=kind)
        assert found.freedom == same.freedom
        for name in ("E", "alpha", "beta", "a"):
            assert found.error(name) == pytest.approx(same.error(name), rel=1e-6)


def test_both_kinds_agree_where_their_assumptions_hold(noisy):
    truth = jaxscale.Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)
    runs = simulate(truth, noisy.columns["N"], noisy.columns["D"], noise=0.005, seed=1)
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs, starts=32)
    laplace, sandwich = (covariance(fit, kind=kind) for kind in KINDS)
    for name in NAMES:
        assert sandwich.error(name) == pytest.approx(laplace.error(name), rel=0.4)


def test_derivatives_of_quantities_in_the_coordinates(fitted):
    at = linearize(fitted)
    some = [quantity(q, fitted.law) for q in (*asked(), "A")]
    value, slope = gradients(at, some)
    ends = [gradients(dataclasses.replace(at, z=at.z + h), some)[0] for h in 1e-5 * np.eye(5)]
    downs = [gradients(dataclasses.replace(at, z=at.z - h), some)[0] for h in 1e-5 * np.eye(5)]
    differences = (np.array(ends) - np.array(downs)).T / 2e-5
    np.testing.assert_allclose(slope / value[:, None], differences / value[:, None], atol=1e-8)


def stuck(fit):
    objective, z = fit.problem.objective, fit.optimum
    z = np.append(objective.space.bounds()[0][0], z[1:])
    with scope(np.float64):
        law = objective.law_at(jnp.asarray(z))
    return changed(fit, law.replace(**{k: float(v) for k, v in law.values.items()}))


@pytest.mark.parametrize("state", [lambda *x: covariance(x[0]).intervals([x[1]]), profile])
def test_what_hangs_on_a_parameter_at_its_bound_has_no_error(fitted, state):
    for q in ("E", Prediction({"N": 1e9, "D": 1e10})):
        with pytest.raises(jaxscale.FitError, match="depends on E, which is at its bound"):
            state(stuck(fitted), q)


def test_the_others_have_the_errors_of_a_law_without_it(fitted, square):
    fit = stuck(square)
    found = covariance(fit, kind="laplace")
    assert np.all(found.matrix[0] == 0) and found.freedom == 56
    J = slopes(fit.law, *(fit.runs.columns[name] for name in "ND"))[:, 1:]
    r = np.log(jaxscale.predict(fit.law, **fit.runs.columns) / fit.runs.loss)
    expected = np.sqrt(np.diag(np.linalg.inv(J.T @ J)) * (r @ r) / 56)
    np.testing.assert_allclose([found.error(n) for n in NAMES[1:]], expected, rtol=1e-6)


@pytest.mark.parametrize("state", [covariance, profile])
def test_runs_that_cannot_identify_a_law_have_no_errors(square, state):
    law = square.law.replace(alpha=0.35, beta=0.35)
    line = changed(square, law, D=20 * square.runs.columns["N"])
    with pytest.raises(jaxscale.FitError, match="singular: some combination"):
        state(line)


@pytest.mark.parametrize("state", [lambda *x: covariance(x[0]).intervals([x[1]]), profile])
def test_a_quantity_that_is_not_finite_has_no_error(fitted, state):
    with pytest.raises(jaxscale.FitError, match=r"C\(L=1\.5\) is inf under the fitted law"):
        state(fitted, ComputeFor(1.5))


@pytest.mark.parametrize(
    "state, options, error, message",
    [
        (covariance, dict(kind="hessian"), ValueError, "kind must be one of sandwich, laplace"),
        (covariance, dict(kind="laplace", group=GROUPS), ValueError, "group goes with"),
        (covariance, dict(group=GROUPS % 5), jaxscale.FitError, "5 clusters are too few"),
        (covariance, dict(group=GROUPS * 0), jaxscale.FitError, "1 clusters are too few"),
        (covariance, dict(group="family"), jaxscale.DataError, "family"),
        (profile, dict(calibration="wilks"), ValueError, "calibration must be one of"),
        (profile, dict(calibration="laplace", group=GROUPS), ValueError, "group goes with"),
        (profile, dict(group=GROUPS % 5), jaxscale.FitError, "5 clusters are too few"),
        (profile, dict(what="gamma"), ValueError, "no quantity 'gamma'"),
    ],
)
def test_bad_options_get_a_sentence(fitted, state, options, error, message):
    with pytest.raises(error, match=message):
        state(fitted, **options)


def test_of_a_linear_law_all_intervals_are_the_exact_t(line):
    x, y = np.log(line.runs.columns["N"]), line.runs.loss
    peer = stats.linregress(x, y)
    t = stats.t.ppf(0.95, 18)
    exact = {
        "a": (peer.slope, peer.stderr),
        "b": (peer.intercept, peer.intercept_stderr),
        "L(N=1e12)": (
            peer.intercept + peer.slope * np.log(1e12),
            peer.stderr * np.sqrt(x.var() + (np.log(1e12) - x.mean()) ** 2),
        ),
    }
    questions = ["a", "b", Prediction({"N": 1e12})]
    curves = profile(line, questions, calibration="laplace")
    stated = covariance(line, kind="laplace").intervals(questions)
    for curve, other in zip(curves, stated, strict=True):
        center, error = exact[curve.name]
        expected = (center - t * error, center + t * error)
        for interval in (curve.interval(), other):
            assert interval.estimate == pytest.approx(center, rel=1e-9)
            np.testing.assert_allclose((interval.low, interval.high), expected, rtol=1e-6)
        assert other.error == pytest.approx(error, rel=1e-6)
        # A linear law rises as a parabola: the root is a line.
        np.testing.assert_allclose(curve.root, (curve.at - center) / error, atol=1e-5)
        assert curve.root[0] < -2.88 and curve.root[-1] > 2.88 and curve.freedom == 18


@pytest.mark.parametrize("kind", CALIBRATIONS)
def test_every_profile_rises_from_its_estimate(fitted, curves, kind):
    for q, curve in zip(asked(), curves[kind], strict=True):
        assert curve.name == quantity(q, fitted.law).name
        assert np.all(np.diff(curve.at) >= 0) and np.all(np.diff(curve.root) >= 0)
        assert curve.root[np.argmin(np.abs(curve.at - curve.estimate))] == 0
        before = curve.interval(0.01)
        assert before.low == pytest.approx(curve.estimate, rel=0.02)
        for level in (0.5, 0.9, 0.99):
            now = curve.interval(level)
            assert now.low < before.low < curve.estimate < before.high < now.high
            before = now
        with pytest.raises(ValueError, match=r"followed to a level of 0\.99"):
            curve.interval(0.999)
    # Nothing but the measure of the rise differs between the two.
    for one, other in zip(*curves.values(), strict=True):
        t = np.array([-1.0, 1.0])
        x = np.interp(t, one.root, one.at)
        scale = np.interp(x, other.at, other.root) / t
        assert scale[0] == pytest.approx(scale[1], rel=0.05)


def value_at(fitted, curve):
    """The plain objective on a profile of the laplace calibration, at its points."""
    ratio = noise_ratio(linearize(fitted))
    return fitted.value + 0.5 * ratio * curve.root**2


def test_the_profile_of_a_parameter_equals_refits_that_hold_it(noisy, fitted, curves):
    pinned = jaxscale.fit(jaxscale.Chinchilla(E=fitted.law.E), noisy, starts=32)
    curve = curves["laplace"][0]
    some = np.linspace(0, len(curve.at) - 1, 12).astype(int)
    refits = jaxscale.refit(pinned, fixed={"E": curve.at[some]})
    np.testing.assert_allclose(value_at(fitted, curve)[some], refits.value, rtol=1e-8)


def test_the_profile_of_a_quantity_equals_a_slow_constrained_minimum(fitted, curves):
    curve, q = curves["laplace"][4], Best(1e22)
    objective, z = fitted.problem.objective, fitted.optimum
    with scope(np.float64):
        value = jax.jit(jax.value_and_grad(objective.value))
        log_best = jax.jit(jax.value_and_grad(lambda z: jnp.log(q(objective.law_at(z)))))

        def slow(goal, start):
            held = {
                "type": "eq",
                "fun": lambda z: float(log_best(z)[0]) - np.log(goal),
                "jac": lambda z: np.asarray(log_best(z)[1]),
            }
            found = optimize.minimize(
                lambda z: tuple(np.asarray(x, float) for x in value(z)),
                start,
                jac=True,
                method="SLSQP",
                constraints=held,
                options=dict(maxiter=500, ftol=1e-12),
            )
            assert abs(held["fun"](found.x)) < 1e-8
            return found

        for side in (1, -1):
            start = z
            inner = [k for k in range(len(curve.at)) if 0 < side * curve.root[k] < 3]
            for k in inner[::side][:4]:
                found = slow(curve.at[k], start)
                start = found.x
                expected = value_at(fitted, curve)[k]
                assert found.fun * 1e-6 == pytest.approx(expected, rel=1e-5)


def test_profiles_mirror_their_quantity(curves):
    for kind in CALIBRATIONS:
        a, b = curves[kind][2].interval(), curves[kind][3].interval()
        assert (1 - b.high, 1 - b.low) == pytest.approx((a.low, a.high), rel=1e-6)


def test_another_budget_does_not_compile_anew(fitted, curves):
    count = programs.compiled
    other = profile(fitted, asked(3e22))
    assert programs.compiled == count
    assert other[4].estimate > 1.2 * curves["sandwich"][4].estimate
    np.testing.assert_array_equal(other[1].root, curves["sandwich"][1].root)


def test_a_side_that_the_runs_leave_open_is_open(noisy, curves):
    """E is so small that it may as well be zero; the rest is determined."""
    law = jaxscale.Chinchilla(E=0.05, A=480.0, B=2100.0, alpha=0.35, beta=0.36)
    runs = simulate(law, noisy.columns["N"], noisy.columns["D"], noise=0.03, seed=0)
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs, starts=32)
    assert 0 < fit.law.E < 0.5 and not fit.certificate.at_bound
    E, alpha, *rest = (curve.interval() for curve in profile(fit, asked()))
    assert E.low in (-np.inf, 0) and fit.law.E < E.high < 1.5
    assert 0 < alpha.low < fit.law.alpha < alpha.high < 1
    assert all(0 < i.low < i.estimate < i.high < np.inf for i in rest)


def test_what_fixed_parameters_determine_stays_where_it_is(line):
    held = jaxscale.LogLaw(of="N", a=float(line.law.a))
    fit = jaxscale.fit(held, line.runs, loss=jaxscale.Square(), residual="absolute", starts=16)
    still, moving = (curve.interval() for curve in profile(fit, ["a", "b"]))
    assert (still.low, still.high) == (fit.law.a, fit.law.a)
    assert moving.low < fit.law.b < moving.high
    still, moving = covariance(fit).intervals(["a", "b"])
    assert still.low == still.high == fit.law.a and moving.low < moving.high


def test_of_two_points_on_a_side_the_further_bounds_the_nearer():
    points = [(0.0, 0.0), (1.0, 2.5), (2.0, 2.0), (3.0, 4.0), (-1.0, -2.5), (-2.0, -2.0)]
    at, root = _ordered([*points, (-3.0, -4.0)])
    assert at.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert root.tolist() == [-4, -2, -2, 0, 2, 2, 4]
    curve = Profile("x", 0.0, at, root, np.inf, "laplace", False)
    interval = curve.interval(0.98)
    assert interval.high == pytest.approx(-interval.low) and interval.high > 2
