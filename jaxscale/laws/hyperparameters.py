"""Laws of the best learning rate and the best batch, and of what a batch costs.

The best setting is the `loss` of a table of such runs: one row for each sweep, its size and the
setting that was best. These laws are straight lines of logarithms.
"""

from __future__ import annotations

from typing import Any

from jaxscale._numerics.positive import power
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, exponent, scale

EITHER_SIGN = dict(start=(-1.0, 1.0), bounds=(-5.0, 5.0))
STEP_LAW = "Li et al. 2025 (Step Law), arXiv:2503.04715"
DEEPSEEK = "DeepSeek-AI 2024, arXiv:2401.02954"
LING = "Tian et al. 2025, arXiv:2507.17702"
OLMO = "allenai/OLMo-core (github.com), rule of its ladder"
PORIAN = "Porian et al. 2024, arXiv:2406.19146"


class LearningRate(Law):
    """lr(N, D) = c N^a D^b.

    Units: c as lr times N^-a D^-b; N in parameters, D in tokens.

    Known degeneracies: a against b where D follows N. Sources disagree on the sign of b: tuned
    with the batch it rises, with the batch held it falls.

    Source: Li et al. 2025, arXiv:2503.04715; Björck et al. 2024, arXiv:2409.19913; Porian et al.
    2024, arXiv:2406.19146.

    Try on: the 17 best settings of the dense sweep of Step Law's repository.
    """

    c: Scalar = coefficient("height", per=dict(N="-a", D="-b"))
    a: Scalar = exponent("model-size exponent", **EITHER_SIGN)
    b: Scalar = exponent("data-size exponent", **EITHER_SIGN)
    presets = {
        "step_law_2025": Preset(
            STEP_LAW,
            {"c": 1.79, "a": -0.713, "b": 0.307},
            note="N without embeddings; batch tuned as well",
        ),
        "bjorck_2024": Preset(
            "Björck et al. 2024, arXiv:2409.19913; N and D in billions there",
            {"c": 1.55e-3 * 1e9 ** (0.23 + 0.32), "a": -0.23, "b": -0.32},
            note="batch held",
        ),
        "porian_2024": Preset(PORIAN, {"c": 3.7, "a": -0.36, "b": 0.0}),
        "olmo_core": Preset(
            f"{OLMO}: .0047 (N / 108e6)^(-1/3) / 2",
            {"c": 0.0047 / 2 * 108e6 ** (1 / 3), "a": -1 / 3, "b": 0.0},
        ),
    }
    example = Example(dict(c=1.8, a=-0.71, b=0.31))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return c N^a D^b."""
        return self.c * power(N, self.a) * power(D, self.b)


class BatchSize(Law):
    """batch(N, D) = c N^a D^b.

    Units: c as the batch times N^-a D^-b; the presets' batches are in tokens.

    Known degeneracies: a against b where D follows N.

    Source: Li et al. 2025, arXiv:2503.04715; Porian et al. 2024, arXiv:2406.19146.

    Try on: the 17 best settings of the dense sweep of Step Law's repository.
    """

    c: Scalar = coefficient("height", per=dict(N="-a", D="-b"))
    a: Scalar = exponent("model-size exponent", **EITHER_SIGN)
    b: Scalar = exponent("data-size exponent", **EITHER_SIGN)
    presets = {
        "step_law_2025": Preset(STEP_LAW, {"c": 0.58, "a": 0.0, "b": 0.571}),
        "porian_2024": Preset(
            PORIAN,
            {"c": 2048 * 3.7e-4, "a": 0.703, "b": 0.0},
            note="the paper counts sequences of 2,048 tokens",
        ),
        "olmo_core": Preset(
            f"{OLMO}: 160 sequences of 2,048 tokens, times (N / 108e6)^(2/3)",
            {"c": 2048 * 160 * 108e6 ** (-2 / 3), "a": 2 / 3, "b": 0.0},
        ),
    }
    example = Example(dict(c=0.6, a=0.1, b=0.5))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return c N^a D^b."""
        return self.c * power(N, self.a) * power(D, self.b)


class LearningRateByCompute(Law):
    """lr(C) = c C^a.

    Units: c as lr times C^-a; C in FLOPs.

    Known degeneracies: none beyond those of a line.

    Source: DeepSeek-AI 2024, arXiv:2401.02954; Tian et al. 2025, arXiv:2507.17702.
    """

    c: Scalar = coefficient("height", per=dict(C="-a"))
    a: Scalar = exponent("compute exponent", **EITHER_SIGN)
    presets = {
        "deepseek_2024": Preset(DEEPSEEK, {"c": 0.3118, "a": -0.125}),
        "ling_2025": Preset(LING, {"c": 1.1576, "a": -0.1529}),
    }
    example = Example(dict(c=0.3, a=-0.125))

    def __call__(self, C: Any) -> Any:
        """Return c C^a."""
        return self.c * power(C, self.a)


class BatchSizeByCompute(Law):
    """batch(C) = c C^a.

    Units: c as the batch, tokens in the presets, times C^-a; C in FLOPs.

    Known degeneracies: none beyond those of a line.

    Source: DeepSeek-AI 2024, arXiv:2401.02954; Tian et al. 2025, arXiv:2507.17702.
    """

    c: Scalar = coefficient("height", per=dict(C="-a"))
    a: Scalar = exponent("compute exponent", **EITHER_SIGN)
    presets = {
        "deepseek_2024": Preset(DEEPSEEK, {"c": 0.2920, "a": 0.3271}),
        "ling_2025": Preset(LING, {"c": 0.0694, "a": 0.3644}),
    }
    example = Example(dict(c=0.3, a=0.33))

    def __call__(self, C: Any) -> Any:
        """Return c C^a."""
        return self.c * power(C, self.a)


class LearningRateByWidth(Law):
    """lr(D, width, B) = c D^a width^w B^s.

    The width of the model, and B tokens per batch; s is 1/2 where noise sets the rate.

    Units: c as lr times D^-a width^-w B^-s.

    Known degeneracies: exponents of inputs that follow each other.

    Source: marin-community/marin (github.com), issue 5951.
    """

    c: Scalar = coefficient("height", per=dict(D="-a", width="-w", B="-s"))
    a: Scalar = exponent("data-size exponent", **EITHER_SIGN)
    w: Scalar = exponent("exponent of the width", **EITHER_SIGN)
    s: Scalar = exponent("exponent of the batch", **EITHER_SIGN)
    presets = {
        "marin_2025": Preset(
            "marin-community/marin (github.com), issue 5951",
            {"c": 0.06602, "a": -0.395, "w": -0.150, "s": 0.5},
        )
    }
    example = Example(
        dict(c=0.07, a=-0.4, w=-0.15, s=0.5), dict(width=(256.0, 4096.0), B=(1e5, 1e7))
    )

    def __call__(self, D: Any, width: Any, B: Any) -> Any:
        """Return c D^a width^w B^s."""
        return self.c * power(D, self.a) * power(width, self.w) * power(B, self.s)


class PowerLines(Law):
    """tau(N, D) = c (D / N)^m.

    The best timescale of AdamW's average, B / (lr weight_decay D), as a share of training. The
    paper finds m = -.527; the best weight decay follows from the batch and the learning rate.

    Units: c as tau times (D / N)^-m.

    Known degeneracies: none beyond those of a line.

    Source: Bergsma et al. 2025, arXiv:2505.13738.
    """

    c: Scalar = coefficient("height", per=dict(N="m", D="-m"))
    m: Scalar = exponent("exponent of tokens per parameter", **EITHER_SIGN)
    example = Example(dict(c=1.1, m=-0.53))

    def __call__(self, N: Any, D: Any) -> Any:
        """Return c (D / N)^m."""
        return self.c * power(D, self.m) * power(N, -self.m)


class CriticalBatch(Law):
    """B_crit(L) = B_star L^(-1 / alpha_B).

    The batch at a loss L that takes twice the least number of steps and twice the least number of
    tokens; it is what `loss` is of runs of this law.

    Units: B_star as the batch, tokens in the preset, times L^(1 / alpha_B).

    Known degeneracies: none beyond those of a line.

    Source: Kaplan et al. 2020, arXiv:2001.08361.
    """

    B_star: Scalar = coefficient("batch at a loss of 1", per=dict(L="1/alpha_B"))
    alpha_B: Scalar = exponent("exponent", bounds=(0.01, 5.0))
    presets = {
        "kaplan_2020": Preset(
            "Kaplan et al. 2020, arXiv:2001.08361", {"B_star": 2e8, "alpha_B": 0.21}
        )
    }
    example = Example(dict(B_star=2e8, alpha_B=0.2), dict(L=(2.0, 6.0)))

    def __call__(self, L: Any) -> Any:
        """Return B_star L^(-1 / alpha_B)."""
        return self.B_star * power(L, -1 / self.alpha_B)


class StepsAtBatch(Law):
    """S(B) = S_min (1 + B_crit / B).

    Steps to one and the same loss at a batch B: (S / S_min - 1) (E / E_min - 1) = 1 with E = S B.

    Units: S_min as S, B_crit as B.

    Known degeneracies: B_crit where all batches are larger, S_min where all are smaller.

    Source: McCandlish et al. 2018, arXiv:1812.06162.
    """

    S_min: Scalar = coefficient("least number of steps")
    B_crit: Scalar = scale("critical batch", per=dict(B=1))
    derived_docs = {"E_min": "least number of tokens, or what B counts"}
    example = Example(dict(S_min=2e4, B_crit=1e6), dict(B=(3e4, 3e7)))

    def __call__(self, B: Any) -> Any:
        """Return S_min (1 + B_crit / B)."""
        return self.S_min * (1 + self.B_crit / B)

    def derived(self) -> dict[str, Any]:
        """Return S_min B_crit."""
        return {"E_min": self.S_min * self.B_crit}
