"""Whether a run does what its law says, and what may come if it does not.

Every check looks at what was seen so far only, so none can know of a turn that is still to come.
With z the innovations of the law over the last `BACK` e-folds of steps (`local_level`), winsorized
at `WINSOR`, and K their number:

    rough      mean z² is above what noise and walk allow
    drifts     z of neighbours go together: their correlation, or the sum over the last j
    rises      a line through the last third of the bins rises
    flat       a line through all of them does not fall, over `SOME` e-folds or more
    contradicts  the law puts the end above the present loss, where it says that losses fall

What may come is then told without the law: half of the recent trend goes on, with a spread that
holds all of it and none, what the run has moved so far, and how much it moved of late.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxscale._numerics.pytree import pytree
from jaxscale.forecast.local_level import Evidence, Explained, Mixture
from jaxscale.shown.blocks import Shown

BACK = 2.0
WINSOR = 4.0
ROUGH = (1.5, 6.0)
"""Largest mean of z²: the first, plus the second over sqrt(K)."""
DRIFT = 3.4
"""Largest correlation times sqrt(K), and sum over sqrt(j)."""
FAINT = 0.25
"""Mean z² below which what neighbours share is small beside the noise that the law allows for: a
curve without noise shares all of it."""
STEEP = 4.0
"""Least slope that counts, in its standard errors."""
SOME = 1.0
QUIET = 1e-3
"""Least noise of a bin, of the present loss, for slopes."""
FEW = 4
"""Below so many bins nothing is said."""
TRUST = 0.2
"""Weight of the law where it is doubted."""
REACH = (1.0, 1.0)
"""A trend goes on for no more than so many times what the run has moved so far, or so much of the
loss if that is more."""
LOOSE = (0.2, 0.1, 0.6, 0.4)
"""Standard deviations of what may come per e-fold: of what the run has moved so far; of its loss,
of that of a run that has not fallen, and further down of one that falls: a drop may have begun."""
ON = (0.75, 0.3)
"""Standard deviations of what may come beyond half of the trend, and short of it, in trends."""
POINTS = 11
"""Normal components of what may come."""


@pytree
class Doubts(Shown):
    """Which signs there are that a run does not follow the law; each a bool.

    Attributes:
        rough: losses jump by more than noise and walk allow.
        drifts: losses leave the law to one side.
        rises: the loss rises of late.
        flat: it has not fallen so far.
        contradicts: the law puts the end above the present loss.
    """

    rough: Array
    drifts: Array
    rises: Array
    flat: Array
    contradicts: Array

    @property
    def any(self) -> Array:
        """Whether there is any sign; elementwise."""
        return self.rough | self.drifts | self.rises | self.flat | self.contradicts


SENTENCES = {
    "rises": "{} moves away from its best of late (overfitting, or too high a rate?)",
    "flat": "{} has not come down so far, so nothing tells how it will",
    "rough": "{} jumps by more than the law and its noise allow (a plateau, then a drop?)",
    "drifts": "{} bends away from the law (a plateau and a drop? other data? a rate not logged?)",
    "contradicts": "the law puts the end above the present {}",
}
"""By the sign, the gravest first."""
GUESS = "; not to be trusted, and the interval is a wide guess from what the run did of late"


def reasons(found: Doubts, quantity: str = "loss") -> list[str]:
    """Return why a forecast on the host is not to be trusted, in one sentence; empty if it is.

    Args:
        found: the signs, without axes.
        quantity: what is forecast.
    """
    signs = [name for name in SENTENCES if getattr(found, name)]
    if not signs:
        return []
    also = f" (also: {', '.join(signs[1:])})" if len(signs) > 1 else ""
    return [SENTENCES[signs[0]].format(quantity) + also + GUESS]


class _Bins(NamedTuple):
    """The bins that are used, first ones first, and how many [K]; what follows them is void."""

    valid: Array
    number: Array
    log_step: Array
    level: Array  # logarithm of the loss, or the loss itself where one is not positive
    share: Array
    surprise: Array
    positive: Array


class _Line(NamedTuple):
    """A line through bins: its slope per e-fold, and that in its standard errors."""

    slope: Array
    steep: Array


def doubts(seen: Evidence, explained: Explained) -> tuple[Doubts, Mixture]:
    """Return the signs that a run does not follow the law, and what to forecast then; pure.

    Args:
        seen: what the run has shown.
        explained: what the law makes of it.

    Returns:
        The signs, and the mixture of the law where there are none; else one that is wider.
    """
    mixture, last = explained.mixture, seen.loss[-1]
    # No derivative of a sign; the forecast itself has one in every loss.
    seen, told = lax.stop_gradient((seen, explained))
    bins = _bins(seen, told.surprise)
    enough = bins.number >= FEW
    noise = _noise(bins)
    index = jnp.arange(len(bins.valid))
    third = jnp.maximum((bins.number + 2) // 3, 3)
    late = bins.valid & (index >= bins.number - third)
    recent, whole = _line(bins, late, noise), _line(bins, bins.valid, noise)
    long = bins.log_step[0] <= -SOME
    rough, drifts = _unlike_noise(bins)
    above = told.mixture.below(seen.scale * (1 + 3 * noise)) < 0.05
    found = Doubts(
        enough & rough | (last > 1),  # the last bin is a spike, or all that comes is
        enough & drifts,
        enough & (bins.number > FEW) & (recent.steep > STEEP),
        enough & long & (whole.steep > -0.5 * STEEP),
        enough & above,
    )
    return found, _wider(seen, bins, mixture, (recent.slope, late), found)


def _bins(seen: Evidence, surprise: Array) -> _Bins:
    order = jnp.argsort(~seen.used, stable=True)
    valid, loss = seen.used[order], seen.loss[order]
    positive = jnp.all(jnp.where(valid, loss > -1, True))
    level = jnp.where(positive, jnp.log1p(jnp.maximum(loss, -1 + 1e-30)), loss)
    log_step, share, surprise = (x[order] for x in (seen.log_step[:-1], seen.share, surprise))
    return _Bins(valid, jnp.sum(valid), log_step, level, share, surprise, positive)


def _noise(bins: _Bins) -> Array:
    """Return the standard deviation of a full bin, from neighbours' differences of late."""
    index = jnp.arange(len(bins.valid))
    near = bins.valid & (index > bins.number // 4)
    apart = jnp.diff(bins.level, prepend=bins.level[:1])
    apart /= jnp.sqrt(bins.share + jnp.roll(bins.share, 1))
    apart = jnp.where(near, apart, jnp.nan)
    spread = 1.4826 * jnp.nanmedian(jnp.abs(apart - jnp.nanmedian(apart)))
    return jnp.maximum(jnp.nan_to_num(spread), QUIET)


def _line(bins: _Bins, chosen: Array, noise: Array) -> _Line:
    weight = jnp.where(chosen, 1 / bins.share, 0.0)
    total = jnp.maximum(jnp.sum(weight), 1e-9)

    def centred(x: Array) -> Array:
        x = jnp.where(chosen, x, 0.0)
        return jnp.where(chosen, x - jnp.sum(weight * x) / total, 0.0)

    x, y = centred(bins.log_step), centred(bins.level)
    xx = jnp.maximum(jnp.sum(weight * x * x), 1e-12)
    slope = jnp.sum(weight * x * y) / xx
    return _Line(slope, slope * jnp.sqrt(xx) / noise)


def _unlike_noise(bins: _Bins) -> tuple[Array, Array]:
    """Return whether innovations are rougher than noise, and whether they drift."""
    index = jnp.arange(len(bins.valid))
    near = bins.valid & (bins.log_step >= -BACK) & (index > 0)  # the first sets the level
    K = jnp.maximum(jnp.sum(near), 1)
    z = jnp.where(near, jnp.clip(bins.surprise, -WINSOR, WINSOR), 0.0)
    squares = jnp.sum(z * z)
    rough = squares / K > ROUGH[0] + ROUGH[1] / jnp.sqrt(K)
    together = jnp.sum(z[1:] * z[:-1]) / jnp.maximum(squares, FAINT * K) * jnp.sqrt(K)
    back = jnp.cumsum(z[::-1])[::-1]  # from each bin to the last
    length = bins.number - index
    sums = jnp.where(
        near & (length >= 2) & (length <= jnp.maximum(K // 2, 2)),
        jnp.abs(back) / jnp.sqrt(jnp.maximum(length, 1)),
        0.0,
    )
    return rough, (K > 2) & ((together > DRIFT) | (jnp.max(sums) > DRIFT))


def _wider(
    seen: Evidence, bins: _Bins, law: Mixture, trend: tuple[Array, Array], found: Doubts
) -> Mixture:
    """Return the mixture of the law, with what may come beside it where it is doubted.

    The trend is its slope per e-fold of steps, and the bins [K] that show it.
    """
    slope, late = trend
    doubted, ahead = found.any, seen.log_step[-1] - seen.log_step[-2]
    inside = jnp.where(bins.valid, bins.level, jnp.nan)
    moved = jnp.nan_to_num(jnp.nanmax(inside) - jnp.nanmin(inside))
    far = jnp.maximum(REACH[0] * moved, REACH[1])
    on = jnp.clip(slope * jnp.expm1(jnp.minimum(ahead, 5.0)), -far, far)  # a line in steps
    steps = jnp.where(late[1:] & bins.valid[:-1], jnp.diff(bins.level), 0.0)
    width = jnp.sum(jnp.where(late[1:], jnp.diff(bins.log_step), 0.0))
    walk = jnp.sum(steps**2) / jnp.maximum(width, 1e-3)
    loose = (LOOSE[0] * moved) ** 2
    loose += jnp.where(found.flat & ~found.rises, LOOSE[2], LOOSE[1]) ** 2
    z = jnp.linspace(-2.5, 2.5, POINTS, dtype=law.mean.dtype)
    further = jnp.where(z * on > 0, ON[0], ON[1]) * on
    further = jnp.where((z < 0) & (slope < 0), further**2 + LOOSE[3] ** 2 * ahead, further**2)
    sd = jnp.sqrt(further + (walk + loose) * ahead + QUIET**2)
    weight = jax.nn.softmax(-0.5 * z**2)
    now = jnp.where(bins.positive, 0.0, bins.level[jnp.maximum(bins.number - 1, 0)])
    at = jnp.clip(now + on / 2 + sd * z, -8.0, 8.0)
    spread = 0.5 * (z[1] - z[0]) * sd
    mean = jnp.where(bins.positive, jnp.exp(at), 1 + at)
    spread = jnp.where(bins.positive, mean, 1.0) * spread
    center = jnp.sum(law.weight * law.mean)
    mean, spread = (
        jnp.where(doubted, seen.scale * x, like)
        for x, like in ((mean, center), (spread, jnp.max(law.sd)))
    )
    kept = jnp.where(doubted, TRUST, 1.0).astype(law.weight.dtype)
    return Mixture(
        jnp.concatenate([kept * law.weight, (1 - kept) * weight]),
        jnp.concatenate([law.mean, mean]),
        jnp.concatenate([law.sd, spread]),
        law.floor,
    )
