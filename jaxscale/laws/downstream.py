"""Laws of a task's loss, error or accuracy in the loss of pre-training, or of another corpus."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp

from jaxscale._numerics.positive import exp, power
from jaxscale._numerics.pytree import static
from jaxscale.flops import SIX_ND, Flops
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, exponent, offset, scale


class ErrorFromLoss(Law):
    """Err(L) = epsilon - k exp(-gamma L).

    The mean error of tasks at a loss L of pre-training: epsilon is that of a model which knows
    nothing.

    Units: epsilon and k as Err, gamma per unit of L.

    Known degeneracies: epsilon, k and gamma, where L spans less than 1 / gamma.

    Source: Gadre et al. 2024, arXiv:2403.08540.

    Try on: the 104 models of the paper's repository, mean errors of 46 and of 17 tasks in
    the C4 loss.
    """

    epsilon: Scalar = offset("error as L grows without end", positive=False)
    k: Scalar = coefficient("how far the error falls")
    gamma: Scalar = scale("rate", per=dict(L=-1), start=(-3.0, 2.0))
    example = Example(dict(epsilon=0.85, k=2.1, gamma=0.75), dict(L=(2.3, 6.0)))

    def __call__(self, L: Any) -> Any:
        """Return epsilon - k exp(-gamma L)."""
        return self.epsilon - self.k * exp(-self.gamma * +L)


class LossToLoss(Law):
    """L1(L0) = E1 + K (L0 - E0)^kappa.

    The loss on one corpus, or after training on one, in that on another, over models of one
    recipe. At L0 = E0 and below it is E1.

    Units: E1 as L1, E0 as L0, K as L1 times L0^-kappa.

    Known degeneracies: E0 against kappa; all three where L0 spans little.

    Source: Brandfonbrener et al. 2024, arXiv:2411.12925.

    Try on: six corpora, 529 runs, of the paper's repository (loss-to-loss-notebooks).
    """

    E1: Scalar = offset("irreducible loss")
    K: Scalar = coefficient("height", per=dict(L0="-kappa"))
    kappa: Scalar = exponent("curvature; 1 is a line", start=(0.4, 2.0))
    E0: Scalar = scale("irreducible loss of the other", per=dict(L0=1), start=(-3.0, -0.3))
    example = Example(dict(E1=1.4, K=0.9, kappa=1.2, E0=1.6), dict(L0=(2.3, 5.0)))

    def __call__(self, L0: Any) -> Any:
        """Return E1 + K (L0 - E0)^kappa."""
        above = jnp.maximum(L0 - self.E0, 1e-9 * L0)  # no slope of a power at 0
        return self.E1 + self.K * power(above, self.kappa)


class AccuracyFromLoss(Law):
    """Q(L) = b + a / (1 + exp(-k (L - L0))).

    The second step of the ladder: the accuracy of a task in its loss, per byte of the right answer.
    b is the ceiling; a, below 0, how far chance lies below it.

    Units: a and b as Q, k per unit of L, L0 as L.

    Known degeneracies: a and b, until models are both near chance and near the ceiling.

    Source: Bhagia et al. 2024, arXiv:2412.04403.
    """

    b: Scalar = offset("accuracy of a perfect model", positive=False)
    a: Scalar = coefficient("accuracy of a guess less that", positive=False)
    k: Scalar = scale("steepness", per=dict(L=-1), start=(-0.5, 3.5))
    L0: Scalar = scale("L of the middle", per=dict(L=1), start=(-0.7, 0.7))
    example = Example(dict(b=0.95, a=-0.7, k=5.0, L0=1.0), dict(L=(0.3, 2.0)))

    def __call__(self, L: Any) -> Any:
        """Return b + a / (1 + exp(-k (L - L0)))."""
        return self.b + self.a / (1 + exp(-self.k * (L - self.L0)))


class TwoStep(Law):
    """Q(N, D) = b + a / (1 + exp(-c - A N^-alpha - B D^-beta)).

    Both steps of the ladder as one law of accuracies: the task's loss in N and D, and
    `AccuracyFromLoss` of it. Accuracies alone do not show the scale of that loss: A and B are
    steepness times the loss's coefficients, c is steepness times what its floor lies above the
    middle; b is the ceiling. Losses and accuracies in one table:
    `Composed[AccuracyFromLoss,Chinchilla,stage]`.

    Units: a and b as Q, A as N^alpha, B as D^beta, c a number.

    Known degeneracies: a, b and c, until models are both near chance and near the ceiling.

    Source: Bhagia et al. 2024, arXiv:2412.04403.
    """

    turns: ClassVar[bool] = True
    b: Scalar = offset("accuracy of a perfect model", positive=False)
    a: Scalar = coefficient("accuracy of a guess less that", positive=False)
    c: Scalar = scale("logit of endless N and D", positive=False, start=(-6.0, 2.0))
    A: Scalar = scale("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = scale("data-size coefficient", per=dict(D="beta"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    flops: Flops = static(default=SIX_ND, repr=False)
    example = Example(dict(b=0.95, a=-0.7, c=-4.0, A=2400.0, B=1e4, alpha=0.35, beta=0.36))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return b + a / (1 + exp(-c - A N^-alpha - B D^-beta))."""
        loss = self.c + self.A * power(N, -self.alpha) + self.B * power(D, -self.beta)
        return self.b + self.a / (1 + exp(-loss))
