"""The best shares of a data mixture: least loss over the simplex, within bounds.

Mirror descent in the shares from many starts at once, with a step per start that grows while the
loss falls. The answer says how far from the best it can be to first order (`gap`): for a law that
is convex in the shares (MixingLaw; AdditiveMixture with exponents up to 1) that is a proof.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.precision import host
from jaxscale._numerics.programs import run
from jaxscale.decisions.account import mixture_blocks
from jaxscale.laws import Fitted, Law, its_law, predict
from jaxscale.shown.blocks import Block, Shown
from jaxscale.shown.frames import frame
from jaxscale.text import listing, quantity

STEPS = 4000
STARTS = 32
HALVINGS = 60
NOTHING = 1e-9
"""A share below is none."""
CLOSE = 1e-6
"""Gap over loss up to which the search has ended."""


@dataclasses.dataclass(frozen=True)
class Mixture(Shown):
    """The best shares of a mixture.

    Attributes:
        shares: by domain; they add up to one.
        loss: what is least: the weighted losses, without the penalty.
        losses: of every law, by its name.
        gap: how much lower it can be to first order, penalty counted, in units of the loss.
        agreed: share of the starts that ended there.
        limits: per domain that its bound holds, which: "least" or "most".
        notes: what a reader should know.
    """

    shares: Mapping[str, float]
    loss: float
    losses: Mapping[str, float]
    gap: float
    agreed: float
    limits: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def trusted(self) -> bool:
        """Whether the search has ended at a best point."""
        return self.gap <= CLOSE * abs(self.loss)

    def table(self, *, kind: str | None = None) -> Any:
        """Return the shares as a dataframe with columns domain, share and held_by.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the first of these that is
                installed.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        held = [self.limits.get(name, "") for name in self.shares]
        shares = list(self.shares.values())
        return frame({"domain": list(self.shares), "share": shares, "held_by": held}, kind)

    def _blocks(self) -> list[Block]:
        return mixture_blocks(self)


@host()
def best_mixture(
    laws: Law | Fitted | Mapping[str, Law | Fitted],
    *,
    N: float | None = None,
    D: float | None = None,
    weights: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    prior: Mapping[str, float] | None = None,
    kl: float = 0.0,
    unique: Mapping[str, float] | None = None,
    epochs: float = 4.0,
) -> Mixture:
    """Return the shares of least loss, of one target or of several weighted ones.

    Args:
        laws: of mixtures of the same domains, fitted or with values; several by name.
        N: parameters, where the laws take them.
        D: tokens, where the laws take them or `unique` is given.
        weights: of the laws; default equal. They are divided by their sum.
        bounds: least and most share by domain.
        prior: shares by domain that `kl` draws to; default equal ones.
        kl: what one nat of KL(shares | prior) counts, in units of the loss.
        unique: different tokens that a domain has: its share is at most epochs * unique / D.
        epochs: how often a token may be seen.

    Returns:
        The shares by domain, the losses there, and how far from the best they can be.

    Raises:
        ValueError: laws are of no or of other domains, a size is missing, or the bounds leave no
            mixture.

    Cost: some hundredths of a second, and a second to compile.

    Source: Shukor et al. 2025, arXiv:2507.09404, who use mirror descent; the KL term and the caps
    on epochs are those of mixture proposers such as olmix.

    Example:
        >>> import jaxscale
        >>> mixing = jaxscale.CATALOGUE["MixingLaw[web,code]"]
        >>> web, code = mixing(1.2, b_web=1.0, b_code=2.0), mixing(0.8, b_web=3.0, b_code=0.8)
        >>> best = jaxscale.best_mixture({"web": web, "code": code})
        >>> {domain: round(float(share), 2) for domain, share in best.shares.items()}
        {'web': 0.13, 'code': 0.87}
    """
    named = {name: its_law(law) for name, law in _by_name(laws).items()}
    domains = _domains(named)
    share = _weights(named, weights)
    sizes = _sizes(named, N, D)
    _known(domains, bounds or {}, unique or {})
    low, high, capped = _box(domains, bounds or {}, unique or {}, epochs, D)
    drawn_to = _prior(domains, prior)
    if not (np.isfinite(kl) and kl >= 0):
        raise ValueError(f"kl must be 0 or more, got {kl!r}")
    rng = np.random.default_rng(0)
    free = rng.dirichlet(np.ones(len(domains)), STARTS - 1)
    starts = np.vstack([drawn_to, free]) * (1 - 1e-6) + 1e-6 / len(domains)
    given = (tuple(named.values()), share, sizes, low, high, drawn_to, np.float64(kl))
    (ends, values, gaps), _ = run(_descended, starts, given, dtype=np.float64)
    best = int(np.argmin(values))
    h = np.where(ends[best] < NOTHING, 0.0, ends[best])
    losses = {
        name: float(predict(law, **dict(zip(law.inputs, (*h, *sizes), strict=True))))
        for name, law in named.items()
    }
    agreed = float(np.mean(np.abs(ends - ends[best]).max(axis=1) < 1e-3))
    notes = [*capped, *_beyond(laws, domains, h)]
    if not gaps[best] <= CLOSE * abs(values[best]):
        notes.append(
            f"the search has not ended: the loss can be {quantity(gaps[best])} lower to first order"
        )
    return Mixture(
        shares=dict(zip(domains, map(float, h), strict=True)),
        loss=float(np.dot(share, list(losses.values()))),
        losses=losses,
        gap=float(gaps[best]),
        agreed=agreed,
        limits={
            name: "most" if h[k] > low[k] + 1e-6 else "least"
            for k, name in enumerate(domains)
            if min(h[k] - low[k], high[k] - h[k]) < 1e-6 and low[k] + high[k] > 0
        },
        notes=tuple(notes),
    )


def _by_name(laws: Any) -> dict[str, Any]:
    found = dict(laws) if isinstance(laws, Mapping) else {"loss": laws}
    if not found:
        raise ValueError("no law is given: give one of a mixture, e.g. MixingLaw['web','code']")
    return found


def _domains(laws: Mapping[str, Law]) -> tuple[str, ...]:
    """Return the domains that all laws have, in one order."""
    first: tuple[str, ...] = ()
    for name, law in laws.items():
        domains = law.shares
        if not domains:
            raise ValueError(
                f"{name}: {type(law).__name__} is no law of a mixture; fit one, e.g. "
                "AdditiveMixture[web,code,books]"
            )
        if law.free:
            raise ValueError(f"{name}: {', '.join(law.free)} is free; fit the law first")
        first = first or domains
        if domains != first:
            raise ValueError(
                f"{name} is of {listing(domains)}, the first law of {listing(first)}: fit all of "
                "them to the same domains in the same order"
            )
    return first


def _weights(laws: Mapping[str, Law], weights: Mapping[str, float] | None) -> np.ndarray:
    given = dict.fromkeys(laws, 1.0) if weights is None else dict(weights)
    if unknown := [name for name in given if name not in laws]:
        raise ValueError(f"weights: no target {unknown[0]!r}; there are {listing(list(laws))}")
    if given.keys() != laws.keys() or not all(np.isfinite(w) and w >= 0 for w in given.values()):
        raise ValueError(f"weights are to be 0 or more for each of {listing(list(laws))}")
    found = np.array([given[name] for name in laws], float)
    if not found.sum() > 0:
        raise ValueError("the weights of the laws are all zero")
    return np.asarray(found / found.sum())


def _sizes(laws: Mapping[str, Law], N: float | None, D: float | None) -> tuple[float, ...]:
    """Return N and D where the laws take them."""
    kinds = {law.inputs[len(law.shares) :] for law in laws.values()}
    if len(kinds) > 1:
        raise ValueError("some laws take N and D and others do not: fit all of them to one law")
    read = kinds.pop()
    if odd := [name for name in read if name not in ("N", "D")]:
        raise ValueError(
            f"the laws take {odd[0]} too, and no mixture is best for all of it: fit "
            "AdditiveMixture or JointMixture to each target, and give all of those"
        )
    if not read:
        return ()
    for name, value in (("N", N), ("D", D)):
        if value is None:
            raise ValueError(f"{name} is missing: the laws take N and D of the run (--N X --D X)")
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, got {value!r}")
    assert N is not None and D is not None
    return float(N), float(D)


def _known(domains: tuple[str, ...], bounds: Mapping[str, Any], unique: Mapping[str, Any]) -> None:
    for what, given in (("bounds", bounds), ("unique", unique)):
        if unknown := [name for name in given if name not in domains]:
            raise ValueError(f"{what}: no domain {unknown[0]!r}; there are {listing(domains)}")


def _box(
    domains: tuple[str, ...],
    bounds: Mapping[str, tuple[float, float]],
    unique: Mapping[str, float],
    epochs: float,
    D: float | None,
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the least and the most shares [K], and what the caps on epochs hold."""
    low, high = np.zeros(len(domains)), np.ones(len(domains))
    for name, (least, most) in bounds.items():
        if not 0 <= least <= most <= 1:
            raise ValueError(
                f"bounds of {name}: {least:g} to {most:g} is no range of shares within 0 to 1"
            )
        low[domains.index(name)], high[domains.index(name)] = least, most
    if unique and not (D is not None and D > 0 and epochs > 0):
        raise ValueError("unique tokens cap shares of D: give D, and epochs above 0")
    notes = []
    for name, tokens in unique.items():
        if not tokens > 0:
            raise ValueError(f"unique: {name} has {tokens:g} tokens; give a positive number")
        k, most = domains.index(name), epochs * tokens / (D or np.nan)
        if most < high[k]:
            high[k] = most
            notes.append(f"{name}: at most {quantity(most)} of the mixture, {epochs:g} epochs")
    if bad := [name for k, name in enumerate(domains) if high[k] < low[k]]:
        k = domains.index(bad[0])
        raise ValueError(
            f"{bad[0]}: its least share is {low[k]:g}, and {epochs:g} epochs of its tokens are "
            f"{high[k]:.3g} of D"
        )
    if low.sum() > 1 + 1e-12 or high.sum() < 1 - 1e-12:
        raise ValueError(
            f"the shares can add up to {low.sum():.4g} at least and {high.sum():.4g} at most, not "
            "to 1: widen the bounds, allow more epochs or fewer tokens D"
        )
    return low, high, notes


def _prior(domains: tuple[str, ...], prior: Mapping[str, float] | None) -> np.ndarray:
    given = dict.fromkeys(domains, 1.0) if prior is None else dict(prior)
    if given.keys() != set(domains) or not all(x > 0 for x in given.values()):
        raise ValueError(f"prior is to have a positive share of each of {listing(domains)}")
    found = np.array([given[name] for name in domains], float)
    return np.asarray(found / found.sum())


def _beyond(laws: Any, domains: tuple[str, ...], h: np.ndarray) -> list[str]:
    """Return which shares no run of the fits had."""
    fits = laws.values() if isinstance(laws, Mapping) else [laws]
    notes = []
    for k, name in enumerate(domains):
        seen = [fit.runs.column(name) for fit in fits if hasattr(fit, "runs")]
        if not seen:
            continue
        least, most = min(x.min() for x in seen), max(x.max() for x in seen)
        if not least - 1e-6 <= h[k] <= most + 1e-6:
            notes.append(
                f"{name}: {h[k]:.3g} lies beyond the runs, which have {least:.3g} to {most:.3g}"
            )
    return notes


def _inside(y: Array, low: Array, high: Array) -> Array:
    """Return clip(c y, low, high) with the c that makes it add up to one; y is [K], positive."""

    def halve(_: int, edges: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = 0.5 * (edges[0] + edges[1])
        below = jnp.clip(jnp.exp(middle) * y, low, high).sum() < 1
        return jnp.where(below, middle, edges[0]), jnp.where(below, edges[1], middle)

    far = jnp.asarray(700.0, y.dtype)
    edges = jax.lax.fori_loop(0, HALVINGS, halve, (-far, far))
    found: Array = jnp.clip(jnp.exp(0.5 * (edges[0] + edges[1])) * y, low, high)
    return found


def _descended(starts: Array, given: Any) -> tuple[Array, Array, Array]:
    """Return the ends [S, K] of mirror descent, the values [S], and what is left to gain [S]."""
    laws, weights, sizes, low, high, prior, kl = given

    def value(h: Array) -> Array:
        shares = tuple(h)
        total = sum(w * law.loss(*shares, *sizes) for w, law in zip(weights, laws, strict=True))
        safe = jnp.where(h > 0, h, 1.0)
        penalized: Array = total + kl * jnp.sum(h * (jnp.log(safe) - jnp.log(prior)))
        return penalized

    def step(_: int, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        h, now, eta = state
        slope = jax.grad(value)(jnp.maximum(h, 1e-300))
        slope = slope - jnp.sum(h * slope)
        there = _inside(
            jnp.maximum(h, 1e-30) * jnp.exp(jnp.clip(-eta * slope, -30.0, 30.0)), low, high
        )
        then = value(there)
        better = then < now
        return (
            jnp.where(better, there, h),
            jnp.where(better, then, now),
            jnp.where(better, 1.5 * eta, 0.5 * eta),
        )

    def one(start: Array) -> tuple[Array, Array, Array]:
        h = _inside(start, low, high)
        h, now, _ = jax.lax.fori_loop(0, STEPS, step, (h, value(h), jnp.ones((), h.dtype)))
        return h, now, _left(jax.grad(value)(jnp.maximum(h, 1e-300)), h, low, high)

    found: tuple[Array, Array, Array] = jax.vmap(one)(starts)
    return found


def _left(slope: Array, h: Array, low: Array, high: Array) -> Array:
    """Return how far a linear function falls from h within the bounds: the Frank-Wolfe gap."""
    order = jnp.argsort(slope)
    room = (high - low)[order]
    before = jnp.concatenate([jnp.zeros(1, h.dtype), jnp.cumsum(room)[:-1]])
    filled = jnp.clip(1 - low.sum() - before, 0.0, room)
    lowest = jnp.sum(slope * low) + jnp.sum(slope[order] * filled)
    gap: Array = jnp.sum(slope * h) - lowest
    return gap
