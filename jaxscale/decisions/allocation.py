"""How to spend compute: the door for the questions that `plans` answers, for one law or a sample.

One number gives one answer, of floats; a list of numbers [m], or a sample of laws [B], gives arrays
[m], [B] or [B, m].
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import programs
from jaxscale._numerics.precision import scope
from jaxscale.decisions.account import allocation_blocks, allocation_columns
from jaxscale.decisions.inverse import additive
from jaxscale.decisions.optimum import LOG_C, budgets_of, cheapest, optimum
from jaxscale.decisions.plans import SERVED, plan
from jaxscale.decisions.question import Lifetime, Question, ask
from jaxscale.decisions.repetition import DATA_WORTH, SIZE_WORTH
from jaxscale.errors import FitError
from jaxscale.flops import Flops, SixND, power_form, unit_of
from jaxscale.laws import Fitted, Law, its_law
from jaxscale.shown.blocks import Block, Shown, shown
from jaxscale.shown.frames import frame
from jaxscale.text import quantity

__all__ = [
    "LOG_C",
    "Allocation",
    "Limits",
    "additive",
    "allocate",
    "answers",
    "cheapest",
    "optimum",
]

FEW = 8
"""Closed forms up to which a program is not worth compiling."""
TOGETHER = 1024
"""Searches that run side by side: each holds some hundred numbers."""
ROUNDING = 1e-9
"""Overhead, or excess of a loss, that is none."""
AMOUNTS = (
    "compute",
    "N",
    "D",
    "loss",
    "tokens_per_parameter",
    "excess",
    "overhead",
    "cost",
    "epochs",
)


@shown
class Limits(NamedTuple):
    """Ends of an interval, of the shape of what it is about: `low, high = limits`."""

    low: Any
    high: Any

    def _blocks(self) -> list[Block]:
        pairs = list(zip(np.ravel(self.low), np.ravel(self.high), strict=True))
        first = ", ".join(f"{quantity(low)} to {quantity(high)}" for low, high in pairs[:FEW])
        return [first + (f" and {len(pairs) - FEW:,} more" if len(pairs) > FEW else "")]


@dataclasses.dataclass(frozen=True)
class Allocation(Shown):
    """Runs to make: floats, or arrays [m] of many questions, [B] or [B, m] of a sample of laws.

    Attributes:
        compute: training FLOPs; the scale, for a law of one scale that is no N and no D.
        N: parameters.
        D: tokens, those that are seen again included.
        loss: predicted loss.
        tokens_per_parameter: D / N.
        method: "closed form" or "numeric".
        at_edge: whether a search ended at the edge of what it looks at, so that the law has no
            such run of its own.
        excess: loss above that of the best run of the same compute.
        overhead: compute over the least compute for the same loss, less 1: what another choice
            than the best one costs.
        cost: of training and serving, in the units of the lifetime's costs; None without one.
        epochs: how often the unique tokens are seen; None where they are not limited.
        intervals: by name of an attribute, what a bootstrap leaves open; empty without one.
        level: nominal coverage of the intervals.
        draws: bootstrap tables behind them.
        within_factor: per budget, the factor within which the runs determine the best N (98 %).
        extrapolation: per answer, how far it lies outside the runs, by what.
        notes: sentences that a reader should see beside the numbers.
        trusted: False where a note says not to use a number.
        frame_kind: of the runs behind a fit, as `Runs.frame_kind`; empty for a law.

    Example:
        >>> import jaxscale
        >>> law = jaxscale.Chinchilla.preset("hoffmann_2022")
        >>> best = jaxscale.allocate(law, compute=[1e22, 1e23])
        >>> best.tokens_per_parameter.round(1)
        array([41.4, 50.6])
        >>> best.method
        'closed form'
    """

    compute: Any
    N: Any
    D: Any
    loss: Any
    tokens_per_parameter: Any
    method: str
    at_edge: Any = False
    excess: Any = 0.0
    overhead: Any = 0.0
    cost: Any = None
    epochs: Any = None
    intervals: Mapping[str, Limits] = dataclasses.field(default_factory=dict)
    level: float = math.nan
    draws: int = 0
    within_factor: Any = None
    extrapolation: Any = None
    notes: tuple[str, ...] = ()
    trusted: bool = True
    frame_kind: str = dataclasses.field(default="", repr=False)

    def table(self, *, kind: str | None = None) -> Any:
        """Return the answers as a dataframe, a row per question.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Returns:
            Columns compute, N, D, loss and so on, as far as the answers have them, with their
            limits as N_low and N_high where there are intervals, and at_edge. Of a sample of laws
            [B, m], the rows of the first law come first.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        return frame(allocation_columns(self, AMOUNTS), kind, self.frame_kind)

    def _blocks(self) -> list[Block]:
        return allocation_blocks(self, AMOUNTS)


def allocate(
    law: Law | Fitted,
    *,
    compute: Any = None,
    target_loss: Any = None,
    N: Any = None,
    D: Any = None,
    ratio: Any = None,
    times_N: Any = None,
    lifetime: float | Lifetime | None = None,
    unique_tokens: Any = None,
    worth: tuple[float, float] = (DATA_WORTH, SIZE_WORTH),
    flops: Flops | None = None,
) -> Allocation:
    """Return the best run of a budget, the cheapest run for a loss, or the run that keeps to more.

    Args:
        law: a fit of a law of N and D; or such a law itself, whose parameters may have a leading
            axis [B]; or a law of one scale, for `target_loss` alone.
        compute: budget C in FLOPs; give this or `target_loss`.
        target_loss: loss to reach, in the units of the runs.
        N: parameters that the run has to have; alone, the run whose budget they are the best of.
        D: tokens, likewise.
        ratio: tokens per parameter that it has to have.
        times_N: its size as a multiple of the best one, at the loss of the best.
        lifetime: tokens that the model will serve, or what serving costs; `compute` is the budget
            of both together then.
        unique_tokens: those that there are; more of them are the same ones again.
        worth: (R*_D, R*_N), the repetitions that repeating for ever comes to.
        flops: FLOPs model; default the law's own, else C = 6 N D.

    Returns:
        The allocation in floats, or in arrays for lists of numbers and under a sample of laws.
        Where a list has a loss that nothing reaches, the answer is infinite there, or NaN where
        every run is better than it; a note says so of a single law.

    Raises:
        FitError: the fit is not certified: what follows from it may be wrong by any factor.
        ValueError: the law cannot be asked this, an argument is not positive, or no run answers
            the only question.

    Source: Hoffmann et al. 2022, arXiv:2203.15556, equation 4.
    """
    law = trusted_law(law)
    given = dict(compute=compute, target_loss=target_loss, N=N, D=D, ratio=ratio)
    given |= dict(times_N=times_N, unique_tokens=unique_tokens)
    asked = ask(law, given, lifetime=lifetime, worth=worth, flops=flops)
    found = answers(law, asked)
    if is_sample(law):
        return found
    if not asked.shape:
        _answered(law, asked, found)
    return _with_reasons(law, asked, found)


def trusted_law(law: Law | Fitted) -> Law:
    """Return a law, or that of a fit that is certified.

    Raises:
        FitError: the fit is not certified.
    """
    if isinstance(law, Fitted) and law.doubts:
        raise FitError(
            f"no allocation from a fit that is not certified ({law.doubts[0]}): it may be wrong by "
            "any factor. Mend what its reasons say, or see what it would be: allocate(fit.law, ...)"
        )
    return its_law(law)


def is_sample(law: Law) -> bool:
    """Return whether a law stands for several."""
    return any(np.ndim(leaf) for leaf in jax.tree.leaves(law))


def answers(law: Law, asked: Question) -> Allocation:
    """Return what a law, or every law of a sample, answers; what has no answer is not finite.

    Args:
        law: parameters scalar or [B].
        asked: what `ask` returned.
    """
    sample, shape = is_sample(law), asked.shape
    size = max((np.size(leaf) for leaf in jax.tree.leaves(law)), default=1) if sample else 1
    full = (size, *shape) if sample else shape
    pairs = math.prod(full)

    def flat(leaf: Any, whole: bool) -> np.ndarray:
        leaf = np.asarray(leaf, float)
        if whole:  # of the law: the first axis
            leaf = np.broadcast_to(leaf, (size,)).reshape(size, *[1] * len(shape))
        return np.broadcast_to(leaf, (size, *shape)).reshape(-1)

    def at(k: int, tree: Any) -> Any:
        return jax.tree.map(lambda x: x[k], tree)

    laws = jax.tree.map(lambda leaf: flat(leaf, True), law)
    numbers = {name: flat(x, False) for name, x in asked.numbers.items()}
    closed = len(law.inputs) == 1 or closed_form(law, asked)
    # One closed form of a budget is a handful of operations: no program.
    if closed and asked.names == {"compute"} and pairs <= FEW:
        with scope(np.float64):
            rows = [_each(at(k, laws), at(k, numbers), asked.flops) for k in range(pairs)]
            found = jax.tree.map(lambda *x: np.asarray(x, float), *jax.device_get(rows))
    else:
        found = _compiled((laws, numbers), asked.flops, closed=closed, sample=sample)
    return _made(found, asked, full, "closed form" if closed else "numeric")


def closed_form(law: Law, asked: Question) -> bool:
    """Return whether a law of N and D answers a question without a search along a line."""
    if additive(law) is None or "unique_tokens" in asked.names:
        return False
    serves = set(SERVED) <= asked.names
    return isinstance(asked.flops, SixND) if serves else power_form(asked.flops) is not None


def _compiled(pairs_of: tuple[Law, Any], flops: Flops, *, closed: bool, sample: bool) -> Any:
    """Return the answers of a program; questions of about a number share it."""
    laws = pairs_of[0]
    pairs = len(next(iter(pairs_of[1].values())))
    padded = 1 if pairs == 1 else -(-pairs // 16) * 16 if pairs <= 256 else -(-pairs // 256) * 256
    full = jax.tree.map(
        lambda x: np.concatenate([x, np.broadcast_to(x[:1], (padded - pairs,))]), pairs_of
    )
    priced = additive(laws) is not None or not sample  # else a search in a search per answer
    settings: Any = dict(flops=flops, closed=closed, priced=priced)
    found, _ = programs.run(_every, *full, dtype=np.float64, **settings)
    return jax.tree.map(lambda x: np.asarray(x)[:pairs], found)


def _every(law: Law, numbers: Any, *, flops: Flops, closed: bool, priced: bool) -> Any:
    def one(each: tuple[Law, Any]) -> Any:
        return _each(each[0], each[1], flops, priced)

    if closed:
        return jax.vmap(one)((law, numbers))
    return jax.lax.map(one, (law, numbers), batch_size=TOGETHER)


def _each(law: Law, numbers: Any, flops: Flops, priced: bool = True) -> dict[str, Array]:
    found = plan(law, numbers, flops)
    answer = found._asdict()
    plain = set(numbers) <= {"compute"} or set(numbers) <= {"target_loss"}
    if len(law.inputs) == 1 or plain or not priced:
        return answer
    able = jnp.isfinite(found.loss) & jnp.isfinite(found.compute)
    least = cheapest(law, jnp.where(able, found.loss, 1.0), flops)
    answer["overhead"] = jnp.where(able, found.compute / least - 1, jnp.inf)
    best = optimum(law, jnp.where(able, found.compute, 1e20), flops)
    answer["excess"] = jnp.where(able, found.loss - best.loss, jnp.inf)
    return answer


def _made(found: Any, asked: Question, full: tuple[int, ...], method: str) -> Allocation:
    kept: dict[str, Any] = {name: np.asarray(x).reshape(full) for name, x in found.items()}
    with np.errstate(all="ignore"):
        kept["tokens_per_parameter"] = kept["D"] / kept["N"]
        if set(SERVED) <= asked.names:
            train, serving = (asked.numbers[name] for name in SERVED)
            kept["cost"] = train * kept["compute"] + serving * kept["N"]
        if "unique_tokens" in asked.names:
            kept["epochs"] = kept["D"] / asked.numbers["unique_tokens"]
    edge = kept.pop("at_edge") > 0
    unknown = np.zeros(full) if asked.plain else np.full(full, np.nan)
    for name in ("excess", "overhead"):
        more = kept.get(name, unknown)
        kept[name] = np.where(np.abs(more) < ROUNDING, 0.0, more)
    if full == ():
        kept = {name: float(x) for name, x in kept.items()}
        edge = bool(edge)
    amounts: list[Any] = [kept[name] for name in AMOUNTS[:5]]
    C, N, D, loss, ratio = amounts
    made = Allocation(C, N, D, loss, ratio, method, edge, kept["excess"], kept["overhead"])
    return dataclasses.replace(made, cost=kept.get("cost"), epochs=kept.get("epochs"))


def _answered(law: Law, asked: Question, found: Allocation) -> None:
    """Raise with the reason why the only question has no answer."""
    one = len(law.inputs) == 1
    reached = math.isfinite(scale_of(law, found) if one else found.compute + found.N * 0)
    if reached or "target_loss" not in asked.names:
        return
    raise ValueError(unanswered(law, asked, float(asked.numbers["target_loss"])))


def _with_reasons(law: Law, asked: Question, found: Allocation) -> Allocation:
    """Return answers with the reasons why some of them are none."""
    said = []
    for k in np.flatnonzero(~np.isfinite(np.atleast_1d(scale_of(law, found)))):
        at = {name: float(np.atleast_1d(x)[k]) for name, x in asked.numbers.items()}
        if "target_loss" in at:
            said.append(unanswered(law, asked, at["target_loss"]))
        elif "times_N" in at:
            said.append(
                f"a model of {at['times_N']:g} times the best size does not reach the loss of the "
                "best one with any amount of data: ask for a larger one"
            )
    return dataclasses.replace(found, notes=tuple(said), trusted=not said)


def scale_of(law: Law, found: Allocation) -> Any:
    """Return the scale that a law of one scale answers with; the compute of others."""
    name = law.inputs[0] if len(law.inputs) == 1 else "C"
    return getattr(found, name if name in ("N", "D") else "compute")


def unanswered(law: Law, asked: Question, target: float) -> str:
    """Return why a law has no run for a loss.

    Args:
        law: scalar parameters.
        asked: the question.
        target: the loss.
    """
    name = type(law).__name__
    if len(law.inputs) == 1:
        return f"{name} has loss {target:g} at no {law.inputs[0]}"
    kept = sorted(asked.names - {"target_loss", "data_worth", "size_worth", *SERVED})
    if kept:
        held = " and ".join(kept)
        return f"{name} does not reach loss {target:g} at this {held}, with any amount of the rest"
    with scope(np.float64):
        wide = jax.tree.map(lambda leaf: np.asarray(leaf, float), law)
        ends = [math.exp(edge) for edge in budgets_of(asked.flops)]
        worst, best = (float(optimum(wide, end, asked.flops).loss) for end in ends)
    unit = unit_of(asked.flops)
    rises = law.turns and best > worst
    if not (best >= target if rises else best <= target):
        return (
            f"{name} reaches no loss {'above' if rises else 'below'} {best:.6g} with budgets up to "
            f"{ends[1]:.0e} {unit}; the target is {target:g}"
        )
    return (
        f"a run of {ends[0]:.0e} {unit} already has loss {worst:.6g}, "
        f"{'above' if rises else 'below'} the target {target:g}"
    )
