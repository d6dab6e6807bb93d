"""Noise that runs share: whether the residuals of one budget, size or group move together.

Runs of one budget, one model size or one family may err together: one learning rate that was off,
one corpus, or a law that fits none of them. Intervals that take the runs for independent then
cover far too little. Which groups there are is seen without being told, and tested.

What is shared is then drawn per group and the rest per run. The variance of the shared part rests
on as many numbers as there are groups that the law does not absorb, often two or three; every
draw takes another value of it from its posterior. So the intervals of what hangs on the groups
are those of Student's t on so few, and all others stay as narrow as they may.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from jaxscale.errors import FitError
from jaxscale.fitting.linearized import Linearized, Noise
from jaxscale.fitting.result import FitResult
from jaxscale.shown.blocks import Block, Shown
from jaxscale.text import quantity
from jaxscale.uncertainty.components import GIVEN, Components, components, model, p_values
from jaxscale.uncertainty.groupings import Grouping, groupings
from jaxscale.uncertainty.resampling import membership

LEVELS = (0.05, 0.25)
"""The p, of all groupings together, from which residuals count as shared: the first where the law
leaves five groups or more, up to the second where it leaves two. So few tell little: at .05 the
test overlooks three in ten tables half of whose noise is shared, and intervals there are half as
wide as they must be, while a false alarm makes them wider than they need be."""


@dataclasses.dataclass(frozen=True)
class Sharing(Shown):
    """Residuals that move together within groups.

    Attributes:
        of: what the runs of a group have in common: "budget", "N", "D", or the name of a column.
        labels: [n] group of every run.
        icc: intraclass correlation, the share of the noise's variance that a group has in common.
        p: of the test that there is none, all groupings that were tried being allowed for; NaN
            where the groups were given.
        said: all that in a sentence.
    """

    of: str
    labels: np.ndarray
    icc: float
    p: float
    said: str

    def _blocks(self) -> list[Block]:
        return [self.said]


def level_of(groups: float) -> float:
    """Return the p from which residuals count as shared, of groups that the law does not absorb."""
    return float(np.clip(groups**-2.0, *LEVELS))


def find_sharing(
    fit: FitResult, at: Linearized, size: np.ndarray, level: float | None = None
) -> Sharing | None:
    """Return how residuals move together within groups; None where no test says that they do.

    Args:
        fit: the fit.
        at: the fit linearized.
        size: [n] relative size of the noise of every run.
        level: of the test, all groupings together; default that of the fewest groups.
    """
    linear = model(at, size)
    if linear is None:
        return None
    tried = [(each, components(linear, each.labels)) for each in groupings(fit)]
    known = [(each, parts) for each, parts in tried if parts is not None]
    if not known:
        return None
    need = np.array([1 / parts.groups for _, parts in known])  # few groups need the level most
    single, p = p_values(linear, [each.labels for each, _ in known], need / need.sum())
    level = level_of(1 / need.max()) if level is None else level
    if p > level:
        return None
    # The grouping that speaks most for it: by p, as far as random signs can tell, then by fit.
    first = min(range(len(known)), key=lambda k: (single[k] / need[k], -known[k][1].gain))
    each, parts = known[first]
    if not parts.ratio > 0:
        return None
    icc = parts.ratio / (1 + parts.ratio)
    found = f"intraclass correlation {quantity(icc, 2)}, p = {quantity(p, 2)}"
    verb = "move" if p <= LEVELS[0] else "may move"
    said = f"residuals of {each.each} {verb} together ({found}): what they share is drawn "
    return Sharing(each.of, each.labels, icc, p, said + _per(each))


def given_sharing(of: str, labels: np.ndarray, at: Linearized) -> Sharing:
    """Return the sharing of groups that were given, whatever a test would say.

    Args:
        of: what the groups are called.
        labels: [n].
        at: the fit linearized.

    Raises:
        FitError: the law leaves too little of the groups to tell what they share.
    """
    linear = model(at, np.ones(len(labels)))
    parts = None if linear is None else components(linear, labels, GIVEN)
    if parts is None:
        G = len(np.unique(labels))
        raise FitError(
            f"{G} groups of {len(labels)} runs do not tell what the runs of one share, once the "
            f"law is fitted: it takes {GIVEN:g} runs per group and two groups more than the law "
            "absorbs; use a method that assumes independent runs"
        )
    icc = parts.ratio / (1 + parts.ratio)
    each = Grouping(of, labels)
    said = f"what runs of {each.each} share (intraclass correlation {quantity(icc, 2)}) is drawn "
    return Sharing(of, labels, icc, float("nan"), said + _per(each))


def _per(each: Grouping) -> str:
    return f"once per {each.of if each.of not in ('N', 'D') else 'value of ' + each.of}"


@dataclasses.dataclass(frozen=True)
class Shares(Shown):
    """How shared noise is drawn.

    Attributes:
        member: [n] number of every run's group.
        scale: [n] size of a run's noise over that of a run of mean weight.
        own: what every run has for itself.
        variance: of it, outliers cut.
        ratio: [K] shared variance over own variance ...
        below: [K] ... and its cumulative posterior.
    """

    member: np.ndarray
    scale: np.ndarray
    own: Noise
    variance: float
    ratio: np.ndarray
    below: np.ndarray

    def shared(self, member: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return what runs in groups `member` share, were they of mean weight."""
        ratio = self.ratio[np.searchsorted(self.below, rng.random())]
        each = np.sqrt(self.variance * ratio) * rng.standard_normal(int(member.max()) + 1)
        return np.asarray(each[member])

    def losses(
        self, at: Linearized, prediction: np.ndarray, seed: int, count: int, own: bool = True
    ) -> np.ndarray:
        """Return [count, n] losses: the fitted law, plus noise per group, plus noise per run.

        Args:
            at: the fit linearized.
            prediction: [n] of the fit.
            seed: with the number of a draw, its random numbers.
            count: how many draws.
            own: whether the noise per run is drawn anew; else it is the residual that a run has.
        """
        n, found = len(self.member), np.empty((count, len(self.member)))
        for b in range(count):
            rng = np.random.default_rng([seed, b, 1])  # [seed, b] draws cases
            found[b] = self.scale * self.shared(self.member, rng)
            found[b] += self.scale * self.own.draw((n,), rng) if own else at.residual
        losses: np.ndarray = at.objective.residual.losses(prediction, found)
        return losses

    @functools.cached_property
    def new_run(self) -> Noise:
        """The noise of a run of a new group."""
        rng = np.random.default_rng(0)
        alone = np.zeros(1, int)
        r = np.concatenate([self.shared(alone, rng) for _ in range(2000)])
        r += self.own.draw((len(r),), rng)
        low, high = np.quantile(r, [0.0005, 0.9995])
        r = np.clip(r, low, high)
        tiny = float(np.finfo(float).tiny)
        return Noise(r, np.full(len(r), 1 / len(r)), tiny, float(np.mean(r**2)))


def tells(at: Linearized, labels: np.ndarray) -> bool:
    """Return whether it can be told if groups [n] share noise.

    Args:
        at: the fit linearized.
        labels: [n] of the groups.
    """
    linear = model(at, np.ones(len(labels)))
    return linear is not None and components(linear, labels) is not None


def own_part(at: Linearized, labels: np.ndarray) -> Linearized:
    """Return the fit with the residuals of its runs' own noise, the groups' taken away.

    Args:
        at: the fit linearized.
        labels: [n] of the groups.
    """
    found = _parted(at, labels, np.ones(len(labels)))
    return at if found is None else found[0]


def shares(at: Linearized, labels: np.ndarray, size: np.ndarray) -> Shares:
    """Return how the noise of groups is drawn.

    Args:
        at: the fit linearized.
        labels: [n] of the groups.
        size: [n] relative size of the noise of every run.
    """
    found = _parted(at, labels, size)
    assert found is not None  # the groups were tested
    own, parts = found
    relative = np.sqrt(at.weight / at.weight[at.weight > 0].mean())
    scale = size / np.where(relative > 0, relative, 1.0)
    return Shares(membership(labels), scale, own.noise(), parts.own, *parts.ratios())


def _parted(
    at: Linearized, labels: np.ndarray, size: np.ndarray
) -> tuple[Linearized, Components] | None:
    """Return the fit with own residuals [n] of equal size, and the components."""
    linear = model(at, size)
    parts = None if linear is None else components(linear, labels, GIVEN)
    if linear is None or parts is None:
        return None
    used, relative = linear.used, at.weight / at.weight[linear.used].mean()
    uncut = at.residual[used] * np.sqrt(relative[used]) / size[used]
    rest = np.zeros(len(labels))
    # The law and the groups are as outliers cut leave them; the outliers themselves are kept.
    rest[used] = (parts.rest + uncut - linear.residual) / np.sqrt(relative[used])
    leverage = np.zeros(len(labels))
    leverage[used] = parts.leverage
    return dataclasses.replace(at, residual=rest, leverage=leverage), parts
