"""Draws: a sample of fitted laws, and the intervals and bands that it gives."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import jax
import numpy as np

from jaxscale._numerics import programs
from jaxscale._numerics.level import check_level
from jaxscale.fitting.linearized import Noise
from jaxscale.fitting.reach import said_outside
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law, predict
from jaxscale.laws.prediction import coded
from jaxscale.shown.blocks import Block, Grid, Shown, said
from jaxscale.shown.frames import frame
from jaxscale.text import count, many
from jaxscale.text import quantity as shown
from jaxscale.uncertainty.intervals import KINDS, Interval, from_draws, percentile, tail
from jaxscale.uncertainty.jackknife import jackknife
from jaxscale.uncertainty.quantities import Asked, asked_of, evaluate, quantity
from jaxscale.uncertainty.shared import Sharing
from jaxscale.uncertainty.uncertain import Uncertain


@dataclasses.dataclass(frozen=True)
class Band(Shown):
    """A prediction with its interval, arrays of the shape of the inputs.

    Attributes:
        center: the fitted law.
        low: lower limit.
        high: upper limit.
        level: nominal coverage.
        of: "the mean law", or "a new run" (with the noise of a run of mean weight).
        frame_kind: of the runs behind it, as `Runs.frame_kind`.
        inputs: what it is predicted at, by name.
        outside: how far outside the runs each input lies, a factor (`FitResult.extrapolation`).
    """

    center: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float
    of: str
    frame_kind: str = dataclasses.field(default="", repr=False)
    inputs: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict, repr=False)
    outside: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict, repr=False)

    def table(self, *, kind: str | None = None) -> Any:
        """Return the predictions as a dataframe: the inputs, and columns center, low and high.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        return frame(self._each(self.inputs) | self._limits(), kind, self.frame_kind)

    def _each(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        shape = np.shape(self.center)
        return {name: np.ravel(np.broadcast_to(x, shape)) for name, x in values.items()}

    def _limits(self) -> dict[str, np.ndarray]:
        limits = {"center": self.center, "low": self.low, "high": self.high}
        return {name: np.ravel(x) for name, x in limits.items()}

    def _blocks(self) -> list[Block]:
        given, limits = self._each(self.inputs), self._limits()
        rows = [[*given, "loss", f"{100 * self.level:g} % from", "to"]]
        cells = [[count(v) if k in ("N", "D") else shown(v) for v in x] for k, x in given.items()]
        cells += [[shown(v) for v in x] for x in limits.values()]
        if self.outside:
            rows[0].append("outside the runs")
            factors = zip(*self._each(self.outside).values(), strict=True)
            cells.append([said_outside(dict(zip(self.outside, x, strict=True))) for x in factors])
        rows += [list(row) for row in zip(*cells, strict=True)]
        head = f"{many(len(rows) - 1, 'prediction')} of {self.of}"
        return [head, Grid(rows, ">" * len(rows[0]))]


@final
@dataclasses.dataclass(frozen=True)
class Draws(Uncertain):
    """Replicates of a fit.

    Attributes:
        law: a law whose free parameters have a leading axis [B].
        fit: what was replicated.
        method: the scheme, one of `METHODS`.
        seed: of the draws.
        noise: the residuals of a run of mean weight, as a distribution.
        freedom: degrees of freedom that the noise was estimated with.
        widening: factor by which draws of this scheme are too narrow; intervals allow for it.
        notes: sentences that a reader should see beside the numbers.
        seconds: {"compile", "solve"}.
        labels: [n] cluster of every run, for the methods that draw clusters.
        sharing: what the runs of a group were seen to share, for "shared-noise".
    """

    law: Law
    fit: FitResult
    method: str
    seed: int
    noise: Noise
    freedom: float
    widening: float
    notes: tuple[str, ...]
    seconds: dict[str, float]
    labels: np.ndarray | None = None
    sharing: Sharing | None = None

    def __len__(self) -> int:
        return max(np.size(leaf) for leaf in jax.tree.leaves(self.law))

    def values(self, what: Asked) -> np.ndarray:
        """Return a quantity [B] under every draw.

        Args:
            what: a parameter or derived name, a `Quantity`, or a JAX function of a law.
        """
        return evaluate([quantity(what, self.fit.law)], self.law)[:, 0]

    def interval(self, what: Asked, *, level: float = 0.9, kind: str = "percentile") -> Interval:
        """Return the confidence interval of one quantity.

        Args:
            what: a name, a quantity or a JAX function of a law.
            level: nominal coverage.
            kind: as of `intervals`.

        Returns:
            The interval, with the quantity at the fit.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
            >>> draws = jaxscale.bootstrap(fit, draws=400)
            >>> interval = draws.interval(jaxscale.quantities.Best(compute=1e14), level=0.5)  # N*
            >>> interval.name, interval.low < interval.estimate < interval.high
            ('N*(C=1e14)', True)
        """
        return self.intervals([what], level=level, kind=kind)[0]

    def intervals(
        self,
        what: Sequence[Asked] | None = None,
        *,
        level: float = 0.9,
        kind: str = "percentile",
    ) -> list[Interval]:
        """Return confidence intervals of quantities.

        Args:
            what: names, quantities or JAX functions of a law; default all free parameters and
                what the law derives from them.
            level: nominal coverage.
            kind: "percentile" (the default: quantiles of the draws), "bca" (corrected for bias
                and skewness, with a jackknife), "basic" (reflected) or "t" (standard error
                times Student's t, on the logarithmic scale for what lives on it). All of them
                use Student's t and allow for the narrowness of the scheme.

        Returns:
            The intervals, in the order asked.

        Raises:
            ValueError: an option is not one of those allowed; a quantity is unknown.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
            >>> draws = jaxscale.bootstrap(fit, draws=400)
            >>> [interval.name for interval in draws.intervals()]
            ['E', 'A', 'B', 'alpha', 'beta', 'a', 'b']
        """
        check_level(level)
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        law = self.fit.law
        asked = asked_of(self.fit, what)
        draws, center = evaluate(asked, self.law), evaluate(asked, law)[0]
        out = evaluate(asked, self._left_out()) if kind == "bca" else None
        found = []
        for k, q in enumerate(asked):
            low, high = from_draws(
                float(center[k]),
                draws[:, k],
                level,
                kind,
                freedom=self.freedom,
                widening=self.widening,
                logarithmic=q.logarithmic,
                left_out=None if out is None else out[:, k],
            )
            some = draws[~np.isnan(draws[:, k]), k]
            stated = len(some) > 1 and np.isfinite(some).all()
            error = float(some.std(ddof=1)) if stated else math.nan
            method = f"{self.method} {kind}"
            found.append(Interval(q.name, float(center[k]), low, high, level, error, method))
        return found

    def _left_out(self) -> Law:
        """Return the fits without one run, or without one cluster where clusters were drawn."""
        whole = self.labels is not None
        return jackknife(self.fit, group=self.labels, leave_groups=whole).law

    def predict(self, *, level: float = 0.9, new_run: bool = False, **inputs: Any) -> Band:
        """Return predictions with intervals at named inputs.

        Args:
            level: nominal coverage.
            new_run: False for where the mean law lies; True for where the loss of a new run of
                mean weight will, its noise included.
            **inputs: one array per input of the law, broadcastable to [m]; any two of N, D, C
                for a law of N and D.

        Returns:
            The fitted law at the inputs, and where its 5 % and 95 % draws lie (at a level of 0.9).

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
            >>> draws = jaxscale.bootstrap(fit, draws=400)
            >>> band = draws.predict(N=[1e6, 1e7], D=1e9)
            >>> band.center.shape, bool((band.low < band.high).all())
            ((2,), True)
        """
        check_level(level)
        center = np.asarray(predict(self.fit.law, **inputs))
        draws = predictions(self.law, **inputs)
        if new_run:
            rng = np.random.default_rng([self.seed, len(draws)])
            noise = self.noise.draw((len(draws),), rng)  # one run per draw, wherever it stands
            noise = noise.reshape(-1, *[1] * (draws.ndim - 1))
            draws = self.fit.residual.losses(draws, noise)
        low, high = percentile(draws, tail(level, self.freedom, self.widening))
        of = "a new run" if new_run else "the mean law"
        given = {name: np.asarray(x, float) for name, x in coded(self.law, inputs).items()}
        outside = self.fit.extrapolation(**given)
        return Band(center, low, high, level, of, self.fit.runs.frame_kind, given, outside)

    @property
    def title(self) -> str:
        """What the intervals are made from."""
        of = "the posterior" if self.method == "posterior" else f"the {self.method} bootstrap"
        return f"{len(self)} draws of {of}"

    def _blocks(self) -> list[Block]:
        doubts = self.fit.doubts
        return [*super()._blocks(), *said((*doubts, *self.notes), doubts)]


def _predictions(law: Law, inputs: dict[str, Any]) -> Any:
    return jax.vmap(lambda one: predict(one, **inputs))(law)


def predictions(law: Law, **inputs: Any) -> np.ndarray:
    """Return the predictions [B, ...] of a sample of laws (leaves [B]) at named inputs."""
    size = max(np.size(leaf) for leaf in jax.tree.leaves(law))
    full = jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf, float), (size,)), law)
    given = {name: np.asarray(x, float) for name, x in coded(law, inputs).items()}
    return np.asarray(programs.run(_predictions, full, given, dtype=np.float64)[0], float)
