"""Laws of the best learning rate and the best batch, and of what a batch costs.

The best setting is the `loss` of a table of such runs: one row for each sweep, its size and the
setting that was best. These laws are straight lines of logarithms.
"""

from __future__ import annotations

from typing import Any

from jaxscale._numerics.positive import power
from jaxscale.laws.law import Example, Law, Preset, Scalar
from jaxscale.laws.parameters import coefficient, exponent

EITHER_SIGN = dict(start=(-1.0, 1.0), bounds=(-5.0, 5.0))
STEP_LAW = "Li et al. 2025 (Step Law), arXiv:2503.04715"
DEEPSEEK = "DeepSeek-AI 2024, arXiv:2401.02954"
LING = "Tian et al. 2025, arXiv:2507.17702"
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
