"""Chinchilla: the joint law of model size and data, and its form in N, D and C together."""

from __future__ import annotations

import math
from typing import Any

from jaxscale._numerics.positive import power
from jaxscale._numerics.pytree import static
from jaxscale.flops import SIX_ND, Flops, best_powers, complete
from jaxscale.laws.closed_form import Sum, Term
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, exponent, offset

PRESETS = {
    "hoffmann_2022": Preset(
        "Hoffmann et al. 2022, arXiv:2203.15556, Approach 3, unrounded values of its TeX source",
        {
            "E": math.exp(0.5267228),
            "A": math.exp(6.0073404),
            "B": math.exp(6.0179186),
            "alpha": 0.33917084,
            "beta": 0.2849083,
        },
        note="rounding beta to .28 moves the data term by 13 % at D = 1e11",
    ),
    "besiroglu_2024": Preset(
        "Besiroglu et al. 2024, arXiv:2404.10102, cells 24-26 of its notebook",
        {"E": 1.81686, "A": 482.00572, "B": 2085.43420, "alpha": 0.34781, "beta": 0.36585},
        note="the least-absolute-deviations fit of the digitized runs; not the Huber optimum",
    ),
    "muennighoff_2023": Preset(
        "Muennighoff et al. 2023, arXiv:2305.16264, C4, alpha = beta",
        {
            "E": math.exp(0.6254804),
            "A": math.exp(6.255414),
            "B": math.exp(7.3049974),
            "alpha": 0.3526596,
            "beta": 0.3526596,
        },
    ),
    "sardana_2024": Preset(
        "Sardana et al. 2024, arXiv:2401.00448, all runs, up to 10,000 tokens per parameter",
        {"E": 1.45, "A": 33.66, "B": 138.9, "alpha": 0.18, "beta": 0.24},
    ),
    "llama3_2024": Preset(
        "refitted to the isoFLOP points of Llama 3, arXiv:2407.21783, as digitized; Huber, 1e-3",
        {"E": 0.594193, "A": 38.329, "B": 160.226, "alpha": 0.283517, "beta": 0.315656},
        note="the unit of its loss is not stated; it is no loss per token of other models",
    ),
}


class Chinchilla(Law):
    """L(N, D) = E + A N^-alpha + B D^-beta.

    Units: E as L, A as L times N^alpha, B as L times D^beta; N in parameters, D in tokens.

    Known degeneracies: the ridge E - alpha - beta; with isoFLOP data alone the two terms are
    confounded along C.

    Source: Hoffmann et al. 2022, arXiv:2203.15556, Approach 3.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit(jaxscale.Chinchilla(), runs, starts=64)
        >>> [round(x, 2) for x in (fit.law.E, fit.law.alpha, fit.law.beta)]
        [0.95, 0.42, 0.53]
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="beta"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    flops: Flops = static(default=SIX_ND, repr=False)
    presets = PRESETS
    derived_docs = {"a": "best N grows as C^a", "b": "best D grows as C^b"}
    example = Example(dict(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return E + A N^-alpha + B D^-beta."""
        return self.E + self.A * power(N, -self.alpha) + self.B * power(D, -self.beta)

    def closed_form(self) -> Sum:
        """Return E + A N^-alpha + B D^-beta."""
        return Sum(self.E, (Term("N", self.A, self.alpha), Term("D", self.B, self.beta)))

    def derived(self) -> dict[str, Any]:
        """Return a and b of N* ~ C^a, D* ~ C^b, at the powers of N and D in the cost, or k N D."""
        return best_powers(self.alpha, self.beta, self.flops)


class ChinchillaNDC(Chinchilla):
    """L(N, D, C) = E + A N^-alpha + B D^-beta, with any two of N, D, C.

    The same law where runs are described by compute: the third quantity follows from the FLOPs
    model (C = 6 N D unless another is given), so that a compute budget is an input like any
    other. It fits runs that have any two of the columns. Units as `Chinchilla`; C in FLOPs.

    Source: Hoffmann et al. 2022, arXiv:2203.15556, Approach 3 with C = 6 N D.
    """

    def __call__(self, N: Any = None, D: Any = None, C: Any = None) -> Any:
        """Return the loss at any two of N parameters, D tokens, C FLOPs."""
        N, D, _ = complete(N=N, D=D, C=C, flops=self.flops)
        return self.E + self.A * power(N, -self.alpha) + self.B * power(D, -self.beta)

    closed_form = Chinchilla.closed_form  # the same law

    @property
    def inputs(self) -> tuple[str, ...]:
        """N and D: runs complete themselves before a fit."""
        return ("N", "D")
