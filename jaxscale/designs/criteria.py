"""What a batch of runs is judged by: the interval of an answer, of several, or the whole law.

`Criterion` holds what every candidate would add to a fit, and says for a batch how wide the asked
interval becomes; for all candidates at once, by rank-one updates, what each would make of it.

Source: Chaloner & Verdinelli 1995, Statistical Science 10(3) (c-, V- and D-optimality);
Sherman & Morrison 1950, Annals of Mathematical Statistics 21(1).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

CRITERIA = ("c", "V", "D")
"""One answer; the mean over several, each against its present variance; all parameters."""
SINGULAR = 1e13
"""Condition number of the scaled information from which a law is not determined."""


@dataclasses.dataclass(frozen=True)
class State:
    """A fit as it would be after some batch.

    Attributes:
        inverse: [M, M] of A.
        score: [M, M] B.
        variance: [Q] of the answers.
        level: logarithm of what is minimized: of a variance, or of a volume to the power 2 / M.
    """

    inverse: np.ndarray
    score: np.ndarray
    variance: np.ndarray
    level: float

    @property
    def determined(self) -> bool:
        """Whether the runs determine the law at all."""
        return bool(np.isfinite(self.level))


@dataclasses.dataclass(frozen=True)
class Criterion:
    """Candidates, what is known before them, and what is asked.

    Attributes:
        kind: one of `CRITERIA`.
        rows: [m, M] slopes of the candidates.
        bend: [m] a of the candidates.
        pull: [m] b of the candidates.
        known: [M, M] A of the runs that are there.
        scored: [M, M] B of these.
        asked: [Q, M] slopes of the answers.
        scale: [Q] variances by which answers are made comparable.
    """

    kind: str
    rows: np.ndarray
    bend: np.ndarray
    pull: np.ndarray
    known: np.ndarray
    scored: np.ndarray
    asked: np.ndarray
    scale: np.ndarray

    def after(self, batch: Sequence[int]) -> State:
        """Return the fit after a batch of candidates; one may stand in it several times."""
        few = list(batch)
        s = self.rows[few]
        A = self.known + (s * self.bend[few, None]).T @ s
        B = self.scored + (s * self.pull[few, None]).T @ s
        unit = np.sqrt(np.diag(A))
        if not (np.isfinite(A).all() and (unit > 0).all()):
            return self._lost(A, B)
        scaled = A / np.outer(unit, unit)
        size = np.linalg.eigvalsh(scaled)
        if not size[0] * SINGULAR > size[-1]:
            return self._lost(A, B)
        K = np.linalg.inv(scaled) / np.outer(unit, unit)
        h = self.asked @ K
        variance = np.einsum("qp,pr,qr->q", h, B, h)
        return State(K, B, variance, self._level(K, B, variance))

    def _lost(self, A: np.ndarray, B: np.ndarray) -> State:
        return State(np.full_like(A, np.nan), B, np.full(len(self.asked), np.inf), np.inf)

    def _level(self, K: np.ndarray, B: np.ndarray, variance: np.ndarray) -> float:
        if self.kind == "D":
            volume = np.linalg.slogdet(K)[1] * 2 + np.linalg.slogdet(B)[1]
            return float(volume / len(K))
        return float(np.log(np.mean(variance / self.scale)))

    def with_each(self, state: State) -> np.ndarray:
        """Return the level [m] after each candidate alone is added to a fit."""
        K, B = state.inverse, state.score
        u = self.rows @ K
        own = np.einsum("mp,mp->m", u, self.rows)
        if self.kind == "D":
            inner = np.linalg.solve(B, self.rows.T).T
            grown = self.pull * np.einsum("mp,mp->m", inner, self.rows)
            change = np.log1p(grown) - 2 * np.log1p(self.bend * own)
            return np.asarray(state.level + change / len(K))
        uBu = np.einsum("mp,mp->m", u @ B, u)
        share = self.bend / (1 + self.bend * own)
        total = np.zeros(len(u))
        for g, v, scale in zip(self.asked, state.variance, self.scale, strict=True):
            h = K @ g
            along = self.rows @ h
            moved = share * along  # by how much h moves along u
            new = v - 2 * moved * (u @ (B @ h)) + moved**2 * uBu
            total += (new + self.pull * (along - moved * own) ** 2) / scale
        return np.asarray(np.log(total / len(self.asked)))
