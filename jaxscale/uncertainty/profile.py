"""Profiles: how far the objective rises when a quantity is held away from its best value.

The quantity may be a parameter or anything that follows from the law: N* at a budget, a
prediction, an exponent of the allocation. It is not held exactly but pulled; see `pulls`. A
profile follows the bend of a law over its interval, which covariances do not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from jaxscale._numerics.level import check_level
from jaxscale._numerics.precision import host
from jaxscale._numerics.student import student_t
from jaxscale.fitting.linearized import linearize
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.sandwich import inverse_curvature, noise_ratio
from jaxscale.shown.blocks import Block, Shown
from jaxscale.shown.frames import frame
from jaxscale.uncertainty.covariance import (
    gradients,
    refuse_bound,
    scores,
)
from jaxscale.uncertainty.intervals import Interval
from jaxscale.uncertainty.pulls import Pulls
from jaxscale.uncertainty.quantities import Asked, asked_of, quantity
from jaxscale.uncertainty.uncertain import Uncertain

FOLLOWED = 0.99
"""Level to which profiles are followed."""
CALIBRATIONS = ("sandwich", "laplace")


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
        pulls = Pulls(at, tuple(asked[k] for k in moving), way, spread, ratio, center[moving])
        for k, curve in zip(moving, pulls.run(student_t(0.5 + FOLLOWED / 2, freedom)), strict=True):
            found[k] = _ordered(curve)
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


def _ordered(points: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return values and roots in increasing order.

    A lane may end above the constrained minimum, never below it: of two on a side, the further
    one bounds the nearer one's root.
    """
    at, root = np.array(sorted(points)).T
    return at, np.where(
        root < 0, np.maximum.accumulate(root), np.minimum.accumulate(root[::-1])[::-1]
    )
