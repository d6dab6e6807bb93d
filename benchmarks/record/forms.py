"""The authors' own forms, where the catalogue has no law of these parameters."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxscale import Law, Scalar, coefficient, exponent, offset, power, scale
from jaxscale.laws.parameters import constant


class KaplanE(Law):
    """L(N, D) = E + [(N_c / N)^(alpha / beta) + D_c / D]^beta.

    Written with A = N_c^alpha and B = D_c^beta. Source: Brandfonbrener et al. 2024,
    arXiv:2411.12925.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("N_c^alpha", per=dict(N="alpha"), linear=False)
    B: Scalar = coefficient("D_c^beta", per=dict(D="beta"), linear=False)
    alpha: Scalar = exponent("of N")
    beta: Scalar = exponent("of D", bounds=(1e-3, 5.0))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return the loss."""
        model = power(self.A * power(N, -self.alpha), 1 / self.beta)
        data = power(self.B * power(D, -self.beta), 1 / self.beta)
        return self.E + power(model + data, self.beta)


class Decay(Law):
    """L(N, D, U) = E + A N'^-alpha + B D'^-alpha, N' and D' saturating in repetitions.

    D' = U + U R_D (1 - exp(-(D / U - 1) / R_D)), N' the same with the best N for U in the place
    of U. Source: Muennighoff et al. 2023, arXiv:2305.16264.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("of N", per=dict(N="alpha"), linear=False)
    B: Scalar = coefficient("of D", per=dict(D="alpha"), linear=False)
    alpha: Scalar = exponent("of both")
    R_D: Scalar = scale("repetitions of data", start=(-1.0, 6.0))
    R_N: Scalar = scale("excess of parameters", start=(-1.0, 6.0))
    token: Scalar = constant(1.0, per=dict(D=1), doc="a token")
    unique: Scalar = constant(1.0, per=dict(U=1), doc="a unique token")

    def __call__(self, N: Any, D: Any, U: Any) -> Any:
        """Return the loss."""
        known = U / self.unique * self.token
        least = jnp.minimum(power(self.A / self.B, 1 / self.alpha) * known, N)
        again, excess = D / known - 1, N / least - 1
        tokens = known * (1 - self.R_D * jnp.expm1(-again / self.R_D))
        size = least * (1 - self.R_N * jnp.expm1(-excess / self.R_N))
        return self.E + self.A * power(size, -self.alpha) + self.B * power(tokens, -self.alpha)


class Vocabulary(Law):
    """L(M, V, D) = -E + A1 M^-beta + A2 V^-alpha2 + B D^-beta, unigram-normalized loss.

    Source: Tao et al. 2024, arXiv:2407.13623.
    """

    E: Scalar = coefficient("how far below that of unigrams", linear=True)
    A1: Scalar = coefficient("of parameters without the vocabulary", per=dict(M="beta"))
    A2: Scalar = coefficient("of parameters of the vocabulary", per=dict(V="alpha2"))
    B: Scalar = coefficient("of data", per=dict(D="beta"))
    alpha2: Scalar = exponent("of the vocabulary")
    beta: Scalar = exponent("of M and D")

    def __call__(self, M: Any, V: Any, D: Any) -> Any:
        """Return the loss."""
        rest = self.A2 * power(V, -self.alpha2) + self.B * power(D, -self.beta)
        return -self.E + self.A1 * power(M, -self.beta) + rest


class OverTraining(Law):
    """L(N, D) = a N^b + beta 6^(b/2) D^b + E, equal exponents.

    Source: Gadre et al. 2024, arXiv:2403.08540, as its laws.py has it; D is M N there. Here b is
    positive: a N^-b.
    """

    E: Scalar = offset("irreducible loss")
    a: Scalar = coefficient("of N", per=dict(N="b"))
    beta: Scalar = coefficient("of D", per=dict(D="b"))
    b: Scalar = exponent("of both")

    def __call__(self, N: Any, D: Any) -> Any:
        """Return the loss."""
        return (
            self.E
            + self.a * power(N, -self.b)
            + self.beta * power(6.0, -self.b / 2) * power(D, -self.b)
        )


class ErrorOfLoss(Law):
    """err(L) = eps - k exp(-gamma L), top-1 error from the loss.

    Source: Gadre et al. 2024, arXiv:2403.08540.
    """

    eps: Scalar = offset("error of a useless model")
    k: Scalar = coefficient("what the loss buys")
    gamma: Scalar = scale("rate", per=dict(L=-1), start=(-2.0, 2.0))

    def __call__(self, L: Any) -> Any:
        """Return the error."""
        return self.eps - self.k * jnp.exp(-self.gamma * L)


class Rectified(Law):
    """L(x) = E + K / (1 + (x / x0)^beta), the rectified law of fine-tuning.

    Source: Lin et al. 2024, arXiv:2402.02314: L = E + B / (D_l + D^beta), whose code has
    (A - E) / (1 + exp(beta log D + B')) + E.
    """

    E: Scalar = offset("irreducible loss")
    K: Scalar = coefficient("what fine-tuning can gain")
    x0: Scalar = scale("examples where half is gained", per=dict(x=1), start=(-6.0, 6.0))
    beta: Scalar = exponent("rate")

    def __call__(self, x: Any) -> Any:
        """Return the loss."""
        return self.E + self.K / (1 + power(x / self.x0, self.beta))


class OneBreak(Law):
    """1 + y(x) = 1 + a + b x^-c0 (1 + (x / d1)^(1 / f1))^(-c1 f1), a power law with one break.

    Source: Caballero et al. 2023, arXiv:2210.14891, whose fits are of log(1 + y).
    """

    a: Scalar = coefficient("limit")
    b: Scalar = coefficient("height", per=dict(x="c0"))
    c0: Scalar = exponent("slope before the break", start=(0.0, 1.0), bounds=(-2.0, 5.0))
    c1: Scalar = exponent("change of slope", start=(0.0, 6.0), bounds=(-5.0, 50.0))
    d1: Scalar = scale("place of the break", per=dict(x=1), start=(-1.5, 1.5))
    f1: Scalar = scale("sharpness of the break", start=(-4.0, 0.0))
    one: Scalar = constant(1.0, units=1, doc="1, in the unit of y")

    def __call__(self, x: Any) -> Any:
        """Return 1 + y."""
        bend = jnp.logaddexp(0.0, jnp.log(x / self.d1) / self.f1)
        return self.one + self.a + self.b * power(x, -self.c0) * jnp.exp(-self.c1 * self.f1 * bend)


class Exponential(Law):
    """y(p) = k exp(t p), the excess over c of the data mixing law.

    Source: Ye et al. 2024, arXiv:2403.16952.
    """

    k: Scalar = coefficient("excess at p = 0", linear=False)
    t: Scalar = scale("rate", per=dict(p=-1), positive=False, start=(-4.0, 1.0))

    def __call__(self, p: Any) -> Any:
        """Return the excess."""
        return self.k * jnp.exp(self.t * p)
