"""How much compute a mixture of experts saves, as a published law of its shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxscale.laws import predict
from jaxscale.laws.moe import EfficiencyLeverage


def efficiency_leverage(active: Any, granularity: Any, compute: Any) -> np.ndarray:
    """Return how many times the compute a dense model needs for the loss of a mixture of experts.

    The law `EfficiencyLeverage` at the values of its source. The compute enters by its decimal
    logarithm, the granularity by its natural one: that alone gives the paper's numbers.

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
    return np.asarray(predict(EfficiencyLeverage.preset("tian_2025"), A=A, G=G, C=C))
