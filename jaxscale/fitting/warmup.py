"""Compile ahead of time what a fit will need, before there are any runs.

Programs depend on shapes and on the structure of the law, not on values. So a small fit of a
simulated table compiles all of them: here those of a search, of its refinements, and of the
final evaluation. With a persistent compilation cache they also serve later processes.
"""

from __future__ import annotations

import bisect
import dataclasses
import time
from typing import Any

import numpy as np

from jaxscale._numerics import programs
from jaxscale._numerics.precision import host
from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import chunk_size
from jaxscale.engine.thinning import THINNING_STARTS
from jaxscale.fitting.fit import fit
from jaxscale.fitting.preparation import bucket
from jaxscale.laws import Law
from jaxscale.laws.names import Given, law_given
from jaxscale.objective.losses import Loss
from jaxscale.shown.blocks import Block, Shown
from jaxscale.text import many
from jaxscale.varpro.starts import KEPT, MAX_STARTS

MAX_ROWS = 10_000_000
RANGES = {"N": (1e6, 1e11), "D": (1e8, 1e13), "C": (1e17, 1e24)}
"""From the smallest to the largest usual value of an input; any other spans 1e1 to 1e6."""


@dataclasses.dataclass(frozen=True)
class Warmup(Shown):
    """What was compiled.

    Attributes:
        programs: how many programs were compiled; 0 if all of them were there already.
        seconds: wall time, the small fit included.
        rows: smallest and largest number of runs that the programs serve.
        starts: number of random starts that they serve.

    Example:
        >>> import jaxscale
        >>> ready = jaxscale.warmup(jaxscale.Chinchilla(), n=68, starts=64)
        >>> low, high = ready.rows
        >>> low <= 68 <= high
        True
    """

    programs: int
    seconds: float
    rows: tuple[int, int]
    starts: int

    def _blocks(self) -> list[Block]:
        made = f"{many(self.programs, 'program')} compiled" if self.programs else "all compiled"
        low, high = self.rows
        serves = f"{low:,} to {high:,} runs and {self.starts:,} starts"
        return [f"{made} in {self.seconds:.1f} s, for {serves}"]


@host()
def warmup(
    law: Given,
    n: int,
    *,
    loss: Loss | None = None,
    residual: str = "log",
    starts: int = 1024,
    precision: str = "float64",
) -> Warmup:
    """Compile every program that `fit` needs for a table of n runs.

    Use it where the first answer has to be quick: in a service, or on a machine that waits for
    its data. A following `fit` with the same options, and any number of runs within
    `Warmup.rows`, compiles nothing; with other fixed parameters, or another kind of loss, it
    compiles anew. The grid of a law with a break also depends on how many distinct values of its
    input there are: for it, n distinct values are assumed.

    Args:
        law: what will be fitted; which parameters are fixed counts, their values do not.
        n: how many runs there will be.
        loss: as in `fit`.
        residual: as in `fit`.
        starts: as in `fit`; a number.
        precision: as in `fit`.

    Returns:
        How many programs were compiled, and the numbers of runs that they serve.

    Raises:
        DataError: n runs cannot determine the law.
        FitError: the law is not finite on a simulated table.
        ValueError: an option is not one of those allowed.

    Cost: 3 to 4 s of compiling for Chinchilla on two CPU cores, and a small fit.

    Example:
        >>> import jaxscale
        >>> ready = jaxscale.warmup(jaxscale.Chinchilla(), n=68, starts=64)
        >>> ready.rows
        (65, 80)
    """
    if not (1 <= n <= MAX_ROWS and 0 <= starts <= MAX_STARTS):
        raise ValueError(
            f"n must be between 1 and {MAX_ROWS:,}, and starts between 0 and {MAX_STARTS:,}, got "
            f"{n} and {starts}"
        )
    law = law_given(law)
    begin, before = time.perf_counter(), programs.compiled
    result = fit(
        law,
        _simulated(law, n),
        loss=loss,
        residual=residual,
        starts=_fewest(starts),
        precision=precision,
    )
    result.to_dict()  # the small programs behind derived quantities
    return Warmup(
        programs=programs.compiled - before,
        seconds=time.perf_counter() - begin,
        rows=(bisect.bisect_left(range(1, n), bucket(n), key=bucket) + 1, bucket(n)),
        starts=starts,
    )


def _fewest(starts: int) -> int:
    """Return the smallest number of random starts that uses the same programs."""
    if starts >= THINNING_STARTS:
        return THINNING_STARTS  # such a search has one more program
    # Up to KEPT cells of a grid come on top of the starts.
    wanted = [chunk_size(starts + cells) for cells in range(KEPT + 1)]
    return next(
        few
        for few in range(starts + 1)
        if [chunk_size(few + cells) for cells in range(KEPT + 1)] == wanted
    )


def _simulated(law: Law, n: int) -> Runs:
    """Return n runs on which laws are valid, and no two inputs line up."""
    share = (np.arange(n) + 0.5) / n
    columns: dict[str, Any] = {}
    fall = np.zeros(n)
    for k, name in enumerate(law.inputs):
        low, high = RANGES.get(name, (1e1, 1e6))
        unit = share if k == 0 else (np.arange(n) * 0.5 ** (1 / 2**k)) % 1.0
        span = {"signed": 2 * unit - 1, "raw": unit}.get(law.kinds[name])
        columns[name] = low * (high / low) ** unit if span is None else span
        fall += np.exp(-2.0 * unit)
    ripple = 1 + 0.003 * np.sin(np.arange(n) * 2.4)  # an exact law would leave no residuals
    return Runs(loss=(1.7 + fall) * ripple, source="simulated", **columns)
