"""Laws of runs that see their unique tokens several times, each time for less."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxscale._numerics.positive import exp, log, power
from jaxscale._numerics.pytree import static
from jaxscale.flops import SIX_ND, Flops
from jaxscale.laws.chinchilla import PRESETS
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, constant, exponent, offset, scale

MUENNIGHOFF = "Muennighoff et al. 2023, arXiv:2305.16264"
PER_UNIQUE = "tokens of D in one of U; 1 where both count tokens"


def share(ratio: Any, worth: Any) -> Any:
    """Return the share of what is seen that counts: (1 + R (1 - exp(-(r - 1) / R))) / r, for r > 1.

    Args:
        ratio: r, how often it is seen.
        worth: R, the number of repetitions that repeating for ever comes to.

    Source: Muennighoff et al. 2023, arXiv:2305.16264.
    """
    times = jnp.maximum(ratio, 1.0)
    return (1 - worth * jnp.expm1(-(times - 1) / worth)) / times


class DataConstrained(Law):
    """L(N, D, U) = E + A N'^-alpha + B D'^-beta, D' = U + U R_D (1 - exp(-(D / U - 1) / R_D)).

    D tokens seen, of which U are different; up to D = U, D' = D. N' is the same of N, with R_N and
    the N that is compute-optimal for U tokens, (alpha A / (beta B))^(1/alpha) U^(beta/alpha), in
    the place of U. The paper has alpha = beta: `tie={"beta": "alpha"}`.

    Units: E as L, A as L times N^alpha, B as L times D^beta; R_D and R_N count repetitions.

    Known degeneracies: R_D and R_N are open unless runs see their tokens four times or more, and
    some are larger than their unique tokens call for; then either can stand for the other.

    Source: Muennighoff et al. 2023, arXiv:2305.16264.

    Try on: the 182 runs of the paper's repository (datablations).
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"), linear=False)
    B: Scalar = coefficient("data-size coefficient", per=dict(D="beta"), linear=False)
    alpha: Scalar = exponent("model-size exponent", bounds=(0.01, 5.0))
    beta: Scalar = exponent("data-size exponent", bounds=(0.01, 5.0))
    R_D: Scalar = scale("repetitions of data that count", start=(0.0, 4.0))
    R_N: Scalar = scale("repetitions of parameters that count", start=(0.0, 4.0))
    per_U: Scalar = constant(1.0, per=dict(D=1, U=-1), doc=PER_UNIQUE)
    flops: Flops = static(default=SIX_ND, repr=False)
    presets = {
        "muennighoff_2023": Preset(
            f"{MUENNIGHOFF}, C4; R_D and R_N fitted with the others held",
            {**PRESETS["muennighoff_2023"].values, "R_D": 15.387756, "R_N": 5.309743},
            note="a local minimum on the public runs: R_D 95.4, R_N 1.71 is lower",
        )
    }
    derived_docs = {"most": "what unique tokens come to, seen for ever, per token"}
    example = Example(
        dict(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36, R_D=15.0, R_N=5.0),
        dict(N=(1e7, 1e10), D=(1e9, 1e11), U=(1e8, 2e10)),
    )

    def __call__(self, N: Any, D: Any, U: Any) -> Any:
        """Return the loss of N parameters after D tokens, of which U are different."""
        balance = log(self.alpha * self.A / (self.beta * self.B))
        fitting = (balance + self.beta * (log(U) + log(self.per_U))) / self.alpha
        size = share(exp(log(N) - fitting), self.R_N)
        data = share(D / (self.per_U * U), self.R_D)
        of_N = self.A * power(N, -self.alpha) * power(size, -self.alpha)
        return self.E + of_N + self.B * power(D, -self.beta) * power(data, -self.beta)

    def derived(self) -> dict[str, Any]:
        """Return what unique tokens are worth at most."""
        return {"most": 1 + self.R_D}


class Saturation(Law):
    """L(N, D, U) = E + A N^-alpha + B D'^-beta, D' = U (1 + (1 - exp(-rate (D / U - 1))) / rate).

    Up to D = U, D' = D. Data seen again are worth less, parameters are not: `DataConstrained`
    with R_D = 1 / rate and no R_N.

    Units: E as L, A as L times N^alpha, B as L times D^beta; rate per repetition.

    Known degeneracies: the rate is open unless runs see their tokens four times or more.

    Source: ATLAS, 2025, arXiv:2510.22037; Muennighoff et al. 2023,
    arXiv:2305.16264, decay of data only.

    Try on: the 182 runs of the repository of Muennighoff et al. (datablations).
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="beta"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    rate: Scalar = scale("rate at which repeated data lose their worth", start=(-4.0, 0.0))
    per_U: Scalar = constant(1.0, per=dict(D=1, U=-1), doc=PER_UNIQUE)
    flops: Flops = static(default=SIX_ND, repr=False)
    derived_docs = {"most": "what unique tokens come to, seen for ever, per token"}
    example = Example(
        dict(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36, rate=0.07),
        dict(N=(1e7, 1e10), D=(1e9, 1e11), U=(1e8, 2e10)),
    )

    def __call__(self, N: Any, D: Any, U: Any) -> Any:
        """Return the loss of N parameters after D tokens, of which U are different."""
        data = share(D / (self.per_U * U), 1 / self.rate)
        of_D = self.B * power(D, -self.beta) * power(data, -self.beta)
        return self.E + self.A * power(N, -self.alpha) + of_D

    def derived(self) -> dict[str, Any]:
        """Return what unique tokens are worth at most."""
        return {"most": 1 + 1 / self.rate}
