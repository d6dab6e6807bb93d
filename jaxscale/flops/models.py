"""What a run costs, as a function of N and D, and the third of N, D, C from any two.

A cost is a callable `cost(N, D) -> C` that increases in both: FLOPs, GPU hours or dollars. `SixND`
is the usual C = 6 N D; `PowerCost` and `AffineCost` are what `fit_cost` fits to measurements; a
user's own function works everywhere they do. The inverse is exact for these and found by bisection
in log space for any other. Tracers are welcome: the work is NumPy for numbers on the host and JAX
inside a transformed function, where a user's function must be JAX as well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale._numerics.pytree import pytree, static
from jaxscale._numerics.roots import HALVINGS, root

Flops = Callable[[Any, Any], Any]
LOG_RANGE = (-20.0, 120.0)
"""Logarithms between which the inverse of a user's model is looked for."""
UNIT = "FLOPs"
"""What a cost counts that says nothing else."""


class Cost:
    """A cost with coefficients, equal and hashed by value, whose inverse is a formula.

    Attributes:
        form: its name in files and on the command line.
        formula: how it is written.
        unit: of C.
    """

    form: ClassVar[str]
    formula: ClassVar[str]
    unit: str

    def __call__(self, N: Any, D: Any) -> Any:
        """Return the cost C of a run of N parameters on D tokens.

        Args:
            N: parameters, any shape.
            D: tokens, of a shape that broadcasts against N.
        """
        raise NotImplementedError

    def tokens(self, N: Any, C: Any) -> Any:
        """Return D such that a run of N parameters costs C.

        Args:
            N: parameters, any shape.
            C: the cost, of a shape that broadcasts against N.
        """
        raise NotImplementedError

    def parameters(self, D: Any, C: Any) -> Any:
        """Return N such that a run on D tokens costs C; NaN where every one costs more.

        Args:
            D: tokens, any shape.
            C: the cost, of a shape that broadcasts against D.
        """
        raise NotImplementedError

    @property
    def coefficients(self) -> dict[str, float]:
        """The numbers of the formula."""
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in names if name != "unit"}

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return False
        return (self.coefficients, self.unit) == (other.coefficients, other.unit)

    def __hash__(self) -> int:
        return hash((type(self).__name__, *self.coefficients.values(), self.unit))

    def __post_init__(self) -> None:
        for name, value in self.coefficients.items():
            if not (value > 0 and np.isfinite(value)):
                raise ValueError(
                    f"{type(self).__name__}.{name} must be a positive number, got {value!r}: a "
                    "larger run costs more"
                )


@pytree
class SixND(Cost):
    """C = k N D with k = 6: two FLOPs per parameter and token forward, four backward.

    Attributes:
        k: FLOPs per parameter and token.

    Source: Kaplan et al. 2020, arXiv:2001.08361, section 2.1.

    Example:
        >>> import jaxscale
        >>> cost = jaxscale.SixND()
        >>> f"{cost(70e9, 1.4e12):.3g} FLOPs, {cost.tokens(N=7e9, C=1e22):.3g} tokens"
        '5.88e+23 FLOPs, 2.38e+11 tokens'
    """

    k: float = static(default=6.0)
    unit: str = static(default=UNIT)
    form = "product"
    formula = "k N D"

    def __call__(self, N: Any, D: Any) -> Any:
        """Return k N D."""
        return self.k * N * D

    def tokens(self, N: Any, C: Any) -> Any:
        """Return C / (k N)."""
        return C / (self.k * N)

    def parameters(self, D: Any, C: Any) -> Any:
        """Return C / (k D)."""
        return C / (self.k * D)


@pytree
class PowerCost(Cost):
    """C = k N^a D^b: what hours or dollars often look like, where utilization moves with size.

    Attributes:
        k: cost of one parameter on one token.
        a: power of N.
        b: power of D.

    Example:
        >>> import jaxscale
        >>> hours = jaxscale.PowerCost(k=1e-17, a=0.9, b=1.0, unit="hours")
        >>> f"{hours(7e9, 1.4e11):.3g} {hours.unit}"
        '1.02e+03 hours'
    """

    k: float = static()
    a: float = static(default=1.0)
    b: float = static(default=1.0)
    unit: str = static(default=UNIT)
    form = "power"
    formula = "k N^a D^b"

    def __call__(self, N: Any, D: Any) -> Any:
        """Return k N^a D^b."""
        return self.k * N**self.a * D**self.b

    def tokens(self, N: Any, C: Any) -> Any:
        """Return (C / (k N^a))^(1/b)."""
        return (C / (self.k * N**self.a)) ** (1 / self.b)

    def parameters(self, D: Any, C: Any) -> Any:
        """Return (C / (k D^b))^(1/a)."""
        return (C / (self.k * D**self.b)) ** (1 / self.a)


@pytree
class AffineCost(Cost):
    """C = D (k N^a + c): every token pays c whatever the size, as for the embedding's head.

    Attributes:
        k: cost per token of one parameter.
        c: cost of a token whatever the size.
        a: power of N.

    Example:
        >>> import jaxscale
        >>> cost = jaxscale.AffineCost(k=6.0, a=1.0, c=6 * 50257 * 1024)
        >>> f"{cost(1e9, 2e10):.3g} FLOPs"
        '1.26e+20 FLOPs'
    """

    k: float = static()
    a: float = static()
    c: float = static()
    unit: str = static(default=UNIT)
    form = "affine"
    formula = "D (k N^a + c)"

    def __call__(self, N: Any, D: Any) -> Any:
        """Return D (k N^a + c)."""
        return D * (self.k * N**self.a + self.c)

    def tokens(self, N: Any, C: Any) -> Any:
        """Return C / (k N^a + c)."""
        return C / (self.k * N**self.a + self.c)

    def parameters(self, D: Any, C: Any) -> Any:
        """Return ((C / D - c) / k)^(1/a)."""
        with np.errstate(invalid="ignore"):
            return ((C / D - self.c) / self.k) ** (1 / self.a)


FORMS: dict[str, type[Cost]] = {cls.form: cls for cls in (SixND, PowerCost, AffineCost)}
"""Costs that have a name in files and on the command line."""

SIX_ND = SixND()
"""The model that nobody chose. Another `SixND()` was chosen, and gives way to no table's own."""


def unit_of(cost: Flops | None) -> str:
    """Return what a cost counts: FLOPs where it does not say."""
    return str(getattr(cost, "unit", UNIT))


def stated_cost(cost: Flops) -> float | dict[str, Any] | str:
    """Return how a file states a cost: k of k N D FLOPs, a form with coefficients, or "user"."""
    if not isinstance(cost, Cost):
        return "user"
    if isinstance(cost, SixND) and cost.unit == UNIT:
        return cost.k
    return {"form": cost.form, **cost.coefficients, "unit": cost.unit}


def power_form(cost: Flops) -> tuple[float, float, float] | None:
    """Return k, a, b of a cost k N^a D^b; None for any other."""
    if isinstance(cost, SixND):
        return cost.k, 1.0, 1.0
    return (cost.k, cost.a, cost.b) if isinstance(cost, PowerCost) else None


def best_powers(alpha: Any, beta: Any, cost: Flops) -> dict[str, Any]:
    """Return a and b of N* ~ C^a, D* ~ C^b at the powers of N and D in a cost, else those of k N D.

    Args:
        alpha: exponent of the law's term of N.
        beta: exponent of its term of D.
        cost: what a run costs.
    """
    _, of_N, of_D = power_form(cost) or (6.0, 1.0, 1.0)
    total = of_D * alpha + of_N * beta
    return {"a": beta / total, "b": alpha / total}


def check_cost(cost: Flops, called: str = "cost") -> None:
    """Raise for a function that is no cost: not positive, or not increasing in N and in D.

    Args:
        cost: the function; it is tried on sizes from 1e5 to 1e13.
        called: how a message names it.

    Raises:
        ValueError: with the first place where it fails.
    """
    sizes = np.logspace(5, 13, 17)
    N, D = np.meshgrid(sizes, sizes, indexing="ij")
    found = np.asarray(cost(N, D), float)
    if found.shape != N.shape:
        raise ValueError(
            f"{called} gives an array of shape {found.shape} for N and D of shape {N.shape}; a "
            "cost is a formula of N and D, elementwise"
        )
    bad = np.argwhere(~(np.isfinite(found) & (found > 0)))
    for i, j in bad[:1]:
        raise ValueError(
            f"{called}({sizes[i]:g}, {sizes[j]:g}) is {found[i, j]:g}; a run costs a positive "
            "number"
        )
    for axis, name in enumerate("ND"):
        if not (np.diff(found, axis=axis) > 0).all():
            raise ValueError(f"{called}(N, D) does not increase in {name}; a larger run costs more")


def tokens_for(flops: Flops, N: Any, C: Any) -> Any:
    """Return D such that flops(N, D) = C, elementwise.

    Args:
        flops: the cost.
        N: parameters, any shape.
        C: its value, of a shape that broadcasts against N.
    """
    if isinstance(flops, Cost):
        return flops.tokens(N, C)
    return _invert(lambda N, D: flops(N, D), N, C)


def parameters_for(flops: Flops, D: Any, C: Any) -> Any:
    """Return N such that flops(N, D) = C, elementwise.

    Args:
        flops: the cost.
        D: tokens, any shape.
        C: its value, of a shape that broadcasts against D.
    """
    if isinstance(flops, Cost):
        return flops.parameters(D, C)
    return _invert(lambda D, N: flops(N, D), D, C)


def size_at_ratio(flops: Flops, ratio: Any, C: Any) -> Any:
    """Return N such that a run of N parameters on ratio N tokens costs C, elementwise.

    Args:
        flops: the cost.
        ratio: D / N, any shape.
        C: its value, of a shape that broadcasts against the ratio.
    """
    if (power := power_form(flops)) is not None:
        k, a, b = power
        return (C / (k * ratio**b)) ** (1 / (a + b))
    return _invert(lambda ratio, N: flops(N, ratio * N), ratio, C)


def _invert(model: Callable[[Any, Any], Any], known: Any, C: Any) -> Any:
    """Return x such that model(known, x) = C, for a model that increases in x."""
    if any(isinstance(x, jax.core.Tracer) for x in (known, C)):
        return _invert_traced(model, known, C)
    known, target = np.broadcast_arrays(np.asarray(known, float), np.asarray(C, float))
    low, high = np.full(target.shape, LOG_RANGE[0]), np.full(target.shape, LOG_RANGE[1])
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        below = np.asarray(model(known, np.exp(middle)), float) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.exp(0.5 * (low + high))


def _invert_traced(model: Callable[[Any, Any], Any], known: Any, C: Any) -> jax.Array:
    """Return the same with its derivatives."""
    known, C = jnp.broadcast_arrays(known, C)
    log_C = jnp.log(C * jnp.ones((), jnp.result_type(C, float)))
    return jnp.exp(root(lambda x: jnp.log(model(known, jnp.exp(x))) - log_C, *LOG_RANGE, log_C))


def complete(
    *, N: Any = None, D: Any = None, C: Any = None, flops: Flops | None = None
) -> tuple[Any, Any, Any]:
    """Return (N, D, C) from any two of them.

    Args:
        N: parameters, any shape, or None.
        D: tokens, or None.
        C: FLOPs, or None. Given with both others, it is returned as it is.
        flops: FLOPs model; default `SixND()`.

    Raises:
        ValueError: fewer than two are given.
    """
    model = flops or SixND()
    if sum(x is None for x in (N, D, C)) > 1:
        raise ValueError("give at least two of N (parameters), D (tokens) and C (FLOPs)")
    if N is None:
        N = parameters_for(model, D, C)
    if D is None:
        D = tokens_for(model, N, C)
    return N, D, model(N, D) if C is None else C
