"""Losses and residuals: every one of them against its own definition, a user's own as well."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

import jaxscale
from jaxscale._numerics.positive import Positive
from jaxscale._numerics.precision import scope
from jaxscale.objective.losses import NAMES, loss_named
from jaxscale.objective.residuals import RESIDUALS, Residual, residual_named


class Cauchy(jaxscale.Loss):
    """c²/2 log(1 + (r/c)²), with nothing but its rho."""

    width = "c"
    c: float = 0.3

    def rho(self, r):
        return 0.5 * self.c**2 * jnp.log1p((r / self.c) ** 2)


class Rounded(jaxscale.Loss):
    """sqrt(1 + r²) - 1: no width, nothing but its rho."""

    def rho(self, r):
        return jnp.sqrt(1 + r * r) - 1


LOSSES = [
    jaxscale.Square(),
    jaxscale.Huber(1e-3),
    jaxscale.Huber(0.2),
    jaxscale.Absolute(1e-2),
    Cauchy(),
    Rounded(),
    jaxscale.Asymmetric(0.2, penalty=10.0),
    jaxscale.Quantile(0.1, smoothing=1e-2),
    jaxscale.StudentT(0.3, nu=4.0),
]
R = np.array([-2.0, -0.21, -0.1, -3e-3, -5e-4, 0.0, 2e-4, 4e-3, 0.07, 0.19, 1.5])


@pytest.fixture(autouse=True)
def float64():
    with scope(np.float64):
        yield


def each(function, x):
    return np.array([float(function(jnp.asarray(float(one)))) for one in x])


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_weight_and_curvature_are_those_of_rho(loss):
    rho, slope = loss.rho, jax.grad(loss.rho)
    np.testing.assert_allclose(loss.weight(jnp.asarray(R)) * R, each(slope, R), atol=1e-12)
    np.testing.assert_allclose(loss.curvature(jnp.asarray(R)), each(jax.grad(slope), R), atol=1e-9)
    lowest = float(rho(jnp.asarray(0.0)))
    assert (each(rho, R) >= lowest).all()
    assert np.isfinite(loss.weight(jnp.zeros(1))).all() and float(loss.weight(jnp.zeros(()))) > 0


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_the_smoothed_curvature_is_a_mean_over_a_kernel(loss):
    width = 0.15
    u = np.linspace(-7.5, 7.5, 60_001)
    moved = R[:, None] + width * u
    psi = np.asarray(loss.weight(jnp.asarray(moved))) * moved
    density = np.exp(-0.5 * u * u)
    stein = (psi * u) @ density / density.sum() / width
    got = np.asarray(loss.smoothed_curvature(jnp.asarray(R), jnp.asarray(width)))
    np.testing.assert_allclose(got, stein, atol=1e-3 * np.abs(stein).max())


@pytest.mark.parametrize("s", [1e-4, 1e-3, 0.02])
@pytest.mark.parametrize(
    "loss",
    [
        *LOSSES[:3],
        jaxscale.Absolute(1e-9),
        *LOSSES[4:7],
        jaxscale.Quantile(0.1, smoothing=1e-9),
        jaxscale.StudentT(0.3, nu=4.0),
    ],
    ids=str,
)
def test_the_density_is_that_of_rho(loss, s):
    def weighed(r):
        return float(np.exp(-float(loss.rho(jnp.asarray(r))) / s))

    def total(function):
        ends = [0.0, *np.geomspace(1e-6, 3e3, 60)]
        return 2 * sum(
            integrate.quad(function, a, b, epsrel=1e-9)[0]
            for a, b in zip(ends[:-1], ends[1:], strict=True)
        )

    if loss.name != "huber":  # its closed form has tests of its own
        ends = np.concatenate([[0.0], np.geomspace(1e-9, 3e3, 200_001)])
        Z = mean = 0.0
        for side in (-1, 1):
            rho = np.asarray(loss.rho(jnp.asarray(side * ends)))
            Z += np.trapezoid(np.exp(-rho / s), ends)
            mean += np.trapezoid(np.exp(-rho / s) * rho, ends)
        mean /= Z
    else:
        Z = total(weighed)
        mean = total(lambda r: weighed(r) * float(loss.rho(jnp.asarray(r)))) / Z
    assert float(loss.log_normalizer(jnp.log(s))) == pytest.approx(np.log(Z), abs=1e-5)
    assert loss.mean_rho(np.array([s, 2 * s]))[0] == pytest.approx(mean, rel=1e-4)


def test_tails_too_heavy_for_a_density_have_none():
    assert np.isinf(Cauchy(0.3).log_normalizer(jnp.log(0.3**2)))
    assert np.isfinite(Cauchy(0.3).log_normalizer(jnp.log(0.3**2 / 3)))


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_a_loss_says_its_name_and_width(loss):
    document = loss.document()
    own = type(loss) not in NAMES.values()
    assert document["loss"] == (f"{__name__}:{type(loss).__name__}" if own else loss.name)
    assert document["delta"] == loss.threshold
    assert (loss.threshold is None) == (loss.width is None)
    if loss.width is not None:
        wider = loss.with_threshold(0.7)
        assert type(wider) is type(loss) and wider.threshold == 0.7
        assert float(loss.scale) == pytest.approx(loss.threshold**2)
        inside = np.asarray(loss.inside(jnp.asarray(R)))
        np.testing.assert_array_equal(inside, np.abs(R) <= loss.threshold)
    else:
        with pytest.raises(ValueError, match="has no width"):
            loss.with_threshold(0.7)
    if not own:
        assert type(loss_named(loss.name, loss.threshold)) is type(loss)
        number = "" if loss.extra is None else f":{getattr(loss, loss.extra)}"
        named = loss_named(loss.name + number, loss.threshold)
        assert named.extra is None or getattr(named, loss.extra) == getattr(loss, loss.extra)


@pytest.mark.parametrize(
    "text, said",
    {
        "quantile:1.5": "tau is the share of runs below the law, between 0 and 1",
        "quantile:0": "tau must be positive and finite",
        "asymmetric:-3": "penalty must be positive and finite",
        "student:inf": "nu must be positive and finite",
        "quantile:": "tau must be a number, e.g. quantile:0.5",
        "student:many": "nu must be a number, e.g. student:4",
        "huber:1": "the loss huber takes no number after a colon",
        "square:": "the loss square takes no number after a colon",
        "pinball:.9": "no loss 'pinball'; there are huber, square, absolute, asymmetric",
    }.items(),
)
def test_a_number_that_a_loss_cannot_take_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        loss_named(text)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, "wide", None, [0.1, -0.1]])
@pytest.mark.parametrize("kind", [jaxscale.Huber, jaxscale.Absolute, Cauchy])
def test_a_width_is_positive_and_finite(kind, value):
    with pytest.raises(ValueError, match="is a width of residuals, positive and finite"):
        kind(value)


def test_a_width_that_is_no_field_is_refused():
    with pytest.raises(TypeError, match="width is 'k', which is no field"):

        class Wrong(jaxscale.Loss):
            width = "k"


def test_fields_that_are_not_the_defaults_are_told():
    assert "fields" not in jaxscale.Absolute().document()
    assert jaxscale.Absolute(1e-4).document()["fields"] == {"smoothing": 1e-4}


SIZES = {  # predictions, losses, their unit
    False: (np.array([2.0, 2.5, 3.2]), np.array([2.1, 2.4, 4.0]), 2.5),
    True: (np.array([0.3, 0.62, 0.9]), np.array([0.35, 0.61, 0.5]), 0.45),
}


@pytest.mark.parametrize("residual", RESIDUALS.values(), ids=str)
def test_a_residual_says_the_same_on_the_host_and_in_the_solver(residual):
    P, Y, UNIT = SIZES[residual.fraction]
    y = Positive(jnp.asarray(Y / UNIT), jnp.log(Y / UNIT))

    def r(p):
        return residual.link(p, y, UNIT)[0]

    p = jnp.asarray(P / UNIT)
    want = residual.between(P, Y)
    for stored in (False, True):
        got, slope, bend = residual.link(p, y, UNIT, stored)
        np.testing.assert_allclose(got, want, rtol=1e-12)
        np.testing.assert_allclose(slope * np.ones(3), jax.jvp(r, (p,), (jnp.ones(3),))[1])

        def first(p):
            return jax.jvp(r, (p,), (jnp.ones(3),))[1]

        second = jax.jvp(first, (p,), (jnp.ones(3),))[1]
        np.testing.assert_allclose(bend * slope**2 * np.ones(3), second, atol=1e-12)
    at = np.asarray(residual.slope(y.value, UNIT)) * np.ones(3)
    np.testing.assert_allclose(at, np.asarray(residual.link(y.value, y, UNIT)[1]) * np.ones(3))


@pytest.mark.parametrize("residual", RESIDUALS.values(), ids=str)
def test_a_residual_is_undone_by_its_losses(residual):
    P, Y, _ = SIZES[residual.fraction]
    r = np.array([[0.1, -0.2, 0.0], [0.05, 0.3, -0.1]])
    losses = residual.losses(P, r)
    for row, y in zip(r, losses, strict=True):
        np.testing.assert_allclose(residual.between(P, y), row, atol=1e-14)
    change = 1e-7
    jacobian = np.abs(residual.between(P, Y + change) - residual.between(P, Y - change)) / 2e-7
    np.testing.assert_allclose(residual.log_jacobian(P, Y), np.log(jacobian), atol=1e-6)
    moved = np.abs(residual.between(P + change, Y) - residual.between(P, Y))
    np.testing.assert_allclose(residual.moved(P, Y, np.full(3, change)), moved, rtol=1e-6)
    spread = residual.noise(0.01, Y)
    np.testing.assert_allclose(np.abs(residual.between(Y + spread, Y)), 0.01, rtol=7e-3)


@pytest.mark.parametrize("residual", RESIDUALS.values(), ids=str)
def test_a_residual_is_a_value(residual):
    Y = SIZES[residual.fraction][1]
    assert residual == type(residual)() and hash(residual) == hash(type(residual)())
    assert residual_named(residual) is residual and residual_named(residual.name) == residual
    near = np.asarray(residual.linear.between(Y * (1 + 1e-6), Y))
    np.testing.assert_allclose(near, residual.between(Y * (1 + 1e-6), Y), rtol=1e-5)
    assert dataclasses.is_dataclass(Residual) and len({*RESIDUALS.values()}) == len(RESIDUALS)
