"""Laws of N and D that do not grow without end where a model is small or has seen little."""

from __future__ import annotations

import math
from typing import Any

from jaxscale._numerics.positive import power
from jaxscale._numerics.pytree import static
from jaxscale.flops import SIX_ND, Flops
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, constant, exponent, offset, scale


class ShiftedSeparable(Law):
    """L(N, D) = E + A (N + s_N)^-alpha + B (D + s_D)^-beta.

    Chinchilla that bends where N or D is small; s_N = s_D = 0 is Chinchilla itself.

    Units: E as L, A as L times N^alpha, B as L times D^beta, s_N as N, s_D as D.

    Known degeneracies: a shift against its exponent, unless runs lie below the shift; the ridge
    E - alpha - beta of Chinchilla.

    Source: the shifted separable law among those compared with Skaling, Videau et al. 2026,
    arXiv:2608.07222, simple-scaling-laws.

    Try on: the runs of Hoffmann et al. as digitized by Epoch; those of Gadre et al.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="beta"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    s_N: Scalar = scale("shift of N", per=dict(N=1), start=(-6.0, 0.0))
    s_D: Scalar = scale("shift of D", per=dict(D=1), start=(-6.0, 0.0))
    flops: Flops = static(default=SIX_ND, repr=False)
    example = Example(dict(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36, s_N=1e8, s_D=1e9))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return E + A (N + s_N)^-alpha + B (D + s_D)^-beta."""
        model = self.A * power(N + self.s_N, -self.alpha)
        return self.E + model + self.B * power(D + self.s_D, -self.beta)


class BoundedRational(Law):
    """L(N, D) = (E + L0 g) / (1 + g), with g = a N^-alpha + b D^-beta.

    Chinchilla under a ceiling: near E it is E + (L0 - E) g, and it never exceeds L0. `M4` of N and
    D at alpha = 1.

    Units: E and L0 as L, a as N^alpha, b as D^beta.

    Known degeneracies: where g is small everywhere L0 is open, with a and b; give it then, e.g. the
    logarithm of the vocabulary size. E - alpha - beta as in Chinchilla.

    Source: the bounded rational law among those compared with Skaling, Videau et al. 2026,
    arXiv:2608.07222, simple-scaling-laws.

    Try on: the runs of Hoffmann et al. as digitized by Epoch; those of Gadre et al.
    """

    E: Scalar = offset("irreducible loss")
    L0: Scalar = offset("loss of no model and no data")
    a: Scalar = coefficient("of N", per=dict(N="alpha"), units=0, linear=False)
    b: Scalar = coefficient("of D", per=dict(D="beta"), units=0, linear=False)
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    flops: Flops = static(default=SIX_ND, repr=False)
    example = Example(dict(E=1.8, L0=9.0, a=200.0, b=900.0, alpha=0.4, beta=0.41))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return (E + L0 g) / (1 + g)."""
        g = self.a * power(N, -self.alpha) + self.b * power(D, -self.beta)
        return (self.E + self.L0 * g) / (1 + g)


class Rosenfeld(Law):
    """L(N, D) = L0 g / (1 + g^2)^(1/2), with g = a N^-alpha + b D^-beta + c.

    Error with an irreducible part and a ceiling: L0 g where g is small, L0 where there is no model
    or no data. L0 is the error of chance and is given: Rosenfeld(L0=.9). The paper writes
    L0 |h / (h - i eta)| with h = g eta, in which eta is redundant, and 1 here.

    Units: L0 as L, a as N^alpha, b as D^beta, c has none.

    Known degeneracies: c against the exponents, as E in Chinchilla; near L0 alone, all are open.

    Source: Rosenfeld et al. 2020, arXiv:1909.12673.

    Try on: the curves of Alabdulmohsin et al. 2022, google-research revisiting_neural_scaling_laws.
    """

    a: Scalar = coefficient("of N", per=dict(N="alpha"), units=0, linear=False)
    b: Scalar = coefficient("of D", per=dict(D="beta"), units=0, linear=False)
    c: Scalar = coefficient("irreducible part", units=0, linear=False)
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    L0: Scalar = constant(1.0, units=1, doc="error of chance")
    flops: Flops = static(default=SIX_ND, repr=False)
    example = Example(dict(a=300.0, b=900.0, c=0.2, alpha=0.35, beta=0.36))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return L0 g / (1 + g^2)^(1/2)."""
        g = self.a * power(N, -self.alpha) + self.b * power(D, -self.beta) + self.c
        return self.L0 * g / power(1 + g * g, 0.5)


class BoundedThreeTerm(Law):
    """L(N, D, U) = E + (L0 - E) h / (1 + h), with h = a N^-alpha + b D^-beta + c N^gamma U^-delta.

    D tokens seen, U of them different: the third term is what a model that is too large for its
    data loses by repetition. L0 is the loss before training and is given: the logarithm of the
    vocabulary size, BoundedThreeTerm(L0=math.log(32000)). At h -> 0, U = D and c = 0: Chinchilla.

    Units: E and L0 as L, a as N^alpha, b as D^beta, c as N^-gamma U^delta.

    Known degeneracies: without runs of several epochs c, gamma and delta are open; where h is small
    everywhere L0 is seen in a, b and c only.

    Source: Bryant and Liu 2026, arXiv:2605.09189 (T and D there are D and U here).

    Try on: the runs of Muennighoff et al., huggingface/datablations.
    """

    E: Scalar = offset("irreducible loss")
    a: Scalar = coefficient("of N", per=dict(N="alpha"), units=0, linear=False)
    b: Scalar = coefficient("of tokens seen", per=dict(D="beta"), units=0, linear=False)
    c: Scalar = coefficient("of repetition", per=dict(N="-gamma", U="delta"), units=0, linear=False)
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    gamma: Scalar = exponent("how repetition grows with N")
    delta: Scalar = exponent("how repetition falls with unique tokens")
    L0: Scalar = constant(math.log(50257), units=1, doc="loss before training")
    example = Example(
        dict(E=1.8, a=60.0, b=250.0, c=0.5, alpha=0.35, beta=0.36, gamma=0.6, delta=0.7),
        inputs=dict(U=(1e8, 1e10)),
    )

    def __call__(self, N: Any, D: Any, U: Any) -> Any:
        """Return the loss of N parameters after D tokens, U of them different."""
        h = self.a * power(N, -self.alpha) + self.b * power(D, -self.beta)
        h = h + self.c * power(N, self.gamma) * power(U, -self.delta)
        return self.E + (self.L0 - self.E) * h / (1 + h)
