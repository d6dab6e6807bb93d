"""Profiles: how far the objective rises when a quantity is held away from its best value.

The quantity may be a parameter or anything that follows from the law: N* at a budget, a
prediction, an exponent of the allocation. It is not held exactly but pulled: the objective plus
kappa / 2 (g(z) - goal)² has its minimum at a point that is the constrained minimum for the value
of g that it reaches. So each pull gives one exact point of the profile, and all pulls of all
quantities are lanes of one solve. A profile follows the bend of a law over its interval, which
covariances do not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import programs
from jaxscale._numerics.level import check_level
from jaxscale._numerics.precision import host
from jaxscale._numerics.pytree import pytree
from jaxscale._numerics.student import student_t
from jaxscale.engine.dispatch import Search
from jaxscale.engine.problems import Problems
from jaxscale.fitting.linearized import Linearized, linearize
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.sandwich import inverse_curvature, noise_ratio
from jaxscale.objective.objective import LazyModel, Objective
from jaxscale.optimizers import method
from jaxscale.shown.blocks import Block, Shown
from jaxscale.shown.frames import frame
from jaxscale.uncertainty.covariance import (
    gradients,
    refuse_bound,
    scores,
)
from jaxscale.uncertainty.intervals import Interval
from jaxscale.uncertainty.quantities import Asked, Quantity, asked_of, quantity
from jaxscale.uncertainty.uncertain import Uncertain

REACH = (0.4, 0.8, 1.2, 1.6, 2.0, 2.5, 3.0, 3.6, 4.4)
"""Distances of the pulls from the optimum, in standard errors, to each side."""
STIFF = 9.0
"""Pull in units of the objective's own curvature: nine tenths of the way are gone."""
FURTHER = 3
"""Rounds in which a side that does not rise enough is followed further, doubling the reach."""
FOLLOWED = 0.99
"""Level to which profiles are followed."""
CALIBRATIONS = ("sandwich", "laplace")


@pytree
class Pulled(Objective):
    """The objective with one of several quantities pulled toward a goal.

    Attributes:
        quantities: the quantities, Q of them.
        chosen: [Q] one for the quantity that is pulled, zero for the others.
        goal: where to, on the scale of the quantity's error.
        stiffness: kappa.
    """

    quantities: Any = ()
    chosen: Any = None
    goal: Any = None
    stiffness: Any = None

    def pulled(self, z: Array) -> Array:
        """Return the chosen quantity at `z` [P], on the scale of its error."""
        quantity: Array = self.chosen @ scaled(self.quantities, self, z)
        return quantity

    def value(self, z: Array) -> Array:
        """Return the objective plus the pull."""
        total: Array = super().value(z) + 0.5 * self.stiffness * (self.pulled(z) - self.goal) ** 2
        return total

    def model(self, z: Array) -> tuple[Array, Array, Array, Array]:
        """Return value, gradient and both curvatures, the pull's included."""
        value, grad, gauss_newton, exact = super().model(z)
        off = self.pulled(z) - self.goal
        slope = jax.jacfwd(self.pulled)(z)
        bend = jax.jacfwd(jax.jacfwd(self.pulled))(z)
        outer = self.stiffness * jnp.outer(slope, slope)
        return (
            value + 0.5 * self.stiffness * off * off,
            grad + self.stiffness * off * slope,
            gauss_newton + outer,
            exact + outer + self.stiffness * off * bend,
        )

    def lazy_model(self, z: Array) -> LazyModel:
        """Return the model with the pull."""
        return LazyModel.of(*self.model(z))


def scaled(quantities: tuple[Quantity, ...], objective: Objective, z: Array) -> Array:
    """Return quantities [Q], the logarithm of those whose errors are of the logarithm; pure.

    Args:
        quantities: Q of them.
        objective: whose law they are of.
        z: coordinates [P].
    """
    law = objective.law_at(z)
    values = [jnp.asarray(q(law), z.dtype) for q in quantities]
    pairs = zip(quantities, values, strict=True)
    return jnp.stack([jnp.log(x) if q.logarithmic else x for q, x in pairs])


def _reached(objective: Pulled, z: Array) -> tuple[Array, Array]:
    """Return, per lane, all quantities [S, Q] on their scale, and the plain objective [S]."""

    def one(z: Array) -> tuple[Array, Array]:
        plain = Objective.value(objective, z) * objective.loss.scale
        return scaled(objective.quantities, objective, z), plain

    return jax.vmap(one)(z)


@dataclasses.dataclass(frozen=True)
class Profile(Shown):
    """The profile of one quantity.

    Attributes:
        name: of the quantity.
        estimate: at the fit.
        at: [K] values of the quantity, increasing, the estimate among them.
        root: [K] signed root of twice the rise of the objective over the noise: increasing, and
            Student's t with `freedom` degrees of freedom at the truth.
        freedom: degrees of freedom.
        calibration: "sandwich" or "laplace".
        logarithmic: whether the axis is best drawn in logarithm.
        frame_kind: of the runs behind it, as `Runs.frame_kind`.
    """

    name: str
    estimate: float
    at: np.ndarray
    root: np.ndarray
    freedom: float
    calibration: str
    logarithmic: bool
    frame_kind: str = dataclasses.field(default="", repr=False)

    def interval(self, level: float = 0.9) -> Interval:
        """Return where the profile stays below the quantile of Student's t for a level.

        A side on which it never rises that far is open: -inf or inf (0 for a positive quantity).

        Raises:
            ValueError: the level is beyond the 0.99 to which profiles are followed.
        """
        check_level(level)
        if level > FOLLOWED:
            raise ValueError(f"profiles are followed to a level of {FOLLOWED}, got {level!r}")
        t = student_t(0.5 + level / 2, self.freedom)
        x = np.log(self.at) if self.logarithmic else self.at
        low, high = np.interp([-t, t], self.root, x, left=-np.inf, right=np.inf)
        if self.logarithmic:
            low, high = np.exp([low, high])
        method = f"profile, {self.calibration}"
        return Interval(self.name, self.estimate, float(low), float(high), level, math.nan, method)

    def table(self, *, kind: str | None = None) -> Any:
        """Return the profile as a dataframe: the quantity under its name, and the signed root.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        return frame({self.name: self.at, "signed_root": self.root}, kind, self.frame_kind)

    def _blocks(self) -> list[Block]:
        where = f"{self.at[0]:.6g} to {self.at[-1]:.6g}"
        return [str(self.interval()), f"followed at {len(self.at)} values from {where}"]


@final
@dataclasses.dataclass(frozen=True)
class Profiles(Uncertain, Sequence[Profile]):
    """The profiles of several quantities of a fit, a sequence of `Profile`.

    Attributes:
        fit: the fit.
        profiles: one per quantity.
    """

    fit: FitResult
    profiles: tuple[Profile, ...]

    def __len__(self) -> int:
        return len(self.profiles)

    def __getitem__(self, k: Any) -> Any:
        return self.profiles[k]

    @property
    def title(self) -> str:
        """What the intervals are made from."""
        first = self.profiles[0]
        return f"profiles, {first.calibration}, {first.freedom:g} degrees of freedom"

    def intervals(
        self, what: Sequence[Asked] | None = None, *, level: float = 0.9
    ) -> list[Interval]:
        """Return where the profiles stay below the quantile of Student's t for a level.

        Args:
            what: quantities that were profiled; default all of them.
            level: nominal coverage, up to the 0.99 to which profiles are followed.

        Returns:
            The intervals, in the order asked.

        Raises:
            ValueError: a quantity was not profiled, or the level is beyond.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
            >>> profiles = jaxscale.profile(fit, ["alpha", "beta"])
            >>> for interval in profiles.intervals():
            ...     print(f"{interval.name} {interval.low:.2f} to {interval.high:.2f}")
            alpha 0.40 to 0.46
            beta 0.48 to 0.57
        """
        if what is None:
            return [each.interval(level) for each in self.profiles]
        known = {each.name: each for each in self.profiles}
        names = [quantity(each, self.fit.law).name for each in what]
        for name in names:
            if name not in known:
                raise ValueError(
                    f"{name} was not profiled, only {', '.join(known)}; ask for it: profile(fit, "
                    f"[...])"
                )
        return [known[name].interval(level) for name in names]


@host()
def profile(
    fit: FitResult,
    what: Sequence[Asked] | Asked | None = None,
    *,
    calibration: str = "sandwich",
    group: Any = None,
) -> Profiles:
    """Return the profiles of parameters or of anything that follows from a law.

    Args:
        fit: the fit.
        what: a name, a quantity or a JAX function of a law, or several; default all free
            parameters and what the law derives from them.
        calibration: what the rise of the objective is measured by: "sandwich" (noise may differ
            from run to run) or "laplace" (exchangeable noise).
        group: with "sandwich", clusters: labels [n], the name of a column, or None.

    Returns:
        One profile per quantity, a sequence; ask it, or all of them, for intervals.

    Raises:
        FitError: the curvature is singular, a quantity hangs on a parameter at its bound, or
            there are too few clusters.
        ValueError: an option is not one of those allowed.

    Measured coverage of nominal 90 % intervals of Chinchilla's parameters under the default Huber
    loss, 15 / 50 / 200 runs, "sandwich" (`python -m benchmarks.coverage`): 86 / 86 / 90 % at
    exchangeable noise, 73 / 84 / 86 % or more where it shrinks with compute.

    Cost: 20 refits per quantity in one batched solve; compiles once per law and set of
    quantities.

    Source: Bates & Watts 1988, Nonlinear Regression Analysis, section 6.1; the adjusted ratio of
    Pace, Salvan & Sartori 2011, Statistica Sinica 21(1).

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> profiles = jaxscale.profile(fit, ["alpha", "beta"])
        >>> alpha, beta = profiles.intervals(level=0.9)
        >>> alpha.low < fit.law.alpha < alpha.high
        True
    """
    if calibration not in CALIBRATIONS:
        known = ", ".join(CALIBRATIONS)
        raise ValueError(f"calibration must be one of {known}, got {calibration!r}")
    if group is not None and calibration == "laplace":
        raise ValueError("group goes with calibration='sandwich'")
    several = what is None or (isinstance(what, Sequence) and not isinstance(what, str))
    asked = asked_of(fit, what if several else [what])  # type: ignore[arg-type, list-item]
    at = linearize(fit)
    value, slope = gradients(at, asked)
    for q, g in zip(asked, slope, strict=True):
        refuse_bound(fit, at, q, g)
    logarithmic = np.array([q.logarithmic for q in asked])
    unit = np.where(logarithmic, value, 1.0)
    slope, center = slope / unit[:, None], np.where(logarithmic, np.log(unit), value)
    still = np.array([-np.inf, 0.0, np.inf])  # what fixed parameters determine stays where it is
    found = [(np.full(3, c), still) for c in center]
    freedom, moving = float(at.freedom), np.flatnonzero(slope.any(axis=1))
    if len(moving):
        bread = inverse_curvature(at)
        way = slope[moving] @ bread
        spread = np.einsum("qp,qp->q", way, slope[moving])
        if calibration == "laplace":
            ratio = np.full(len(moving), noise_ratio(at))
        else:
            meat, freedom = scores(fit, at, bread, group)
            ratio = np.einsum("qp,pr,qr->q", way, meat, way) / spread
        pulls = _Pulls(at, tuple(asked[k] for k in moving), way, spread, ratio, center[moving])
        for k, curve in zip(moving, pulls.run(student_t(0.5 + FOLLOWED / 2, freedom)), strict=True):
            found[k] = curve
    profiles = [
        Profile(
            q.name,
            float(value[k]),
            np.exp(x) if q.logarithmic else x,
            root,
            freedom,
            calibration,
            q.logarithmic,
            fit.runs.frame_kind,
        )
        for k, (q, (x, root)) in enumerate(zip(asked, found, strict=True))
    ]
    return Profiles(fit, tuple(profiles))


@dataclasses.dataclass
class _Pulls:
    """The lanes of a profile: which quantity is pulled, how far, and what came of it."""

    at: Linearized
    asked: tuple[Quantity, ...]
    way: np.ndarray  # [Q, P] inverse curvature times slope: where the linearized fit moves to
    spread: np.ndarray  # [Q] that times the slope once more
    ratio: np.ndarray  # [Q]
    center: np.ndarray  # [Q]

    def run(self, most: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return per quantity (values [K], signed roots [K]) out to |root| >= `most`."""
        base = self.at.objective
        wide = jax.tree.map(lambda x: np.asarray(x, float), self.asked)
        own = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
        empty = np.zeros(len(self.asked))
        objective = Pulled(**own, quantities=wide, chosen=empty, goal=0.0, stiffness=0.0)
        search = Search(objective, method())
        points: list[list[tuple[float, float]]] = [[(c, 0.0)] for c in self.center]
        sides = [(k, sign) for k in range(len(self.asked)) for sign in (-1.0, 1.0)]
        reach = np.array(REACH)
        for _ in range(1 + FURTHER):
            lanes = [(k, sign * d) for k, sign in sides for d in reach]
            # Later rounds repeat some, so that they run the program of the first.
            spare = 2 * len(reach) * len(self.asked) - len(lanes)
            for k, value, rise in self._solve(search, objective, lanes, spare):
                root = math.sqrt(max(2 * rise, 0.0) / self.ratio[k])
                points[k].append((value, math.copysign(root, value - self.center[k])))
            sides = [side for side in sides if not self._risen(points, side, most)]
            if not sides:
                break
            reach = 2 * reach
        return [_ordered(some) for some in points]

    def _solve(
        self,
        search: Search,
        objective: Pulled,
        lanes: list[tuple[int, float]],
        spare: int,
    ) -> list[tuple[int, float, float]]:
        """Return per lane the number of its quantity, the value reached and the rise."""
        real = np.arange(len(lanes))
        lanes = lanes + lanes[:1] * spare
        which = np.array([k for k, _ in lanes])
        error = np.sqrt(self.spread * self.ratio)[which]
        away = np.array([distance for _, distance in lanes]) * error
        scale = float(np.asarray(objective.loss.scale))
        fields = {
            "chosen": np.eye(len(self.asked))[which],
            "goal": self.center[which] + away * (1 + STIFF) / STIFF,
            "stiffness": STIFF / self.spread[which] / scale,
        }
        # Each lane begins where the linearized fit would end.
        step = (self.way / self.spread[:, None])[which] * away[:, None]
        found = search.solve(self.at.z + step, None, Problems(fields, np.arange(len(lanes))))
        z = np.concatenate([found.z, self.at.z[None]])
        reached, plain = programs.run(_reached, objective, z, dtype=np.float64)[0]
        good = np.isfinite(found.value[real]) & np.isfinite(plain[real])
        return [
            (lanes[i][0], float(reached[i, which[i]]), float(plain[i] - plain[-1]))
            for i in real[good]
        ]

    def _risen(self, points: Any, side: tuple[int, float], most: float) -> bool:
        k, sign = side
        return any(sign * root >= most for _, root in points[k])


def _ordered(points: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return values and roots in increasing order.

    A lane may end above the constrained minimum, never below it: of two on a side, the further
    one bounds the nearer one's root.
    """
    at, root = np.array(sorted(points)).T
    return at, np.where(
        root < 0, np.maximum.accumulate(root), np.minimum.accumulate(root[::-1])[::-1]
    )
