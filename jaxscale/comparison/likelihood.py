"""Criteria built on the likelihood that a robust loss stands for."""

from __future__ import annotations

import dataclasses
import math

from jaxscale.fitting.result import FitResult
from jaxscale.objective.likelihood import profile_likelihood
from jaxscale.shown.blocks import Shown


@dataclasses.dataclass(frozen=True)
class Information(Shown):
    """Information criteria of one fit, on the density of the loss.

    Attributes:
        log_likelihood: at the optimum and at the best scale, natural logarithm.
        parameters: free parameters of the law, and the scale.
        n: runs with a weight above 0.
        scale: s, in the units of rho.
        aicc: Akaike's criterion for small samples; inf for n <= parameters + 1.
        bic: Schwarz's criterion.
    """

    log_likelihood: float
    parameters: int
    n: int
    scale: float
    aicc: float
    bic: float


def information(result: FitResult) -> Information:
    """Return AICc and BIC of a fit, under the likelihood that belongs to its robust loss.

    AICc = -2 ll + 2 k + 2 k (k + 1) / (n - k - 1), BIC = -2 ll + k log n. Smaller is better; a
    difference of 10 is large. They compare laws on the same runs, whatever loss and residual.

    Raises:
        ValueError: the loss has no likelihood here.

    Source: Hurvich and Tsai 1989, Biometrika 76, 297; Schwarz 1978, Annals of Statistics 6, 461.
    """
    runs = result.runs
    weight = runs.weights
    used = weight > 0
    ll, s = profile_likelihood(result.value, weight, result.loss)
    jacobian = result.residual.log_jacobian(result.prediction[used], runs.loss[used]).sum()
    total = float(ll + jacobian)
    k = 1 + len(result.free)
    n = int(used.sum())
    small = 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf
    return Information(total, k, n, float(s), 2 * (k - total) + small, k * math.log(n) - 2 * total)
