"""Whether a predicted interval comes true: losses drawn from the law, and all of them refitted.

A design reckons with a law that is straight over its interval. Here the runs that are there and
those of a batch get losses drawn around the law, many times, and each table is fitted again in one
batched refit; how far the asked quantity spreads is what an interval would have to cover.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.designs.asked import asked_for
from jaxscale.designs.information import Believed, predicted
from jaxscale.designs.result import Design
from jaxscale.errors import FitError
from jaxscale.fitting.refit import refit
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.shown.blocks import Block, Shown
from jaxscale.text import many
from jaxscale.uncertainty.intervals import percentile
from jaxscale.uncertainty.quantities import Asked, evaluate

STAGES = 5
"""Numbers of runs at which a batch is simulated, at most."""


@dataclasses.dataclass(frozen=True)
class Simulated(Shown):
    """What refits of simulated losses came to.

    Attributes:
        name: of the asked quantity.
        runs: [s] of the batch that were added, the first 0.
        width: [s] of the interval of that level over the tables; of the logarithm where the error
            lives there.
        ratio: [s] of it to the first.
        predicted: [s] the same as the design says.
        tables: how many.
        lost: [s] of them had no finite optimum.
    """

    name: str
    runs: np.ndarray
    width: np.ndarray
    ratio: np.ndarray
    predicted: np.ndarray
    tables: int
    lost: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return dataclasses.asdict(self)

    def _blocks(self) -> list[Block]:
        pairs = zip(self.runs[1:], self.ratio[1:], self.predicted[1:], strict=True)
        said = "; ".join(
            f"after {many(int(k), 'run')} {100 * x:.3g} % is left (predicted {100 * y:.3g} %)"
            for k, x, y in pairs
        )
        return [f"{self.name} over {self.tables:,} simulated tables: {said}"]


def simulate(
    fit: FitResult,
    found: Design,
    what: Asked,
    *,
    tables: int = 400,
    seed: int = 0,
    stages: Sequence[int] | None = None,
) -> Simulated:
    """Return how far a quantity spreads over refits of simulated losses, as a batch is made.

    Args:
        fit: that the design was made from; its law is the truth here.
        found: the design.
        what: is asked, as in `design`.
        tables: simulated.
        seed: of the losses.
        stages: numbers of runs of the batch at which to look, in their order; default a few.

    Raises:
        FitError: the runs without the batch do not determine the quantity.
    """
    asked = asked_for(what, fit.law)
    k = len(found)
    if stages is None:
        stages = sorted({round(x) for x in np.linspace(0, k, min(STAGES, k + 1))})
    believed = Believed.of_fit(fit)
    level = (1 - found.level) / 2
    widths, lost = [], []
    for stage in stages:
        law = _refitted(fit, believed, found, int(stage), tables=tables, seed=seed)
        values = evaluate([asked], law)[:, 0]
        values = np.log(values) if asked.logarithmic else values
        good = values[np.isfinite(values)]
        lost.append(tables - len(good))
        if len(good) < 20:
            raise FitError(f"{asked.name} has no finite value in most simulated tables")
        low, high = percentile(good, level)
        widths.append(float(high - low))
    width = np.array(widths)
    return Simulated(
        name=asked.name,
        runs=np.array(stages),
        width=width,
        ratio=width / width[0],
        predicted=found.halves[list(stages)] / found.halves[0],
        tables=tables,
        lost=np.array(lost),
    )


def _refitted(
    fit: FitResult, believed: Believed, found: Design, stage: int, *, tables: int, seed: int
) -> Law:
    """Return the laws [tables] refitted to simulated losses of the runs and of part of a batch."""
    inputs: dict[str, Any] = {
        name: np.concatenate([fit.problem.inputs[name], x[found.batch[:stage]]])
        for name, x in found.candidates.inputs.items()
    }
    n = len(fit.runs)
    weight = np.concatenate([fit.runs.weights, np.full(stage, believed.weight)])
    mean = predicted(fit.law, inputs)
    runs = Runs(loss=mean, weight=weight, source=fit.runs.source, **inputs)
    whole = dataclasses.replace(fit, runs=runs, prediction=mean, prepared=None)
    rng = np.random.default_rng([seed, stage])
    drawn = rng.choice(believed.noise, size=(tables, n + stage), p=believed.share)
    relative = np.sqrt(believed.weight / np.where(weight > 0, weight, believed.weight))
    noise = drawn * believed.trend.at(inputs, fit.law) * relative
    return refit(whole, losses=fit.residual.losses(mean, noise), seed=seed).law
