"""What a fit is asked for: a parameter, a derived exponent, a prediction, the best run at a budget.

A `Quantity` is a scalar function of a law, pure and differentiable, whose numbers (a budget, the
inputs of a prediction) are leaves, so that another budget does not compile anew. Draws, profiles,
covariances and influence all take one. It says as well on which scale an error is closest to
symmetric: on the logarithmic one for what lives on it, such as N* or a coefficient.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale._numerics import programs
from jaxscale._numerics.pytree import pytree, static
from jaxscale.decisions.optimum import cheapest, optimum, unbounded
from jaxscale.fitting.result import FitResult
from jaxscale.flops import Flops, complete
from jaxscale.laws import Law

LOGARITHMIC = ("coefficient", "breakpoint", "scale")
"""Roles of parameters whose errors are stated on the logarithmic scale."""
BEST = ("N", "D", "loss", "tokens_per_parameter")


class Quantity:
    """Interface: a scalar function of a law, in pure JAX.

    Subclasses are pytrees: numbers are leaves, names are static.

    Example:
        >>> import jaxscale
        >>> law = jaxscale.Chinchilla.preset("hoffmann_2022")
        >>> asked = jaxscale.quantities.Prediction({"N": 70e9, "D": 1.4e12})
        >>> isinstance(asked, jaxscale.quantities.Quantity), asked.name
        (True, 'L(N=7e10, D=1.4e12)')
    """

    @property
    def name(self) -> str:
        """What tables and figures call it."""
        raise NotImplementedError

    @property
    def logarithmic(self) -> bool:
        """Whether its error is closest to symmetric on the logarithmic scale."""
        return False

    def __call__(self, law: Law) -> Any:
        """Return the quantity under a law with scalar parameters.

        Args:
            law: with scalar parameters.
        """
        raise NotImplementedError


@pytree
class ParameterOf(Quantity):
    """A parameter of the law, by name.

    Attributes:
        parameter: its name.
        log: whether its errors are stated on the logarithmic scale.

    Example:
        >>> import jaxscale
        >>> alpha = jaxscale.quantities.ParameterOf("alpha")
        >>> round(alpha(jaxscale.Chinchilla.preset("hoffmann_2022")), 3)
        0.339
    """

    parameter: str = static()
    log: bool = static(default=False)

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.parameter

    @property
    def logarithmic(self) -> bool:
        """True for positive coefficients, scales and break points."""
        return self.log

    def __call__(self, law: Law) -> Any:
        """Return the parameter."""
        return getattr(law, self.parameter)


@pytree
class DerivedOf(Quantity):
    """What the law's papers derive from its parameters, by name: `Law.derived`.

    Attributes:
        derived: its name, a key of `Law.derived_docs`.

    Example:
        >>> import jaxscale
        >>> a = jaxscale.quantities.DerivedOf("a")  # best N grows as C^a
        >>> round(a(jaxscale.Chinchilla.preset("hoffmann_2022")), 3)
        0.457
    """

    derived: str = static()

    @property
    def name(self) -> str:
        """The derived quantity's name."""
        return self.derived

    def __call__(self, law: Law) -> Any:
        """Return the derived quantity."""
        return law.derived()[self.derived]


@pytree
class Prediction(Quantity):
    """The loss that the law predicts at named inputs.

    Attributes:
        inputs: one number per input of the law, or any two of N, D, C for a law of N and D.

    Example:
        >>> import jaxscale
        >>> loss = jaxscale.quantities.Prediction({"N": 70e9, "D": 1.4e12})
        >>> round(float(loss(jaxscale.Chinchilla.preset("hoffmann_2022"))), 2)
        1.92
    """

    inputs: Mapping[str, Any]

    @property
    def name(self) -> str:
        """L at the inputs."""
        return f"L({', '.join(f'{k}={_number(v)}' for k, v in self.inputs.items())})"

    def __call__(self, law: Law) -> Any:
        """Return the predicted loss."""
        inputs = {name: jnp.asarray(x, float) for name, x in self.inputs.items()}
        if {"N", "D"} <= set(law.inputs) and "C" in inputs and len(inputs) == 2:
            known = {name: inputs.get(name) for name in "NDC"}
            inputs["N"], inputs["D"], _ = complete(**known, flops=law.flops)
        return law.loss(*(inputs[name] for name in law.inputs))


@pytree
class Best(Quantity):
    """N*, D*, the loss or D*/N* of the best run at a budget.

    Attributes:
        compute: budget C in FLOPs.
        what: "N", "D", "loss" or "tokens_per_parameter".
        flops: FLOPs model in JAX; None for the law's own, else C = 6 N D.

    Example:
        >>> import jaxscale
        >>> best = jaxscale.quantities.Best(compute=1e24, what="tokens_per_parameter")
        >>> best.name, round(float(best(jaxscale.Chinchilla.preset("hoffmann_2022"))))
        ('D*/N*(C=1e24)', 62)
    """

    compute: Any
    what: str = static(default="N")
    flops: Flops | None = static(default=None)

    @property
    def name(self) -> str:
        """For example N*(C=1e24)."""
        label = {"loss": "L*", "tokens_per_parameter": "D*/N*"}.get(self.what, f"{self.what}*")
        return f"{label}(C={_number(self.compute)})"

    @property
    def logarithmic(self) -> bool:
        """True but for the loss."""
        return self.what != "loss"

    def __call__(self, law: Law) -> Any:
        """Return the quantity at the best run of the budget."""
        best = unbounded(optimum(law, self.compute, self.flops))
        return best.D / best.N if self.what == "tokens_per_parameter" else getattr(best, self.what)


@pytree
class ComputeFor(Quantity):
    """The least budget in FLOPs whose best run reaches a loss; infinite if none does.

    Attributes:
        loss: the loss to reach.
        flops: FLOPs model in JAX; None for the law's own, else C = 6 N D.

    Example:
        >>> import jaxscale
        >>> budget = jaxscale.quantities.ComputeFor(loss=2.0)
        >>> f"{float(budget(jaxscale.Chinchilla.preset('hoffmann_2022'))):.1e} FLOPs"
        '7.8e+22 FLOPs'
    """

    loss: Any
    flops: Flops | None = static(default=None)

    @property
    def name(self) -> str:
        """For example C(L=2.2)."""
        return f"C(L={_number(self.loss)})"

    @property
    def logarithmic(self) -> bool:
        """True."""
        return True

    def __call__(self, law: Law) -> Any:
        """Return the budget."""
        return cheapest(law, self.loss, self.flops)


@pytree
class FunctionOf(Quantity):
    """A user's own function of a law, in JAX.

    Attributes:
        function: of a law, in JAX.
        log: whether its errors are stated on the logarithmic scale.

    Example:
        >>> import jaxscale
        >>> ratio = jaxscale.quantities.FunctionOf(lambda law: law.alpha / law.beta)
        >>> round(ratio(jaxscale.Chinchilla.preset("hoffmann_2022")), 2)
        1.19
    """

    function: Callable[[Law], Any] = static()
    log: bool = static(default=False)

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", "quantity")

    @property
    def logarithmic(self) -> bool:
        """As the user says."""
        return self.log

    def __call__(self, law: Law) -> Any:
        """Return the function's value."""
        return self.function(law)


Asked = str | Quantity | Callable[[Law], Any]
"""What a person may ask for: a name, a quantity, or a JAX function of a law."""


def _number(x: Any) -> str:
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{float(x):.4g}")


def quantity(what: Asked, law: Law) -> Quantity:
    """Return the quantity that a name or a function stands for.

    Args:
        what: a parameter ("alpha"), a derived name ("a"), a `Quantity`, or a JAX function of a law.
        law: the law that it will be asked of.

    Returns:
        The quantity; one that is given already stays.

    Raises:
        ValueError: the law has nothing of that name, or cannot answer the quantity.
        TypeError: it is no name, no quantity and no function.

    Example:
        >>> import jaxscale
        >>> law = jaxscale.Chinchilla.preset("hoffmann_2022")
        >>> asked = jaxscale.quantities.quantity("alpha", law)
        >>> asked.name, asked.logarithmic
        ('alpha', False)
    """
    if isinstance(what, str):
        if what in law.parameters:
            spec = law.parameters[what]
            return ParameterOf(what, spec.role in LOGARITHMIC and spec.positive)
        known = tuple(type(law).derived_docs)
        if what in known:
            return DerivedOf(what)
        raise ValueError(
            f"{type(law).__name__} has no quantity {what!r}; it has "
            f"{', '.join([*law.parameters, *known])}, and Prediction, Best and ComputeFor"
        )
    if isinstance(what, Best | ComputeFor) and set(law.inputs) != {"N", "D"}:
        raise ValueError(
            f"{what.name} needs a law of N and D; {type(law).__name__} takes "
            f"{', '.join(law.inputs)}"
        )
    if isinstance(what, Best) and what.what not in BEST:
        raise ValueError(f"Best(what={what.what!r}): what is one of {', '.join(BEST)}")
    if isinstance(what, Prediction):
        _answerable(what, law)
    if isinstance(what, Quantity):
        return what
    if not callable(what):
        raise TypeError(f"a quantity is a name, a Quantity or a function of a law, got {what!r}")
    return FunctionOf(what)


def _answerable(what: Prediction, law: Law) -> None:
    given, wanted = set(what.inputs), set(law.inputs)
    two = {"N", "D"} <= wanted and len(given) == 2 and given <= set("NDC")
    if given != wanted and not (two and len(wanted) == 2):
        raise ValueError(
            f"{type(law).__name__} takes {', '.join(law.inputs)}; a prediction was asked at "
            f"{', '.join(what.inputs) or 'nothing'}"
        )


def asked_of(fit: FitResult, what: Sequence[Asked] | None = None) -> list[Quantity]:
    """Return quantities of a fit; by default its free parameters and what follows from them.

    Args:
        fit: of the law that they are asked of.
        what: names, quantities or JAX functions of a law; None for all that is free and what
            follows.

    Returns:
        The quantities, in order.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> [asked.name for asked in jaxscale.quantities.asked_of(fit)]
        ['E', 'A', 'B', 'alpha', 'beta', 'a', 'b']
    """
    names: Sequence[Asked] = (*fit.free, *type(fit.law).derived_docs) if what is None else what
    return [quantity(each, fit.law) for each in names]


def _sample(quantities: tuple[Quantity, ...], law: Law) -> jax.Array:
    def every(law: Law) -> jax.Array:
        return jnp.stack([jnp.asarray(q(law), float) for q in quantities])

    return jax.vmap(every)(law)


def evaluate(quantities: list[Quantity], law: Law) -> np.ndarray:
    """Return [B, Q]: quantities of a sample of laws (leaves [B], or scalars for B = 1).

    Args:
        quantities: Q of them.
        law: the laws, as one whose leaves are [B].

    Returns:
        NumPy float64 [B, Q].

    Cost: compiles once per kind of quantities and per law; other numbers do not compile anew.

    Example:
        >>> import jaxscale
        >>> law = jaxscale.Chinchilla.preset("hoffmann_2022")
        >>> asked = [jaxscale.quantities.quantity(name, law) for name in ("alpha", "a")]
        >>> jaxscale.quantities.evaluate(asked, law).round(2)
        array([[0.34, 0.46]])
    """
    leaves = [np.asarray(leaf, float) for leaf in jax.tree.leaves(law)]
    size = max(leaf.size for leaf in leaves)
    padded = -(-size // 256) * 256 if size > 1 else 1  # samples of about a size share a program

    def full(leaf: Any) -> np.ndarray:
        spread = np.broadcast_to(np.asarray(leaf, float), (size,))
        return np.concatenate([spread, np.broadcast_to(spread[:1], (padded - size,))])

    wide = jax.tree.map(lambda x: np.asarray(x, float), tuple(quantities))
    found, _ = programs.run(_sample, wide, jax.tree.map(full, law), dtype=np.float64)
    return np.asarray(found, float)[:size]


__all__ = [
    "Best",
    "ComputeFor",
    "DerivedOf",
    "FunctionOf",
    "ParameterOf",
    "Prediction",
    "Quantity",
    "evaluate",
    "quantity",
]


def __dir__() -> list[str]:
    return sorted(__all__)
