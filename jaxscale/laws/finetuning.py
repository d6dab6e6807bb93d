"""Laws of transfer and of fine-tuning."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp

from jaxscale._numerics.positive import power
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, exponent, offset, scale


class RectifiedFineTuning(Law):
    """L(D) = E + B / (D_l + D^beta).

    The loss after fine-tuning on D examples, which may be none: what pre-training has taught counts
    as D_l. First it falls slowly, then as a power.

    Units: E as L, B as L times D^beta, D_l as D^beta.

    Known degeneracies: below the bend B / D_l alone is seen, above it D_l is not.

    Source: Lin et al. 2024, arXiv:2402.02314.

    Try on: 30 models fine-tuned on FLAN, Gigaword and WMT19, of the paper's repository; one fit
    for each model and task.
    """

    E: Scalar = offset("irreducible loss")
    B: Scalar = coefficient("height", per=dict(D="beta"))
    D_l: Scalar = scale("data that pre-training stands for", per=dict(D="beta"), start=(-5.0, 1.0))
    beta: Scalar = exponent("rate", start=(0.2, 1.5))
    input_kinds: ClassVar = dict(D="signed")
    derived_docs = {"L_0": "loss without fine-tuning", "bend": "D at which D^beta is D_l"}
    example = Example(dict(E=1.2, B=900.0, D_l=300.0, beta=0.6), dict(D=(0.0, 1e6)))

    def __call__(self, D: Any) -> Any:
        """Return E + B / (D_l + D^beta)."""
        some = D > 0  # no slope of D^beta at D = 0
        grown = jnp.where(some, power(jnp.where(some, D, 1.0), self.beta), 0.0)
        return self.E + self.B / (self.D_l + grown)

    def derived(self) -> dict[str, Any]:
        """Return the loss at D = 0, and the D of the bend."""
        return {"L_0": self.E + self.B / self.D_l, "bend": power(self.D_l, 1 / self.beta)}


class Transfer(Law):
    """D_T(D_F, N) = k D_F^alpha N^beta.

    The data that pre-training is worth to fine-tuning on D_F: D_T more would be needed from
    scratch. It is what `loss` is of runs of this law.

    Units: D_T and D_F in characters in the paper, N in parameters without embeddings; k as D_T per
    D_F^alpha N^beta.

    Known degeneracies: k against both exponents, where D_F and N span little.

    Source: Hernandez et al. 2021, arXiv:2102.01293.
    """

    k: Scalar = coefficient("height", per=dict(D_F="-alpha", N="-beta"))
    alpha: Scalar = exponent("exponent of fine-tuning data")
    beta: Scalar = exponent("model-size exponent")
    presets = {
        "text_to_python": Preset(
            "Hernandez et al. 2021, arXiv:2102.01293, pre-trained on text",
            {"k": 1.9e4, "alpha": 0.18, "beta": 0.38},
        ),
        "text_and_code_to_python": Preset(
            "Hernandez et al. 2021, arXiv:2102.01293, pre-trained on half text, half other code",
            {"k": 2.1e5, "alpha": 0.096, "beta": 0.38},
        ),
    }
    example = Example(dict(k=1.9e4, alpha=0.18, beta=0.38), dict(D_F=(3e5, 3e9), N=(3e6, 1e9)))

    def __call__(self, D_F: Any, N: Any) -> Any:
        """Return k D_F^alpha N^beta."""
        return self.k * power(D_F, self.alpha) * power(N, self.beta)
