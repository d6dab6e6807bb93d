"""Farseer: a data exponent and a data coefficient that change with model size."""

from __future__ import annotations

import math
from typing import Any

from jaxscale._numerics.positive import exp, log, power
from jaxscale._numerics.pytree import static
from jaxscale.flops import SIX_ND, Flops
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, constant, exponent

PUBLISHED = {
    "F": math.exp(0.1284880679),
    "s": -0.062465473,
    "q": 0.13,
    "G": math.exp(-1.544209554),
    "B": 230.73437,
    "b": -0.1729,
    "A": -1.665630816,
    "a": 0.0459,
    "E": 3.1333472,
}
SMALL = dict(start=(-0.4, 0.4), bounds=(-2.0, 2.0))


class Farseer(Law):
    """L(N, D) = F exp(s N^q) + G exp(B N^b) (D/D0)^-exp(A N^a + E).

    What is left at infinite data, and coefficient and exponent of the data, all follow model size;
    the best D/N rises with compute. F = e^S and G = e^Q of the paper. D0 is one token: with another
    unit of D, the exponent of which depends on N, this is another law.

    Units: F and G as L, s as N^-q, B as N^-b, A as N^-a, D0 as D; N in parameters, D in tokens.

    Known degeneracies: nine parameters; each of q, b, a is all but exchangeable with its factor:
    over less than two decades of N give them, q=.13, b=-.1729, a=.0459.

    Source: Li et al. 2025 (Farseer), arXiv:2506.10972.

    Try on: the 404 runs of Li et al., Farseer-Scaling-Law/Farseer.
    """

    F: Scalar = coefficient("loss at infinite data, height")
    s: Scalar = coefficient(
        "how that falls with N", per=dict(N="-q"), units=0, positive=False, linear=False
    )
    q: Scalar = exponent("its power of N", **SMALL)
    G: Scalar = coefficient("data coefficient, height")
    B: Scalar = coefficient(
        "how that changes with N", per=dict(N="-b"), units=0, positive=False, linear=False
    )
    b: Scalar = exponent("its power of N", **SMALL)
    A: Scalar = coefficient(
        "how the data exponent changes with N",
        per=dict(N="-a"),
        units=0,
        positive=False,
        linear=False,
    )
    a: Scalar = exponent("its power of N", **SMALL)
    E: Scalar = exponent(
        "log of the data exponent without that", start=(-2.0, 4.0), bounds=(-20.0, 20.0)
    )
    D0: Scalar = constant(1.0, per=dict(D=1), doc="one token")
    flops: Flops = static(default=SIX_ND, repr=False)
    presets = {"farseer_2025": Preset("Li et al. 2025, arXiv:2506.10972", PUBLISHED)}
    derived_docs = {"S": "log F, as published", "Q": "log G, as published"}
    example = Example(PUBLISHED)

    def __call__(self, N: Any, D: Any) -> Any:
        """Return the loss of a model of N parameters on D tokens."""
        rate = exp(self.A * power(N, self.a) + self.E)
        data = exp(self.B * power(N, self.b) - rate * (log(D) - log(self.D0)))
        return self.F * exp(self.s * power(N, self.q)) + self.G * data

    def derived(self) -> dict[str, Any]:
        """Return S and Q of the paper."""
        return {"S": log(self.F), "Q": log(self.G)}
