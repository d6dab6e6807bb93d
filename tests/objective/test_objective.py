"""The fast path (one pass of nested forward mode) against slow and independent paths."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale
from jaxscale._numerics import programs, sums
from jaxscale._numerics.precision import cast, scope
from jaxscale.fitting.preparation import bucket, prepare
from jaxscale.objective.objective import BLOCK, LONG, STRIP, in_blocks, strips_of
from jaxscale.varpro.reduced import Reduced

LOSSES = [jaxscale.Huber(1e-2), jaxscale.Square(), jaxscale.Absolute(1e-2)]
RESIDUALS = ["log", "relative", "absolute"]
Z = np.array([-0.4, -1.2, -0.8, 0.4, 0.3])


def objective(runs, loss, residual="log", law=None):
    return cast(prepare(law or jaxscale.Chinchilla(), runs, loss, residual).objective, np.float64)


@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
def test_model_is_value_gradient_and_hessian_of_the_value(noisy, loss, residual):
    target = objective(noisy, loss, residual)
    with scope(np.float64):
        value, grad, gauss_newton, hessian = jax.jit(target.model)(Z)
        np.testing.assert_allclose(value, target.value(Z), rtol=1e-13)
        np.testing.assert_allclose(grad, jax.jit(jax.grad(target.value))(Z), rtol=1e-9)
        want = jax.jit(jax.hessian(target.value))(Z)
        np.testing.assert_allclose(hessian, want, rtol=1e-8, atol=1e-9 * np.abs(want).max())
        assert np.linalg.eigvalsh(gauss_newton)[0] >= -1e-9 * np.abs(gauss_newton).max()


@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
def test_plain_value_agrees_with_numpy_in_the_units_of_the_runs(noisy, loss, residual):
    target = objective(noisy, loss, residual)
    with scope(np.float64):
        law = target.law_at(jnp.array(Z))
        plain = float(target.plain(jnp.array(Z)))
    E, A, B, alpha, beta = (float(law.values[k]) for k in ("E", "A", "B", "alpha", "beta"))
    N, D, y = noisy.columns["N"], noisy.columns["D"], noisy.loss
    p = E + A / N**alpha + B / D**beta
    r = {"log": np.log(p / y), "relative": p / y - 1, "absolute": p - y}[residual]
    a = np.abs(r)
    if isinstance(loss, jaxscale.Huber):
        rho = np.where(a <= 1e-2, r**2 / 2, 1e-2 * (a - 0.5e-2))
    elif isinstance(loss, jaxscale.Square):
        rho = r**2 / 2
    else:
        rho = np.where(a <= 1e-2, r**2 / 2e-2 + 0.5e-2, a)
    np.testing.assert_allclose(plain, rho.sum(), rtol=1e-10)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
def test_losses_are_consistent_with_their_derivatives(loss):
    r = np.linspace(-0.05, 0.05, 40)
    with scope(np.float64):
        np.testing.assert_allclose(
            jax.vmap(jax.grad(loss.rho))(r), loss.weight(r) * r, rtol=1e-10, atol=1e-15
        )
        np.testing.assert_allclose(
            jax.vmap(jax.grad(lambda x: loss.weight(x) * x))(r), loss.curvature(r), atol=1e-9
        )
        assert np.all(np.isfinite(loss.weight(jnp.zeros(1))))


def test_padding_and_zero_weights_change_nothing(noisy):
    few = noisy.select(np.arange(60) < 41, "test")
    plain = objective(few, jaxscale.Huber(1e-2))
    weight = (np.arange(60) < 41).astype(float)
    masked = jaxscale.Runs(loss=noisy.loss, weight=weight, **noisy.columns)
    padded = objective(masked, jaxscale.Huber(1e-2))
    assert plain.weight.shape != (41,)
    with scope(np.float64):
        ways = (jax.jit(each.model)(Z) for each in (padded, plain))
        for got, want in zip(*ways, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize(
    "n, size",
    [
        (1, 32),
        (32, 32),
        (33, 40),
        (64, 64),
        (65, 80),
        (240, 256),
        (245, 256),
        (1911, 2048),
        (4852, 5120),
    ],
)
def test_buckets(n, size):
    assert bucket(n) == size


def test_few_programs_serve_all_lengths():
    assert len({bucket(n) for n in range(60, 501)}) <= 13
    assert all(n <= bucket(n) <= max(32, 1.26 * n + 8) for n in range(1, 3000))


def test_reduced_solve_agrees_with_lstsq_where_no_coefficient_is_negative(noisy):
    target = objective(noisy, jaxscale.Square(), "absolute")
    q = np.array([0.35, 0.36])
    with scope(np.float64):
        z = Reduced(target).solve(jnp.array(q))
        law = target.law_at(z)
    N, D = noisy.columns["N"], noisy.columns["D"]
    design = np.stack([np.ones(60), N ** -q[0], D ** -q[1]], 1)
    want = np.linalg.lstsq(design / np.linalg.norm(design, axis=0), noisy.loss, rcond=None)[0]
    want = want / np.linalg.norm(design, axis=0)
    np.testing.assert_allclose([law.E, law.A, law.B], want, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("residual", ["absolute", "relative"])
@pytest.mark.parametrize("loss", LOSSES[:2], ids=lambda x: type(x).__name__)
def test_reduced_optimum_is_the_full_optimum_on_noisy_data(noisy, loss, residual):
    """With the same robust loss inside, eliminating the linear parameters changes nothing."""
    fit = jaxscale.fit(jaxscale.Chinchilla(), noisy, loss=loss, residual=residual)
    target = objective(noisy, loss, residual)
    with scope(np.float64):
        q = jnp.array([fit.law.alpha, fit.law.beta])
        z = Reduced(target).solve(q, rounds=200)
        np.testing.assert_allclose(target.plain(z), fit.value, rtol=1e-8)


def test_shares_are_the_largest_contribution_of_a_term(noisy):
    target = objective(noisy, jaxscale.Square())
    with scope(np.float64):
        shares = target.shares(jnp.array(Z))
        law = target.law_at(jnp.array(Z))
        p = law(noisy.columns["N"], noisy.columns["D"])
        term = law.A * noisy.columns["N"] ** -law.alpha
        np.testing.assert_allclose(shares[1], np.max(term / p), rtol=1e-10)


def test_float32_follows_its_inputs(noisy):
    target = cast(objective(noisy, jaxscale.Huber(1e-2)), np.float32)
    value, grad, _, hessian = jax.jit(target.model)(jnp.array(Z, jnp.float32))
    assert {value.dtype, grad.dtype, hessian.dtype} == {jnp.dtype("float32")}
    with scope(np.float64):
        want = objective(noisy, jaxscale.Huber(1e-2)).value(Z)
    np.testing.assert_allclose(value, want, rtol=1e-4)


def test_fixed_values_enter_as_leaves(noisy):
    """Another fixed value is another leaf, not another program."""
    a, b = (objective(noisy, jaxscale.Huber(1e-2), law=jaxscale.Chinchilla(E=e)) for e in (1.5, 2))
    assert jax.tree.structure(a) == jax.tree.structure(b)
    assert a.space.free == ("A", "B", "alpha", "beta")
    with scope(np.float64):
        assert float(a.law_at(jnp.array(Z[1:])).E) == 1.5
        full = objective(noisy, jaxscale.Huber(1e-2))
        z_E = np.log(1.5 / full.space.loss_scale)
        np.testing.assert_allclose(
            a.value(jnp.array(Z[1:])), full.value(jnp.array([z_E, *Z[1:]])), rtol=1e-12
        )


def test_objective_is_usable_inside_a_users_own_program(noisy):
    target = objective(noisy, jaxscale.Huber(1e-2))

    @jax.jit
    def tune(weight):
        other = dataclasses.replace(target, weight=weight)
        return jaxscale.engine.solve(other, jaxscale.newton(), jnp.array(Z)[None]).value[0]

    with scope(np.float64):
        batch = np.asarray(jax.vmap(tune)(jnp.stack([target.weight, 2 * target.weight])))
    np.testing.assert_allclose(batch[1], 2 * batch[0], rtol=1e-10)


def test_a_long_table_is_summed_in_blocks_to_the_same(noisy):
    """Every run 160 times, with so small a part of its weight: blocks in strips, the same sums."""
    one = cast(prepare(jaxscale.Chinchilla(), noisy, jaxscale.Huber(1e-3), "log").objective, float)
    keep = np.tile(np.arange(64), 160)
    long = dataclasses.replace(
        one,
        inputs=jax.tree.map(lambda x: x[keep], one.inputs),
        target=jax.tree.map(lambda x: x[keep], one.target),
        weight=one.weight[keep] / 160,
    )
    assert len(long.weight) >= LONG and len(long.weight) % BLOCK == 0
    assert strips_of(len(long.weight) // BLOCK) == (4, 5)
    z = np.array([-0.4, -1.9, -1.7, 0.4, 0.35])
    for a, b in zip(programs.run(model, one, z, dtype=float)[0],
                    programs.run(model, long, z, dtype=float)[0], strict=True):  # fmt: skip
        np.testing.assert_allclose(a, b, rtol=1e-11)


def model(one, z):
    return one.model(z)


def test_strips_hold_every_block_and_a_bucket_fills_them():
    for blocks in (1, 4, 7, 13, 16, 40, 469, 2048):
        strips, each = strips_of(blocks)
        assert strips * each == blocks and 1 <= each <= STRIP
    assert all(strips_of(bucket(n) // BLOCK)[1] >= 4 for n in (20_000, 240_000, 999_999))


def test_every_long_bucket_is_a_whole_number_of_blocks():
    for n in (2048, 2049, 2500, 3000, 5000, 24_000, 240_000, 999_999):
        assert bucket(n) % BLOCK == 0


@pytest.mark.parametrize("residual", ["log", "absolute"])
def test_sums_in_one_pass_are_those_of_a_cpu(noisy, residual, monkeypatch):
    target = objective(noisy, jaxscale.Huber(1e-2), residual)

    def models(z):
        found = target.lazy_model(z)
        both = [found.curvature(jnp.array(exact)) for exact in (False, True)]
        return found[:3], both, target.model(z)

    with scope(np.float64):
        wanted = jax.jit(models)(Z)
        monkeypatch.setattr(sums, "one_pass", lambda: True)
        program = jax.jit(lambda z: models(z)).lower(Z)
        found = program.compile()(Z)
    assert "dot_general" not in program.as_text() and "barrier" not in program.as_text()
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11 * np.abs(other).max())


def test_only_a_cpu_takes_a_long_table_block_by_block(monkeypatch):
    assert in_blocks(LONG) and not in_blocks(LONG - 1) and not in_blocks(LONG + 1)
    monkeypatch.setattr(sums, "one_pass", lambda: True)
    assert not in_blocks(LONG)
