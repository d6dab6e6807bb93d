"""Laws of accuracies: in compute, in N and D, in samples, in what a model is capable of.

Each gives a fraction of `one`, a constant: of 1, or of 100 where the table has per cent.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from jaxscale._numerics.positive import exp, log, power
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import constant, exponent, scale

CHANCE = "accuracy of a guess"
ONE = "all right"


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + exp(-x))


def pass_at_k(n: Any, c: Any, k: Any) -> np.ndarray:
    """Return the unbiased estimate of pass@k, the chance that one of k samples is right.

    1 - prod over i = n - c + 1, ..., n of (1 - k / i); 1 where fewer than k are wrong.

    Args:
        n: samples of each problem, any shape.
        c: right ones among them.
        k: samples drawn, at most n.

    Raises:
        ValueError: c is above n, k is above n, or one is out of range or no whole number.

    Source: the evaluation code of HumanEval (github.com/openai/human-eval).
    """
    given = [np.asarray(x, float) for x in (n, c, k)]
    if not all((x == np.floor(x)).all() for x in given):
        raise ValueError("pass_at_k takes whole numbers of samples")
    n, c, k = np.broadcast_arrays(*(x.astype(int) for x in given))
    if (c < 0).any() or (c > n).any() or (k < 1).any() or (k > n).any():
        raise ValueError("pass_at_k takes 0 <= c <= n and 1 <= k <= n")
    i = np.arange(1, int(n.max(initial=0)) + 1)
    wrong = (n - c)[..., None]
    counted = (i > wrong) & (i <= n[..., None])
    missed = np.where(counted, 1 - k[..., None] / i, 1.0).prod(axis=-1)
    return np.where(n - c < k, 1.0, 1 - missed)


class DirectAccuracy(Law):
    """Q(C) = Q_min + (1 - Q_min) exp(-E - A C^-alpha).

    Q_min is a constant, 0 until it is given: the accuracy of a guess. E = 0 is the law whose
    ceiling is 1; with Q_min = 0 it is also that of pass@k in compute.

    Units: A as C^alpha, E a number; Q_min and `one` as Q.

    Known degeneracies: E against alpha until the accuracy bends; E = 0 where there is no ceiling,
    then hold it there.

    Source: Krajewski et al. 2025, arXiv:2512.08894, equations 2 and 6; Schaeffer et al. 2025,
    arXiv:2509.24012.
    """

    E: Scalar = scale("logarithm of the ceiling, sign changed", start=(-5.0, 0.0))
    A: Scalar = scale("height", per=dict(C="alpha"))
    alpha: Scalar = exponent("compute exponent")
    Q_min: Scalar = constant(0.0, units=1, doc=CHANCE)
    one: Scalar = constant(1.0, units=1, doc=ONE)
    derived_docs = {"Q_max": "accuracy of endless compute"}
    example = Example(dict(E=0.12, A=2e5, alpha=0.27))

    def __call__(self, C: Any) -> Any:
        """Return the accuracy at C FLOPs."""
        missed = self.E + self.A * power(C, -self.alpha)
        return self.Q_min + (self.one - self.Q_min) * exp(-missed)

    def derived(self) -> dict[str, Any]:
        """Return the ceiling."""
        return {"Q_max": self.Q_min + (self.one - self.Q_min) * exp(-self.E)}


class DirectAccuracyND(Law):
    """Q(N, D) = Q_min + (1 - Q_min) exp(-E - A N^-alpha - B D^-beta).

    Q_min is a constant, 0 until it is given: the accuracy of a guess. The paper has E = 0, a
    ceiling of 1.

    Units: A as N^alpha, B as D^beta, E a number; Q_min and `one` as Q.

    Known degeneracies: E - alpha - beta as in Chinchilla.

    Source: Krajewski et al. 2025, arXiv:2512.08894, equation 4; with E and Q_min = 0 Schaeffer et
    al. 2025, arXiv:2509.24012.
    """

    turns: ClassVar[bool] = True
    E: Scalar = scale("logarithm of the ceiling, sign changed", start=(-5.0, 0.0))
    A: Scalar = scale("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = scale("data-size coefficient", per=dict(D="beta"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    Q_min: Scalar = constant(0.0, units=1, doc=CHANCE)
    one: Scalar = constant(1.0, units=1, doc=ONE)
    example = Example(dict(E=0.12, A=700.0, B=3000.0, alpha=0.36, beta=0.38))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return the accuracy of N parameters after D tokens."""
        missed = self.E + self.A * power(N, -self.alpha) + self.B * power(D, -self.beta)
        return self.Q_min + (self.one - self.Q_min) * exp(-missed)


class GoldLikelihood(Law):
    """Q(nll) = exp(-xi - K nll^kappa).

    The chance that a sample is right, at the negative log-likelihood of the answer known to be
    right; exp(-xi) is its ceiling.

    Units: xi a number, K as nll^-kappa; `one` as Q.

    Known degeneracies: xi against kappa where nll spans little.

    Source: Schaeffer et al. 2025, arXiv:2509.24012.
    """

    xi: Scalar = scale("logarithm of the ceiling, sign changed", start=(-5.0, 0.0))
    K: Scalar = scale("height", per=dict(nll="-kappa"))
    kappa: Scalar = exponent("curvature; 1 is a line", start=(0.4, 2.0))
    one: Scalar = constant(1.0, units=1, doc=ONE)
    example = Example(dict(xi=0.1, K=0.4, kappa=1.2), dict(nll=(0.3, 6.0)))

    def __call__(self, nll: Any) -> Any:
        """Return exp(-xi - K nll^kappa)."""
        return self.one * exp(-self.xi - self.K * power(nll, self.kappa))


class RepeatedSampling(Law):
    """c(k) = exp(-a k^-b).

    Coverage, the share of problems that one of k samples solves. It fails on some sets of problems
    (MiniF2F). The ceiling is 1.

    Units: a as k^b; `one` as c.

    Known degeneracies: none beyond those of a line.

    Source: Brown et al. 2024, arXiv:2407.21787.
    """

    a: Scalar = scale("height", per=dict(k="b"))
    b: Scalar = exponent("rate")
    one: Scalar = constant(1.0, units=1, doc=ONE)
    example = Example(dict(a=2.3, b=0.35), dict(k=(1.0, 1e4)))

    def __call__(self, k: Any) -> Any:
        """Return exp(-a k^-b)."""
        return self.one * exp(-self.a * power(k, -self.b))


class PassAtK(Law):
    """Q(C, k) = exp(-A C^-alpha k^-(beta + delta log(C / C0))).

    pass@k in compute and samples, with a ceiling of 1. C0 is a constant, at which beta is measured.

    Units: A as C^alpha, beta and delta numbers; C0 as C, `one` as Q.

    Known degeneracies: delta where C or k spans little.

    Source: Krajewski et al. 2025, arXiv:2512.08894, and its code.
    """

    A: Scalar = scale("height", per=dict(C="alpha"))
    alpha: Scalar = exponent("compute exponent")
    beta: Scalar = exponent("exponent of samples at C0")
    delta: Scalar = exponent("how both act together", start=(-0.1, 0.1), bounds=(-2.0, 2.0))
    C0: Scalar = constant(1e21, per=dict(C=1), doc="C of reference")
    one: Scalar = constant(1.0, units=1, doc=ONE)
    input_kinds: ClassVar = dict(k="raw")
    example = Example(
        dict(A=3e4, alpha=0.2, beta=0.3, delta=0.01), dict(C=(1e19, 1e23), k=(1.0, 100.0))
    )

    def __call__(self, C: Any, k: Any) -> Any:
        """Return the chance that one of k samples is right at C FLOPs."""
        of_k = self.beta + self.delta * (log(C) - log(self.C0))
        return self.one * exp(-self.A * power(C, -self.alpha) * power(k, -of_k))


class Observational(Law):
    """Q(S1, S2, S3) = 1 / (1 + exp(-alpha - b1 S1 - b2 S2 - b3 S3)).

    A benchmark's score in three principal components of what models of all families can do; floor
    and ceiling are 0 and 1.

    Units: alpha a number, b1 to b3 per unit of S1 to S3; `one` as Q.

    Known degeneracies: scores near 0 and 1 tell little.

    Source: Ruan et al. 2024, arXiv:2405.10938.
    """

    alpha: Scalar = scale("logit where all components are 0", positive=False)
    b1: Scalar = scale("of the first", per=dict(S1=-1), positive=False)
    b2: Scalar = scale("of the second", per=dict(S2=-1), positive=False)
    b3: Scalar = scale("of the third", per=dict(S3=-1), positive=False)
    one: Scalar = constant(1.0, units=1, doc=ONE)
    input_kinds: ClassVar = dict(S1="signed", S2="signed", S3="signed")
    example = Example(
        dict(alpha=-0.4, b1=1.1, b2=0.5, b3=-0.3),
        dict(S1=(-2.0, 2.0), S2=(-1.0, 1.0), S3=(-0.5, 0.5)),
    )

    def __call__(self, S1: Any, S2: Any, S3: Any) -> Any:
        """Return the score."""
        return self.one * sigmoid(self.alpha + self.b1 * S1 + self.b2 * S2 + self.b3 * S3)


class RetrievalInference(Law):
    """P(k, m, n) = 1 / (1 + exp(-c - a_k log k - a_m log m - a_n log n)).

    A task's score with k documents retrieved, m examples shown and n rounds of retrieval, each 1
    or more; the ceiling is 1. Across tasks the slopes a are themselves a + b i in how informative
    documents and examples are for the task.

    Units: all parameters are numbers; `one` as P.

    Known degeneracies: scores near 0 and 1 tell little.

    Source: arXiv:2410.04343, for one task.
    """

    c: Scalar = scale("logit of one document, example and round", positive=False)
    a_k: Scalar = scale("of documents", positive=False, start=(-1.0, 1.0))
    a_m: Scalar = scale("of examples", positive=False, start=(-1.0, 1.0))
    a_n: Scalar = scale("of rounds", positive=False, start=(-1.0, 1.0))
    one: Scalar = constant(1.0, units=1, doc=ONE)
    input_kinds: ClassVar = dict(k="raw", m="raw", n="raw")
    example = Example(
        dict(c=-1.5, a_k=0.2, a_m=0.1, a_n=0.3),
        dict(k=(1.0, 1000.0), m=(1.0, 256.0), n=(1.0, 32.0)),
    )

    def __call__(self, k: Any, m: Any, n: Any) -> Any:
        """Return the score."""
        slopes = self.a_k * log(k) + self.a_m * log(m) + self.a_n * log(n)
        return self.one * sigmoid(self.c + slopes)
