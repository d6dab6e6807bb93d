"""The best of every group of a sweep: its lowest loss, or the optimum over what was tuned."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxscale.data.named_columns import SHOWN
from jaxscale.data.optima import ALONE, EDGE, FEW, FLAT, INSIDE, Optima, features
from jaxscale.shown.blocks import Block, Grid, Shown
from jaxscale.text import many, quantity

WHY = {
    EDGE: "the optimum lies at the edge of the sweep or beyond",
    FLAT: "the losses do not bend up by more than their noise",
    FEW: "too few points or values for a parabola",
    ALONE: "one run, so nothing was tuned",
}
"""Why a group has no optimum."""


@dataclasses.dataclass(frozen=True)
class Tuning(Shown):
    """A sweep in groups, with the optimum of each over what was tuned.

    Attributes:
        by: names of what the runs of a group share.
        over: names of what was tuned, one or two.
        labels: by name of `by`, the values [G].
        called: [G] how messages name the lowest run of each group.
        groups: [n] number of the group of every run.
        values: [n, d] what was tuned, in the units of the table.
        losses: [n].
        optima: of the groups.
    """

    by: tuple[str, ...]
    over: tuple[str, ...]
    labels: Mapping[str, np.ndarray]
    called: tuple[str, ...]
    groups: np.ndarray
    values: np.ndarray
    losses: np.ndarray
    optima: Optima

    def __len__(self) -> int:
        return len(self.optima.kind)

    @property
    def at(self) -> np.ndarray:
        """The optimum [G, d] in the units of the table; NaN where there is none."""
        return np.asarray(np.exp(self.optima.log_at))

    @property
    def error(self) -> np.ndarray:
        """Standard errors [G, d] of `at`, to first order."""
        return np.asarray(self.at * self.optima.log_error)

    def made(self) -> dict[str, np.ndarray]:
        """Return the columns [G] that a table of the optima has beside those of the sweep."""
        found = {"loss_se": self.optima.error}
        for k, name in enumerate(self.over):
            found |= {f"{name}_opt": self.at[:, k], f"{name}_opt_se": self.error[:, k]}
        return found

    def parabola(self, group: int, x: np.ndarray) -> np.ndarray:
        """Return the loss [...] that the surface of a group has at values x [..., d]."""
        found = self.optima
        u = (np.log(x) - found.middle[group]) / found.half[group]
        losses: np.ndarray = features(u) @ found.surface[group]
        return losses

    def notes(self, of: str = "loss") -> list[str]:
        """Return sentences on how many groups have an optimum, and why the others have none.

        Of what, if not of the loss, the groups without an optimum are left out.
        """
        kind = self.optima.kind
        what = " and ".join(f"log {name}" for name in self.over)
        shape = "a parabola" if len(self.over) == 1 else "a quadratic surface"
        inside = int((kind == INSIDE).sum())
        left = len(kind) if of == "loss" else inside
        said = (
            f"best of each {', '.join(self.by)} over {', '.join(self.over)}: "
            f"{many(left, 'row')} of {len(self.losses):,} remain, "
            f"{'all' if inside == left else inside} with the minimum of {shape} in {what}"
        )
        if inside and not np.isfinite(self.optima.error).any():
            said += ", without standard errors: no group has more points than the parabola needs"
        done = "lowest point kept in" if of == "loss" else f"no {of}, so left out:"
        return [said, *self._without(done)]

    def _without(self, done: str) -> list[str]:
        found = []
        for code, why in WHY.items():
            rows = [self.called[k] for k in np.flatnonzero(self.optima.kind == code)[:SHOWN]]
            count = int((self.optima.kind == code).sum())
            if count:
                more = ", ..." if count > SHOWN else ""
                found.append(f"{done} {many(count, 'group')} (row {', '.join(rows)}{more}): {why}")
        return found

    def _blocks(self) -> list[Block]:
        head = [*self.by, "runs", *(f"{name}_opt" for name in self.over), "loss", "optimum"]
        size = np.bincount(self.groups)
        rows = [head]
        for k in range(len(self)):
            kind = int(self.optima.kind[k])
            rows.append(
                [
                    *(quantity(self.labels[name][k]) for name in self.by),
                    str(size[k]),
                    *(_measured(*each) for each in zip(self.at[k], self.error[k], strict=True)),
                    _measured(self.optima.loss[k], self.optima.error[k]),
                    WHY.get(kind, "inside"),
                ]
            )
        return [Grid(rows, ">" * (len(head) - 1) + "<")]


def _measured(value: float, error: float) -> str:
    if not np.isfinite(value):
        return "-"
    return quantity(value) + (f" ± {quantity(error, 2)}" if np.isfinite(error) else "")


def optimum_as_loss(found: Tuning, of: str) -> tuple[dict[str, Any], np.ndarray]:
    """Return the columns of a table whose response is an optimum, and which groups [G] have it.

    Args:
        found: the tuning.
        of: `lr_opt`.
    """
    made = found.made()
    error = f"{of}_se"
    ordered = {error: made.pop(error), **made, "loss_opt": found.optima.loss}
    loss = ordered.pop(of)
    return {**ordered, "loss": loss}, found.optima.kind == INSIDE
