"""Board games: what a player's strength costs in training and in play."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from jaxscale._numerics.positive import log
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, offset

PUBLISHED = {"k": 29 * math.log(10), "a": -1.2, "e": 0.004 * math.log(10)}
"""In natural logarithms; the paper's are decimal."""


class BoardGames(Law):
    """log T(C, elo) = k + a log C + e elo, T the compute of playing at a strength.

    Compute of training and of play buy the same strength: a is the exchange between them. T stands
    in the place of the loss.

    Units: k moves with the logarithms of T and C, e as 1/elo, a has none; T and C in FLOPs.

    Known degeneracies: none; it is linear.

    Source: Jones 2021, arXiv:2104.03113.

    Try on: the evaluations of Jones, andyljones/boardlaw.
    """

    k: Scalar = offset("log T at C = 1, elo = 0", positive=False, shift=dict(C="-a"))
    a: Scalar = coefficient("change of log T per e-fold of C", positive=False)
    e: Scalar = coefficient("change of log T per point of Elo", per=dict(elo=-1), positive=False)
    input_kinds: ClassVar[dict[str, str]] = dict(elo="signed")
    response: ClassVar[str] = "log"
    presets = {
        "jones_2021": Preset(
            "Jones 2021, arXiv:2104.03113", PUBLISHED, note="gives FLOPs of play, and not a loss"
        )
    }
    example = Example(PUBLISHED, inputs=dict(C=(1e12, 1e17), elo=(-1500.0, 0.0)))

    def __call__(self, C: Any, elo: Any) -> Any:
        """Return the logarithm of the compute of play."""
        return self.k + self.a * log(C) + self.e * elo
