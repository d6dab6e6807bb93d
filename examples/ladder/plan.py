"""Which models to train: a sweep of learning rates, isoFLOP budgets, a rectangle, seeds, WSD.

All of it follows from a `Plan`; the full ladder and the quick one differ in numbers only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from examples.ladder.model import Size
from examples.ladder.train import Run


@dataclasses.dataclass(frozen=True)
class Plan:
    """The numbers of a ladder."""

    widths: tuple[int, ...] = (12, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128)
    budgets: tuple[float, ...] = (2.5e11, 5e11, 1e12, 2e12, 4e12, 8e12)  # 6 N D, FLOPs
    sizes_per_budget: int = 7
    ratio: float = 30.0  # tokens per parameter in the middle of a budget
    rectangle_widths: tuple[int, ...] = (12, 16, 32, 64, 96, 128)
    rectangle_tokens: tuple[float, ...] = (4e5, 1e6, 2.5e6)
    wsd: tuple[tuple[int, float], ...] = (
        (24, 1e6),
        (24, 4e6),
        (32, 1e6),
        (32, 4e6),
        (48, 1e6),
        (48, 4e6),
        (64, 1e6),
        (64, 2.5e6),
        (96, 1e6),
    )
    repeats: tuple[tuple[int, float], ...] = ((24, 1e6), (48, 1e6))  # each with three more seeds
    sweep_tokens: float = 3e5
    sweep_rates: tuple[float, ...] = (1e-3, 2e-3, 4e-3, 8e-3, 16e-3, 32e-3)
    batch: int = 8
    context: int = 128
    evaluations: int = 40
    held_out: int = 256

    def _run(self, width: int, tokens: float, **more: Any) -> Run:
        steps = max(1, round(tokens / (self.batch * self.context)))
        shape = {"batch": self.batch, "context": self.context, "held_out": self.held_out}
        return Run(width, steps, **{"evaluations": self.evaluations} | shape | more)

    def sweep(self) -> list[Run]:
        """Short runs of every width at several rates; five of the rates, higher for small."""
        runs = []
        for k, width in enumerate(self.widths):
            skipped = 0 if k < len(self.widths) / 2 else len(self.sweep_rates) - 1
            for j, lr in enumerate(self.sweep_rates):
                if j != skipped:
                    more = {"lr": lr, "evaluations": 1, "part": "sweep"}
                    runs.append(self._run(width, self.sweep_tokens, **more))
        return runs

    def ladder(self, rates: Mapping[int, float]) -> list[Run]:
        """Every run of the table, at the rate chosen for its width; the cheapest first."""
        runs: list[Run] = []
        seeds = iter(np.arange(10_000) % 3)

        def add(width: int, tokens: float, **more: Any) -> None:
            more = {"seed": int(next(seeds))} | more
            runs.append(self._run(width, tokens, lr=rates[width], **more))

        for budget in self.budgets:
            for width in self.near(budget):
                add(width, budget / (6 * Size.of(width).params))
        for width in self.rectangle_widths:
            for tokens in self.rectangle_tokens:
                add(width, tokens, part="rectangle")
        for width, tokens in self.wsd:
            add(width, tokens, part="wsd", schedule="wsd")
        for width, tokens in self.repeats:
            for seed in (10, 11, 12):
                add(width, tokens, part="repeat", seed=seed)
        return sorted(runs, key=lambda run: run.size.params * run.tokens)

    def near(self, budget: float) -> Sequence[int]:
        """The widths whose N is nearest to the middle of a budget, on the log scale."""
        middle = np.log(np.sqrt(budget / (6 * self.ratio)))
        away = [abs(np.log(Size.of(width).params) - middle) for width in self.widths]
        return [self.widths[k] for k in sorted(np.argsort(away)[: self.sizes_per_budget])]


QUICK = Plan(
    widths=(8, 12, 16, 24),
    budgets=(2e9, 4e9, 8e9),
    sizes_per_budget=3,
    ratio=10.0,
    rectangle_widths=(8, 16, 24),
    rectangle_tokens=(5e4, 1e5),
    wsd=((16, 1e5),),
    repeats=((12, 1e5),),
    sweep_tokens=2.5e4,
    sweep_rates=(4e-3, 8e-3, 16e-3, 32e-3),
    context=64,
    evaluations=10,
    held_out=64,
)
"""The whole way in about a minute: tiny models that show the pipeline, not a law."""


def choose_rates(rows: Sequence[Mapping[str, Any]], widths: Sequence[int]) -> dict[int, float]:
    """Return the learning rate of every width from the rows of the sweep.

    The best rate of a width is the vertex of a parabola through its best point and the two
    beside it, in log rate; then one power law in N is put through them, which smooths the noise
    of single short runs.
    """
    best = {}
    for width in widths:
        found = sorted((row["lr"], row["loss"]) for row in rows if row["width"] == width)
        lr, loss = np.log([f[0] for f in found]), np.array([f[1] for f in found])
        k = int(np.clip(np.argmin(loss), 1, len(loss) - 2))
        a, b, _ = np.polyfit(lr[k - 1 : k + 2], loss[k - 1 : k + 2], 2)
        vertex = -b / (2 * a) if a > 0 else lr[np.argmin(loss)]
        best[width] = float(np.clip(vertex, lr[0], lr[-1]))
    size = np.log([Size.of(width).params for width in widths])
    line = np.polyfit(size, [best[width] for width in widths], 1)
    return {w: float(f"{np.exp(np.polyval(line, s)):.3g}") for w, s in zip(widths, size, strict=True)}
