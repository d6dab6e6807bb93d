"""Which runs of a budget are nearly as good as the best one. NumPy."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from jaxscale._numerics.precision import OPTIMUM, host
from jaxscale.decisions.account import near_blocks
from jaxscale.decisions.inverse import direction
from jaxscale.flops import Flops, tokens_for
from jaxscale.laws import Fitted, Law
from jaxscale.shown.blocks import Block, Shown
from jaxscale.shown.frames import frame

WITHIN = (0.0025, 0.005)
"""Shares of the best loss that are asked for where none is named."""
HALVINGS = 60
FAR = math.log(1e9)
"""Of log N: sizes that differ by more from the best one are not looked at: there is no end."""


@dataclasses.dataclass(frozen=True)
class Near(Shown):
    """The runs of a budget whose loss is within a share of the best one; arrays of its shape.

    Attributes:
        within: the share.
        N: smallest and largest model; 0 and infinite where there is no end.
        D: their tokens, the most and the fewest.
        frame_kind: of the runs behind it, as `Runs.frame_kind`.
    """

    within: float
    N: tuple[Any, Any]
    D: tuple[Any, Any]
    frame_kind: str = dataclasses.field(default="", repr=False)

    def table(self, *, kind: str | None = None) -> Any:
        """Return the sizes as a dataframe: N_low, N_high, D_low and D_high, a row per budget.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        ends = {"N_low": self.N[0], "N_high": self.N[1], "D_low": self.D[1], "D_high": self.D[0]}
        return frame({name: np.ravel(x) for name, x in ends.items()}, kind, self.frame_kind)

    def _blocks(self) -> list[Block]:
        return near_blocks(self)


@host(OPTIMUM)
def near_optimal(law: Law | Fitted, best: Any, within: float, flops: Flops | None = None) -> Near:
    """Return the sizes whose runs are nearly as good as the best one of a budget.

    Args:
        law: a fit of a law of N and D, or such a law with values; scalar parameters.
        best: the `Allocation` of budgets, scalar or [m].
        within: share of the loss, .0025 for a quarter of a percent.
        flops: FLOPs model; default the law's own.

    Returns:
        The ends of the range of N, and their D; arrays of the shape of `best.compute`.

    Raises:
        ValueError: the share is not positive.

    Source: the 0.25 % of Tian et al. 2025, arXiv:2507.17702.

    Example:
        >>> import jaxscale
        >>> law = jaxscale.Chinchilla.preset("hoffmann_2022")
        >>> best = jaxscale.allocate(law, compute=1e23)
        >>> near = jaxscale.near_optimal(law, best, within=0.0025)
        >>> [f"{float(N) / best.N:.2f}" for N in near.N]
        ['0.56', '1.81']
    """
    if not within > 0:
        raise ValueError(f"within must be a positive share of the loss, got {within!r}")
    law = law.law if isinstance(law, Fitted) else law
    model = flops or law.flops
    C, top = np.asarray(best.compute, float), np.log(np.asarray(best.N, float))
    sign = float(direction(law))
    limit = np.asarray(best.loss) * (1 + sign * within)

    def beyond(log_N: np.ndarray) -> np.ndarray:
        N = np.exp(log_N)
        D = np.asarray(tokens_for(model, N, C), float)
        with np.errstate(all="ignore"):
            loss = np.asarray(law.loss(*({"N": N, "D": D}[name] for name in law.inputs)), float)
        found: np.ndarray = ~(sign * loss <= sign * limit)
        return found

    ends = []
    for far in (top - FAR, top + FAR):
        near, out = top.copy(), far.copy()
        for _ in range(HALVINGS):
            middle = 0.5 * (near + out)
            passed = beyond(middle)
            near, out = np.where(passed, near, middle), np.where(passed, middle, out)
        endless = np.inf if np.all(far > top) else 0.0
        ends.append(np.where(beyond(far), np.exp(near), endless)[()])
    with np.errstate(divide="ignore"):
        tokens = tuple(np.asarray(tokens_for(model, N, C), float)[()] for N in ends)
    return Near(within, (ends[0], ends[1]), (tokens[0], tokens[1]), best.frame_kind)
