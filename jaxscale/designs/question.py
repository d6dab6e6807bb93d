"""A law, candidates and what is asked, put together: what any batch of them would come to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxscale._numerics.student import student_t
from jaxscale.checks.design import weaknesses
from jaxscale.checks.information import FACTOR, QUANTILE
from jaxscale.data.runs import Runs
from jaxscale.designs.candidates import Candidates
from jaxscale.designs.criteria import Criterion, State
from jaxscale.designs.information import PRIOR, Believed, predicted
from jaxscale.designs.ladders import ladders
from jaxscale.designs.result import Answer, Other
from jaxscale.flops import unit_of
from jaxscale.text import count
from jaxscale.uncertainty.intervals import Interval, symmetric
from jaxscale.uncertainty.quantities import Quantity

ALIKE = 0.01
"""How much wider the interval may be with another candidate in the place of a run."""
DEARER = 1.1
"""What such a candidate may cost more, as a factor."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked of candidates.

    Attributes:
        believed: the law and its noise.
        candidates: m of them.
        asked: the quantities.
        value: [Q] of these now.
        loss: [m] predicted losses of the candidates.
        plain: the criterion by what is known.
        search: the same with a weak prior where the runs do not determine the law yet.
        level: of intervals.
    """

    believed: Believed
    candidates: Candidates
    asked: tuple[Quantity, ...]
    value: np.ndarray
    loss: np.ndarray
    plain: Criterion
    search: Criterion
    level: float

    @classmethod
    def of(
        cls,
        believed: Believed,
        candidates: Candidates,
        asked: Sequence[Quantity],
        *,
        kind: str,
        level: float,
    ) -> Question:
        """Return it; all slopes are worked out here.

        Args:
            believed: the law and its noise.
            candidates: the runs that could be made.
            asked: quantities; none for the criterion "D".
            kind: of the criterion.
            level: of intervals.
        """
        n = len(believed.weights)
        names = believed.law.inputs
        both = {k: np.concatenate([believed.present[k], candidates.inputs[k]]) for k in names}
        loss, rows = believed.rows(both)
        weight = np.concatenate([believed.weights, np.full(len(candidates), believed.weight)])
        bend, pull = believed.counts(both, weight)
        M = rows.shape[1]
        value, slopes = believed.gradients(asked) if asked else (np.empty(0), np.empty((0, M)))
        there = rows[:n]
        plain = Criterion(
            kind=kind,
            rows=rows[n:],
            bend=bend[n:],
            pull=pull[n:],
            known=(there * bend[:n, None]).T @ there,
            scored=(there * pull[:n, None]).T @ there,
            asked=slopes,
            scale=np.ones(len(value)),
        )
        now, search = plain.after([]), plain
        if now.determined:
            scale = np.where(now.variance > 0, now.variance, 1.0)
            plain = search = dataclasses.replace(plain, scale=scale)
        else:
            log = np.array([q.logarithmic for q in asked], bool)
            scale = np.where(log, 1.0, np.maximum(value**2, 1e-300))
            c = float(np.median(pull / bend))  # so that the prior is one in units of the noise
            prior = np.eye(M) / PRIOR**2
            plain = dataclasses.replace(plain, scale=scale)
            search = dataclasses.replace(
                plain, known=plain.known + c * prior, scored=plain.scored + c**2 * prior
            )
        return cls(believed, candidates, tuple(asked), value, loss[n:], plain, search, level)

    def freedom(self, more: int) -> int:
        """Return the degrees of freedom after so many further runs."""
        return len(self.believed.weights) + more - len(self.believed.free)

    def answers(self, batch: Sequence[int]) -> tuple[Answer, ...]:
        """Return the answers before and after a batch."""
        before, after = self.plain.after([]), self.plain.after(batch)
        pairs = zip(self._intervals(before, 0), self._intervals(after, len(batch)), strict=True)
        return tuple(
            Answer(q.name, *pair, q.logarithmic) for q, pair in zip(self.asked, pairs, strict=True)
        )

    def _intervals(self, state: State, more: int) -> list[Interval]:
        found, freedom = [], self.freedom(more)
        for q, value, variance in zip(self.asked, self.value, state.variance, strict=True):
            center, error = float(value), float(np.sqrt(variance))
            low, high = -np.inf, np.inf
            if np.isfinite(error) and freedom > 0:
                factor = student_t(0.5 + self.level / 2, freedom)
                low, high = symmetric(center, min(error, 200.0), factor, q.logarithmic)
            own = error * abs(center) if q.logarithmic else error
            found.append(Interval(q.name, center, low, high, self.level, own, "information"))
        return found

    def width(self, state: State, more: int) -> float:
        """Return the width of what is asked; infinite where it is not determined."""
        freedom = self.freedom(more)
        if not state.determined or freedom < 1:
            return np.inf
        factor = student_t(0.5 + self.level / 2, freedom) if self.asked else 1.0
        return float(np.exp(0.5 * state.level)) * factor

    def level_for(self, share: float, more: int) -> float:
        """Return the level of the criterion at which so many runs leave a share of the interval."""
        now = self.plain.after([])
        factor = self.width(now, more) / self.width(now, 0)  # of Student's t alone
        return float(now.level + 2 * np.log(share / factor))

    def steps(self, batch: Sequence[int]) -> np.ndarray:
        """Return the width [k + 1] after each run of a batch, over that before."""
        first = self.width(self.plain.after([]), 0)
        widths = [self.width(self.plain.after(batch[:k]), k) for k in range(len(batch) + 1)]
        with np.errstate(all="ignore"):
            return (
                np.asarray(widths) / first if np.isfinite(first) else np.full(len(widths), np.nan)
            )

    def halves(self, batch: Sequence[int]) -> np.ndarray:
        """Return half the interval [k + 1] of the first answer after each run of a batch."""
        found = []
        for k in range(len(batch) + 1):
            state, freedom = self.plain.after(batch[:k]), self.freedom(k)
            known = state.determined and freedom > 0 and len(self.asked) > 0
            factor = student_t(0.5 + self.level / 2, freedom) if known else np.inf
            found.append(factor * float(np.sqrt(state.variance[0])) if known else np.inf)
        return np.asarray(found)

    def swaps(self, batch: Sequence[int]) -> tuple[dict[str, object], ...]:
        """Return per run what would do as well in its place: how many candidates, and where."""
        found: list[dict[str, object]] = []
        level = self.plain.after(batch).level
        for k, own in enumerate(batch):
            rest = [*batch[:k], *batch[k + 1 :]]
            state = self.plain.after(rest)
            if not state.determined:
                found.append({"candidates": 0})
                continue
            cheap = self.candidates.cost <= DEARER * self.candidates.cost[own]
            alike = cheap & (self.plain.with_each(state) < level + 2 * np.log1p(ALIKE))
            alike[[own, *rest]] = False
            ranges = {
                name: [float(x[alike].min()), float(x[alike].max())]
                for name, x in self.candidates.inputs.items()
                if alike.any()
            }
            found.append({"candidates": int(alike.sum()), **ranges})
        return tuple(found)

    def others(self, batch: Sequence[int]) -> tuple[Other, ...]:
        """Return what the usual designs of a batch's cost would come to, the best first."""
        cost = float(self.candidates.cost[list(batch)].sum())
        if self.candidates.unit != unit_of(self.believed.law.flops) or not cost > 0:
            return ()
        before = self.width(self.plain.after([]), 0)
        own = self.width(self.plain.after(batch), len(batch))
        found = []
        for name, inputs in ladders(self.believed.law, cost).items():
            n = len(inputs["N"])
            _, rows = self.believed.rows(
                inputs, like=len(self.candidates) + len(self.believed.weights)
            )
            bend, pull = self.believed.counts(inputs, np.full(n, self.believed.weight))
            usual = dataclasses.replace(self.plain, rows=rows, bend=bend, pull=pull)
            width = self.width(usual.after(range(n)), n)
            flops = self.believed.law.flops(inputs["N"], inputs["D"])
            spent = float(np.asarray(flops, float).sum())
            ratio = width / before if np.isfinite(before) else np.nan
            found.append(Other(name, n, spent, ratio, width / own))
        return tuple(sorted(found, key=lambda other: other.against))

    def open_after(self, batch: Sequence[int]) -> list[str]:
        """Return sentences on what the runs with a batch leave open; empty if nothing."""
        state, freedom = self.plain.after(batch), self.freedom(len(batch))
        law, names = self.believed.law, self.believed.space.free
        inputs: dict[str, Any] = {
            name: np.concatenate([self.believed.present[name], x[list(batch)]])
            for name, x in self.candidates.inputs.items()
        }
        found = []
        if len(next(iter(inputs.values()))) > 0 and freedom > 0:
            runs = Runs(loss=predicted(law, inputs), source="the plan", **inputs)
            found = list(weaknesses(law.replace(**dict.fromkeys(names)), runs, inputs))
        if freedom < 1:
            many = len(self.believed.weights) + len(batch)
            found.insert(
                0, f"{many} runs for the {len(self.believed.free)} parameters of the law: it takes "
                f"at least {len(self.believed.free) + 1}"
            )  # fmt: skip
        elif not state.determined and not found:
            found.insert(0, "the slopes of the runs do not span the parameters of the law")
        elif not found:
            t = student_t(QUANTILE, freedom)
            for q, x, variance in zip(self.asked, self.value, state.variance, strict=True):
                half = t * float(np.sqrt(variance))
                if q.logarithmic and half > np.log(FACTOR):
                    off = "any factor" if half > np.log(1e3) else f"a factor {np.exp(half):.2g}"
                    found.append(f"{q.name} = {count(x)} may still be off by {off}")
        return found
