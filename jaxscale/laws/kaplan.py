"""The laws of Kaplan et al. 2020, in N, D, C alone, in (N, D) and in (N, S_min).

The paper's scales N_c, D_c, C_c, S_c are badly conditioned (N_c = A^(1/alpha)): the fields are
the coefficients at unit scale, and the paper's constants are derived from them.
"""

from __future__ import annotations

from typing import Any

from jaxscale._numerics.positive import power
from jaxscale._numerics.pytree import static
from jaxscale.flops import SIX_ND, Flops
from jaxscale.laws.closed_form import Sum, Term
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, exponent

SOURCE = "Kaplan et al. 2020, arXiv:2001.08361"
PROTEIN = "protein language models, 2024, arXiv:2411.02142"
PF_DAY = 8.64e19
"""FLOPs in one petaFLOP/s-day."""


class KaplanN(Law):
    """L(N) = (N_c / N)^alpha_N.

    Loss of models trained to convergence on enough data; N without embeddings, in parameters.
    Units: A as L times N^alpha_N.

    Source: Kaplan et al. 2020, arXiv:2001.08361, equation 1.1.
    """

    A: Scalar = coefficient("N_c^alpha_N", per=dict(N="alpha_N"))
    alpha_N: Scalar = exponent("model-size exponent")
    presets = {"kaplan_2020": Preset(SOURCE, {"A": 8.8e13**0.076, "alpha_N": 0.076})}
    derived_docs = {"N_c": "scale of N, parameters"}
    example = Example(dict(A=11.0, alpha_N=0.076))

    def __call__(self, N: Any) -> Any:
        """Return A N^-alpha_N."""
        return self.A * power(N, -self.alpha_N)

    def closed_form(self) -> Sum:
        """Return A N^-alpha_N."""
        return Sum(0.0, (Term("N", self.A, self.alpha_N),))

    def derived(self) -> dict[str, Any]:
        """Return N_c in parameters."""
        return {"N_c": power(self.A, 1 / self.alpha_N)}


class KaplanD(Law):
    """L(D) = (D_c / D)^alpha_D.

    Loss of large models with early stopping; D in tokens. Units: B as L times D^alpha_D.

    Source: Kaplan et al. 2020, arXiv:2001.08361, equation 1.2.
    """

    B: Scalar = coefficient("D_c^alpha_D", per=dict(D="alpha_D"))
    alpha_D: Scalar = exponent("data-size exponent")
    presets = {"kaplan_2020": Preset(SOURCE, {"B": 5.4e13**0.095, "alpha_D": 0.095})}
    derived_docs = {"D_c": "scale of D, tokens"}
    example = Example(dict(B=18.0, alpha_D=0.095))

    def __call__(self, D: Any) -> Any:
        """Return B D^-alpha_D."""
        return self.B * power(D, -self.alpha_D)

    def closed_form(self) -> Sum:
        """Return B D^-alpha_D."""
        return Sum(0.0, (Term("D", self.B, self.alpha_D),))

    def derived(self) -> dict[str, Any]:
        """Return D_c in tokens."""
        return {"D_c": power(self.B, 1 / self.alpha_D)}


class KaplanC(Law):
    """L(C) = (C_c / C)^alpha_C.

    Loss of the best model at each compute; C in FLOPs (the paper counts PF-days of 8.64e19
    FLOPs). Units: K as L times C^alpha_C.

    Source: Kaplan et al. 2020, arXiv:2001.08361, equation 1.3 (C_min).
    """

    K: Scalar = coefficient("C_c^alpha_C", per=dict(C="alpha_C"))
    alpha_C: Scalar = exponent("compute exponent")
    presets = {
        "kaplan_2020": Preset(
            SOURCE,
            {"K": (3.1e8 * PF_DAY) ** 0.050, "alpha_C": 0.050},
            note="C_min, the compute at small batch: 3.1e8 PF-days",
        ),
        "dit_2024": Preset(
            "diffusion transformers, 2024, arXiv:2410.08184",
            {"K": 2.3943, "alpha_C": 0.0273},
            note="the best N is .0009 C^.5681, the best D 186.8535 C^.4319",
        ),
        "protein_clm_2024": Preset(
            PROTEIN,
            {"K": 2.3606, "alpha_C": 0.02493},
            note="causal; the best N is .0033057 C^.5561, the best D 130.2 C^.4261",
        ),
        "protein_mlm_2024": Preset(
            PROTEIN,
            {"K": 2.1261, "alpha_C": 0.02873},
            note="masked; the best N is 1.36464e-7 C^.7598, the best D 6.149e5 C^.25613",
        ),
    }
    derived_docs = {"C_c": "scale of C, FLOPs"}
    example = Example(dict(K=28.0, alpha_C=0.05), inputs=dict(C=(1e18, 5e21)))

    def __call__(self, C: Any) -> Any:
        """Return K C^-alpha_C."""
        return self.K * power(C, -self.alpha_C)

    def closed_form(self) -> Sum:
        """Return K C^-alpha_C."""
        return Sum(0.0, (Term("C", self.K, self.alpha_C),))

    def derived(self) -> dict[str, Any]:
        """Return C_c in FLOPs."""
        return {"C_c": power(self.K, 1 / self.alpha_C)}


class Kaplan(Law):
    """L(N, D) = [(N_c / N)^(alpha_N / alpha_D) + D_c / D]^alpha_D.

    N without embeddings. Written with A = N_c^alpha_N and B = D_c^alpha_D, the losses at unit
    scale when the other resource is unlimited. There is no irreducible loss. Units: A as L times
    N^alpha_N, B as L times D^alpha_D.

    Source: Kaplan et al. 2020, arXiv:2001.08361, equation 1.5.

    Example:
        >>> import jaxscale
        >>> law = jaxscale.Kaplan.preset("kaplan_2020")
        >>> round(float(jaxscale.predict(law, N=1e9, D=1e11)), 2)
        2.33
    """

    A: Scalar = coefficient("N_c^alpha_N", per=dict(N="alpha_N"), linear=False)
    B: Scalar = coefficient("D_c^alpha_D", per=dict(D="alpha_D"), linear=False)
    alpha_N: Scalar = exponent("model-size exponent")
    alpha_D: Scalar = exponent("data-size exponent", bounds=(1e-3, 5.0))
    flops: Flops = static(default=SIX_ND, repr=False)
    presets = {
        "kaplan_2020": Preset(
            SOURCE,
            {"A": 6.4e13**0.076, "B": 1.8e13**0.103, "alpha_N": 0.076, "alpha_D": 0.103},
        )
    }
    derived_docs = {"N_c": "scale of N, parameters", "D_c": "scale of D, tokens"}
    example = Example(dict(A=11.0, B=23.0, alpha_N=0.08, alpha_D=0.11))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return the loss of an early-stopped model of N parameters on D tokens."""
        model = power(self.A * power(N, -self.alpha_N), 1 / self.alpha_D)
        data = power(self.B * power(D, -self.alpha_D), 1 / self.alpha_D)
        return power(model + data, self.alpha_D)

    def closed_form(self) -> Sum:
        """Return the sum of the two terms to the power 1 / alpha_D, raised to alpha_D."""
        up, down = power(self.A, 1 / self.alpha_D), power(self.B, 1 / self.alpha_D)
        terms = Term("N", up, self.alpha_N / self.alpha_D), Term("D", down, 1.0)
        return Sum(0.0, terms, self.alpha_D)

    def derived(self) -> dict[str, Any]:
        """Return N_c in parameters and D_c in tokens."""
        return {
            "N_c": power(self.A, 1 / self.alpha_N),
            "D_c": power(self.B, 1 / self.alpha_D),
        }


class KaplanSteps(Law):
    """L(N, S) = (N_c / N)^alpha_N + (S_c / S)^alpha_S.

    Loss after S optimizer steps at large batch; give S = S_min (`minimum_steps` turns steps at a
    finite batch into it). Units: A as L times N^alpha_N, K as L times steps^alpha_S.

    Source: Kaplan et al. 2020, arXiv:2001.08361, equation 1.6.
    """

    A: Scalar = coefficient("N_c^alpha_N", per=dict(N="alpha_N"))
    K: Scalar = coefficient("S_c^alpha_S", per=dict(S="alpha_S"))
    alpha_N: Scalar = exponent("model-size exponent")
    alpha_S: Scalar = exponent("step exponent")
    derived_docs = {"N_c": "scale of N, parameters", "S_c": "scale of S, steps"}
    example = Example(dict(A=11.0, K=300.0, alpha_N=0.08, alpha_S=0.76), inputs=dict(S=(1e3, 1e6)))

    def __call__(self, N: Any, S: Any) -> Any:
        """Return A N^-alpha_N + K S^-alpha_S."""
        return self.A * power(N, -self.alpha_N) + self.K * power(S, -self.alpha_S)

    def closed_form(self) -> Sum:
        """Return A N^-alpha_N + K S^-alpha_S."""
        return Sum(0.0, (Term("N", self.A, self.alpha_N), Term("S", self.K, self.alpha_S)))

    def derived(self) -> dict[str, Any]:
        """Return N_c in parameters and S_c in steps."""
        return {
            "N_c": power(self.A, 1 / self.alpha_N),
            "S_c": power(self.K, 1 / self.alpha_S),
        }


def critical_batch(loss: Any, *, B_star: Any = 2e8, alpha_B: Any = 0.21) -> Any:
    """Return the critical batch size B* / L^(1/alpha_B) at a loss.

    Args:
        loss: loss reached, nats/token.
        B_star: tokens; the paper's 2e8.
        alpha_B: the paper's 0.21.

    Returns:
        Tokens per batch at which training takes twice the minimum of steps and of examples.

    Source: Kaplan et al. 2020, arXiv:2001.08361, equation 5.3.
    """
    return B_star * power(loss, -1 / alpha_B)


def minimum_steps(steps: Any, batch: Any, loss: Any, **constants: Any) -> Any:
    """Return S_min = S / (1 + B_crit / B), the steps that an unlimited batch would have taken.

    Args:
        steps: steps taken.
        batch: tokens per batch.
        loss: loss reached, nats/token.
        **constants: `B_star` and `alpha_B` of `critical_batch`.

    Source: Kaplan et al. 2020, arXiv:2001.08361, equation 5.4.
    """
    return steps / (1 + critical_batch(loss, **constants) / batch)
