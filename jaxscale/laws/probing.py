"""What a plain function proves of itself where it is tried: units, signs, linear parameters.

A function f(x; theta) may be fitted on x / x0 where the parameters can take the change up:
f(c x; theta) = f(x; T theta), with T of one parameter c. Its generator g solves
x df/dx = sum of g_k df/dtheta_k, one equation per run; that of the loss's own unit solves
f = sum of g_k df/dtheta_k. Every g_k is held against the units that a law can declare, and the
flow that these make is held against the function at finite steps. What is not proven is not
claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.errors import LawError
from jaxscale.laws.parameters import Power, power_at

ROWS = 32
"""Runs at which a function is tried."""
SIZES = (1.0, 1e3, 1e6, 1e9, 1e12)
"""Sizes of the inputs there: a number within a function shows at its own size."""
STEPS = (7.0, 1 / 19.0)
"""Changes of a unit that are tried."""
NUMBERS: tuple[Power, ...] = (0, 1, -1, 2, -2, 3, -3, 0.5, -0.5)
"""Powers that are looked for, beside those that follow a parameter."""
EXACT = 1e-5
"""Relative difference of a generator from one that can be declared."""
LARGE = 1e120
"""What is larger counts as not finite: its square is of no use."""
SAME = 1e-9
"""Relative difference between a function and itself in other units."""


class Flow(NamedTuple):
    """How parameters take up a change of a unit by the factor c.

    Attributes:
        powers: by parameter the power of c that it is multiplied by.
        added: by parameter the one, or "-" and the one, of which log(c) times is added to it.
    """

    powers: dict[str, Power]
    added: dict[str, str]

    @property
    def moved(self) -> set[str]:
        """Names of the parameters that it changes."""
        return {*self.powers, *self.added}

    def undone(self) -> Flow:
        """Return the flow that takes it back: the units of parameters."""
        back = {name: negative(power) for name, power in self.powers.items()}
        return Flow(back, {name: str(negative(source)) for name, source in self.added.items()})

    def at(self, theta: np.ndarray, names: tuple[str, ...], c: float) -> np.ndarray:
        """Return the parameters [P] after a change.

        Args:
            theta: the parameters [P] before.
            names: of the parameters.
            c: the factor.
        """
        values = dict(zip(names, theta, strict=True))
        moved = {
            k: v * c ** float(power_at(self.powers.get(k, 0), values)) for k, v in values.items()
        }
        for name, source in self.added.items():
            moved[name] += np.log(c) * power_at(source, values)
        return np.array([moved[name] for name in names])


def negative(power: Power) -> Power:
    """Return minus a power of a unit."""
    if not isinstance(power, str):
        return -power
    return power[1:] if power.startswith("-") else f"-{power}"


class At(NamedTuple):
    """A function and its slopes at some runs: value [n], df/dtheta [n, P], x df/dx [n, inputs]."""

    value: np.ndarray
    slopes: np.ndarray
    along: np.ndarray


class Trial(NamedTuple):
    """Inputs [inputs, n], parameters [P], and the function there."""

    x: np.ndarray
    theta: np.ndarray
    at: At


class Probe:
    """A function at random points.

    Attributes:
        names: of the parameters.
        inputs: names of the inputs.
        trials: where the function and its slopes are finite.

    Args:
        formula: of the inputs and the parameters, two tuples; elementwise in the inputs.
        kinds: by input "positive", "signed" or "raw".
        names: of the parameters.
        ranges: where a parameter lies, of those of which it is known.

    Cost: one compilation, some hundred evaluations on 32 rows.
    """

    def __init__(
        self,
        formula: Callable[[tuple[Any, ...], tuple[Any, ...]], Any],
        kinds: Mapping[str, str],
        names: tuple[str, ...],
        ranges: Mapping[str, tuple[float, float]],
    ) -> None:
        self.names, self.inputs, self.ranges = names, tuple(kinds), ranges

        def value(x: Any, theta: Any) -> Any:
            found = formula(tuple(x), tuple(theta))
            shape = getattr(found, "shape", () if isinstance(found, float | int) else None)
            if shape not in ((), x.shape[1:]):
                what = type(found).__name__ if shape is None else f"an array of shape {shape}"
                raise LawError(
                    f"the function returns {what} from inputs of shape {x.shape[1:]}; it is to "
                    "return one loss per run"
                )
            found = jnp.asarray(found)
            return jnp.broadcast_to(found.astype(x.dtype), x.shape[1:])

        def at(x: Any, theta: Any) -> tuple[Any, Any, Any]:
            rows = jnp.eye(len(x))[:, :, None] * x
            along = jax.vmap(lambda row: jax.jvp(lambda x: value(x, theta), (x,), (row,))[1])(rows)
            return value(x, theta), jax.jacfwd(value, 1)(x, theta), along.T

        self._compiled = jax.jit(at)
        rng = np.random.default_rng(11)
        drawn = [
            self._tried(self._inputs(rng, kinds, size), self._parameters(rng, mixed))
            for size in SIZES
            for mixed in (False, True)
        ]
        self.trials = [one for one in drawn if all(np.isfinite(leaf).all() for leaf in one.at)]

    def at(self, x: np.ndarray, theta: np.ndarray) -> At:
        """Return the function and its slopes, in float64."""
        with scope(np.float64):
            found = At(*(np.asarray(leaf) for leaf in self._compiled(x, theta)))
        return At(*(np.where(np.abs(leaf) < LARGE, leaf, np.nan) for leaf in found))

    def _tried(self, x: np.ndarray, theta: np.ndarray) -> Trial:
        return Trial(x, theta, self.at(x, theta))

    def _inputs(
        self, rng: np.random.Generator, kinds: Mapping[str, str], size: float
    ) -> np.ndarray:
        rows = []
        for kind in kinds.values():
            both = rng.uniform(-1, 1, ROWS) * (size if kind == "signed" else 1.0)
            if kind == "raw":  # codes, among others
                both = np.where(rng.random(ROWS) < 0.75, rng.integers(0, 5, ROWS), both)
            rows.append(size * np.exp(rng.uniform(-2, 2, ROWS)) if kind == "positive" else both)
        return np.array(rows)

    def _parameters(self, rng: np.random.Generator, mixed: bool) -> np.ndarray:
        theta = rng.uniform(0.3, 1.7, len(self.names))
        sign = np.where(rng.random(len(theta)) < 0.5, -1.0, 1.0)
        known = [self.ranges.get(name) for name in self.names]
        own = np.array([rng.uniform(*pair) if pair else np.nan for pair in known])
        return np.where(np.isnan(own), theta * sign if mixed else theta, own)

    def flow(self, name: str | None) -> Flow | None:
        """Return how the parameters take up another unit of an input, or of the loss.

        Args:
            name: of the input; None for the loss.

        Returns:
            The flow; None where there is none, where several do it, or where none can be declared.
        """
        told = [one for one in self.trials if _full_rank(one.at.slopes)]
        place = None if name is None else self.inputs.index(name)
        sides = [one.at.value if place is None else one.at.along[:, place] for one in told]
        found = [_generator(one.at.slopes, side) for one, side in zip(told, sides, strict=True)]
        if len(told) < 2 or not all(one.solved for one in found):
            return None
        theta = np.array([one.theta for one in told])
        g, slack = (np.array([one[k] for one in found]) for k in (0, 1))
        slack = slack + 1e-8 * np.abs(theta)
        still = [k for k in range(len(self.names)) if (np.abs(g[:, k]) <= slack[:, k]).all()]
        flow = Flow({}, {})
        for k, parameter in enumerate(self.names):
            if k in still:
                continue
            allowed = EXACT * np.abs(g[:, k]) + slack[:, k]
            for kind, power, given in self._candidates(theta, k, still, place is not None):
                if (np.abs(g[:, k] - given) <= allowed).all():
                    (flow.added if kind == "+" else flow.powers)[parameter] = power
                    break
            else:
                return None
        return flow if all(self._holds(flow, one, place) for one in self.trials) else None

    def _candidates(
        self, theta: np.ndarray, k: int, still: list[int], shifts: bool
    ) -> Iterator[tuple[str, Any, np.ndarray]]:
        """Yield what can be declared of a parameter: how it moves, the power, its generator."""
        own = theta[:, k]
        for number in NUMBERS:
            yield "*", number, float(number) * own
        for j in still:
            for form in ("", "-", "1/", "-1/"):
                power = form + self.names[j]
                yield "*", power, power_at(power, {self.names[j]: theta[:, j]}) * own
        for j, name in enumerate(self.names) if shifts else ():
            if j != k:
                yield "+", name, theta[:, j]
                yield "+", "-" + name, -theta[:, j]

    def _holds(self, flow: Flow, one: Trial, place: int | None) -> bool:
        """Return whether the function is itself after a change of the unit, undone by the flow."""
        for c in STEPS:
            x, value = one.x.copy(), one.at.value * c
            if place is not None:
                x[place] *= c
                value = self.at(x, one.theta).value
            moved = self.at(one.x, flow.at(one.theta, self.names, c)).value
            size = np.max(np.abs(value), initial=0.0, where=np.isfinite(value))
            if not np.allclose(moved, value, rtol=SAME, atol=SAME * size, equal_nan=True):
                return False
        return True

    def linear(self) -> tuple[str, ...]:
        """Return parameters in which the function is affine, all of them at once."""
        found: list[int] = []
        for k in range(len(self.names)):
            if self.trials and all(self._affine(one, [*found, k]) for one in self.trials):
                found.append(k)
        flat = self.flat()
        return tuple(self.names[k] for k in found if self.names[k] not in flat)

    def _affine(self, one: Trial, places: list[int]) -> bool:
        moved = one.theta.copy()
        moved[places] *= np.linspace(1.3, 2.1, len(places))
        here, there = one.at.slopes[:, places], self.at(one.x, moved).slopes[:, places]
        return bool(np.allclose(there, here, rtol=SAME, atol=0.0))

    def added(self) -> tuple[str, ...]:
        """Return parameters that are added as they are."""
        slopes = [one.at.slopes for one in self.trials]
        places = [k for k in range(len(self.names)) if all((s[:, k] == 1).all() for s in slopes)]
        return tuple(self.names[k] for k in places if slopes)

    def flat(self) -> tuple[str, ...]:
        """Return parameters on which the function nowhere depends smoothly."""
        slopes = [one.at.slopes for one in self.trials]
        places = [k for k in range(len(self.names)) if all((s[:, k] == 0).all() for s in slopes)]
        return tuple(self.names[k] for k in places if slopes)

    def positive(self) -> tuple[str, ...]:
        """Return parameters without which, were they negative, the function would not exist."""
        found = []
        for k, name in enumerate(self.names):
            above = [one for one in self.trials if one.theta[k] > 0]
            if name in self.ranges or not above:
                continue
            sign = np.where(np.arange(len(self.names)) == k, -1.0, 1.0)
            if all(np.isnan(self.at(one.x, one.theta * sign).value).all() for one in above):
                found.append(name)
        return tuple(found)


class Generator(NamedTuple):
    """How fast each parameter moves [P], what of that may be rounding [P], whether it solves."""

    rate: np.ndarray
    slack: np.ndarray
    solved: bool


def _generator(slopes: np.ndarray, side: np.ndarray) -> Generator:
    size = np.linalg.norm(slopes, axis=0)
    found, *_ = np.linalg.lstsq(slopes / size, side, rcond=None)
    off, total = (np.linalg.norm(x) for x in (slopes / size @ found - side, side))
    return Generator(found / size, 1e-12 * total / size, bool(off <= 1e-8 * total))


def _full_rank(slopes: np.ndarray) -> bool:
    size = np.linalg.norm(slopes, axis=0)
    if not (size > 0).all() or slopes.shape[1] > len(slopes):
        return False
    singular = np.linalg.svd(slopes / size, compute_uv=False)
    return bool(singular[-1] > 1e-6 * singular[0])
