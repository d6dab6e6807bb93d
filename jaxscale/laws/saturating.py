"""Curves of one scale between a floor and a ceiling, and a power law of a shifted scale."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp

from jaxscale._numerics.positive import log, power
from jaxscale._numerics.pytree import static
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, exponent, offset, scale


class ShiftedPower(Law):
    """P(S) = a (S + d)^-b + c.

    A power law that begins at S = -d: runs that have got something before they start, a finite
    value at S = 0. Units: a as P times S^b, d as S, c as P.

    Known degeneracies: d against b and a, unless runs lie below d; c against b over short ranges.

    Source: Zhai et al. 2021, arXiv:2106.04560; LAION 2025, arXiv:2506.04598.

    Try on: the curves of Alabdulmohsin et al. 2022, google-research revisiting_neural_scaling_laws.
    """

    a: Scalar = coefficient("height", per=dict(S="b"), positive=False)
    d: Scalar = scale("shift", per=dict(S=1), start=(-6.0, 0.0))
    b: Scalar = exponent("rate")
    c: Scalar = offset("bound", positive=False)
    of: str = static(default="S")
    derived_docs = {"first": "P at S = 0"}
    example = Example(dict(a=60.0, d=1e8, b=0.25, c=1.7))

    def __call__(self, S: Any) -> Any:
        """Return a (S + d)^-b + c."""
        return self.a * power(S + self.d, -self.b) + self.c

    def derived(self) -> dict[str, Any]:
        """Return P at S = 0."""
        return {"first": self.a * power(self.d, -self.b) + self.c}


class Hill(Law):
    """P(S) = floor + (ceiling - floor) / (1 + (S0 / S)^k).

    A sigmoid in log S, from the floor at S = 0 to the ceiling; half of it at S0, which it passes
    with a slope of k/4 per e-fold. Give the floor where chance is known: Hill(floor=.25). The same
    curve as a saturating power law far above S0: ceiling - (ceiling - floor) (S/S0)^-k.

    Units: floor and ceiling as P, S0 as S.

    Known degeneracies: below S0 the ceiling is open, with S0 and k; above it the floor is.

    Source: ScaleRL, 2025, arXiv:2510.13786 (R0, A, C_mid, B are floor, ceiling, S0,
    k here); in log compute Ruan et al. 2024, arXiv:2405.10938.

    Try on: the task errors of Gadre et al., mlfoundations/scaling.
    """

    floor: Scalar = offset("P at S = 0", positive=False)
    ceiling: Scalar = offset("P at S without end", positive=False)
    S0: Scalar = scale("where half of the rise is done", per=dict(S=1), start=(-4.0, 4.0))
    k: Scalar = exponent("steepness", start=(0.1, 3.0), bounds=(0.0, 20.0))
    of: str = static(default="S")
    derived_docs = {"slope": "dP / d log S at S0"}
    example = Example(dict(floor=0.25, ceiling=0.85, S0=4e8, k=0.8))

    def __call__(self, S: Any) -> Any:
        """Return the Hill curve."""
        share = jnp.exp(-jnp.logaddexp(self.k * (log(self.S0) - log(S)), 0.0))
        return self.floor * (1 - share) + self.ceiling * share

    def derived(self) -> dict[str, Any]:
        """Return the steepest slope, k (ceiling - floor) / 4."""
        return {"slope": self.k * (self.ceiling - self.floor) / 4}


class Sigmoid(Law):
    """P(S) = floor + (ceiling - floor) / (1 + exp(-k (S - S0))).

    A sigmoid in S itself, of either sign: a loss, a logarithm, a date. In log S it is `Hill`. The
    floor is where S is small, so that an accuracy that falls with the loss has floor > ceiling.

    Units: floor and ceiling as P, S0 as S, k as 1/S.

    Known degeneracies: on one side of S0 the bound on the other is open, with S0 and k.

    Source: the second step of Bhagia et al. 2024, arXiv:2412.04403; Llama 3, arXiv:2407.21783.

    Try on: the task errors of Gadre et al. over their losses, mlfoundations/scaling.
    """

    floor: Scalar = offset("P at small S", positive=False)
    ceiling: Scalar = offset("P at large S", positive=False)
    S0: Scalar = scale("middle", per=dict(S=1), positive=False, start=(-0.5, 1.5))
    k: Scalar = scale("steepness", per=dict(S=-1), start=(0.0, 3.5))
    of: str = static(default="S")
    input_kinds: ClassVar[dict[str, str]] = dict(S="signed")
    derived_docs = {"slope": "dP / dS at S0"}
    example = Example(dict(floor=0.8, ceiling=0.25, S0=2.9, k=4.0), inputs=dict(S=(1.5, 4.5)))

    def __call__(self, S: Any) -> Any:
        """Return the logistic curve."""
        share = jnp.exp(-jnp.logaddexp(self.k * (self.S0 - S), 0.0))
        return self.floor * (1 - share) + self.ceiling * share

    def derived(self) -> dict[str, Any]:
        """Return the steepest slope, k (ceiling - floor) / 4."""
        return {"slope": self.k * (self.ceiling - self.floor) / 4}
