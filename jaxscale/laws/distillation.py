"""Laws of models that are made from other models: distilled, or merged."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp

from jaxscale._numerics.positive import exp, log, power
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, constant, exponent, offset, scale


class Distillation(Law):
    """L(N, D, L_T, L_S) = L_T + L_T^-c0 g (A N^-alpha + B D^-beta)^gamma.

    g = (1 + (L_T / (d1 L_S))^(1 / f1))^(-c1 f1). The loss of a student of N parameters that a
    teacher of loss L_T teaches on D tokens; L_S is that of the same student without a teacher, by
    a law fitted before. `per_T` and `T0` are constants: L_T in the unit of the loss, and a loss
    of 1.

    Units: A as (L / unit)^(1 / gamma) times N^alpha, B alike in D; d1 as L_T / L_S.

    Known degeneracies: c1, d1 and f1, unless some teachers are better and some worse than their
    students; gamma against alpha and beta as in `Skaling`. What L_S is off by is not counted.

    Source: Busbridge et al. 2025, arXiv:2502.08606, its form.
    """

    A: Scalar = coefficient("model-size", per=dict(N="alpha"), units="1/gamma", linear=False)
    B: Scalar = coefficient("data-size", per=dict(D="beta"), units="1/gamma", linear=False)
    alpha: Scalar = exponent("model-size exponent, inside")
    beta: Scalar = exponent("data-size exponent, inside")
    gamma: Scalar = exponent("outer exponent", start=(0.3, 1.3), bounds=(0.05, 3.0))
    c0: Scalar = exponent("of the teacher's loss", start=(-1.0, 3.0), bounds=(-10.0, 20.0))
    c1: Scalar = exponent("of the gap in capacity", start=(0.0, 3.0), bounds=(-10.0, 20.0))
    d1: Scalar = scale("where the gap opens", per=dict(L_T=1, L_S=-1), start=(-0.7, 0.7))
    f1: Scalar = exponent("width of the bend", start=(0.05, 1.0), bounds=(0.01, 5.0))
    per_T: Scalar = constant(1.0, units=1, per=dict(L_T=-1), doc="losses in one of L_T")
    T0: Scalar = constant(1.0, per=dict(L_T=1), doc="a teacher's loss of 1")
    example = Example(
        dict(A=900.0, B=4000.0, alpha=0.36, beta=0.38, gamma=0.6)
        | dict(c0=1.5, c1=0.6, d1=1.0, f1=0.15),
        dict(N=(1e8, 1e10), D=(1e9, 1e12), L_T=(1.8, 3.2), L_S=(1.9, 3.2)),
    )

    def __call__(self, N: Any, D: Any, L_T: Any, L_S: Any) -> Any:
        """Return the loss of a student."""
        gap = (log(L_T) - log(L_S) - log(self.d1)) / self.f1
        bent = exp(-self.c1 * self.f1 * jnp.logaddexp(0.0, gap))
        inner = self.A * power(N, -self.alpha) + self.B * power(D, -self.beta)
        taught = power(L_T / self.T0, -self.c0) * bent * power(inner, self.gamma)
        return self.per_T * L_T + taught


class ModelMerging(Law):
    """L(N, k) = E + B N^-beta + A0 N^-gamma / (k + b).

    The loss of k experts of N parameters merged into one.

    Units: E as L, B as L times N^beta, A0 as L times N^gamma; b counts experts.

    Known degeneracies: A0 against b where k spans little.

    Source: InfiXAI, model-merging scaling law, its repository (github.com).
    """

    E: Scalar = offset("irreducible loss")
    B: Scalar = coefficient("model-size coefficient", per=dict(N="beta"))
    A0: Scalar = coefficient("of one expert", per=dict(N="gamma"))
    beta: Scalar = exponent("model-size exponent")
    gamma: Scalar = exponent("model-size exponent of merging")
    b: Scalar = scale("experts that one counts for beside itself", start=(-2.0, 2.0))
    input_kinds: ClassVar = dict(k="raw")
    example = Example(dict(E=0.6, B=90.0, A0=2.0, beta=0.3, gamma=0.1, b=0.8), dict(k=(1.0, 10.0)))

    def __call__(self, N: Any, k: Any) -> Any:
        """Return E + B N^-beta + A0 N^-gamma / (k + b)."""
        merged = self.A0 * power(N, -self.gamma) / (k + self.b)
        return self.E + self.B * power(N, -self.beta) + merged
