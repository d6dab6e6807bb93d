"""How the inputs of a law enter a fit: each divided by a unit of its own.

A positive input is divided by its weighted geometric mean and carries its logarithm; a signed one
is divided by its root mean square; a raw one is used as it is. The unit is kept as a logarithm, 0
for a raw input.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxscale._numerics.positive import Positive, exp, log


def log_unit(x: np.ndarray, weight: np.ndarray, kind: str) -> float:
    """Return the logarithm of the unit of an input.

    Args:
        x: the input [n].
        weight: weights of the runs [n].
        kind: "positive", "signed" or "raw".
    """
    if kind == "positive":
        return float(weight @ np.log(x) / weight.sum())
    used = weight > 0
    x, weight = x[used], weight[used]
    largest = float(np.max(np.abs(x), initial=0.0))
    if kind == "raw" or largest == 0:
        return 0.0
    return float(np.log(largest) + 0.5 * np.log(weight @ (x / largest) ** 2 / weight.sum()))


def normalized(x: Any, unit: Any, kind: str, rows: int) -> Any:
    """Return an input [rows] in its unit, padded; a `Positive` where it is positive.

    Args:
        x: the input [n] in the units of the runs; NumPy, or JAX.
        unit: logarithm of its unit.
        kind: "positive", "signed" or "raw".
        rows: how many runs, padding included. A padded run is at the unit of a positive input,
            and else at the first value, where the law is finite as well.
    """
    xp: Any = np if isinstance(x, np.ndarray) else jnp
    missing = rows - len(x)
    if kind == "positive":
        logs = log(x) - unit
        logs = xp.concatenate([logs, xp.full(missing, 0.0, logs.dtype)])
        return Positive(exp(logs), logs)
    scaled = x * xp.exp(-unit) if kind == "signed" else x
    return xp.concatenate([scaled, xp.broadcast_to(scaled[:1], (missing,))])


def in_units_of_runs(x: Any, unit: Any) -> Any:
    """Return a normalized input [n] in the units of the runs; `normalized` without its padding."""
    return (x.value if isinstance(x, Positive) else x) * jnp.exp(unit)


def spaced(x: np.ndarray, kind: str) -> np.ndarray:
    """Return an input [n] on the scale on which its distances mean something.

    The logarithm of a positive input, a signed one in units of its root mean square, a raw one as
    it is.
    """
    scaled: np.ndarray
    if kind == "positive":
        scaled = np.log(x)
    else:
        scaled = x * np.exp(-log_unit(x, np.ones(len(x)), kind))
    return scaled
