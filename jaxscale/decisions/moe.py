"""How much compute a mixture of experts saves, as a published law of its shape."""

from __future__ import annotations

from typing import Any

import numpy as np

SLOPE, PER_DECADE = 1.23, -0.0761
"""a and d of alpha = a + d log10 C."""
LINEAR, QUADRATIC = -0.117, 0.0167
"""beta and gamma, of ln G and its square."""
SPARSEST, DENSEST = 0.0163, 5.28e16
"""A_s and A_m, between which more or fewer active experts make a difference."""


def efficiency_leverage(active: Any, granularity: Any, compute: Any) -> np.ndarray:
    """Return how many times the compute a dense model needs for the loss of a mixture of experts.

    EL = A^(alpha + gamma (ln G)^2 + beta ln G) with alpha = a + d log10 C and A the share of active
    experts, saturating: 1 / A = 1 / (A + 1 / (1 / A_s - 1 / A_m)) + 1 / A_m. The compute enters by
    its decimal logarithm, the granularity by its natural one: that alone gives the paper's numbers.

    Args:
        active: share of the experts that a token uses, shared ones included.
        granularity: G = 2 d_model / d_expert.
        compute: training FLOPs.

    Raises:
        ValueError: a share is not above 0 and at most 1, or another number not positive.

    Source: Tian et al. 2025, arXiv:2507.17702, with its fitted values.
    """
    A, G, C = (np.asarray(x, float) for x in (active, granularity, compute))
    if not (np.all(A > 0) and np.all(A <= 1)):
        raise ValueError(f"active is a share, above 0 and at most 1, got {active!r}")
    if not (np.all(G > 0) and np.all(C > 0)):
        raise ValueError("granularity and compute must be positive")
    share = 1 / (1 / (A + 1 / (1 / SPARSEST - 1 / DENSEST)) + 1 / DENSEST)
    log_G = np.log(G)
    power = SLOPE + PER_DECADE * np.log10(C) + QUADRATIC * log_G**2 + LINEAR * log_G
    found: np.ndarray = share**power
    return found
