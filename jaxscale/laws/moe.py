"""Laws of mixtures of experts: how many experts, how fine, how few of them active."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from jaxscale._numerics.positive import exp, log, power
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, constant, exponent, offset, scale

CLARK = "Clark et al. 2022, arXiv:2202.01169"
KRAJEWSKI = "Krajewski et al. 2024, arXiv:2402.07871"
EITHER_SIGN = dict(start=(-0.5, 0.5), bounds=(-5.0, 5.0))
TOGETHER = dict(start=(-0.1, 0.1), bounds=(-2.0, 2.0))
TEN = math.log(10)


def saturated(experts: Any, first: Any, most: Any) -> Any:
    """Return how many experts count: from `first`, where there is one, up to `most`.

    1 / E' = 1 / (E - 1 + 1 / (1 / first - 1 / most)) + 1 / most.

    Args:
        experts: E, any shape.
        first: E_start.
        most: E_max, larger.

    Source: Clark et al. 2022, arXiv:2202.01169.
    """
    return 1 / (1 / (experts - 1 + 1 / (1 / first - 1 / most)) + 1 / most)


def _clark(a: float, b: float, c: float, d: float) -> dict[str, float]:
    """Return the paper's values, which go with decimal logarithms, as those of natural ones."""
    return {"a": a, "b": b, "c": c / TEN, "d": d * TEN}


class Routed(Law):
    """log L(N, E) = d + a log N + b log E' + c log N log E'.

    N parameters of the dense model that E experts extend; E' is E between E_start and E_max
    (`saturated`). Natural logarithms: c and d are the paper's over and times log 10.

    Units: d moves with log L and log N, b with log N; E_start and E_max are numbers of experts.

    Known degeneracies: E_start without runs of few experts, E_max without runs of many; c where
    N spans little.

    Source: Clark et al. 2022, arXiv:2202.01169.

    Try on: the curves of the paper's repository (scaling_laws_for_routing).
    """

    a: Scalar = coefficient("of log N", positive=False)
    b: Scalar = offset("of log E'", positive=False, units=0, shift=dict(N="-c"))
    c: Scalar = coefficient("how N and E act together", positive=False)
    d: Scalar = offset("log loss", positive=False, shift=dict(N="-a"))
    E_start: Scalar = scale("experts that one counts for", start=(0.2, 2.5))
    E_max: Scalar = scale("experts that all count for", start=(4.0, 8.0))
    input_kinds: ClassVar = dict(E="raw")
    response: ClassVar[str] = "log"
    presets = {
        "s_base": Preset(
            f"{CLARK}, S-BASE",
            {**_clark(-0.082, -0.108, 0.009, 1.104), "E_start": 1.847, "E_max": 314.478},
        ),
        "rl_r": Preset(
            f"{CLARK}, RL-R",
            {**_clark(-0.083, -0.126, 0.012, 1.111), "E_start": 1.880, "E_max": 469.982},
        ),
        "hash": Preset(
            f"{CLARK}, HASH",
            {**_clark(-0.087, -0.136, 0.012, 1.157), "E_start": 4.175, "E_max": 477.741},
        ),
    }
    derived_docs = {"N_cutoff": "N from which more experts bring nothing"}
    example = Example(
        dict(a=-0.08, b=-0.11, c=0.004, d=2.5, E_start=2.0, E_max=310.0), dict(E=(1.0, 512.0))
    )

    def __call__(self, N: Any, E: Any) -> Any:
        """Return the logarithm of the loss."""
        experts = log(saturated(E, self.E_start, self.E_max))
        return self.d + self.a * log(N) + (self.b + self.c * log(N)) * experts

    def derived(self) -> dict[str, Any]:
        """Return exp(-b / c)."""
        return {"N_cutoff": exp(-self.b / self.c)}


class FineGrainedMoE(Law):
    """L(N, D, G) = c + (a + g G^-gamma) N^-alpha + b D^-beta.

    N parameters, all experts counted, G their granularity: into how many parts an expert of the
    size of a dense layer is cut.

    Units: c as L, a as L times N^alpha, g as that times G^gamma, b as L times D^beta.

    Known degeneracies: a against g where G spans little; c - alpha - beta as in Chinchilla.

    Source: Krajewski et al. 2024, arXiv:2402.07871.
    """

    c: Scalar = offset("irreducible loss")
    a: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    g: Scalar = coefficient("what finer experts save", per=dict(N="alpha", G="gamma"))
    b: Scalar = coefficient("data-size coefficient", per=dict(D="beta"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    gamma: Scalar = exponent("exponent of granularity")
    presets = {
        "moe": Preset(
            f"{KRAJEWSKI}, mixture of experts",
            dict(c=0.47, a=18.1, g=2.1, b=30.8, alpha=0.115, beta=0.147, gamma=0.58),
        ),
        "dense": Preset(
            f"{KRAJEWSKI}, dense; c held at that of the mixture of experts",
            dict(c=0.47, a=16.3, g=0.0, b=26.7, alpha=0.126, beta=0.127, gamma=0.58),
            note="no experts: G does nothing",
        ),
    }
    example = Example(
        dict(c=1.2, a=200.0, g=60.0, b=900.0, alpha=0.3, beta=0.32, gamma=0.6),
        dict(G=(1.0, 64.0)),
    )

    def __call__(self, N: Any, D: Any, G: Any) -> Any:
        """Return c + (a + g G^-gamma) N^-alpha + b D^-beta."""
        height = self.a + self.g * power(G, -self.gamma)
        return self.c + height * power(N, -self.alpha) + self.b * power(D, -self.beta)


class JointMoE(Law):
    """L(N, D, E) = c + a N^-alpha E'^p + b D^-beta E'^q, p = delta + gamma n, q = omega + zeta d.

    N active parameters, E experts, E' as in `Routed`; n = log(N / N0) and d = log(D / D0). N0 and
    D0 are constants, at which delta and omega are measured; the paper's are 1.

    Units: c as L, a as L times N^alpha, b as L times D^beta; N0 as N, D0 as D.

    Known degeneracies: E_start and E_max as in `Routed`; gamma and zeta where N or D spans little.

    Source: Ludziejewski et al. 2025, arXiv:2502.05172, its form; signs are left free.
    """

    c: Scalar = offset("irreducible loss")
    a: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    b: Scalar = coefficient("data-size coefficient", per=dict(D="beta"))
    alpha: Scalar = exponent("model-size exponent of one expert")
    beta: Scalar = exponent("data-size exponent of one expert")
    delta: Scalar = exponent("exponent of experts in a, at N0", **EITHER_SIGN)
    omega: Scalar = exponent("exponent of experts in b, at D0", **EITHER_SIGN)
    gamma: Scalar = exponent("how experts and N act together", **TOGETHER)
    zeta: Scalar = exponent("how experts and D act together", **TOGETHER)
    E_start: Scalar = scale("experts that one counts for", start=(0.2, 2.5))
    E_max: Scalar = scale("experts that all count for", start=(4.0, 8.0))
    N0: Scalar = constant(1e9, per=dict(N=1), doc="N of reference")
    D0: Scalar = constant(1e11, per=dict(D=1), doc="D of reference")
    input_kinds: ClassVar = dict(E="raw")
    example = Example(
        dict(c=1.4, a=36.0, b=36.0, alpha=0.19, beta=0.18, delta=0.03, omega=0.1, gamma=-0.01)
        | dict(zeta=0.026, E_start=2.0, E_max=310.0),
        dict(E=(1.0, 64.0)),
    )

    def __call__(self, N: Any, D: Any, E: Any) -> Any:
        """Return the loss of N active parameters of E experts after D tokens."""
        experts = log(saturated(E, self.E_start, self.E_max))
        of_N = self.delta + self.gamma * (log(N) - log(self.N0))
        of_D = self.omega + self.zeta * (log(D) - log(self.D0))
        size = self.a * power(N, -self.alpha) * exp(of_N * experts)
        return self.c + size + self.b * power(D, -self.beta) * exp(of_D * experts)


class SparseMoE(Law):
    """L(N, D, S) = e + a N^-alpha + b D^-beta + c (1 - S)^-lam + d (1 - S)^-delta N^-gamma.

    N parameters, all experts counted; S the sparsity, the share of experts that are not active, at
    least 0 and below 1.

    Units: e and c as L, a as L times N^alpha, d as L times N^gamma, b as L times D^beta.

    Known degeneracies: lam = 0 makes c an e; gamma = alpha and delta = 0 make d an a. On runs not
    used to fit it the paper explains 68 % of the variance, of 99 % on the others.

    Source: Abnar et al. 2025, arXiv:2501.12370.
    """

    e: Scalar = offset("irreducible loss")
    a: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    b: Scalar = coefficient("data-size coefficient", per=dict(D="beta"))
    c: Scalar = coefficient("of sparsity alone")
    d: Scalar = coefficient("of sparsity and model size together", per=dict(N="gamma"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    lam: Scalar = exponent("exponent of active experts alone", **EITHER_SIGN)
    delta: Scalar = exponent("exponent of active experts beside N", **EITHER_SIGN)
    gamma: Scalar = exponent("exponent of N beside active experts")
    input_kinds: ClassVar = dict(S="raw")
    presets = {
        "abnar_2025": Preset(
            "Abnar et al. 2025, arXiv:2501.12370",
            dict(e=0.94, a=16612.5, b=5455.67, c=0.4598, d=17.26, alpha=0.5962, beta=0.3954)
            | dict(lam=-0.1666, delta=0.1603, gamma=0.1595),
        )
    }
    example = Example(
        dict(e=0.9, a=16000.0, b=5500.0, c=0.5, d=17.0, alpha=0.6, beta=0.4)
        | dict(lam=-0.3, delta=0.16, gamma=0.16),
        dict(S=(0.0, 0.98)),
    )

    def __call__(self, N: Any, D: Any, S: Any) -> Any:
        """Return the loss of N parameters, of which 1 - S are active, after D tokens."""
        active = 1.0 - S
        terms = self.a * power(N, -self.alpha) + self.b * power(D, -self.beta)
        sparse = self.d * power(active, -self.delta) * power(N, -self.gamma)
        return self.e + terms + self.c * power(active, -self.lam) + sparse


class EfficiencyLeverage(Law):
    """EL(A, G, C) = (A + A_s)^(a + d log10(C / C0) + beta ln G + gamma (ln G)^2).

    How many times the compute of a mixture of experts a dense model needs for the same loss; it is
    what `loss` is of runs of this law. A is the share of active experts, shared ones counted on
    both sides, G = 2 d_model / d_expert. C0 is a constant, at which a is measured. The paper has
    1 / (A + A_s) + 1 / A_m for the reciprocal of A + A_s, with A_m = 5.28e16, which is nothing.

    Units: all parameters are numbers; C0 as C, `one` as EL.

    Known degeneracies: beta against gamma where G spans little; A_s without very sparse runs.

    Source: Tian et al. 2025, arXiv:2507.17702.
    """

    a: Scalar = exponent("exponent of the share at C0", start=(-2.0, 0.5), bounds=(-10.0, 10.0))
    d: Scalar = exponent("change of the exponent per decade of C", **EITHER_SIGN)
    beta: Scalar = exponent("of ln G", **EITHER_SIGN)
    gamma: Scalar = exponent("of its square", **EITHER_SIGN)
    A_s: Scalar = scale("share below which fewer active experts do nothing", start=(-7.0, -1.0))
    C0: Scalar = constant(1e20, per=dict(C=1), doc="C of reference")
    one: Scalar = constant(1.0, units=1, doc="no gain")
    input_kinds: ClassVar = dict(A="raw", G="raw")
    presets = {
        "tian_2025": Preset(
            "Tian et al. 2025, arXiv:2507.17702",
            dict(a=1.23 - 20 * 0.0761, d=-0.0761, beta=-0.117, gamma=0.0167, A_s=0.0163),
            note="a is 1.23 at C = 1",
        )
    }
    example = Example(
        dict(a=-0.3, d=-0.08, beta=-0.12, gamma=0.017, A_s=0.016),
        dict(A=(0.01, 0.6), G=(1.0, 16.0)),
    )

    def __call__(self, A: Any, G: Any, C: Any) -> Any:
        """Return how many times the compute a dense model needs."""
        decades = (log(C) - log(self.C0)) / TEN
        power_of = self.a + self.d * decades + self.beta * log(G) + self.gamma * log(G) ** 2
        return self.one * power(A + self.A_s, power_of)
