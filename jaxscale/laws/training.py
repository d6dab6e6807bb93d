"""Laws of how a run is trained: batch and steps, the learning rate summed up and annealed."""

from __future__ import annotations

from typing import Any, ClassVar

from jaxscale._numerics.positive import power
from jaxscale.laws.closed_form import Sum, Term
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, exponent, offset


class ThreeTerm(Law):
    """L(N, batch, steps) = E + A N^-alpha + B batch^-beta + K steps^-gamma.

    Data are batch times steps: what a larger batch gives is told from what more steps give.

    Units: E as L, A as L times N^alpha, B as L times batch^beta, K as L times steps^gamma.

    Known degeneracies: runs of one batch leave B and beta open; the ridge of E and the smallest
    exponent.

    Source: Schaipp et al. 2026, arXiv:2607.01487.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = coefficient("batch coefficient", per=dict(batch="beta"))
    K: Scalar = coefficient("step coefficient", per=dict(steps="gamma"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("batch exponent")
    gamma: Scalar = exponent("step exponent")
    example = Example(
        dict(E=1.7, A=300.0, B=120.0, K=30.0, alpha=0.33, beta=0.5, gamma=0.45),
        inputs=dict(batch=(6e4, 8e6), steps=(1e3, 2e5)),
    )

    def __call__(self, N: Any, batch: Any, steps: Any) -> Any:
        """Return E + A N^-alpha + B batch^-beta + K steps^-gamma."""
        trained = self.B * power(batch, -self.beta) + self.K * power(steps, -self.gamma)
        return self.E + self.A * power(N, -self.alpha) + trained

    def closed_form(self) -> Sum:
        """Return the four terms."""
        trained = Term("batch", self.B, self.beta), Term("steps", self.K, self.gamma)
        return Sum(self.E, (Term("N", self.A, self.alpha), *trained))


class Annealing(Law):
    """L(S1, S2) = L0 + A S1^-alpha - C S2.

    The loss along a run: S1 is the learning rate summed over the steps so far, S2 how much it was
    annealed, sum_i sum_(k<=i) (eta_(k-1) - eta_k) lambda^(i-k) with lambda near .999. S2 is zero
    while the rate is constant, and negative after it has risen.

    Units: L0 as L, A as L times S1^alpha, C as L / S2.

    Known degeneracies: C is open without annealed runs; L0 against alpha over short runs.

    Source: Tissue et al. 2024, arXiv:2408.11029.
    """

    L0: Scalar = offset("loss at the end of all training")
    A: Scalar = coefficient("coefficient of the summed rate", per=dict(S1="alpha"))
    C: Scalar = coefficient("gain of annealing", per=dict(S2=-1))
    alpha: Scalar = exponent("exponent of the summed rate")
    input_kinds: ClassVar[dict[str, str]] = dict(S2="signed")
    example = Example(
        dict(L0=2.6, A=0.6, C=0.3, alpha=0.5), inputs=dict(S1=(0.05, 20.0), S2=(0.0, 0.6))
    )

    def __call__(self, S1: Any, S2: Any) -> Any:
        """Return L0 + A S1^-alpha - C S2."""
        return self.L0 + self.A * power(S1, -self.alpha) - self.C * S2


class ForwardMomentum(Law):
    """L(S, N, M) = L0 + A S^-alpha + B N^-beta + C M.

    As `Annealing`, over model sizes: S is the summed learning rate and M the annealing momentum,
    which the authors' code sums up; C is negative where annealing helps.

    Units: L0 as L, A as L times S^alpha, B as L times N^beta, C as L / M.

    Known degeneracies: C is open without annealed runs; L0 - alpha - beta as in Chinchilla.

    Source: arXiv:2512.13705; siqi-wang25/fm-annealing (github.com).
    """

    L0: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("coefficient of the summed rate", per=dict(S="alpha"))
    B: Scalar = coefficient("model-size coefficient", per=dict(N="beta"))
    C: Scalar = coefficient("effect of annealing", per=dict(M=-1), positive=False)
    alpha: Scalar = exponent("exponent of the summed rate")
    beta: Scalar = exponent("model-size exponent")
    input_kinds: ClassVar[dict[str, str]] = dict(M="signed")
    example = Example(
        dict(L0=1.8, A=0.6, B=300.0, C=-0.02, alpha=0.5, beta=0.33),
        inputs=dict(S=(0.05, 20.0), M=(0.0, 10.0)),
    )

    def __call__(self, S: Any, N: Any, M: Any) -> Any:
        """Return L0 + A S^-alpha + B N^-beta + C M."""
        powers = self.A * power(S, -self.alpha) + self.B * power(N, -self.beta)
        return self.L0 + powers + self.C * M
