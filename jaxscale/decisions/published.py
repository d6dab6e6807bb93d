"""Published lines of the best N and D against compute, for reference beside one's own.

Each is a pair of power laws of the compute C in FLOPs, as its source prints them or as they follow
from a law that it prints. They hold for the data, the tokenizer and the count of parameters of
their source: another recipe has another line.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from jaxscale.laws import Chinchilla
from jaxscale.shown.blocks import Shown

PF_DAY = 8.64e19
"""FLOPs of a petaFLOP/s in a day, the unit of Kaplan et al."""


@dataclasses.dataclass(frozen=True)
class PublishedOptimum(Shown):
    """N* = N[0] C^N[1] and D* = D[0] C^D[1].

    Attributes:
        name: of the line.
        source: the paper, and what of it.
        N: coefficient and exponent of the best number of parameters.
        D: those of the best number of tokens.
        per: FLOPs that the line counts per unit of N and token; 6 where N are parameters.
        note: what its N and D are, where that is not the usual.
    """

    name: str
    source: str
    N: tuple[float, float]
    D: tuple[float, float]
    per: float = 6.0
    note: str = ""

    def at(self, C: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return (N, D) at budgets C in FLOPs; N counts C / (6 D) where the source counts M."""
        C = np.asarray(C, float)
        N, D = (line[0] * C ** line[1] for line in (self.N, self.D))
        return N * self.per / 6, D


def _of_law(name: str, source: str, preset: str) -> PublishedOptimum:
    """Return the line of a published law along C = 6 N D; both exponents sum to 1."""
    values = Chinchilla.presets[preset].values
    A, B, alpha, beta = (values[p] for p in ("A", "B", "alpha", "beta"))
    G, a = (alpha * A / (beta * B)) ** (1 / (alpha + beta)), beta / (alpha + beta)
    return PublishedOptimum(name, source, (G * 6**-a, a), (1 / G * 6 ** (a - 1), 1 - a))


def _of_tokens(name: str, source: str, D: tuple[float, float], note: str) -> PublishedOptimum:
    """Return the line of a source that prints D alone, with N = C / (6 D)."""
    return PublishedOptimum(name, source, (1 / (6 * D[0]), 1 - D[1]), D, note=note)


PUBLISHED: tuple[PublishedOptimum, ...] = (
    PublishedOptimum(
        "Kaplan 2020",
        "Kaplan et al. 2020, arXiv:2001.08361, table of compute-efficient values, C in PF-days",
        (1.3e9 * PF_DAY**-0.73, 0.73),
        (2e10 * PF_DAY**-0.27, 0.27),
        note="N without embeddings; trained at the critical batch, so 6 N D is twice C",
    ),
    _of_law(
        "Hoffmann 2022",
        "Hoffmann et al. 2022, arXiv:2203.15556, Approach 3, parameters before rounding",
        "hoffmann_2022",
    ),
    PublishedOptimum(
        "20 tokens per parameter",
        "the ratio that Hoffmann et al. 2022, arXiv:2203.15556, Approach 1, comes to",
        (math.sqrt(1 / 120), 0.5),
        (math.sqrt(20 / 6), 0.5),
    ),
    _of_law(
        "Epoch 2024",
        "Besiroglu et al. 2024, arXiv:2404.10102, refit of Approach 3",
        "besiroglu_2024",
    ),
    PublishedOptimum(
        "DeepSeek 2024",
        "DeepSeek-AI 2024, arXiv:2401.02954, M* = .1715 C^.5243, D* = 5.8316 C^.4757, C = M D",
        (0.1715, 0.5243),
        (5.8316, 0.4757),
        per=1.0,
        note="its N is M, FLOPs per token without embeddings; shown as M / 6",
    ),
    _of_tokens(
        "Llama 3 2024",
        "Grattafiori et al. 2024, arXiv:2407.21783, figure 3: D* = .299 C^.537",
        (0.299, 0.537),
        "N = C / (6 D)",
    ),
    PublishedOptimum(
        "Ling dense 2025",
        "Tian et al. 2025, arXiv:2507.17702, dense: M* = .0655 C^.5422, D* = 15.2582 C^.4578",
        (0.0655, 0.5422),
        (15.2582, 0.4578),
        per=1.0,
        note="its N is M, FLOPs per token without embeddings; shown as M / 6",
    ),
    PublishedOptimum(
        "Ling MoE 2025",
        "Tian et al. 2025, arXiv:2507.17702, 7.8 % active: M* = .1915 C^.5095, D* = 5.2232 C^.4905",
        (0.1915, 0.5095),
        (5.2232, 0.4905),
        per=1.0,
        note="its N is M, FLOPs per token of the active experts; shown as M / 6",
    ),
)
"""The lines, oldest first."""
USUAL = ("Kaplan", "Hoffmann", "Epoch", "DeepSeek", "Llama 3")
"""Those that a figure draws where none are named."""


def published(name: str) -> PublishedOptimum:
    """Return the line of a name, or of the beginning of one, in any case.

    Raises:
        ValueError: there is none, or more than one.
    """
    found = [line for line in PUBLISHED if line.name.lower().startswith(name.lower())]
    if len(found) != 1:
        names = ", ".join(line.name for line in found or PUBLISHED)
        raise ValueError(f"no one published line is called {name!r}; there are {names}")
    return found[0]
