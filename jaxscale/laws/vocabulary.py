"""The law of vocabulary size, and the tokens that its source counts."""

from __future__ import annotations

from typing import Any

from jaxscale._numerics.positive import log, power
from jaxscale.laws.closed_form import Sum, Term
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, exponent


class Vocabulary(Law):
    """L(N_nv, N_v, D) = -E + A1 N_nv^-alpha1 + A2 N_v^-alpha2 + B D^-beta.

    L is the loss less that of a unigram model, which is negative: fit it with
    `residual="absolute"`. N_nv are parameters without the vocabulary's, N_v those of the
    vocabulary, V d. D are tokens; the preset's are those of `vocabulary_tokens`. The paper has
    beta = alpha1: `tie={"beta": "alpha1"}`.

    Units: E as L, A1 as L times N_nv^alpha1, A2 as L times N_v^alpha2, B as L times D^beta.

    Known degeneracies: E against all three terms where they are small.

    Source: Tao et al. 2024, arXiv:2407.13623.

    Try on: the 1,054 runs of the paper's fit in its repository (scaling-with-vocab).
    """

    E: Scalar = coefficient("loss below the unigram model's, at most")
    A1: Scalar = coefficient("of parameters without vocabulary", per=dict(N_nv="alpha1"))
    A2: Scalar = coefficient("of the vocabulary's parameters", per=dict(N_v="alpha2"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="beta"))
    alpha1: Scalar = exponent("exponent of parameters without vocabulary")
    alpha2: Scalar = exponent("exponent of the vocabulary's parameters")
    beta: Scalar = exponent("data-size exponent")
    presets = {
        "tao_2024": Preset(
            "Tao et al. 2024, arXiv:2407.13623, values of its code; D by `vocabulary_tokens`",
            {
                "E": 5.5327847,
                "A1": 1.8313852 * 1e6**0.4466063,
                "A2": 0.1958424 * 1e6**0.6707375,
                "B": 2.1241123 * 1e9**0.4466063,
                "alpha1": 0.4466063,
                "alpha2": 0.6707375,
                "beta": 0.4466063,
            },
            note="its code counts N_nv and N_v in millions, D in billions",
        )
    }
    example = Example(
        dict(E=5.5, A1=870.0, A2=2080.0, B=22000.0, alpha1=0.45, alpha2=0.67, beta=0.45),
        dict(N_nv=(3e7, 1e9), N_v=(2e6, 1e8), D=(5e8, 5e10)),
    )

    def __call__(self, N_nv: Any, N_v: Any, D: Any) -> Any:
        """Return the loss less the unigram model's."""
        sizes = self.A1 * power(N_nv, -self.alpha1) + self.A2 * power(N_v, -self.alpha2)
        return sizes + self.B * power(D, -self.beta) - self.E

    def closed_form(self) -> Sum:
        """Return -E + A1 N_nv^-alpha1 + A2 N_v^-alpha2 + B D^-beta."""
        sizes = Term("N_nv", self.A1, self.alpha1), Term("N_v", self.A2, self.alpha2)
        return Sum(-self.E, (*sizes, Term("D", self.B, self.beta)))


def vocabulary_tokens(characters: Any, vocabulary: Any) -> Any:
    """Return the D of Tao's preset: characters times f(V / 1000).

    f(V) = .00639222 (ln V)² - .15811069 ln V + 1.20470122 is the paper's fit of tokens per
    character at a vocabulary of V. Its code passes V in thousands, and its fitted values go with
    that: the tokens of a run are `characters` times f(V).

    Args:
        characters: H of the training text.
        vocabulary: V, entries.

    Source: Tao et al. 2024, arXiv:2407.13623, and its code.
    """
    ln = log(vocabulary / 1000.0)
    return characters * (0.00639222 * ln**2 - 0.15811069 * ln + 1.20470122)
