"""Which models to train: a sweep of learning rates, isoFLOP budgets, a rectangle, seeds, WSD.

All of it follows from a `Plan`; the full ladder and the quick one differ in numbers only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from examples.ladder.model import Size
from examples.ladder.train import Run


@dataclasses.dataclass(frozen=True)
class Plan:
    """The numbers of a ladder."""

    widths: tuple[int, ...] = (8, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128)
    budgets: tuple[float, ...] = (2.5e11, 5e11, 1e12, 2e12, 4e12)  # 6 N D, FLOPs
    sizes_per_budget: int = 7
    ratio: float = 30.0  # tokens per parameter in the middle of a budget
    rectangle_widths: tuple[int, ...] = (8, 16, 32, 64, 96, 128)
    rectangle_tokens: tuple[float, ...] = (3e5, 6e5, 1.2e6)
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
    long_sweep: tuple[tuple[int, ...], float] = ((16, 32, 64), 1.5e6)  # what length does to it
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
        """Short runs of every width at several rates, and longer ones of some widths."""
        lengths = [(width, self.sweep_tokens) for width in self.widths]
        lengths += [(width, self.long_sweep[1]) for width in self.long_sweep[0]]
        middle = np.log(Size.of(self.widths[len(self.widths) // 2]).params)
        runs = []
        for width, tokens in lengths:
            small = np.log(Size.of(width).params) < middle
            for lr in self.sweep_rates[1:] if small else self.sweep_rates[:-1]:
                more = {"lr": lr, "evaluations": 1, "part": "sweep"}
                runs.append(self._run(width, tokens, **more))
        return runs

    def ladder(self, rate: Callable[[int, float], float]) -> list[Run]:
        """Every run of the table, at the rate for its size and length; the cheapest first."""
        runs: list[Run] = []
        seeds = iter(np.arange(10_000) % 3)

        def add(width: int, tokens: float, **more: Any) -> None:
            more = {"seed": int(next(seeds))} | more
            runs.append(self._run(width, tokens, lr=rate(width, tokens), **more))

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
    long_sweep=((12,), 1e5),
    sweep_rates=(4e-3, 8e-3, 16e-3, 32e-3),
    context=64,
    evaluations=10,
    held_out=64,
)
"""The whole way in a minute or two: tiny models that show the pipeline, not a law."""


def learning_rates(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float, float]:
    """Return (c, a, b) of the rate c N^a D^b from the rows of the sweep.

    The best rate of a size and length is the vertex of a parabola through its best point and the
    two beside it, in log rate; one power law through all of them smooths the noise of single
    short runs and carries over to longer ones.
    """
    logs, best = [], []
    for N, D in sorted({(row["params"], row["tokens"]) for row in rows}):
        found = sorted((r["lr"], r["loss"]) for r in rows if (r["params"], r["tokens"]) == (N, D))
        lr, loss = np.log([f[0] for f in found]), np.array([f[1] for f in found])
        k = int(np.clip(np.argmin(loss), 1, len(loss) - 2))
        bend, slope, _ = np.polyfit(lr[k - 1 : k + 2], loss[k - 1 : k + 2], 2)
        vertex = -slope / (2 * bend) if bend > 0 else lr[np.argmin(loss)]
        best.append(np.clip(vertex, lr[0], lr[-1]))
        logs.append((1.0, np.log(N), np.log(D)))
    c, a, b = np.linalg.lstsq(np.array(logs), np.array(best), rcond=None)[0]
    return float(np.exp(c)), float(a), float(b)


def rate_of(law: tuple[float, float, float]) -> Callable[[int, float], float]:
    """Return the rule of `learning_rates` as a function of width and tokens."""
    c, a, b = law
    return lambda width, tokens: float(f"{c * Size.of(width).params ** a * tokens**b:.3g}")
