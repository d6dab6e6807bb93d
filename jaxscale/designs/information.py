"""What a run tells of a law, before it is made: its slopes, and how far its residual counts.

A robust fit of runs with slopes s has the covariance A^-1 B A^-1, A the sum of a s s' and B the
sum of b s s', where a is the mean curvature of the loss over the noise of a run and b the mean
square of its derivative. Neither needs the loss that the run will have. So the interval that a fit
will state after a batch is known when the batch is chosen, as far as the law is straight over it.

Source: Fedorov 1972, Theory of Optimal Experiments; Huber 1967, Proc. Fifth Berkeley Symp.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics import programs
from jaxscale._numerics.bandwidth import bandwidth
from jaxscale._numerics.precision import scope
from jaxscale.errors import FitError
from jaxscale.fitting.linearized import linearize
from jaxscale.fitting.preparation import bucket
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.objective.inputs import log_unit
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import Residual
from jaxscale.objective.space import Space
from jaxscale.shown.blocks import Shown
from jaxscale.uncertainty.covariance import covariance
from jaxscale.uncertainty.quantities import Quantity
from jaxscale.uncertainty.trends import Trend, noise_trend

QUANTILES = 401
"""Of normal noise, where it is assumed."""
SIZES = 33
"""Sizes of noise at which the loss is averaged; between them it is interpolated."""
PRIOR = 5.0
"""Standard deviation of every coordinate that is assumed where no run is there yet. It starts the
search and is taken away before anything is said of the batch."""


@dataclasses.dataclass(frozen=True)
class Believed(Shown):
    """A law as it is believed now, with the noise that runs have around it.

    Attributes:
        law: with values for all parameters, in the units of the runs.
        space: coordinates of the parameters that the runs are to determine.
        z: [P] where they are.
        moving: [P] which are not at a bound.
        loss: the robust loss of the fits.
        residual: how predictions are held against losses.
        noise: [k] residuals of a usual run of weight 1.
        share: [k] their probabilities.
        trend: how the size of the noise moves.
        weight: that a new run will have.
        present: inputs [n] each of the runs that are there.
        weights: [n] of these.
        scale: by which the variances are multiplied, so that they agree with a fit's own.
    """

    law: Law
    space: Space
    z: np.ndarray
    moving: np.ndarray
    loss: Loss
    residual: Residual
    noise: np.ndarray
    share: np.ndarray
    trend: Trend
    weight: float
    present: Mapping[str, np.ndarray]
    weights: np.ndarray
    scale: float = 1.0

    @classmethod
    def of_fit(cls, fit: FitResult) -> Believed:
        """Return what a fit says of its law and its noise."""
        at = linearize(fit)
        used = at.weight > 0
        trend = noise_trend(fit, at)
        even = dataclasses.replace(at, residual=at.residual / trend.size)
        found = even.noise()
        first = cls(
            law=fit.law,
            space=at.objective.space,
            z=at.z,
            moving=at.moving,
            loss=at.objective.loss,
            residual=fit.residual,
            noise=found.residual,
            share=found.share,
            trend=trend,
            weight=float(at.weight[used].mean()),
            present={name: x[used] for name, x in fit.problem.inputs.items()},
            weights=at.weight[used],
        )
        return dataclasses.replace(first, scale=first._against(fit))

    def _against(self, fit: FitResult) -> float:
        """Return the fit's sandwich over the covariance of this one: the mean of their ratios.

        What the averages over few residuals of a robust loss are off by: at 24 runs they are a
        quarter too large in error, the sandwich within a tenth.
        """
        _, rows = self.rows(self.present)
        bend, pull = self.counts(self.present, self.weights)
        A, B = ((rows * x[:, None]).T @ rows for x in (bend, pull))
        try:
            matrix = covariance(fit).matrix[np.ix_(self.moving, self.moving)]
        except FitError:
            return 1.0
        found = float(np.trace(A @ np.linalg.solve(B, A @ matrix))) / len(A)
        return found if np.isfinite(found) and found > 0 else 1.0

    @classmethod
    def assumed(
        cls,
        law: Law,
        *,
        noise: float,
        loss: Loss,
        residual: Residual,
        inputs: Mapping[str, np.ndarray],
        present: Mapping[str, np.ndarray],
        held: Sequence[str] = (),
    ) -> Believed:
        """Return a law with assumed noise, as before any run is there.

        Args:
            law: with values for all parameters.
            noise: standard deviation of the residuals, of the log loss for log residuals.
            loss: the robust loss that will be fitted with.
            residual: likewise.
            inputs: [m] each, of the candidates: they give the units of the coordinates.
            present: inputs [n] each of the runs that are there; none for an empty table.
            held: parameters that will be held at their values.
        """
        ones = np.ones(len(next(iter(inputs.values()))))
        units = {name: log_unit(x, ones, law.kinds[name]) for name, x in inputs.items()}
        scale = float(np.exp(np.mean(np.log(np.abs(predicted(law, inputs))))))
        space = Space(
            fixed={name: np.asarray(law.values[name], float) for name in held},
            log_scale={name: np.asarray(x) for name, x in units.items()},
            loss_scale=np.asarray(scale),
            parameters=tuple(law.parameters.items()),
        )
        with scope(np.float64):
            z = np.array([float(x) for x in space.coordinates(dict(law.values))])
        n = len(next(iter(present.values()))) if present else 0
        drawn, share = _normal(noise)
        return cls(
            law=law,
            space=space,
            z=z,
            moving=np.ones(len(z), bool),
            loss=loss,
            residual=residual,
            noise=drawn,
            share=share,
            trend=Trend("", np.ones(n)),
            weight=1.0,
            present=present or {name: np.empty(0) for name in inputs},
            weights=np.ones(n),
        )

    def with_noise(self, noise: float) -> Believed:
        """Return the same law with normal noise of a standard deviation."""
        drawn, share = _normal(noise)
        return dataclasses.replace(
            self, noise=drawn, share=share, scale=1.0, trend=Trend("", np.ones(len(self.weights)))
        )

    @property
    def spread(self) -> float:
        """Standard deviation of the noise."""
        return float(np.sqrt(self.share @ self.noise**2))

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the coordinates that move."""
        names = zip(self.space.free, self.moving, strict=True)
        return tuple(name for name, moves in names if moves)

    def rows(
        self, inputs: Mapping[str, np.ndarray], like: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the predictions [m] at inputs, and the slopes [m, M] of their residuals.

        Args:
            inputs: [m] each.
            like: rows of an earlier call, whose program is used again.
        """
        names = tuple(inputs)
        m = len(inputs[names[0]])
        if m == 0:
            return np.empty(0), np.empty((0, int(self.moving.sum())))
        padded = {
            name: np.pad(x, (0, bucket(max(m, like)) - m), mode="edge")
            for name, x in inputs.items()
        }
        found, _ = programs.run(_slopes, self.law, self.space, self.z, padded, dtype=np.float64)
        loss, slope = (np.asarray(x, float)[:m] for x in found)
        steep = self.residual.moved(loss, loss, np.ones(m))
        return loss, slope[:, self.moving] * steep[:, None]

    def counts(
        self, inputs: Mapping[str, np.ndarray], weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a and b [m]: how far runs at inputs count, and how noisy their pull is.

        Args:
            inputs: [m] each.
            weight: [m] of the runs; one of twice the weight has half the variance.
        """
        size = self.trend.at(inputs, self.law) * np.sqrt(self.weight / weight)
        if len(size) == 0:
            return np.empty(0), np.empty(0)
        low, high = float(size.min()), float(size.max())
        grid = np.geomspace(low, high, SIZES) if high > low * (1 + 1e-9) else np.array([low])
        width = bandwidth(self.noise)
        arguments = (self.loss, self.noise, self.share, grid, np.asarray(width))
        (bend, square), _ = programs.run(_averages, *arguments, dtype=np.float64)
        log = np.log(size), np.log(grid)
        curvature, psi2 = (np.interp(*log, np.asarray(x, float)) for x in (bend, square))
        return weight * curvature, self.scale * weight**2 * psi2

    def gradients(self, asked: Sequence[Quantity]) -> tuple[np.ndarray, np.ndarray]:
        """Return the values [Q] of quantities, and their slopes [Q, M]: of log where that is meant.

        Raises:
            FitError: a quantity has no finite value, or hangs on a parameter at its bound.
        """
        wide = jax.tree.map(lambda x: np.asarray(x, float), tuple(asked))
        found, _ = programs.run(_answers, self.law, self.space, self.z, wide, dtype=np.float64)
        value, slope = (np.asarray(x, float) for x in found)
        stuck = [n for n, moves in zip(self.space.free, self.moving, strict=True) if not moves]
        for q, x, g in zip(asked, value, slope, strict=True):
            if not (np.isfinite(x) and np.isfinite(g).all()):
                raise FitError(f"{q.name} is {x:g} under the law: no run can narrow its interval")
            if g[~self.moving].any():
                raise FitError(
                    f"{q.name} depends on {', '.join(stuck)}, which is at its bound: the law says "
                    f"of no run what it would tell; fix it ({stuck[0]}=VALUE), or design from a "
                    "law with values, LAW:PRESET with --noise"
                )
        scale = np.array([x if q.logarithmic else 1.0 for q, x in zip(asked, value, strict=True)])
        return value, slope[:, self.moving] / scale[:, None]


def _normal(noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Return quantiles of normal noise, and their probabilities."""
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    found = np.array([NormalDist().inv_cdf(float(x)) for x in levels])
    return noise * found / np.sqrt(np.mean(found**2)), np.full(QUANTILES, 1 / QUANTILES)


def predicted(law: Law, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the losses [m] of a law at its inputs."""
    found = np.asarray(law.loss(*(inputs[name] for name in law.inputs)), float)
    return np.broadcast_to(found, np.shape(next(iter(inputs.values()))))


def _slopes(law: Law, space: Space, z: Array, inputs: dict[str, Array]) -> tuple[Array, Array]:
    def losses(z: Array) -> Array:
        here = law.replace(**space.physical(tuple(z)))
        found: Array = here.loss(*(inputs[name] for name in here.inputs))
        return found * jnp.ones_like(next(iter(inputs.values())))

    return losses(z), jax.jacfwd(losses)(z)


def _answers(law: Law, space: Space, z: Array, asked: tuple[Quantity, ...]) -> tuple[Array, Array]:
    def every(z: Array) -> Array:
        here = law.replace(**space.physical(tuple(z)))
        return jnp.stack([jnp.asarray(q(here), float) for q in asked])

    return every(z), jax.jacfwd(every)(z)


def _averages(
    loss: Loss, noise: Array, share: Array, size: Array, width: Array
) -> tuple[Array, Array]:
    """Return the mean curvature and the mean square derivative of a loss at sizes [k] of noise."""

    def one(size: Array) -> tuple[Array, Array]:
        r = noise * size
        bend = loss.smoothed_curvature(r, width * size)
        psi = loss.weight(r) * r
        return share @ bend, share @ psi**2

    bend, square = jax.vmap(one)(size)
    return bend, square
