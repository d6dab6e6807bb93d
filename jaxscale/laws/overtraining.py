"""Over-training: the loss at a compute and a number of tokens per parameter."""

from __future__ import annotations

from typing import Any

from jaxscale._numerics.positive import power
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, exponent, offset

SOURCE = "Gadre et al. 2024, arXiv:2403.08540; refitted to the authors' runs, C4 validation loss"
VALUES = {
    "c4": (1.508, 141.3, 189.5, 0.1212),
    "redpajama": (1.837, 212.2, 366.7, 0.1364),
    "refinedweb": (1.734, 157.1, 246.2, 0.1272),
}


class OverTraining(Law):
    """L(C, M) = E + (a M^eta + b M^-eta) C^-eta, with M = D/N tokens per parameter.

    Chinchilla with one exponent alpha = beta = 2 eta, written for C = 6 N D: models of one M fall
    in parallel, those trained for longer on a higher line. Runs of N and D need a column M = D/N.

    Units: E as L, a as L times C^eta M^-eta, b as L times (C M)^eta; C in FLOPs.

    Known degeneracies: E against eta over short ranges of C; a against b at one M.

    Source: Gadre et al. 2024, arXiv:2403.08540.

    Try on: the runs of Gadre et al., mlfoundations/scaling.
    """

    E: Scalar = offset("irreducible loss")
    a: Scalar = coefficient("of short training", per=dict(M="-eta", C="eta"))
    b: Scalar = coefficient("of long training", per=dict(M="eta", C="eta"))
    eta: Scalar = exponent("compute exponent", bounds=(0.0, 2.5))
    presets = {
        name: Preset(SOURCE, dict(zip(("E", "a", "b", "eta"), values, strict=True)))
        for name, values in VALUES.items()
    }
    derived_docs = {"A": "coefficient of N^-alpha", "B": "of D^-alpha", "alpha": "2 eta"}
    example = Example(dict(E=1.8, a=210.0, b=370.0, eta=0.136), inputs=dict(M=(5.0, 640.0)))

    def __call__(self, C: Any, M: Any) -> Any:
        """Return the loss at C FLOPs and M tokens per parameter."""
        longer = power(M, self.eta)
        return self.E + (self.a * longer + self.b / longer) * power(C, -self.eta)

    def derived(self) -> dict[str, Any]:
        """Return A, B and alpha of the same law of N and D, at C = 6 N D."""
        six = power(6.0, -self.eta)
        return {"A": self.a * six, "B": self.b * six, "alpha": 2 * self.eta}
