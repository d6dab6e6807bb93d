"""A fit as a linear model with a random effect of groups: its test, and its variance components.

The test is the score of the random effect, its null distribution by random signs of the
residuals, so that neither outliers nor noise of different sizes feign groups; the least p of
several groupings is held against the least of every sign. Plain NumPy.

Source: random effects in a linear model, Searle, Casella & McCulloch 1992, chapters 3 and 5; the
wild bootstrap of groups, Cameron, Gelbach & Miller 2008; the least p of several, Westfall & Young
1993.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxscale.fitting.linearized import Linearized
from jaxscale.uncertainty.resampling import membership

SIZE, GIVEN = 3.0, 1.5
"""A grouping has so many runs per group on average, or fewer where a person gave the groups."""
MOST, ENTRIES = 1000, 10_000_000
"""Groups at most, and groups times runs: beyond, the matrices take too long and too much."""
FREE = 1.5
"""Groups that the law must not absorb for their spread to be seen."""
SEEN = 0.25
"""Share of a typical group's runs that tell of its shift once the law is fitted."""
CLIP = 3.0
"""Robust standard deviations at which residuals are cut for the test."""
EXACT = 1e-8
"""Residuals, in units of the loss, that are rounding only."""
SIGNS, EFFORT = 1999, 10_000_000
"""Random signs of the test; fewer where signs times runs would be more than EFFORT."""


class Model(NamedTuple):
    """A fit linearized, its residuals projected; m runs of positive weight, G groups."""

    used: np.ndarray  # [n] bool
    rows: np.ndarray  # [m, P] slopes, of residuals of equal size
    residual: np.ndarray  # [m] of equal size, outliers cut
    basis: np.ndarray  # [m, P] orthonormal

    def free(self) -> np.ndarray:
        """Return the least-squares residuals [m]."""
        out: np.ndarray = self.residual - self.basis @ (self.basis.T @ self.residual)
        return out


def model(at: Linearized, size: np.ndarray) -> Model | None:
    """Return a fit as a linear model of residuals of equal size; None where they are all rounding.

    Args:
        at: the fit linearized.
        size: [n] relative size of the noise of every run, of runs of equal weight.
    """
    used = at.weight > 0
    root = np.sqrt(at.weight[used] / at.weight[used].mean()) / size[used]
    rows, residual = at.rows[used][:, at.moving] * root[:, None], at.residual[used] * root
    spread = 1.4826 * float(np.median(np.abs(residual))) * np.sqrt(used.sum() / max(at.freedom, 1))
    if at.freedom < 3 or not spread > EXACT or not np.isfinite(rows).all():
        return None
    scale = np.sqrt((rows**2).sum(axis=0))
    U, s, _ = np.linalg.svd(rows / np.where(scale > 0, scale, 1.0), full_matrices=False)
    basis = U[:, s > 1e-10 * s.max(initial=0.0)]
    return Model(used, rows, np.clip(residual, -CLIP * spread, CLIP * spread), basis)


class Components(NamedTuple):
    """What a grouping makes of the residuals: q independent numbers, and what is left."""

    loading: np.ndarray  # [q] variance of each number = own variance + loading * shared variance
    square: np.ndarray  # [q] the numbers, squared
    own: float  # variance of a run's own noise
    freedom: int  # that it rests on
    rest: np.ndarray  # [m] residuals without the groups
    leverage: np.ndarray  # [m] of the law and the groups together

    @property
    def typical(self) -> float:
        """Mean loading, each weighted by itself."""
        return float((self.loading**2).sum() / self.loading.sum())

    @property
    def groups(self) -> float:
        """How many groups the law does not absorb, as degrees of freedom."""
        return float(self.loading.sum() ** 2 / (self.loading**2).sum())

    @property
    def ratio(self) -> float:
        """Shared variance over own variance, by moments; 0 or more."""
        surplus = self.loading @ self.square - self.own * self.loading.sum()
        return max(0.0, float(surplus / (self.own * (self.loading**2).sum())))

    @property
    def gain(self) -> float:
        """Log likelihood that two variances win over one."""
        q, f = len(self.square), self.freedom
        both = float(self.square.sum() + self.own * f)
        among = float(self.square.mean())
        one = (q + f) * np.log(both / (q + f))
        return float(0.5 * (one - q * np.log(among) - f * np.log(self.own)))

    def ratios(self) -> tuple[np.ndarray, np.ndarray]:
        """Return values [K] of shared over own variance, and their cumulative posterior [K].

        The prior is flat in the logarithm of own + typical loading times shared variance: for
        equal loadings the intervals are then those of Student's t.
        """
        ratio = np.concatenate([[0.0], np.geomspace(1e-3, 1e5, 400)])
        total = 1 + np.outer(ratio, self.loading)
        log = -0.5 * (np.log(total) + self.square / self.own / total).sum(axis=1)
        prior = np.gradient(np.log1p(self.typical * ratio))
        share = prior * np.exp(log - log.max())
        return ratio, np.cumsum(share) / share.sum()


def components(linear: Model, labels: np.ndarray, least: float = SIZE) -> Components | None:
    """Return what a grouping makes of the residuals; None where the law leaves too little of it.

    Args:
        linear: the fit.
        labels: [n] of the groups.
        least: runs per group, on average.
    """
    member = membership(labels[linear.used])
    m, G = len(member), int(member.max()) + 1
    if not 3 <= G <= MOST or m < least * G or m * G > ENTRIES:
        return None
    Q, r = linear.basis, linear.free()
    count = np.bincount(member)
    shares = np.zeros((G, Q.shape[1]))
    np.add.at(shares, member, Q)
    value, vector = np.linalg.eigh(np.diag(count.astype(float)) - shares @ shares.T)
    seen = value > 1e-6 * count.max()
    value, vector = value[seen], vector[:, seen]
    freedom = m - Q.shape[1] - len(value)
    if freedom < 2 or not len(value) or value.max() < SEEN * m / G:
        return None
    axes = (vector / np.sqrt(value))[member]
    axes = axes - Q @ (Q.T @ axes)  # [m, q] orthonormal, what the groups add to the law
    number = axes.T @ r
    rest = r - axes @ number
    own = float(rest @ rest) / freedom
    if not own > 0:
        return None
    leverage = (Q**2).sum(axis=1) + (axes**2).sum(axis=1)
    found = Components(value, number**2, own, freedom, rest, np.minimum(leverage, 1.0))
    return found if found.groups >= FREE else None


def p_values(
    linear: Model, labels: Sequence[np.ndarray], share: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Return the p of every grouping [K], and that of the least of them.

    Args:
        linear: the fit.
        labels: K groupings, each [n].
        share: [K] of the false alarms that each may raise; default equal ones.
    """
    members = [membership(each[linear.used]) for each in labels]
    Q, r = linear.basis, linear.free()
    m, count = len(r), int(np.clip(EFFORT // len(r), 199, SIGNS))
    free = r / np.sqrt(np.maximum(1 - (Q**2).sum(axis=1), 0.1))
    places = [_Sums(member, Q) for member in members]
    seen = np.array([place.score(r[None])[0] for place in places])  # [K]
    rng, drawn, chunk = np.random.default_rng(0), [], max(1, 4_000_000 // m)
    for first in range(0, count, chunk):
        some = min(chunk, count - first)
        signed = np.where(rng.random((some, m), np.float32) < 0.5, -free, free)
        drawn.append(np.array([place.score(signed) for place in places]))
    every = np.concatenate([seen[:, None], *drawn], axis=1)  # [K, 1 + signs]
    # The p of an outcome among all of them, itself included: the share that is no lower.
    order = np.sort(every, axis=1)
    tail = [(count + 1 - np.searchsorted(o, e, "left")) for o, e in zip(order, every, strict=True)]
    ranked = np.array(tail) / (count + 1)
    least = (ranked if share is None else ranked / share[:, None]).min(axis=0)
    return ranked[:, 0], float(np.mean(least <= least[0]))


class _Sums:
    """Sums over groups of least-squares residuals."""

    def __init__(self, member: np.ndarray, Q: np.ndarray) -> None:
        self.order = np.argsort(member, kind="stable")
        self.first = np.searchsorted(member[self.order], np.arange(member.max() + 1))
        self.Q = Q
        self.shares = np.add.reduceat(Q[self.order], self.first, axis=0)  # [G, P]

    def score(self, y: np.ndarray) -> np.ndarray:
        """Return, per row of `y` [B, m], squared sums over groups in units of all residuals."""
        inner = y @ self.Q
        sums = np.add.reduceat(y[:, self.order], self.first, axis=1) - inner @ self.shares.T
        total = (y**2).sum(axis=1) - (inner**2).sum(axis=1)
        found: np.ndarray = (sums**2).sum(axis=1) / total
        return found
