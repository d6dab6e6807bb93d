"""The compiler's elementary and special functions against NumPy and SciPy, as programs use them.

A compiler option makes arctan wrong by 1.5 (`programs`). Whatever a law's formula may call is
looked at here, values and derivatives, in both precisions and at several lengths, through the same
door as every program. `.ci/run` runs this with the compiler's full optimization as well, which the
rest of the suite saves.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy import special as js
from scipy import special as ss

import jaxscale
from jaxscale import engine
from jaxscale._numerics import programs
from jaxscale._numerics.precision import scope
from jaxscale.fitting.preparation import prepare

pytestmark = pytest.mark.slow

LENGTHS = (5, 72)
"""Below and above the width from which loops are vectors."""

# name, on JAX, reference, where
UNARY = [
    ("exp", jnp.exp, np.exp, (-20, 20)),
    ("exp2", jnp.exp2, np.exp2, (-20, 20)),
    ("expm1", jnp.expm1, np.expm1, (-5, 5)),
    ("log", jnp.log, np.log, (1e-3, 1e3)),
    ("log2", jnp.log2, np.log2, (1e-3, 1e3)),
    ("log10", jnp.log10, np.log10, (1e-3, 1e3)),
    ("log1p", jnp.log1p, np.log1p, (-0.9, 50)),
    ("sqrt", jnp.sqrt, np.sqrt, (1e-2, 1e3)),
    ("cbrt", jnp.cbrt, np.cbrt, (1e-2, 1e3)),
    ("rsqrt", jax.lax.rsqrt, lambda x: 1 / np.sqrt(x), (1e-2, 1e3)),
    ("square", jnp.square, np.square, (-30, 30)),
    ("reciprocal", jnp.reciprocal, np.reciprocal, (0.1, 30)),
    ("abs", jnp.abs, np.abs, (0.1, 30)),
    ("sin", jnp.sin, np.sin, (-30, 30)),
    ("cos", jnp.cos, np.cos, (-30, 30)),
    ("tan", jnp.tan, np.tan, (-1.4, 1.4)),
    ("arcsin", jnp.arcsin, np.arcsin, (-0.95, 0.95)),
    ("arccos", jnp.arccos, np.arccos, (-0.95, 0.95)),
    ("arctan", jnp.arctan, np.arctan, (-30, 30)),
    ("sinh", jnp.sinh, np.sinh, (-5, 5)),
    ("cosh", jnp.cosh, np.cosh, (-5, 5)),
    ("tanh", jnp.tanh, np.tanh, (-5, 5)),
    ("arcsinh", jnp.arcsinh, np.arcsinh, (-30, 30)),
    ("arccosh", jnp.arccosh, np.arccosh, (1.1, 30)),
    ("arctanh", jnp.arctanh, np.arctanh, (-0.95, 0.95)),
    ("sinc", jnp.sinc, np.sinc, (0.05, 5)),
    ("where", lambda x: jnp.where(x > 1, x**2, 3 * x),
     lambda x: np.where(x > 1, x**2, 3 * x), (-3, 3.1)),
    ("relu", jax.nn.relu, lambda x: np.maximum(x, 0), (-5, 5.1)),
    ("clip", lambda x: jnp.clip(x, -1, 2), lambda x: np.clip(x, -1, 2), (-5, 5.1)),
    ("sigmoid", jax.nn.sigmoid, ss.expit, (-10, 10)),
    ("log_sigmoid", jax.nn.log_sigmoid, ss.log_expit, (-10, 10)),
    ("softplus", jax.nn.softplus, lambda x: np.logaddexp(x, 0), (-10, 10)),
    ("silu", jax.nn.silu, lambda x: x * ss.expit(x), (-10, 10)),
    ("gelu", lambda x: jax.nn.gelu(x, approximate=False), lambda x: x * ss.ndtr(x), (-5, 5)),
    ("elu", jax.nn.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), (-5, 5.1)),
    ("soft_sign", jax.nn.soft_sign, lambda x: x / (1 + np.abs(x)), (-5, 5.1)),
    ("erf", js.erf, ss.erf, (-3, 3)),
    ("erfc", js.erfc, ss.erfc, (-3, 3)),
    ("erfinv", js.erfinv, ss.erfinv, (-0.95, 0.95)),
    ("ndtr", js.ndtr, ss.ndtr, (-4, 4)),
    ("ndtri", js.ndtri, ss.ndtri, (0.02, 0.98)),
    ("log_ndtr", js.log_ndtr, ss.log_ndtr, (-4, 4)),
    ("logit", js.logit, ss.logit, (0.02, 0.98)),
    ("gammaln", js.gammaln, ss.gammaln, (0.1, 30)),
    ("digamma", js.digamma, ss.digamma, (0.5, 30)),
    ("gamma", js.gamma, ss.gamma, (0.5, 8)),
    ("entr", js.entr, ss.entr, (0.05, 5)),
    ("i0e", js.i0e, ss.i0e, (0.1, 20)),
    ("i1e", js.i1e, ss.i1e, (0.1, 20)),
    ("i0", js.i0, ss.i0, (0.1, 5)),
    ("i1", js.i1, ss.i1, (0.1, 5)),
    ("expi", js.expi, ss.expi, (0.5, 8)),
    ("exp1", js.exp1, ss.exp1, (0.1, 8)),
    ("spence", js.spence, ss.spence, (2.1, 5)),
    ("xlogx", lambda x: js.xlogy(x, x), lambda x: ss.xlogy(x, x), (0.1, 20)),
    ("xlog1px", lambda x: js.xlog1py(x, x), lambda x: ss.xlog1py(x, x), (0.1, 20)),
    ("power", lambda x: x**-0.37, lambda x: x**-0.37, (1e-3, 1e3)),
    ("power of 2", lambda x: 2.0**x, lambda x: 2.0**x, (-20, 20)),
    ("x to the x", lambda x: x**x, lambda x: x**x, (0.1, 5)),
    ("cube", lambda x: x**3, lambda x: x**3, (-30, 30)),
    ("arctan2", lambda x: jnp.arctan2(x, 0.7), lambda x: np.arctan2(x, 0.7), (-30, 30)),
    ("arctan2 of", lambda x: jnp.arctan2(0.7, x), lambda x: np.arctan2(0.7, x), (-30, 30)),
    ("hypot", lambda x: jnp.hypot(x, 0.7), lambda x: np.hypot(x, 0.7), (-30, 30)),
    ("logaddexp", lambda x: jnp.logaddexp(x, 0.3), lambda x: np.logaddexp(x, 0.3), (-20, 20)),
    ("logaddexp2", lambda x: jnp.logaddexp2(x, 0.3), lambda x: np.logaddexp2(x, 0.3), (-20, 20)),
    ("maximum", lambda x: jnp.maximum(x, 0.3), lambda x: np.maximum(x, 0.3), (-3, 3.1)),
    ("minimum", lambda x: jnp.minimum(x, 0.3), lambda x: np.minimum(x, 0.3), (-3, 3.1)),
    ("remainder", lambda x: jnp.remainder(x, 0.7), lambda x: np.remainder(x, 0.7), (0.01, 0.69)),
    ("gammainc", lambda x: js.gammainc(2.5, x), lambda x: ss.gammainc(2.5, x), (0.3, 20)),
    ("gammaincc", lambda x: js.gammaincc(2.5, x), lambda x: ss.gammaincc(2.5, x), (0.3, 8)),
    ("betainc", lambda x: js.betainc(2.5, 1.5, x), lambda x: ss.betainc(2.5, 1.5, x), (0.05, 0.95)),
    ("logsumexp", lambda x: js.logsumexp(jnp.stack([x, 0.5 * x]), axis=0),
     lambda x: np.logaddexp(x, 0.5 * x), (-20, 20)),
    ("rel_entr", lambda x: js.rel_entr(x, 0.7), lambda x: ss.rel_entr(x, 0.7), (0.1, 9)),
    ("kl_div", lambda x: js.kl_div(x, 0.7), lambda x: ss.kl_div(x, 0.7), (0.1, 9)),
]  # fmt: skip
NAMES = [name for name, *_ in UNARY]


def _places(low: float, high: float, length: int) -> np.ndarray:
    return np.linspace(low, high, length)


def _both(places, *, name):
    """Value and derivative of a function at every length."""
    function = UNARY[NAMES.index(name)][1]
    slope = jax.vmap(jax.grad(function))
    return [(function(x), slope(x)) for x in places]


def _slope(function, x: np.ndarray) -> np.ndarray:
    """The derivative by differences of fourth order, in float64."""
    h = 1e-4 * np.maximum(np.abs(x), 0.05)
    near, far = (function(x + k * h) - function(x - k * h) for k in (1, 2))
    return (8 * near - far) / (12 * h)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_compiled_functions_are_those_of_numpy_and_scipy(name, dtype):
    _, _, reference, where = UNARY[NAMES.index(name)]
    tolerance = 1e-9 if dtype == "float64" else 2e-4
    places = [_places(*where, length).astype(dtype) for length in LENGTHS]
    found, _ = programs.run(_both, places, dtype=np.dtype(dtype), name=name)
    for x, (value, slope) in zip(places, found, strict=True):
        wide = x.astype(float)
        assert value.dtype == slope.dtype == np.dtype(dtype)
        expected = reference(wide)
        np.testing.assert_allclose(value, expected, tolerance, tolerance, err_msg=f"n={len(x)}")
        rounding = 1e-7 * np.max(np.abs(expected)) / np.maximum(np.abs(wide), 0.05)
        slopes = _slope(reference, wide)
        allowed = np.maximum(1e-6, tolerance) * (1 + np.abs(slopes)) + rounding
        off = np.abs(slope - slopes)
        assert np.all(off <= allowed), (len(x), wide[np.argmax(off)], off.max())


# --- what is compiled for the widest vectors ------------------------------------------------------

REDUCTIONS = [
    ("sum", jnp.sum, np.sum),
    ("largest", jnp.max, np.max),
    ("smallest", jnp.min, np.min),
    ("place of the largest", jnp.argmax, np.argmax),
    ("place of the smallest", jnp.argmin, np.argmin),
    ("running sum", jnp.cumsum, np.cumsum),
    ("sorted", jnp.sort, np.sort),
    ("products", lambda x: jnp.outer(x, x) @ x / x.size, lambda x: np.outer(x, x) @ x / x.size),
    ("signs", jnp.sign, np.sign),
    ("finite", lambda x: jnp.isfinite(1 / (x - x[0])), lambda x: np.arange(x.size) > 0),
    ("other", lambda x: jnp.where(x != x[1], x, 0), lambda x: np.where(x != x[1], x, 0)),
    ("same", lambda x: jnp.where(x == x[1], x, 0), lambda x: np.where(x == x[1], x, 0)),
    ("least", lambda x: jnp.where(x <= 0.1, -x, x), lambda x: np.where(x <= 0.1, -x, x)),
    ("most", lambda x: jnp.where(x >= 0.1, -x, x), lambda x: np.where(x >= 0.1, -x, x)),
    ("clamped", lambda x: jax.lax.clamp(-1.0, x, 1.0), lambda x: np.clip(x, -1, 1)),
]


def _reduced(places, *, name):
    return [dict((n, f) for n, f, _ in REDUCTIONS)[name](x) for x in places]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [name for name, *_ in REDUCTIONS])
def test_compiled_reductions_are_those_of_numpy(name, dtype):
    reference = next(f for n, _, f in REDUCTIONS if n == name)
    rng = np.random.default_rng(3)
    places = [rng.normal(size=length).astype(dtype) for length in LENGTHS]
    found, _ = programs.run(_reduced, places, dtype=np.dtype(dtype), name=name)
    for x, got in zip(places, found, strict=True):
        with np.errstate(all="ignore"):
            wanted = reference(x.astype(float))
        np.testing.assert_allclose(got, wanted, 1e-12 if dtype == "float64" else 1e-4, 1e-5)


def _jaxprs():
    x = np.linspace(0.2, 0.8, 5)
    for name, function, *_ in UNARY:
        yield name, jax.make_jaxpr(jax.vmap(jax.value_and_grad(function)))(x)
    for name, function, _ in REDUCTIONS:
        yield name, jax.make_jaxpr(function)(x)


def test_every_entry_of_the_list_is_held_against_numpy():
    """By a row that is compiled for wide vectors itself: it has no primitive off the list."""
    seen = set()
    for _, jaxpr in _jaxprs():
        if WIDE in programs.compiler_options(jaxpr):
            seen |= {e.primitive.name for e in jaxpr.jaxpr.eqns}
            for equation in jaxpr.jaxpr.eqns:
                inner = equation.params.get("jaxpr") or equation.params.get("call_jaxpr")
                seen |= {e.primitive.name for e in inner.eqns} if inner is not None else set()
    # `add_any` is `add` by another name, which only a transposition writes.
    assert programs.ARITHMETIC - {"add_any"} <= seen


WIDE = "xla_cpu_prefer_vector_width"
NESTED = {
    "plain": lambda x: jnp.arctan(x),
    "in a call": jax.jit(jnp.arctan),
    "in a scan": lambda x: jax.lax.scan(lambda c, _: (jnp.arctan(c), None), x, length=3)[0],
    "in a loop": lambda x: jax.lax.while_loop(lambda c: c.sum() > 1, jnp.arctan, x),
    "in a branch": lambda x: jax.lax.cond(x.sum() > 1, jnp.arctan, jnp.negative, x),
    "in a derivative": jax.vmap(jax.grad(lambda x: jnp.arctan(x) ** 2)),
    "in a map": lambda x: jax.lax.map(jnp.arctan, x),
}


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="options of XLA's CPU backend")
@pytest.mark.parametrize("where", NESTED)
def test_what_is_not_on_the_list_is_found_wherever_it_stands(where):
    x = np.linspace(0.2, 0.8, 5)
    assert WIDE not in programs.compiler_options(jax.make_jaxpr(NESTED[where])(x))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="options of XLA's CPU backend")
@pytest.mark.parametrize("law", ["Chinchilla", "Kaplan"])
def test_the_step_of_the_catalogue_is_wide(law, noisy):
    objective = prepare(jaxscale.CATALOGUE[law](), noisy, jaxscale.Huber(1e-3), "log").objective
    with scope(float):
        z = np.zeros((16, len(objective.space.specs)))
        jaxpr = jax.make_jaxpr(lambda o, z: engine.solve(o, jaxscale.newton(), z))(objective, z)
    assert WIDE in programs.compiler_options(jaxpr)
