"""Laws of models with fewer weights or fewer bits than they could have."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp

from jaxscale._numerics.positive import exp, log, power
from jaxscale._numerics.pytree import static
from jaxscale.flops import SIX_ND, Flops
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, exponent, offset, scale


class SparsePruned(Law):
    """L(N, D, S) = c + (c_S + a_S (1 - S)^b_S) N^-b_N + B D^-b_D.

    N parameters that are not zero, S the share of zeros, at least 0 and below 1; B is the paper's
    a_D^b_D.

    Units: c as L, a_S and c_S as L times N^b_N, B as L times D^b_D.

    Known degeneracies: a_S against c_S where S spans little; c - b_N - b_D as in Chinchilla.

    Source: Frantar et al. 2023, arXiv:2309.08520.
    """

    c: Scalar = offset("irreducible loss")
    c_S: Scalar = coefficient("model-size coefficient of the sparsest", per=dict(N="b_N"))
    a_S: Scalar = coefficient("what denser ones lack", per=dict(N="b_N"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="b_D"))
    b_S: Scalar = exponent("exponent of density")
    b_N: Scalar = exponent("model-size exponent")
    b_D: Scalar = exponent("data-size exponent")
    input_kinds: ClassVar = dict(S="raw")
    presets = {
        "t5": Preset(
            "Frantar et al. 2023, arXiv:2309.08520, T5 on C4",
            dict(c=0.651, c_S=45.0, a_S=16.8, B=6.90e8**0.203, b_S=0.722, b_N=0.245, b_D=0.203),
        )
    }
    derived_docs = {"a_D": "scale of D, where the data term is 1"}
    example = Example(
        dict(c=0.65, c_S=45.0, a_S=17.0, B=60.0, b_S=0.72, b_N=0.25, b_D=0.2),
        dict(S=(0.0, 0.95)),
    )

    def __call__(self, N: Any, D: Any, S: Any) -> Any:
        """Return c + (c_S + a_S (1 - S)^b_S) N^-b_N + B D^-b_D."""
        height = self.c_S + self.a_S * power(1.0 - S, self.b_S)
        return self.c + height * power(N, -self.b_N) + self.B * power(D, -self.b_D)

    def derived(self) -> dict[str, Any]:
        """Return B^(1 / b_D)."""
        return {"a_D": power(self.B, 1 / self.b_D)}


class Precision(Law):
    """L(N, D, P_w, P_a, P_kv) = E + A (N w a kv)^-alpha + B D^-beta, w = 1 - exp(-P_w / gamma_w).

    Training in P_w bits of the weights, P_a of the activations, P_kv of the attention's cache, each
    of which leaves a share of N.

    Units: E as L, A as L times N^alpha, B as L times D^beta; each gamma in bits.

    Known degeneracies: the three gammas, unless each precision is varied by itself; the paper's
    compute-optimal precision is 7 to 8 bits.

    Source: Kumar et al. 2024, arXiv:2411.04330, its form.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="beta"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    gamma_w: Scalar = scale("bits that weights need", per=dict(P_w=1), start=(-2.5, 1.0))
    gamma_a: Scalar = scale("bits that activations need", per=dict(P_a=1), start=(-2.5, 1.0))
    gamma_kv: Scalar = scale("bits that the cache needs", per=dict(P_kv=1), start=(-2.5, 1.0))
    flops: Flops = static(default=SIX_ND, repr=False)
    example = Example(
        dict(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)
        | dict(gamma_w=2.5, gamma_a=2.2, gamma_kv=0.9),
        dict(P_w=(3.0, 16.0), P_a=(3.0, 16.0), P_kv=(1.0, 16.0)),
    )

    def __call__(self, N: Any, D: Any, P_w: Any, P_a: Any, P_kv: Any) -> Any:
        """Return the loss of training in P_w, P_a and P_kv bits."""
        bits = (P_w, self.gamma_w), (P_a, self.gamma_a), (P_kv, self.gamma_kv)
        of_N = self.A * power(N, -self.alpha)
        for each, need in bits:
            of_N = of_N * power(-jnp.expm1(-each / need), -self.alpha)
        return self.E + of_N + self.B * power(D, -self.beta)


class PostTrainingQuantization(Law):
    """delta(N, D, P) = C_T D^gamma_D N^-gamma_N exp(-P / gamma).

    By how much the loss rises when the weights are rounded to P bits after training: more, the
    longer a model was trained. It is what `loss` is of runs of this law.

    Units: C_T as delta times N^gamma_N D^-gamma_D, gamma in bits.

    Known degeneracies: none beyond those of a plane of logarithms.

    Source: Kumar et al. 2024, arXiv:2411.04330, its form.
    """

    C_T: Scalar = coefficient("height", per=dict(D="-gamma_D", N="gamma_N"))
    gamma_D: Scalar = exponent("data-size exponent")
    gamma_N: Scalar = exponent("model-size exponent")
    gamma: Scalar = scale("bits that halve the rise, over log 2", per=dict(P=1))
    example = Example(dict(C_T=0.07, gamma_D=0.5, gamma_N=0.54, gamma=1.6), dict(P=(3.0, 8.0)))

    def __call__(self, N: Any, D: Any, P: Any) -> Any:
        """Return C_T D^gamma_D N^-gamma_N exp(-P / gamma)."""
        height = self.C_T * power(D, self.gamma_D) * power(N, -self.gamma_N)
        return height * exp(-P / self.gamma)


class QuantizationAware(Law):
    """L(N, D, G) = E + A N^-alpha + B D^-beta + k D^gamma_D (log2 G)^gamma_G N^-gamma_N.

    Training with weights and activations rounded in groups of G numbers, G above 1. The law of
    runs in full precision is the first three terms: hold them where they are known.

    Units: E as L, A as L times N^alpha, B as L times D^beta, k as L times N^gamma_N D^-gamma_D.

    Known degeneracies: without runs in full precision, all terms of N and of D.

    Source: arXiv:2505.14302, its form.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="beta"))
    k: Scalar = coefficient("of rounding", per=dict(D="-gamma_D", N="gamma_N"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    gamma_D: Scalar = exponent("data-size exponent of rounding")
    gamma_G: Scalar = exponent("exponent of the group")
    gamma_N: Scalar = exponent("model-size exponent of rounding")
    flops: Flops = static(default=SIX_ND, repr=False)
    input_kinds: ClassVar = dict(G="raw")
    example = Example(
        dict(E=1.8, A=480.0, B=2100.0, k=0.6, alpha=0.35, beta=0.36)
        | dict(gamma_D=0.06, gamma_G=0.6, gamma_N=0.3),
        dict(G=(2.0, 256.0)),
    )

    def __call__(self, N: Any, D: Any, G: Any) -> Any:
        """Return the loss of training with groups of G rounded together."""
        full = self.E + self.A * power(N, -self.alpha) + self.B * power(D, -self.beta)
        rounding = self.k * power(D, self.gamma_D) * power(N, -self.gamma_N)
        return full + rounding * power(log(G) / jnp.log(2.0), self.gamma_G)
