"""A fit linearized, the smoothed curvature of its loss, and runs drawn again from it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

import jaxscale
from jaxscale._numerics.bandwidth import bandwidth
from jaxscale._numerics.precision import scope
from jaxscale.fitting.linearized import linearize
from jaxscale.fitting.sandwich import inverse_curvature, standard_errors
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import residual_named
from jaxscale.uncertainty.components import model
from jaxscale.uncertainty.resampling import (
    FEWEST,
    WEBB,
    bayesian_weights,
    case_weights,
    cluster_labels,
    cluster_weights,
    membership,
    residual_losses,
    wild_losses,
)

RNG = np.random.default_rng(8)
KINDS = ("log", "relative", "absolute")
LOSSES = [jaxscale.Huber(1e-3), jaxscale.Huber(3e-2), jaxscale.Square(), jaxscale.Absolute()]
GROUPS = np.repeat(np.arange(12), 5)
HELD = dict(a1=-1e-5, b1=2.5, a2=9.0, b2=0.3, c2=1.1)


class Cauchy(jaxscale.Loss):
    """log(1 + (r / c)²) c² / 2: a user's own, through the generic smoothed curvature."""

    c = 0.02

    def rho(self, r):
        return 0.5 * self.c**2 * jnp.log1p((r / self.c) ** 2)

    def weight(self, r):
        return 1 / (1 + (r / self.c) ** 2)

    def curvature(self, r):
        u = (r / self.c) ** 2
        return (1 - u) / (1 + u) ** 2


def changed(fit, runs=None, loss=None, **attributes):
    """A fit that answers another question at the same parameters; nothing is solved."""
    if "residual" in attributes:
        attributes["residual"] = residual_named(attributes["residual"])
    return dataclasses.replace(fit, runs=runs or fit.runs, loss=loss or fit.loss, **attributes)


def with_losses(runs, losses):
    return runs.replace(loss=losses)


@pytest.fixture(scope="module")
def weighted(fitted):
    """Weights between 1/4 and 4, three of them zero."""
    weight = np.exp(RNG.uniform(-1.4, 1.4, 60))
    weight[[0, 20, 40]] = 0.0
    return changed(fitted, fitted.runs.replace(weight=weight), jaxscale.Square())


def convolved(psi, r, width):
    """d/dr of the mean of psi(r + width u), by quadrature on both sides of every kink."""
    edges = sorted({-9.0, 9.0, *np.clip((np.array([-1e-3, 1e-3, -3e-2, 3e-2]) - r) / width, -9, 9)})

    def integrand(u):
        return psi(r + width * u) * u * stats.norm.pdf(u)

    parts = [
        integrate.quad(integrand, a, b, epsabs=1e-12, epsrel=1e-10)[0]
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]
    return sum(parts) / width


@pytest.mark.parametrize("loss", [*LOSSES, Cauchy()], ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("width", [2e-3, 2e-2])
def test_the_smoothed_curvature_is_the_mean_of_the_curvature(loss, width):
    points = np.array([-0.08, -0.011, -1e-3, 0.0, 5e-4, 4e-3, 0.05])

    def psi(r):
        return float(np.asarray(loss.weight(jnp.asarray(r)) * r))

    with scope(np.float64):
        found = np.asarray(loss.smoothed_curvature(jnp.asarray(points), width))
        expected = np.array([convolved(psi, r, width) for r in points])
        generic = np.asarray(Loss.smoothed_curvature(loss, jnp.asarray(points), width))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found / scale, expected / scale, atol=2e-6)
    # The fine grid of the generic method steps over a kink.
    np.testing.assert_allclose(generic / scale, expected / scale, atol=2e-4)


@pytest.mark.parametrize("loss", [*LOSSES, Cauchy()], ids=lambda x: type(x).__name__)
def test_under_a_narrow_kernel_it_is_the_curvature_itself(loss):
    points = np.array([-0.08, 0.0, 5e-4, 4e-3, 0.05])  # none at a kink
    with scope(np.float64):
        found = loss.smoothed_curvature(jnp.asarray(points), 1e-6)
        exact = loss.curvature(jnp.asarray(points))
        np.testing.assert_allclose(np.asarray(found), np.asarray(exact), atol=1e-4)


def test_silvermans_bandwidth():
    r = RNG.standard_t(2, 50)
    spread = min(r.std(), np.subtract(*np.percentile(r, [75, 25])) / 1.349)
    assert bandwidth(r) == pytest.approx(0.9 * spread * 50**-0.2, rel=1e-12)
    half = np.array([0.0] * 40 + [1.0] * 10)  # quartiles that coincide
    assert bandwidth(half) == pytest.approx(0.9 * half.std() * 50**-0.2, rel=1e-12)
    assert 0 < bandwidth(np.zeros(5)) < 1e-300


def test_a_fit_knows_its_optimum(fitted):
    objective, z = fitted.problem.objective, fitted.optimum
    with scope(np.float64):
        value, grad, *_ = (np.asarray(x) for x in jax.jit(objective.model)(jnp.asarray(z)))
        law = objective.law_at(jnp.asarray(z))
    assert value * 1e-6 == pytest.approx(fitted.value, rel=1e-12)
    assert np.abs(grad).max() < 1e-4 * value
    for name, x in fitted.law.values.items():
        assert float(getattr(law, name)) == pytest.approx(x, rel=1e-12)


@pytest.mark.parametrize("residual", KINDS)
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_slopes_and_derivatives_of_the_loss(fitted, loss, residual):
    fit = changed(fitted, loss=loss, residual=residual)
    at = linearize(fit)
    y, law = fit.runs.loss, fit.law

    def residuals(z):
        with scope(np.float64):
            moved = at.objective.law_at(jnp.asarray(z))
            p = np.asarray(moved(*(fit.runs.columns[name] for name in "ND")))
        return {"log": np.log(p / y), "relative": p / y - 1, "absolute": p - y}[residual]

    np.testing.assert_allclose(at.residual, residuals(at.z), atol=1e-13)
    steps = 1e-5 * np.eye(5)
    slopes = [(residuals(at.z + h) - residuals(at.z - h)) / 2e-5 for h in steps]
    np.testing.assert_allclose(at.rows, np.array(slopes).T, atol=2e-9)
    r = at.residual
    if isinstance(loss, jaxscale.Square):
        expected = (r, np.ones(60))
    else:
        delta = getattr(loss, "delta", None) or loss.smoothing
        unit = 1.0 if isinstance(loss, jaxscale.Huber) else delta
        expected = (np.clip(r, -delta, delta) / unit, (np.abs(r) <= delta) / unit)
    np.testing.assert_allclose(at.psi, expected[0], rtol=1e-12)
    np.testing.assert_allclose(at.curvature, expected[1], rtol=1e-12)
    assert law.alpha == at.z[3] and at.freedom == 55


@pytest.mark.parametrize("residual", KINDS)
def test_leverages_of_least_squares_are_the_hat_matrix(fitted, weighted, residual):
    for fit in (changed(fitted, loss=jaxscale.Square(), residual=residual), weighted):
        at = linearize(fit)
        root = np.sqrt(at.weight)[:, None] * at.rows
        hat = root @ np.linalg.solve(root.T @ root, root.T)
        np.testing.assert_allclose(at.leverage, np.diag(hat), atol=1e-9)
        assert at.leverage.sum() == pytest.approx(5, rel=1e-9)
        np.testing.assert_allclose(at.curvature_matrix(), root.T @ root, rtol=1e-12)
    assert at.freedom == 57 - 5 and at.leverage[[0, 20, 40]].tolist() == [0, 0, 0]


def test_a_small_delta_leaves_the_fit_to_a_few_runs(fitted):
    at = linearize(fitted)
    inside = np.abs(at.residual) <= 1e-3
    assert 5 <= inside.sum() == fitted.certificate.inside_delta < 15
    assert at.leverage.sum() == pytest.approx(5, rel=1e-9)
    assert np.all(at.leverage[~inside] == 0) and np.all(at.leverage[inside] > 0.1)
    # The smoothed curvature spreads over all runs but the outliers.
    assert (at.smoothed > 0.1 * at.smoothed.max()).sum() > 3 * inside.sum()
    assert np.all(at.smoothed[[3, 17, 30, 44]] < 1e-3 * at.smoothed.max())


@pytest.mark.parametrize("loss", [*LOSSES, "weighted"], ids=repr)
def test_noise_has_the_variance_of_the_residuals(fitted, weighted, loss):
    fit = weighted if loss == "weighted" else changed(fitted, loss=loss)
    at = linearize(fit)
    noise = at.noise()
    w = at.weight / at.weight[at.weight > 0].mean()
    assert noise.share.sum() == pytest.approx(1, rel=1e-12) and np.all(noise.share >= 0)
    assert noise.variance == pytest.approx(noise.share @ noise.residual**2, rel=1e-12)
    # Moving them to their center, once, is all that happens beside division by the leverages.
    free = np.where(w > 0, at.residual * np.sqrt(w / np.clip(1 - at.leverage, 1e-6, None)), 0)
    share = np.where(w > 0, 1 - at.leverage, 0)
    share = share / share.sum()
    assert share @ free**2 == pytest.approx(w @ at.residual**2 / at.freedom, rel=1e-9)
    center = (free - noise.residual)[share > 0]
    assert np.ptp(center) < 1e-12
    moved = share @ free**2 - 2 * center[0] * (share @ free) + center[0] ** 2
    assert noise.variance == pytest.approx(moved, rel=1e-9)
    draws = noise.draw((200, 1000), np.random.default_rng(0))
    fourth = share @ noise.residual**4 / noise.variance**2
    assert np.mean(draws**2) == pytest.approx(noise.variance, rel=4 * np.sqrt(fourth / 2e5))
    assert 0 < noise.width < np.sqrt(noise.variance)
    with scope(np.float64):
        psi = np.asarray(at.objective.loss.weight(jnp.asarray(noise.residual))) * noise.residual
    assert abs(share @ psi) < 1e-5 * np.abs(psi).max()


def test_a_run_that_the_fit_passes_through_is_not_drawn(fitted):
    at = linearize(fitted)
    leverage = np.where(np.arange(60) % 2 == 0, 1.0, at.leverage)
    noise = dataclasses.replace(at, leverage=leverage).noise()
    assert np.all(noise.share[::2] == 0) and np.all(noise.share[1::2] > 0)
    still = noise._replace(width=0.0)
    drawn = still.draw((2000,), np.random.default_rng(1))
    assert set(np.round(drawn, 12)) <= set(np.round(noise.residual[1::2], 12))


def test_without_residuals_there_is_no_noise(fitted):
    runs = with_losses(fitted.runs, fitted.prediction)
    at = linearize(changed(fitted, runs, jaxscale.Square()))
    noise = dataclasses.replace(at, residual=np.zeros(60)).noise()
    assert noise.variance == 0 and np.all(noise.draw((3, 4), np.random.default_rng(0)) == 0)


@pytest.mark.parametrize("name, value, position", [("E", 0.0, 0), ("A", 0.0, 1), ("alpha", 0.0, 3)])
def test_a_parameter_at_its_bound_does_not_move(fitted, name, value, position):
    objective, z = fitted.problem.objective, fitted.optimum
    z = z.copy()
    z[position] = objective.space.bounds()[0][position]
    with scope(np.float64):
        law = objective.law_at(jnp.asarray(z))
    law = law.replace(**{k: float(v) for k, v in law.values.items()})
    for there in (law, law.replace(**{name: value})):
        at = linearize(changed(fitted, loss=jaxscale.Square(), law=there))
        assert at.moving.tolist() == [k != position for k in range(5)]
        assert at.freedom == 56 and at.leverage.sum() <= 4 + 1e-9
        # Where A is nothing, alpha moves nothing; where alpha is, A and E move the same.
        assert at.leverage.sum() == pytest.approx(4 if name == "E" else 3, abs=1e-6)


SCHEMES = {
    "case": lambda runs, at, p, *which: case_weights(runs, *which),
    "bayesian": lambda runs, at, p, *which: bayesian_weights(runs, *which),
    "cluster": lambda runs, at, p, *which: cluster_weights(runs, GROUPS, *which),
    "residual": lambda runs, at, p, *which: residual_losses(at, p, *which),
    "wild": lambda runs, at, p, *which: wild_losses(at, p, *which),
    "wild-cluster": lambda runs, at, p, *which: wild_losses(at, p, *which, labels=GROUPS),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_draw_depends_on_the_seed_and_its_number_only(fitted, scheme):
    at = linearize(fitted)

    def drawn(*which):
        return SCHEMES[scheme](fitted.runs, at, fitted.prediction, *which)

    many = drawn(7, 0, 100)
    assert many.shape == (100, 60) and np.isfinite(many).all()
    np.testing.assert_array_equal(many[:10], drawn(7, 0, 10))
    np.testing.assert_array_equal(many[90:], drawn(7, 90, 10))
    assert not np.array_equal(many[:10], drawn(8, 0, 10))
    assert len({row.tobytes() for row in many}) == 100


@pytest.mark.parametrize("scheme", ["case", "bayesian", "cluster"])
@pytest.mark.parametrize("own", [None, np.linspace(0, 2, 60)], ids=["equal", "own"])
def test_weights_are_the_runs_own_on_average(fitted, scheme, own):
    runs = fitted.runs.replace(weight=own)
    drawn = SCHEMES[scheme](runs, None, None, 3, 0, 2000)
    expected = runs.weights
    assert np.all(drawn >= 0) and np.all(drawn[:, expected == 0] == 0)
    used = expected > 0
    drawn = drawn[:, used] / expected[used]
    variance = {"case": 1 - 1 / 60, "bayesian": 59 / 61, "cluster": 1 - 1 / 12}[scheme]
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=5 * np.sqrt(variance / 2000))
    np.testing.assert_allclose(drawn.var(axis=0).mean(), variance, rtol=0.05)
    if scheme == "bayesian" and own is None:
        np.testing.assert_allclose(drawn.sum(axis=1), 60, rtol=1e-12)
    elif own is None:
        assert np.all(drawn == np.round(drawn))
        size = 1 if scheme == "case" else 5
        assert np.all(drawn.sum(axis=1) == 60) and np.all(
            drawn.reshape(-1, 60 // size, size).std(axis=2) == 0
        )


def test_clusters_stay_whole_whatever_their_labels(fitted):
    labels = np.array(["b", "a", "c"] * 20)
    drawn = cluster_weights(fitted.runs, labels, 1, 0, 50)
    for k in range(3):
        assert np.all(np.ptp(drawn[:, k::3], axis=1) == 0)
    assert membership(labels).tolist() == [1, 0, 2] * 20
    at = linearize(fitted)
    moved = wild_losses(at, fitted.prediction, 1, 0, 50, labels=labels)
    free = at.residual / np.sqrt(np.maximum(1 - at.leverage, 0.05))
    signs = -np.log(moved / fitted.prediction) / free
    for k in range(3):
        assert np.ptp(signs[:, k::3], axis=1).max() < 1e-9
    np.testing.assert_allclose(np.unique(np.round(signs, 9)), np.round(WEBB, 9))


def test_webbs_signs_have_the_moments_that_a_wild_bootstrap_needs():
    assert len(WEBB) == 6 and WEBB.mean() == pytest.approx(0, abs=1e-15)
    assert np.mean(WEBB**2) == pytest.approx(1) and np.mean(WEBB**4) == pytest.approx(7 / 6)
    assert np.mean(WEBB**3) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("residual", KINDS)
@pytest.mark.parametrize("weight", [False, True], ids=["equal", "weighted"])
def test_what_is_placed_is_what_the_objective_sees(fitted, weighted, residual, weight):
    fit = changed(weighted if weight else fitted, loss=jaxscale.Square(), residual=residual)
    at, noise = linearize(fit), linearize(fit).noise()
    relative = fit.runs.weights / fit.runs.weights[fit.runs.weights > 0].mean()
    drawn = residual_losses(at, fit.prediction, 5, 2, 1)
    placed = noise.draw((60,), np.random.default_rng([5, 2]))
    placed = placed / np.sqrt(np.where(relative > 0, relative, 1.0))
    wild = wild_losses(at, fit.prediction, 5, 2, 1)
    free = at.residual / np.sqrt(np.maximum(1 - at.leverage, 0.05))
    signed = np.random.default_rng([5, 2]).choice(WEBB, 60) * free
    for losses, expected in ((drawn[0], placed), (wild[0], signed)):
        again = linearize(changed(fit, with_losses(fit.runs, losses)))
        np.testing.assert_allclose(again.residual, expected, atol=1e-12)


@pytest.mark.parametrize("residual", KINDS)
def test_losses_have_the_residuals_that_are_asked_for(residual):
    p, r = np.array([2.0, 3.0]), np.array([[0.1, -0.2], [0.0, 0.3]])
    y = residual_named(residual).losses(p, r)
    found = {"log": np.log(p / y), "relative": (p - y) / y, "absolute": p - y}[residual]
    np.testing.assert_allclose(found, r, atol=1e-15)


def test_groups_come_from_the_runs_from_labels_or_from_a_column(fitted):
    runs = fitted.runs
    own = runs.replace(group=GROUPS)
    np.testing.assert_array_equal(cluster_labels(own, None, "cluster"), GROUPS)
    np.testing.assert_array_equal(cluster_labels(runs, list(GROUPS), "cluster"), GROUPS)
    budget = runs.columns["N"].round(-3)
    named = runs.replace(family=GROUPS.astype(float), N=budget, names={"family": "arch"})
    np.testing.assert_array_equal(cluster_labels(named, "arch", "cluster"), GROUPS)


@pytest.mark.parametrize(
    "group, method, error, message",
    [
        (None, "cluster", jaxscale.DataError, "needs to know which runs move together"),
        (np.arange(59), "cluster", jaxscale.DataError, r"shape \[59\], there are 60 runs"),
        ("family", "cluster", jaxscale.DataError, "family"),
        (GROUPS % 7, "cluster", jaxscale.FitError, "7 clusters are too few for method 'cluster'"),
        (GROUPS % 4, "wild-cluster", jaxscale.FitError, "which takes 5"),
        (GROUPS * 0, "jackknife", jaxscale.FitError, "1 clusters are too few"),
    ],
)
def test_groups_that_will_not_do_are_refused_with_a_sentence(fitted, group, method, error, message):
    assert FEWEST == {"cluster": 8, "wild-cluster": 5}
    with pytest.raises(error, match=message):
        cluster_labels(fitted.runs, group, method)


def test_where_nothing_moves_no_error_is_stated_and_no_noise_is_found_shared(fitted):
    """All at bounds, as a law of accuracies on losses is; or all but breaks fixed."""
    at = linearize(fitted)
    still = dataclasses.replace(at, moving=np.zeros_like(at.moving))
    with pytest.raises(jaxscale.FitError, match="all that are free are at a bound, or breaks"):
        inverse_curvature(still)
    errors, why = standard_errors(still, ["E"], np.ones((1, len(at.z))))
    assert np.isnan(errors["E"]) and "has a standard error" in why
    assert model(still, np.ones(len(fitted.runs))).basis.shape[1] == 0


@pytest.mark.parametrize(
    "law",
    [
        "DirectAccuracy",
        pytest.param("DirectAccuracyND", marks=pytest.mark.slow),
        pytest.param(jaxscale.Piecewise(of="S", **HELD), marks=pytest.mark.slow),
    ],
)
def test_a_law_of_which_all_is_at_a_bound_or_a_break_is_fitted_and_doubted(law):
    fit = jaxscale.fit(law, jaxscale.datasets.load("stdlib_ladder"), starts=16)
    assert not fit.certificate.trusted or fit.intervals
    assert all(np.isnan(error) for error in fit.errors.values()) and fit.unstated
