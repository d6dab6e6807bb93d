"""A law at work: what it predicts, what follows from its parameters, and what stands in for one."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.flops import complete
from jaxscale.laws.law import Law


@runtime_checkable
class Fitted(Protocol):
    """What has a law, such as a fit: it is taken wherever a law is."""

    @property
    def law(self) -> Law:
        """The law."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why not to trust it; empty if nothing speaks against it."""


def its_law(source: Law | Fitted) -> Law:
    """Return a law, or that of a fit.

    Raises:
        TypeError: it is neither.
    """
    law = source.law if isinstance(source, Fitted) else source
    if not isinstance(law, Law):
        raise TypeError(
            f"expected a law such as Chinchilla.preset('hoffmann_2022'), or a fit, got "
            f"{type(source).__name__}"
        )
    return law


def coded(law: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return inputs with the label of a family as its code, for a law over families.

    Args:
        law: any law.
        inputs: by name.

    Raises:
        ValueError: there is no such family.
    """
    label = inputs.get("family")
    if isinstance(label, str) and hasattr(law, "labels"):
        return inputs | {"family": law.code(label)}
    return inputs


def predict(law: Law | Fitted, **inputs: Any) -> Any:
    """Evaluate a law at named inputs.

    Args:
        law: a law without free parameters, or a fit; leaves may have a leading sample axis, then
            map over it with `jax.vmap`.
        **inputs: one array per input of the law, broadcastable, in raw counts (N parameters,
            D tokens, C FLOPs), of either sign where the law says so (`Law.input_kinds`). A law of
            N and D takes any two of N, D, C (C = 6 N D, or the law's own `flops`).

    Returns:
        The predicted loss, in the units of the runs; NumPy float64, or a tracer under `jit`,
        `vmap` or `grad`, in the dtype of the inputs.

    Raises:
        ValueError: an input is missing or unknown, or a parameter is still free.

    Example:
        >>> import jaxscale
        >>> law = jaxscale.Chinchilla.preset("hoffmann_2022")
        >>> round(float(jaxscale.predict(law, N=70e9, D=1.4e12)), 3)
        1.921
        >>> jaxscale.predict(law, N=[1e9, 1e10], C=1e21).round(3)
        array([2.314, 2.361])
    """
    law = its_law(law)
    lists = {
        name: np.asarray(x, float) for name, x in inputs.items() if isinstance(x, list | tuple)
    }
    inputs = coded(law, inputs | lists)
    if law.free:
        raise ValueError(f"{type(law).__name__}: {', '.join(law.free)} is free; fit the law first")
    if {"N", "D"} <= set(law.inputs) and "C" in inputs and len(inputs.keys() & set("NDC")) == 2:
        known = {name: inputs.pop(name, None) for name in "NDC"}
        inputs["N"], inputs["D"], _ = complete(**known, flops=law.flops)
    labels = getattr(law, "labels", ())
    missing = [name for name in law.inputs if name not in inputs]
    extra = [name for name in inputs if name not in law.inputs]
    if missing or extra:
        raise ValueError(
            f"{type(law).__name__} takes {', '.join(law.inputs)}"
            + (f"; missing {', '.join(missing)}" if missing else "")
            + (f"; unknown {', '.join(extra)}" if extra else "")
            + (f"; say which: family={labels[0]!r}" if missing == ["family"] and labels else "")
        )
    arguments = [inputs[name] for name in law.inputs]
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((law, arguments))):
        return law.loss(*arguments)
    # Concrete values are worked out in float64 whatever the global flag says.
    with scope(np.float64):
        wide = [np.asarray(x, float) for x in arguments]
        return np.asarray(jax.device_get(law.loss(*wide)), float)[()]


def derived(law: Law) -> dict[str, float]:
    """Return the derived quantities of a fitted law as floats, worked out in float64."""
    with scope(np.float64), np.errstate(all="ignore"):  # what does not exist is NaN
        values = law.replace(**{k: np.asarray(v, float) for k, v in law.values.items()}).derived()
        return {name: float(value) for name, value in values.items()}
