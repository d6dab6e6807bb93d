"""How to spend a compute budget: the best N and D under a fitted law.

Closed form for Chinchilla with C = k N D; for any other law of N and D, or another FLOPs model,
a numeric search along the line of constant compute. Host code in float64 on a handful of numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from jaxscale.flops import Flops, SixND, tokens_for
from jaxscale.laws import Chinchilla, Law, predict

LOG_N = (math.log(1e3), math.log(1e18))
"""Range of model sizes that the numeric search looks at."""
LOG_C = (math.log(1e9), math.log(1e40))
"""Range of budgets in which a target loss is looked for."""


@dataclasses.dataclass(frozen=True)
class Allocation:
    """The compute-optimal run under a law.

    Attributes:
        compute: C in FLOPs.
        N: parameters.
        D: tokens.
        loss: predicted loss.
        tokens_per_parameter: D / N.
        method: "closed form" or "numeric".
        at_edge: whether the numeric optimum lies at the edge of the sizes searched, so that the
            law has no compute-optimal size of its own.
    """

    compute: float
    N: float
    D: float
    loss: float
    tokens_per_parameter: float
    method: str
    at_edge: bool = False


def allocate(
    law: Law,
    *,
    compute: float | None = None,
    target_loss: float | None = None,
    flops: Flops | None = None,
) -> Allocation:
    """Return the best N and D for a compute budget, or the cheapest run that reaches a loss.

    Args:
        law: a fitted law of N and D.
        compute: budget C in FLOPs; give this or `target_loss`.
        target_loss: loss to reach, in the units of the runs.
        flops: FLOPs model; default the law's own, else C = 6 N D.

    Returns:
        The allocation.

    Raises:
        ValueError: the law is not one of N and D, an argument is not positive, or no budget
            reaches the target loss.

    Source: Hoffmann et al. 2022, arXiv:2203.15556, equation 4.
    """
    if set(law.inputs) != {"N", "D"}:
        raise ValueError(
            f"allocate() needs a law of N and D; {type(law).__name__} takes {', '.join(law.inputs)}"
        )
    if law.free:
        raise ValueError(f"{type(law).__name__}: {', '.join(law.free)} is free; fit the law first")
    if (compute is None) == (target_loss is None):
        raise ValueError("give exactly one of compute and target_loss")
    model = flops or getattr(law, "flops", None) or SixND()
    if compute is not None:
        if not (compute > 0 and math.isfinite(compute)):
            raise ValueError(f"compute must be a positive number of FLOPs, got {compute!r}")
        return _for_compute(law, float(compute), model)
    assert target_loss is not None
    if not (target_loss > 0 and math.isfinite(target_loss)):
        raise ValueError(f"target_loss must be a positive number, got {target_loss!r}")
    return _for_loss(law, float(target_loss), model)


def _for_compute(law: Law, C: float, flops: Flops) -> Allocation:
    if isinstance(law, Chinchilla) and isinstance(flops, SixND):
        A, B, alpha, beta = (float(getattr(law, k)) for k in ("A", "B", "alpha", "beta"))
        if min(A, B, alpha, beta) > 0:
            G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
            N = G * (C / flops.k) ** (beta / (alpha + beta))
            return _made(law, C, N, C / (flops.k * N), method="closed form")
    low, high = LOG_N
    edges = (low, high)
    # Three rounds of zooming into 401 points: 30 e-folds down to 1e-5 of one, then a parabola.
    for _ in range(4):
        grid = np.linspace(low, high, 401)
        value = _on_line(law, flops, C, grid)
        k = int(np.argmin(value))
        step = grid[1] - grid[0]
        low, high = max(grid[k] - 2 * step, edges[0]), min(grid[k] + 2 * step, edges[1])
    best = grid[k]
    edge = best <= edges[0] + step or best >= edges[1] - step
    best = best if edge else _parabola(lambda x: _on_line(law, flops, C, x), best, 1e-3)
    N = float(np.exp(best))
    return _made(law, C, N, float(tokens_for(flops, N, C)), method="numeric", at_edge=bool(edge))


def _on_line(law: Law, flops: Flops, C: float, log_N: np.ndarray) -> np.ndarray:
    N = np.exp(log_N)
    value = predict(law, N=N, D=tokens_for(flops, N, np.full(N.shape, C)))
    return np.where(np.isfinite(value), value, np.inf)


def _parabola(function: Callable[[np.ndarray], np.ndarray], x: float, h: float) -> float:
    """Return the vertex through x - h, x, x + h: a minimum beyond the rounding of the values."""
    left, middle, right = function(np.array([x - h, x, x + h]))
    bend = left - 2 * middle + right
    return x + 0.5 * h * (left - right) / bend if bend > 0 else x


def _for_loss(law: Law, target: float, flops: Flops) -> Allocation:
    low, high = LOG_C
    best = _for_compute(law, math.exp(high), flops)
    worst = _for_compute(law, math.exp(low), flops)
    if not best.loss <= target:
        raise ValueError(
            f"{type(law).__name__} reaches no loss below {best.loss:.6g} with budgets up to "
            f"{math.exp(high):.0e} FLOPs; the target is {target:g}"
        )
    if not worst.loss > target:
        raise ValueError(
            f"a run of {math.exp(low):.0e} FLOPs already has loss {worst.loss:.6g}, below the "
            f"target {target:g}"
        )
    for _ in range(100):
        middle = 0.5 * (low + high)
        if _for_compute(law, math.exp(middle), flops).loss > target:
            low = middle
        else:
            high = middle
        if high - low < 1e-12 * abs(high):
            break
    return _for_compute(law, math.exp(high), flops)


def _made(
    law: Law, C: float, N: float, D: float, *, method: str, at_edge: bool = False
) -> Allocation:
    loss = float(predict(law, N=N, D=D))
    return Allocation(C, float(N), float(D), loss, float(D / N), method, at_edge)
