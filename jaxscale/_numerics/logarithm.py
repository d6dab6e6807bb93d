"""A logarithm that a CPU computes in vectors.

XLA's float64 `log` on a CPU is a library call per number: it costs more than the exponentials of a
law, and keeps the loop around it from being vectorised. This one is the classic reduction to
[sqrt(1/2), sqrt(2)) with a polynomial, in a dozen multiplications, and agrees with it to one unit
in the last place. In float32, XLA's own is vectorised and stays.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax

SERIES = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860510658591e-01,
)
"""Minimax coefficients of (log(1+s) - log(1-s)) / s - 2 in s² (FreeBSD msun, e_log.c)."""
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
SQRT_HALF = 0x3FE6A09E667F3BCD


@jax.custom_jvp
def log(x: Array) -> Array:
    """Return the natural logarithm of normal positive `x`; NaN for any other number."""
    if x.dtype != jnp.float64:
        return jnp.log(x)
    bits = lax.bitcast_convert_type(x, jnp.int64)
    exponent = lax.shift_right_arithmetic(bits - SQRT_HALF, jnp.int64(52))
    mantissa = lax.bitcast_convert_type(bits - lax.shift_left(exponent, jnp.int64(52)), jnp.float64)
    f = mantissa - 1
    s = f / (2 + f)
    z = s * s
    w = z * z
    odd = z * (SERIES[0] + w * (SERIES[2] + w * (SERIES[4] + w * SERIES[6])))
    even = w * (SERIES[1] + w * (SERIES[3] + w * SERIES[5]))
    half = 0.5 * f * f
    k = exponent.astype(jnp.float64)
    result = k * LN2_HIGH - ((half - (s * (half + odd + even) + k * LN2_LOW)) - f)
    normal = (x >= jnp.finfo(x.dtype).tiny) & (x < jnp.inf)
    return jnp.where(normal, result, jnp.nan)


@log.defjvp
def _log_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return log(primals[0]), tangents[0] / primals[0]
