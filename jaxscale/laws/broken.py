"""Curves of one scale that are no straight line in log-log axes: with breaks, or with a ceiling.

M1 to M4 of Alabdulmohsin et al. 2022 are `PurePowerLaw`, `PowerLaw`, and `M3` and `M4` here.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxscale._numerics.positive import exp, log, power
from jaxscale._numerics.pytree import static
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, constant, exponent, offset, scale

EITHER_SIGN = dict(start=(-1.0, 1.0), bounds=(-10.0, 10.0))
MOST_BREAKS = 8
NEWTON_STEPS = 14
"""Steps to the root of `saturated`; seven or eight do for alpha from .3 to 3, twelve for .02."""


class BrokenPower(Law):
    """P(S) = a + b S^-c0 (1 + (S/d1)^(1/f1))^(-c1 f1) ... (1 + (S/d_n)^(1/f_n))^(-c_n f_n).

    A power law whose exponent changes n times, smoothly: c0 before the first break d1, c0 + c1
    after it, and so on; f is how many e-folds of S a break takes. `BrokenPower[n]` has n breaks, 1
    to 8; `BrokenPower` has one. The breaks are in order: d2 = d1 exp(gap2), d3 = d2 exp(gap3).

    Units: a as P, b as P times S^c0, d1 as S; the others have none.

    Known degeneracies: f -> 0 is a kink that is located between two runs only; a break outside of
    the runs leaves its c open; c0 against d1 and c1 where few runs lie before the first break.

    Source: Caballero et al. 2022, arXiv:2210.14891 (there n breaks in any order).

    Try on: the curves of Alabdulmohsin et al. 2022, google-research revisiting_neural_scaling_laws;
    the 4-digit addition of Caballero et al.
    """

    a: Scalar = offset("limit", positive=False)
    b: Scalar = coefficient("height", per=dict(S="c0"), positive=False)
    c0: Scalar = exponent("rate before the first break", **EITHER_SIGN)
    c1: Scalar = exponent("change of the rate at break 1", **EITHER_SIGN)
    d1: Scalar = scale("break 1", per=dict(S=1), start=(-2.0, 2.0))
    f1: Scalar = scale("width of break 1, e-folds", start=(-2.0, 1.0))
    of: str = static(default="S")
    example = Example(dict(a=0.3, b=30.0, c0=0.15, c1=0.35, d1=3e8, f1=0.4))

    @classmethod
    def variant(cls, *arguments: str) -> dict[str, Any]:
        """Return the fields of so many breaks."""
        if arguments not in [(str(n),) for n in range(1, MOST_BREAKS + 1)]:
            raise ValueError(f"BrokenPower has 1 to {MOST_BREAKS} breaks; write BrokenPower[2]")
        fields: dict[str, Any] = {}
        for k in range(2, int(arguments[0]) + 1):
            fields[f"c{k}"] = exponent(f"change of the rate at break {k}", **EITHER_SIGN)
            fields[f"gap{k}"] = scale(f"e-folds from break {k - 1} to {k}", start=(-1.0, 1.5))
            fields[f"f{k}"] = scale(f"width of break {k}, e-folds", start=(-2.0, 1.0))
        return {"__annotations__": dict.fromkeys(fields, "Scalar"), **fields}

    def __call__(self, S: Any) -> Any:
        """Return the broken power law."""
        given = self.values
        at, rate = log(S) - log(self.d1), -self.c0 * log(S)
        for k in range(1, len(given) // 3):
            at = at - (given[f"gap{k}"] if k > 1 else 0.0)
            f = given[f"f{k}"]
            rate = rate - given[f"c{k}"] * f * jnp.logaddexp(at / f, 0.0)
        return self.a + self.b * exp(rate)

    def derived(self) -> dict[str, Any]:
        """Return the further breaks d2, d3, ... in the unit of S."""
        given, d, found = self.values, self.d1, {}
        for k in range(2, len(given) // 3):
            found[f"d{k}"] = d = d * exp(given[f"gap{k}"])
        return found


class M3(Law):
    """P(S) = beta (1/S + gamma)^c.

    A power law that saturates by a shift of 1/S: beta S^-c at first, beta gamma^c in the end. Its
    siblings: M1 is `PurePowerLaw`, M2 is `PowerLaw`.

    Units: beta as P times S^c, gamma as 1/S.

    Known degeneracies: gamma -> 0 is M1; c against gamma over short ranges of S.

    Source: Alabdulmohsin et al. 2022, arXiv:2209.06640, estimator M3.

    Try on: the curves of Alabdulmohsin et al. 2022, google-research revisiting_neural_scaling_laws.
    """

    beta: Scalar = coefficient("height", per=dict(S="c"))
    gamma: Scalar = scale("shift of 1/S", per=dict(S=-1), start=(-6.0, 1.0))
    c: Scalar = exponent("rate")
    of: str = static(default="S")
    derived_docs = {"limit": "P where S has no end"}
    example = Example(dict(beta=60.0, gamma=1e-9, c=0.2))

    def __call__(self, S: Any) -> Any:
        """Return beta (1/S + gamma)^c."""
        return self.beta * power(1 / S + self.gamma, self.c)

    def derived(self) -> dict[str, Any]:
        """Return the limit beta gamma^c."""
        return {"limit": self.beta * power(self.gamma, self.c)}


def saturated(t: Any, alpha: Any) -> Any:
    """Return u in (0, 1) with u / (1 - u)^alpha = e^t; pure, differentiable three times.

    Args:
        t: any shape.
        alpha: positive, broadcastable.

    By Newton steps on the logit of u, in which the equation is convex or concave: from the
    asymptote on its own side they never overshoot. The last two carry the derivatives, which a
    step from the root makes exact to the next order, and the second to the third.
    """

    def step(w: Any, t: Any, alpha: Any) -> Any:
        up, down = jnp.logaddexp(w, 0.0), jnp.logaddexp(-w, 0.0)
        u = jnp.exp(-down)
        return w - (alpha * up - down - t) / (1 - u + alpha * u)

    still, power_of = jax.lax.stop_gradient(t), jax.lax.stop_gradient(alpha)
    w = jnp.where(still < 0, still, still / power_of)
    for _ in range(NEWTON_STEPS):
        w = step(w, still, power_of)
    for _ in range(2):
        w = step(w, t, alpha)
    return jnp.exp(-jnp.logaddexp(-w, 0.0))


class M4(Law):
    """P(S) with (P - eps_inf) / (eps0 - P)^alpha = beta S^-c.

    A power law under a ceiling eps0, the score of chance, given and not fitted: M4(eps0=.9). In
    the excess u = (P - eps_inf) / (eps0 - eps_inf) it is u / (1 - u)^alpha = b S^-c, solved for u
    in every run; beta = b (eps0 - eps_inf)^(1 - alpha) is derived.

    Units: eps_inf and eps0 as P, b as S^c.

    Known degeneracies: alpha -> 0 is M2, `PowerLaw`; alpha, b and eps_inf trade off where no run is
    near eps0.

    Source: Alabdulmohsin et al. 2022, arXiv:2209.06640, estimator M4.

    Try on: the curves of Alabdulmohsin et al. 2022, google-research revisiting_neural_scaling_laws.
    """

    eps_inf: Scalar = offset("limit")
    b: Scalar = coefficient("height of the excess", per=dict(S="c"), units=0, linear=False)
    c: Scalar = exponent("rate")
    alpha: Scalar = exponent("power of the ceiling", start=(0.02, 3.0), bounds=(1e-3, 20.0))
    eps0: Scalar = constant(1.0, units=1, doc="what chance gives, where S is nothing")
    of: str = static(default="S")
    derived_docs = {"beta": "the paper's coefficient"}
    example = Example(dict(eps_inf=0.1, b=1200.0, c=0.4, alpha=0.8))

    def __call__(self, S: Any) -> Any:
        """Return eps_inf + (eps0 - eps_inf) u."""
        excess = saturated(log(self.b) - self.c * log(S), self.alpha)
        return self.eps_inf + (self.eps0 - self.eps_inf) * excess

    def derived(self) -> dict[str, Any]:
        """Return beta = b (eps0 - eps_inf)^(1 - alpha)."""
        return {"beta": self.b * power(self.eps0 - self.eps_inf, 1 - self.alpha)}
