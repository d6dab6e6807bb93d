"""Translog: the logarithm of the loss as a quadratic form of the logarithms of N and D."""

from __future__ import annotations

from typing import Any, ClassVar

from jaxscale._numerics.positive import log
from jaxscale._numerics.pytree import static
from jaxscale.flops import SIX_ND, Flops
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, constant, offset


class Translog(Law):
    """log L(N, D) = c + a n + b d + p n²/2 + q n d + r d²/2, with n = log(N/N0), d = log(D/D0).

    The null model of laws of N and D: six linear parameters, no asymptote, no physics. A law that
    extrapolates no better than it has said nothing about the runs. N0 and D0 are constants: c, a
    and b are the log loss and its slopes there.

    Units: N0 as N, D0 as D; c moves with the logarithm of L's unit, the others have none.

    Known degeneracies: runs on one line of log N and log D leave three of the six open. Far from
    the runs it may rise, and then has no best N and D.

    Source: the translog form of Christensen, Jorgenson and Lau 1973, Review of Economics and
    Statistics 55, 28-45; as the null model of laws of N and D, this project's specification.
    """

    c: Scalar = offset("log loss at N0 and D0", positive=False)
    a: Scalar = coefficient("slope along log N there", positive=False)
    b: Scalar = coefficient("slope along log D there", positive=False)
    p: Scalar = coefficient("curvature along log N", positive=False)
    q: Scalar = coefficient("how N and D act together", positive=False)
    r: Scalar = coefficient("curvature along log D", positive=False)
    N0: Scalar = constant(1e9, per=dict(N=1), doc="N of reference")
    D0: Scalar = constant(1e10, per=dict(D=1), doc="D of reference")
    flops: Flops = static(default=SIX_ND, repr=False)
    response: ClassVar[str] = "log"
    example = Example(dict(c=1.1, a=-0.05, b=-0.06, p=0.013, q=-0.005, r=0.011))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return the logarithm of the loss."""
        n, d = log(N) - log(self.N0), log(D) - log(self.D0)
        line = self.c + self.a * n + self.b * d
        return line + 0.5 * self.p * n * n + self.q * n * d + 0.5 * self.r * d * d
