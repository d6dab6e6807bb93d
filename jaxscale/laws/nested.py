"""Skaling: Chinchilla's sum of two terms under an outer exponent, which contains it at k = 1."""

from __future__ import annotations

from typing import Any

from jaxscale._numerics.positive import power
from jaxscale._numerics.pytree import static
from jaxscale.flops import SIX_ND, Flops, best_powers
from jaxscale.laws.closed_form import Sum, Term
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, exponent, offset

K_RANGE = (0.05, 3.0)
"""Range of the outer exponent; on public sweeps it is between .2 and 1."""


class Skaling(Law):
    """L(N, D) = E + (A N^-alpha + B D^-beta)^k.

    The nesting family of Chinchilla, which is k = 1. k cancels in the best N and D at a budget:
    they are those of the inner sum, and the loss there falls as C^(-k alpha beta / (alpha + beta)).

    Units: E as L, A as L^(1/k) times N^alpha, B as L^(1/k) times D^beta; N in parameters, D in
    tokens.

    Known degeneracies: E against k; k against alpha and beta, unless some runs lie off the
    compute-optimal line.

    Source: Videau et al. 2026, arXiv:2608.07222; the same family as gamma in Busbridge et al. 2025,
    arXiv:2502.08606.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient(
        "model-size coefficient", per=dict(N="alpha"), units="1/k", linear=False
    )
    B: Scalar = coefficient("data-size coefficient", per=dict(D="beta"), units="1/k", linear=False)
    alpha: Scalar = exponent("model-size exponent, inside")
    beta: Scalar = exponent("data-size exponent, inside")
    k: Scalar = exponent("outer exponent; 1 is the additive law", start=(0.3, 1.3), bounds=K_RANGE)
    flops: Flops = static(default=SIX_ND, repr=False)
    derived_docs = {"a": "best N grows as C^a", "b": "best D grows as C^b"}
    example = Example(dict(E=0.9, A=4100.0, B=13000.0, alpha=0.45, beta=0.44, k=0.6))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return E + (A N^-alpha + B D^-beta)^k."""
        return self.E + power(
            self.A * power(N, -self.alpha) + self.B * power(D, -self.beta), self.k
        )

    def closed_form(self) -> Sum:
        """Return E + (A N^-alpha + B D^-beta)^k."""
        terms = Term("N", self.A, self.alpha), Term("D", self.B, self.beta)
        return Sum(self.E, terms, self.k)

    def derived(self) -> dict[str, Any]:
        """Return a and b of N* ~ C^a, D* ~ C^b, at the powers of N and D in the cost, or k N D."""
        return best_powers(self.alpha, self.beta, self.flops)
