"""Laws of reinforcement learning: after pre-training, and of values."""

from __future__ import annotations

from typing import Any, ClassVar

from jaxscale._numerics.positive import log, power
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, constant, exponent, offset, scale


class RLPostTraining(Law):
    """log L(N, X) = E - k log(X / X0), k = K_max / (1 + N0 / N).

    L = 1 - pass@1 after reinforcement learning with X of compute or of data. In the paper each
    model has an E of its own: fit one model, or a family with own E. X0 is a constant, at which E
    is measured.

    Units: E moves with log L; N0 as N, X0 as X.

    Known degeneracies: K_max against N0, unless models are both smaller and larger than N0.

    Source: Tan et al. 2025, arXiv:2509.25300.
    """

    E: Scalar = offset("log L at X0", positive=False)
    K_max: Scalar = exponent("rate of the largest models", start=(0.01, 0.5))
    N0: Scalar = scale("N of half that rate", per=dict(N=1))
    X0: Scalar = constant(1.0, per=dict(X=1), doc="X of reference")
    response: ClassVar[str] = "log"
    example = Example(dict(E=-0.2, K_max=0.14, N0=3e9), dict(N=(5e8, 7e10), X=(10.0, 1e5)))

    def __call__(self, N: Any, X: Any) -> Any:
        """Return the logarithm of 1 - pass@1."""
        rate = self.K_max / (1 + self.N0 / N)
        return self.E - rate * (log(X) - log(self.X0))


class RLCompute(Law):
    """L(N, C) = ((N0 / N)^beta + B0 / (C + C0))^alpha.

    L = 1 - pass@1 after reinforcement learning with compute C. In the paper each model has B0 and
    C0 of its own: fit one model, with N0 and beta held, or a family with own B0 and C0.

    Units: N0 as N, B0 and C0 as C; `one` is a constant, an error of everything.

    Known degeneracies: B0 against C0, unless C is both smaller and larger than C0.

    Source: Tan et al. 2025, arXiv:2509.25300.
    """

    N0: Scalar = scale("N whose error is 1", per=dict(N=1), start=(-4.0, 1.0))
    beta: Scalar = exponent("model-size exponent, inside")
    B0: Scalar = scale("of compute", per=dict(C=1))
    C0: Scalar = scale("compute that pre-training stands for", per=dict(C=1))
    alpha: Scalar = exponent("outer exponent", bounds=(0.01, 5.0))
    one: Scalar = constant(1.0, units=1, doc="an error of 1")
    example = Example(
        dict(N0=5e8, beta=1.1, B0=5e3, C0=3e4, alpha=0.2), dict(N=(1e9, 7e10), C=(1e3, 1e6))
    )

    def __call__(self, N: Any, C: Any) -> Any:
        """Return 1 - pass@1."""
        inner = power(self.N0 / N, self.beta) + self.B0 / (C + self.C0)
        return self.one * power(inner, self.alpha)


class DataToThreshold(Law):
    """data(UTD, N) = c (1 + (a / UTD)^alpha + (b / N)^beta).

    The data that value-based reinforcement learning takes to reach a return, with UTD updates per
    step of the environment and N parameters.

    Units: c as the data, a as UTD, b as N.

    Known degeneracies: c where every run is far from its limit.

    Source: arXiv:2508.14881.
    """

    c: Scalar = coefficient("data at the limit")
    a: Scalar = scale("updates per step that double it", per=dict(UTD=1))
    b: Scalar = scale("N that doubles it", per=dict(N=1))
    alpha: Scalar = exponent("exponent of updates")
    beta: Scalar = exponent("model-size exponent")
    example = Example(
        dict(c=2e5, a=1.5, b=2e6, alpha=0.7, beta=0.5), dict(UTD=(0.5, 16.0), N=(3e5, 3e8))
    )

    def __call__(self, UTD: Any, N: Any) -> Any:
        """Return c (1 + (a / UTD)^alpha + (b / N)^beta)."""
        return self.c * (1 + power(self.a / UTD, self.alpha) + power(self.b / N, self.beta))


class BatchForValues(Law):
    """batch(UTD, N) = a UTD^-alpha / (1 + (b / N)^c).

    The best batch of value-based reinforcement learning, with UTD updates per step of the
    environment and N parameters.

    Units: a as the batch times UTD^alpha, b as N.

    Known degeneracies: b against c, unless models are both smaller and larger than b.

    Source: arXiv:2508.14881.
    """

    a: Scalar = coefficient("batch of the largest models", per=dict(UTD="alpha"))
    alpha: Scalar = exponent("exponent of updates")
    b: Scalar = scale("N of half that batch", per=dict(N=1))
    c: Scalar = exponent("model-size exponent")
    example = Example(dict(a=900.0, alpha=0.3, b=4e6, c=0.6), dict(UTD=(0.5, 16.0), N=(3e5, 3e8)))

    def __call__(self, UTD: Any, N: Any) -> Any:
        """Return a UTD^-alpha / (1 + (b / N)^c)."""
        return self.a * power(UTD, -self.alpha) / (1 + power(self.b / N, self.c))
