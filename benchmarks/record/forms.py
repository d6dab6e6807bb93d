"""The authors' own forms that the catalogue does not have."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxscale import Law, Scalar, coefficient, exponent, offset, power, scale


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


class Exponential(Law):
    """y(p) = k exp(t p), the excess over c of the data mixing law.

    Source: Ye et al. 2024, arXiv:2403.16952.
    """

    k: Scalar = coefficient("excess at p = 0", linear=False)
    t: Scalar = scale("rate", per=dict(p=-1), positive=False, start=(-4.0, 1.0))

    def __call__(self, p: Any) -> Any:
        """Return the excess."""
        return self.k * jnp.exp(self.t * p)


class Mixed(Law):
    """L(p) = c + k exp(t p), the data mixing law of two domains. Source: Ye et al. 2024."""

    c: Scalar = offset("limit")
    k: Scalar = coefficient("excess at p = 0")
    t: Scalar = scale("rate", per=dict(p=-1), positive=False, start=(-4.0, 1.0))

    def __call__(self, p: Any) -> Any:
        """Return the loss."""
        return self.c + self.k * jnp.exp(self.t * p)
