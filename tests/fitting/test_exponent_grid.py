"""The exponent grid: the one matrix product against the way cell by cell, on noisy data."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale
from jaxscale import Chinchilla, Huber, Law, Square
from jaxscale._numerics.positive import Positive
from jaxscale._numerics.precision import cast, scope
from jaxscale.fitting.preparation import prepare
from jaxscale.laws.parameters import coefficient, exponent, offset
from jaxscale.objective.objective import Objective
from jaxscale.plotting.surface import plot_surface
from jaxscale.varpro.grid import cells, surface
from jaxscale.varpro.reduced import Reduced
from jaxscale.varpro.separation import separation

RESIDUALS = ["log", "relative", "absolute"]
A, B = np.linspace(0.05, 1.4, 7), np.linspace(0.04, 1.3, 9)


class Product(Law):
    """L(N, D) = E + A N^-alpha D^-beta."""

    E: jaxscale.Scalar = offset("irreducible loss")
    A: jaxscale.Scalar = coefficient("coefficient", per=dict(N="alpha", D="beta"))
    alpha: jaxscale.Scalar = exponent("model-size exponent")
    beta: jaxscale.Scalar = exponent("data-size exponent")

    def __call__(self, N, D):
        return self.E + self.A * N**-self.alpha * D**-self.beta


class TwoTerms(Law):
    """L(N) = E + A N^-alpha + B N^alpha."""

    E: jaxscale.Scalar = offset("irreducible loss")
    A: jaxscale.Scalar = coefficient("falling", per=dict(N="alpha"))
    B: jaxscale.Scalar = coefficient("rising", per=dict(N="-alpha"), positive=False)
    alpha: jaxscale.Scalar = exponent("exponent")

    def __call__(self, N):
        return self.E + self.A * N**-self.alpha + self.B * N**self.alpha


def objective(runs, law=None, loss=None, residual="relative", dtype=np.float64) -> Objective:
    law = Chinchilla() if law is None else law
    return cast(prepare(law, runs, loss or Square(), residual).objective, dtype)


@functools.partial(jax.jit, static_argnums=2)
def _each(target, q, rounds):
    z = jax.vmap(lambda q: Reduced(target).solve(q, rounds))(q)
    return jax.vmap(target.plain)(z), z


@jax.jit
def plain(target, z):
    """The objective [...] at coordinates z [..., P], residual by residual."""
    return jax.vmap(target.plain)(z.reshape(-1, z.shape[-1])).reshape(z.shape[:-1])


_surface = jax.jit(surface, static_argnums=2)


def brute(target: Objective, axes, rounds=0):
    """Cell by cell through `Reduced`: (value of the objective, z), in the shape of the grid."""
    q = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    with scope(np.float64):
        value, z = _each(target, q.reshape(-1, len(axes)), rounds)
    return np.asarray(value).reshape(q.shape[:-1]), np.asarray(z).reshape(*q.shape[:-1], -1)


def grid(target: Objective, axes, rounds=2):
    with scope(np.float64):
        return jax.device_get(_surface(target, list(axes), rounds))


def relative(target: Objective) -> Objective:
    """What the least-squares surface of log residuals is made of."""
    return dataclasses.replace(target, residual=target.residual.linear)


@pytest.mark.parametrize(
    "law, want",
    [
        (Chinchilla(), (None, 0, 1)),
        (Chinchilla(alpha=0.3), (None, None, 0)),
        (Chinchilla(E=1.7), (0, 1)),
        (Chinchilla(A=400.0), None),
        (jaxscale.ChinchillaNDC(), (None, 0, 1)),
        (jaxscale.PowerLaw(of="N"), (0, None)),
        (jaxscale.PurePowerLaw(of="N"), (0,)),
        (jaxscale.LogLaw(of="N"), (None, None)),
        (jaxscale.Henighan(of="N"), (None, 0)),
        (jaxscale.KaplanN(), (0,)),
        (jaxscale.KaplanD(), (0,)),
        (jaxscale.KaplanC(), (0,)),
        (jaxscale.KaplanSteps(), (0, 1)),
        (jaxscale.Kaplan(), None),
        (jaxscale.Piecewise(of="N"), None),
        (Product(), None),
        (TwoTerms(), (None, 0, 0)),
    ],
    ids=lambda x: f"{type(x).__name__}-{'-'.join(x.fixed)}" if isinstance(x, Law) else "",
)
def test_separation_is_found_in_the_formula(noisy, law, want):
    columns = dict(noisy.columns, S=noisy.columns["N"])
    found = separation(objective(jaxscale.Runs(loss=noisy.loss, **columns), law))
    assert found == want


@pytest.mark.parametrize(
    "law, residual",
    [
        *((Chinchilla(), kind) for kind in RESIDUALS),
        (Chinchilla(E=1.2), "relative"),
        (jaxscale.ChinchillaNDC(), "log"),
    ],
)
def test_least_squares_in_one_product_agrees_with_cell_by_cell(noisy, law, residual):
    weight = np.random.default_rng(0).uniform(0.2, 3, 60) * (np.arange(60) % 7 > 0)
    runs = jaxscale.Runs(loss=noisy.loss, weight=weight, **noisy.columns)
    target = objective(runs, law, residual=residual)
    got = grid(target, (A, B))
    want, z = brute(relative(target), (A, B))
    with scope(np.float64):  # the value is that of the coefficients, residual by residual
        q = jnp.meshgrid(A, B, indexing="ij")
        specs = target.space.specs
        own = np.zeros_like(z)
        for k, x in zip(Reduced(target).nonlinear, q, strict=True):
            own[..., k] = x
        for k, x in zip(Reduced(target).linear, got.coefficients, strict=True):
            assert specs[k].positive and (x >= 0).all()
            own[..., k] = np.log(np.maximum(x, 1e-300))
        direct = plain(relative(target), own)
    np.testing.assert_allclose(got.value, direct, rtol=1e-9)
    # `Reduced` keeps a dead term at 1e-6 and regularizes; what it can say is that this is lower.
    assert (got.value <= want * (1 + 1e-9)).all()
    np.testing.assert_allclose(got.value, want, rtol=2e-3)
    inside = np.all(z > np.log(1e-5), axis=-1, where=np.arange(z.shape[-1]) < len(got.coefficients))
    assert inside.any() and not inside.all()  # both: free cells, and active constraints
    np.testing.assert_allclose(got.value[inside], want[inside], rtol=1e-8)


def test_coefficients_agree_with_an_independent_nonnegative_solver(noisy):
    nnls = pytest.importorskip("scipy.optimize").nnls
    target = objective(noisy)
    got = grid(target, (A, B))
    N, D, y = (x.value if isinstance(x, Positive) else x for x in (*target.inputs, target.target))
    root = np.sqrt(target.weight) / y
    dead = 0
    for i, a in enumerate(A):
        for j, b in enumerate(B):
            x, norm = nnls(np.stack([np.ones_like(N), N**-a, D**-b], 1) * root[:, None], y * root)
            np.testing.assert_allclose(got.value[i, j], norm**2 / 2, rtol=1e-8)
            mine = [c[i, j] for c in got.coefficients]
            np.testing.assert_allclose(mine, x, rtol=1e-6, atol=1e-9)
            dead += int((x == 0).any())
    assert 0 < dead < A.size * B.size


def test_signed_coefficients_and_one_exponent(noisy):
    score = 0.9 - 3.0 * noisy.columns["N"] ** -0.25 + 0.01 * np.sin(np.arange(60))
    target = objective(jaxscale.Runs(loss=score, N=noisy.columns["N"]), jaxscale.PowerLaw(of="N"))
    axis = np.linspace(-0.9, -0.05, 11)
    got = grid(target, (axis,))
    want, z = brute(target, (axis,))
    np.testing.assert_allclose(got.value, want, rtol=1e-9)
    np.testing.assert_allclose(got.coefficients[0], z[:, 0], rtol=1e-6)
    assert (got.coefficients[0] < 0).all()


def test_replicates_are_one_map_over_weights_or_targets(noisy):
    target = objective(noisy)
    rng = np.random.default_rng(1)
    weights = target.weight * rng.poisson(1.0, (4, len(target.weight)))
    losses = target.target.value * np.exp(rng.normal(0, 0.01, (4, len(target.weight))))
    with scope(np.float64):

        @jax.jit
        def weighted(w):
            return surface(dataclasses.replace(target, weight=w), (A, B)).value

        @jax.jit
        def aimed(y):
            other = dataclasses.replace(target, target=Positive(y, jnp.log(y)))
            return surface(other, (A, B)).value

        for one, many in ((weighted, weights), (aimed, losses)):
            batch = jax.jit(jax.vmap(one))(many)
            assert batch.shape == (4, 7, 9)
            np.testing.assert_allclose(batch[2], one(many[2]), rtol=1e-9)
        text = str(jax.make_jaxpr(jax.vmap(weighted))(weights))
    assert "f64[4,7,9] = dot_general" in text  # the replicates share the right side


def test_float32_follows_its_inputs(noisy):
    low = objective(noisy, dtype=np.float32)
    got = _surface(low, [A.astype(np.float32), B.astype(np.float32)], 2)
    assert got.value.dtype == jnp.float32 and got.coefficients[0].dtype == jnp.float32
    np.testing.assert_allclose(got.value, grid(objective(noisy), (A, B)).value, rtol=5e-3)
    assert (
        jax.eval_shape(
            lambda t: surface(t, [A.astype(np.float32)] * 2),
            objective(noisy, loss=Huber(1e-2), dtype=np.float32),
        ).value.dtype
        == jnp.float32
    )


def reweighted(target: Objective, a: float, b: float, rounds: int = 300) -> float:
    """Huber's minimum at given exponents: NumPy, working responses, SciPy's own constraint."""
    nnls = pytest.importorskip("scipy.optimize").nnls
    used = np.flatnonzero(target.weight)
    N, D = (x.value[used] for x in target.inputs)
    y, scale, delta = target.target.value[used], target.space.loss_scale, target.loss.delta
    X = np.stack([np.ones_like(N), N**-a, D**-b], 1)
    x = nnls(X, y)[0]
    best = np.inf
    for _ in range(rounds):
        p = X @ x
        r, slope = {
            "log": (np.log(p / y), 1 / p),
            "relative": (p / y - 1, 1 / y),
            "absolute": ((p - y) * scale, scale + 0 * y),
        }[target.residual.name]
        size = np.maximum(np.abs(r), delta)
        value = np.where(size > delta, delta * (size - delta / 2), r * r / 2).sum()
        best = min(best, value)
        root = np.sqrt(delta / size)
        x = nnls(X * (root * slope)[:, None], root * (slope * p - r))[0]
    return best


@pytest.mark.slow
@pytest.mark.parametrize("residual", RESIDUALS)
def test_robust_surface_against_hundreds_of_reweightings_per_cell(noisy, residual):
    target = objective(noisy, loss=Huber(1e-3), residual=residual)
    axes = np.linspace(0.2, 0.55, 7), np.linspace(0.2, 0.6, 9)
    want = np.array([[reweighted(target, a, b) for b in axes[1]] for a in axes[0]])
    few = grid(target, axes)
    np.testing.assert_allclose(few.value, want, rtol=5e-2)
    assert np.median(few.value / want - 1) < 1e-2  # steps this coarse help each other little
    assert (few.value >= want * (1 - 1e-4)).all()
    if residual == "log":
        many = grid(target, axes, rounds=60)
        np.testing.assert_allclose(many.value, want, rtol=1e-3)
        assert np.median(np.abs(many.value / want - 1)) < 1e-5


def test_robust_coefficients_have_the_value_of_their_cell(noisy):
    target = objective(noisy, loss=Huber(1e-3), residual="log")
    got = grid(target, (A, B))
    with scope(np.float64):
        q = jnp.meshgrid(A, B, indexing="ij")
        z = jnp.stack([*(jnp.log(jnp.maximum(x, 1e-300)) for x in got.coefficients), *q], -1)
        np.testing.assert_allclose(got.value, plain(target, z), rtol=1e-9)


def test_a_law_that_does_not_separate_takes_the_slow_way(noisy):
    target = objective(noisy, Product(), Huber(1e-2), "log")
    got = grid(target, (A, B))
    want, _ = brute(target, (A, B), rounds=2)
    np.testing.assert_allclose(got.value, want, rtol=1e-9)


def test_cells_are_starts_in_the_order_of_the_product(noisy):
    target = objective(noisy, loss=Huber(1e-3), residual="log")
    with scope(np.float64):
        z, value = jax.jit(cells)(target, [A, B])
        want, _ = brute(relative(dataclasses.replace(target, loss=Square())), (A, B))
        own = plain(relative(dataclasses.replace(target, loss=Square())), z)
    assert z.shape == (63, 5)
    np.testing.assert_allclose(
        z[:, 3:], np.stack(np.meshgrid(A, B, indexing="ij"), -1).reshape(-1, 2)
    )
    np.testing.assert_allclose(value, want.ravel(), rtol=2e-3)
    np.testing.assert_allclose(value, own, rtol=2e-3)  # dead terms are kept at 1e-6
    assert cells(objective(noisy, Product()), [A, B]) is None


@pytest.mark.parametrize("loss", [Square(), Huber(1e-3)], ids=["square", "huber"])
def test_kernels_lower_without_custom_calls(noisy, loss):
    low = objective(noisy, loss=loss, residual="log", dtype=np.float32)
    axes = [A.astype(np.float32), B.astype(np.float32)]
    leaves, tree = jax.tree.flatten((low, axes))
    flat = jax.jit(lambda *leaves: surface(*jax.tree.unflatten(tree, leaves)).value)
    exported = jax.export.export(flat, platforms=("cpu", "cuda", "rocm", "tpu"))(*leaves)
    text = exported.mlir_module()
    assert "stablehlo.custom_call" not in text and "dot_general" in text


@pytest.fixture(scope="module")
def plane(noisy) -> jaxscale.ExponentGrid:
    return jaxscale.exponent_grid(Chinchilla(), noisy, resolution=0.01)


@pytest.fixture(scope="module")
def curve(noisy) -> jaxscale.ExponentGrid:
    runs = jaxscale.Runs(N=noisy.columns["N"], loss=noisy.loss)
    return jaxscale.exponent_grid(jaxscale.PowerLaw(of="N"), runs, loss=Square(), residual="log")


def test_the_lowest_cell_is_next_to_the_fit(noisy, fitted, plane):
    point, value = plane.minimum
    assert abs(point["alpha"] - fitted.law.alpha) <= 0.02
    assert abs(point["beta"] - fitted.law.beta) <= 0.02
    assert fitted.value <= value < 1.01 * fitted.value
    assert plane.law.alpha == point["alpha"] and type(plane.law.E) is float
    N, D = noisy.columns["N"], noisy.columns["D"]
    r = np.log(jaxscale.predict(plane.law, N=N, D=D) / noisy.loss)
    a = np.abs(r)
    np.testing.assert_allclose(np.where(a < 1e-3, r**2 / 2, 1e-3 * (a - 5e-4)).sum(), value)


def test_basins_start_a_fit_at_the_optimum(noisy, fitted, plane):
    again = jaxscale.fit(Chinchilla(), noisy, starts=plane.basins)
    np.testing.assert_allclose(again.value, fitted.value, rtol=1e-9)
    assert len(plane.basin_values) == len(plane.basins.alpha) <= 8
    assert (np.diff(plane.basin_values) >= 0).all()


def test_zero_weights_and_given_weights_are_the_same(noisy):
    weight = (np.arange(60) < 50).astype(float)
    few = noisy.select(weight > 0, "first fifty")
    options = dict(loss=Square(), resolution=0.05)
    one = jaxscale.exponent_grid(Chinchilla(), noisy, weights=weight, **options)
    two = jaxscale.exponent_grid(Chinchilla(), few, **options)
    np.testing.assert_allclose(one.value, two.value, rtol=1e-7)
    assert one.residual.name == "relative"


def test_fixed_values_are_kept_and_a_slice_is_a_row(noisy):
    options = dict(loss=Square(), resolution=0.02)
    whole = jaxscale.exponent_grid(Chinchilla(), noisy, **options)
    part = jaxscale.exponent_grid(Chinchilla(alpha=whole.axes[0][5]), noisy, **options)
    assert part.names == ("beta",) and part.law.alpha == whole.axes[0][5]
    np.testing.assert_allclose(part.value, whole.value[5], rtol=1e-8)


def test_no_cell_at_zero_and_the_edge_is_said(noisy, curve):
    assert len(curve.axes[0]) == 2000 and np.abs(curve.axes[0]).min() > 5e-4
    assert "relative residuals" in str(curve)
    span = {"alpha": (0.05, 0.2), "beta": (0.3, 0.4)}
    edge = jaxscale.exponent_grid(Chinchilla(), noisy, loss=Square(), resolution=0.01, ranges=span)
    assert edge.at_edge == ("alpha",) or "alpha" in edge.at_edge
    assert "edge of alpha" in str(edge)


@pytest.mark.parametrize(
    "law, options, message",
    [
        (jaxscale.Kaplan(), {}, "not linear in A"),
        (jaxscale.LogLaw(of="N"), {}, "no free exponent"),
        (Chinchilla(), dict(resolution=0.0001), "cells are more than 4,000,000"),
        (Chinchilla(), dict(resolution=-1), "resolution must be"),
        (Chinchilla(), dict(ranges={"gamma": (0, 1)}), "'gamma' is no free exponent"),
        (Chinchilla(), dict(ranges={"beta": (1, 0.5)}), "first < last"),
        (Chinchilla(), dict(ranges={"beta": (-1, 0.5)}), "lies between 0 and 5"),
        (Chinchilla(), dict(residual="square"), "residual must be one of"),
        (Chinchilla(), dict(weights=-np.ones(60)), "weight"),
        (Chinchilla(E=1.0, A=1.0, B=1.0, alpha=0.3, beta=0.3), {}, "no free exponent"),
    ],
)
def test_errors_are_sentences(noisy, law, options, message):
    with pytest.raises((ValueError, jaxscale.DataError), match=message):
        jaxscale.exponent_grid(law, noisy, **options)


def test_pictures_have_words(plane, curve):
    ax = plot_surface(plane)
    assert ax.get_xlabel() == r"model-size exponent $\alpha$"
    assert ax.get_ylabel() == r"data-size exponent $\beta$"
    labels = ax.get_legend_handles_labels()[1]
    assert any("minimum" in text for text in labels) and any("best" in text for text in labels)
    (bar,) = [other for other in ax.figure.axes if other is not ax]
    assert "minimum" in bar.get_ylabel()
    ax = plot_surface(curve)
    assert ax.get_xlabel() == "rate $b$" and "relative residuals" in ax.get_ylabel()


def test_command_line_draws_the_surface(fitted, tmp_path, capsys):
    from jaxscale.cli.parser import main

    fitted.save(tmp_path / "fit.json")
    path = tmp_path / "surface.png"
    assert (
        main(["plot", str(tmp_path / "fit.json"), "--kind", "surface", "--figure", str(path)]) == 0
    )
    out, err = capsys.readouterr()
    assert out.strip() == str(path) and "minimum" in err
    assert path.read_bytes()[:4] == b"\x89PNG"
