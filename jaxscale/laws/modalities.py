"""Laws of several languages, and of several modalities, in one model."""

from __future__ import annotations

from typing import Any

from jaxscale._numerics.positive import power
from jaxscale._numerics.pytree import static
from jaxscale.flops import SIX_ND, Flops
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, constant, exponent, offset

EITHER_SIGN = dict(start=(-0.3, 0.3), bounds=(-5.0, 5.0))


class Multilingual(Law):
    """L(N, D, K) = E + A K^phi N^-alpha + B K^psi D^-beta.

    The loss of one language of K in a model, D tokens of that language. With phi above 0 each
    takes room from the others; with psi below 0 each teaches the others.

    Units: E as L, A as L times N^alpha K^-phi, B as L times D^beta K^-psi.

    Known degeneracies: phi and psi where K spans little; E - alpha - beta as in Chinchilla.

    Source: ATLAS, 2025, arXiv:2510.22037, which finds phi = .11 and psi = -.04.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha", K="-phi"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="beta", K="-psi"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    phi: Scalar = exponent("what languages take of N", **EITHER_SIGN)
    psi: Scalar = exponent("what languages give to D", **EITHER_SIGN)
    flops: Flops = static(default=SIX_ND, repr=False)
    derived_docs = {
        "N_per_K": "N that keeps the loss grows as K to this",
        "D_per_K": "tokens in all that keep the loss grow as K to this",
    }
    example = Example(
        dict(E=1.2, A=2000.0, B=60.0, alpha=0.45, beta=0.15, phi=0.11, psi=-0.04),
        dict(K=(1.0, 100.0)),
    )

    def __call__(self, N: Any, D: Any, K: Any) -> Any:
        """Return E + A K^phi N^-alpha + B K^psi D^-beta."""
        of_N = self.A * power(K, self.phi) * power(N, -self.alpha)
        return self.E + of_N + self.B * power(K, self.psi) * power(D, -self.beta)

    def derived(self) -> dict[str, Any]:
        """Return phi / alpha, and 1 + psi / beta: K times the tokens of each."""
        return {"N_per_K": self.phi / self.alpha, "D_per_K": 1 + self.psi / self.beta}


class MixedModal(Law):
    """L(N, D, L1, L2) = (L1 + L2) / 2 - C + A N^-alpha + B D^-beta.

    The loss of one model of two modalities and D tokens of both. L1 and L2 are those of models of N
    parameters and of the tokens of one, by laws fitted before, E + A N^-alpha + B D^-beta each.
    With C above 0 one helps the other; the two terms say from where on.

    Units: C as L, A as L times N^alpha, B as L times D^beta; `per_1` and `per_2` are constants, L1
    and L2 in the unit of the loss.

    Known degeneracies: C - alpha - beta as in Chinchilla. What L1 and L2 are off by is not counted.

    Source: Aghajanyan et al. 2023, arXiv:2301.03728.
    """

    C: Scalar = offset("what one modality brings the other", positive=False)
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="beta"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    per_1: Scalar = constant(1.0, units=1, per=dict(L1=-1), doc="losses in one of L1")
    per_2: Scalar = constant(1.0, units=1, per=dict(L2=-1), doc="losses in one of L2")
    example = Example(
        dict(C=0.2, A=90.0, B=400.0, alpha=0.3, beta=0.33), dict(L1=(2.0, 4.0), L2=(3.0, 6.0))
    )

    def __call__(self, N: Any, D: Any, L1: Any, L2: Any) -> Any:
        """Return (L1 + L2) / 2 - C + A N^-alpha + B D^-beta."""
        alone = 0.5 * (self.per_1 * L1 + self.per_2 * L2)
        return alone - self.C + self.A * power(N, -self.alpha) + self.B * power(D, -self.beta)
