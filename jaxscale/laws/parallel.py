"""Models that do more per parameter than run it once: in parallel streams, or in loops."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp

from jaxscale._numerics.positive import log, power
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, exponent, offset, scale

SOURCE = "ParScale, 2025, arXiv:2505.10475; refitted to its 24 runs"


class ParScale(Law):
    """L(N, P) = E + A (N (k log P + 1))^-alpha.

    P parallel streams make a model of N parameters worth one of N (k log P + 1). The paper's A is
    N_c = A^(1/alpha) here, of E + (N_c / (N (k log P + 1)))^alpha.

    Units: E as L, A as L times N^alpha; k and P have none.

    Known degeneracies: k is open where all runs have one P; E against alpha over short ranges of N.

    Source: ParScale, 2025, arXiv:2505.10475.

    Try on: the 24 runs of each of its two tables, QwenLM/ParScale.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    alpha: Scalar = exponent("model-size exponent")
    k: Scalar = scale("worth of an e-fold of streams")
    input_kinds: ClassVar[dict[str, str]] = dict(P="raw")
    presets = {
        "stack": Preset(SOURCE, {"E": 0.691, "A": 1.13e7**0.189, "alpha": 0.189, "k": 0.393}),
        "pile": Preset(SOURCE, {"E": 1.289, "A": 1.98e8**0.196, "alpha": 0.196, "k": 0.334}),
    }
    derived_docs = {"N_c": "scale of N, parameters"}
    example = Example(dict(E=1.3, A=42.0, alpha=0.2, k=0.33), inputs=dict(P=(1.0, 8.0)))

    def __call__(self, N: Any, P: Any) -> Any:
        """Return the loss of N parameters in P streams."""
        return self.E + self.A * power(N, -self.alpha) * power(self.k * log(P) + 1, -self.alpha)

    def derived(self) -> dict[str, Any]:
        """Return N_c in parameters."""
        return {"N_c": power(self.A, 1 / self.alpha)}


def looped(parameters: Any, uses: Any) -> Any:
    """Return the parameters that a model with looped layers counts as: those used, every time.

    Give it as N to a law of N and D; the cost of a token is that of so many parameters too.

    Args:
        parameters: of each group of layers, last axis.
        uses: how often a token goes through each, broadcastable.

    Source: the log of looped nanochat, where the best D/N stays at 6 to 6.7 in this count.
    """
    return (jnp.asarray(parameters) * jnp.asarray(uses)).sum(-1)
