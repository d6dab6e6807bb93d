"""Algorithmic progress: the same loss with fewer parameters and fewer tokens every year."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from jaxscale._numerics.positive import exp, power
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, constant, exponent, offset, scale


class AlgorithmicProgress(Law):
    """L(N, D, year) = E + A N^-alpha exp(-alpha_year t) + B D^-beta exp(-beta_year t).

    With t = year - Y0. Model 7 of the paper is E = 0: AlgorithmicProgress(E=0.0). Every year a
    parameter becomes worth exp(alpha_year / alpha) and a token exp(beta_year / beta); the compute
    for a loss halves in 12 log 2 / (alpha_year / alpha + beta_year / beta) months.

    Units: E as L, A as L times N^alpha, B as L times D^beta, the rates per year. Y0 only says for
    which year A and B are.

    Known degeneracies: along models whose two terms are in one proportion, alpha_year and beta_year
    are confounded, and the halving time stands on the few that are not; the two rates against the
    exponents where models have grown with the years.

    Source: Ho et al. 2024, arXiv:2403.05812.

    Try on: the models of Ho et al., epoch-research/lm-algorithmic-progress.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient in the year Y0", per=dict(N="alpha"))
    B: Scalar = coefficient("data-size coefficient in the year Y0", per=dict(D="beta"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    alpha_year: Scalar = scale("progress in N, per year", positive=False, start=(-0.1, 0.3))
    beta_year: Scalar = scale("progress in D, per year", positive=False, start=(-0.1, 0.3))
    Y0: Scalar = constant(2012.0, doc="year of A and B")
    input_kinds: ClassVar[dict[str, str]] = dict(year="raw")
    derived_docs = {
        "g_N": "growth of a parameter's worth, per year",
        "g_D": "growth of a token's worth, per year",
        "halving_months": "months in which the compute for a loss halves",
    }
    example = Example(
        dict(E=1.2, A=60.0, B=200.0, alpha=0.25, beta=0.28, alpha_year=0.02, beta_year=0.08),
        inputs=dict(year=(2012.0, 2024.0)),
    )

    def __call__(self, N: Any, D: Any, year: Any) -> Any:
        """Return the loss of N parameters on D tokens with the methods of a year."""
        t = year - self.Y0
        model = self.A * power(N, -self.alpha) * exp(-self.alpha_year * t)
        return self.E + model + self.B * power(D, -self.beta) * exp(-self.beta_year * t)

    def derived(self) -> dict[str, Any]:
        """Return the growth rates of what N and D are worth, and the halving time of compute."""
        worth = self.alpha_year / self.alpha, self.beta_year / self.beta
        months = 12 * math.log(2) / (worth[0] + worth[1])
        return {"g_N": worth[0], "g_D": worth[1], "halving_months": months}
