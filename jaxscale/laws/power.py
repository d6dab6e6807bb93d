"""Laws of one scale S: power, logarithm, and the piecewise law.

Each has a static field `of` that says which column is the scale: `PowerLaw(of="C")` reads C.
They describe a loss that falls and a score that rises: coefficients may have either sign.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxscale._numerics.positive import log, power
from jaxscale._numerics.pytree import static
from jaxscale.laws.closed_form import Sum, Term
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import breakpoint_at, coefficient, exponent, offset

EITHER_SIGN = dict(start=(-1.5, 1.5), bounds=(-5.0, 5.0))


class PowerLaw(Law):
    """P(S) = a S^b + c.

    A saturating power law, M2 of Alabdulmohsin et al. 2022. Loss: a > 0, b < 0, c the irreducible
    loss. Accuracy: a < 0, b < 0, c the ceiling. Units: c as P, a as P times S^-b.

    Known degeneracy: c against b over short ranges of S; b -> 0 is the logarithmic law.

    Source: Hestness et al. 2017, arXiv:1712.00409; Rosenfeld et al. 2020, arXiv:1909.12673.

    Example:
        >>> import jaxscale
        >>> law = jaxscale.PowerLaw(a=20.0, b=-0.1, c=1.5, of="C")
        >>> law.inputs
        ('C',)
        >>> round(float(jaxscale.predict(law, C=1e20)), 2)
        1.7
    """

    a: Scalar = coefficient("height", per=dict(S="-b"), positive=False)
    b: Scalar = exponent("rate", **EITHER_SIGN)
    c: Scalar = offset("bound", positive=False)
    of: str = static(default="S")
    example = Example(dict(a=40.0, b=-0.2, c=1.7))

    def __call__(self, S: Any) -> Any:
        """Return a S^b + c."""
        return self.a * power(S, self.b) + self.c

    def closed_form(self) -> Sum:
        """Return c + a S^b."""
        return Sum(self.c, (Term("S", self.a, -self.b),))


class PurePowerLaw(Law):
    """P(S) = a S^b.

    The power law without a bound (c = 0), M1 of Alabdulmohsin et al. 2022; a line in log-log axes.
    Units: a as P times S^-b.

    Source: Hestness et al. 2017, arXiv:1712.00409.
    """

    a: Scalar = coefficient("height", per=dict(S="-b"))
    b: Scalar = exponent("rate", **EITHER_SIGN)
    of: str = static(default="S")
    example = Example(dict(a=30.0, b=-0.15))

    def __call__(self, S: Any) -> Any:
        """Return a S^b."""
        return self.a * power(S, self.b)

    def closed_form(self) -> Sum:
        """Return a S^b."""
        return Sum(0.0, (Term("S", self.a, -self.b),))


class LogLaw(Law):
    """P(S) = a log S + b.

    The limit b -> 0 of the power law; natural logarithm. Units: a and b as P. Use it as the null
    model of a saturating power law.

    Source: the classical log-linear form; as a limit of PowerLaw see Hestness et al. 2017,
    arXiv:1712.00409.
    """

    a: Scalar = coefficient("change of P per e-fold of S", positive=False)
    b: Scalar = offset("P at S = 1", positive=False, shift=dict(S="-a"))
    of: str = static(default="S")
    example = Example(dict(a=-0.21, b=7.0))

    def __call__(self, S: Any) -> Any:
        """Return a log S + b."""
        return self.a * log(S) + self.b


class Piecewise(Law):
    """P(S) = a1 S + b1 for S <= S0, a2 S^b2 + c2 above.

    Linear first, a power law afterwards; the pieces need not meet. The data locate S0 only
    between two neighboring values of S: the fit tries every such gap and reports it as an
    interval. Units: a1 as P / S, b1 and c2 as P, a2 as P times S^-b2, S0 as S.

    Source: the piecewise form of this project's specification (a linear regime before the power
    law sets in).
    """

    a1: Scalar = coefficient("slope below the break", per=dict(S=-1), positive=False)
    b1: Scalar = offset("intercept below the break", positive=False)
    a2: Scalar = coefficient("height above the break", per=dict(S="-b2"), positive=False)
    b2: Scalar = exponent("rate above the break", **EITHER_SIGN)
    c2: Scalar = offset("bound above the break", positive=False)
    S0: Scalar = breakpoint_at("break", of="S")
    of: str = static(default="S")
    example = Example(dict(a1=-2e-9, b1=6.0, a2=40.0, b2=-0.15, c2=1.0, S0=2.3e8))

    def __call__(self, S: Any) -> Any:
        """Return the line up to S0, the power law above."""
        below = self.a1 * S + self.b1
        above = self.a2 * power(S, self.b2) + self.c2
        return jnp.where(S <= self.S0, below, above)


class Henighan(Law):
    """L(x) = L_inf + (x0 / x)^alpha.

    A saturating power law of a loss in any input, read as entropy of the data plus a reducible
    part. Fitted with the well-conditioned A = x0^alpha; x0 is derived. Units: L_inf as L, A as L
    times x^alpha.

    Source: Henighan et al. 2020, arXiv:2010.14701.
    """

    L_inf: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("reducible loss at x = 1", per=dict(S="alpha"))
    alpha: Scalar = exponent("rate")
    of: str = static(default="S")
    presets = {
        "kim_2025": Preset(
            "Kim et al. 2025, arXiv:2509.14786",
            {"L_inf": 3.43, "A": 0.05 * 1e9**1.02, "alpha": 1.02},
            note="of N in parameters, on 2e8 tokens seen as often as is best",
        )
    }
    derived_docs = {"x0": "scale of x, where the reducible loss is 1"}
    example = Example(dict(L_inf=1.7, A=60.0, alpha=0.25))

    def __call__(self, S: Any) -> Any:
        """Return L_inf + A S^-alpha."""
        return self.L_inf + self.A * power(S, -self.alpha)

    def closed_form(self) -> Sum:
        """Return L_inf + A S^-alpha."""
        return Sum(self.L_inf, (Term("S", self.A, self.alpha),))

    def derived(self) -> dict[str, Any]:
        """Return x0 = A^(1/alpha), where the reducible loss is 1."""
        return {"x0": power(self.A, 1 / self.alpha)}
