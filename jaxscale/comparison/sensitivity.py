"""How much the exponents of a law depend on the robust loss that was chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jaxscale.comparison.candidates import label_of
from jaxscale.data.runs import Runs
from jaxscale.errors import FitError
from jaxscale.fitting.fit import fit_problem
from jaxscale.fitting.preparation import prepare
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.second import refuse_first
from jaxscale.laws import Law, derived
from jaxscale.objective.losses import Loss, loss_named
from jaxscale.objective.residuals import Residual, residual_named
from jaxscale.shown.blocks import Shown

DELTAS = (1e-4, 1e-3, 1e-2)


@dataclasses.dataclass(frozen=True)
class Sensitivity(Shown):
    """One law fitted under several losses.

    Attributes:
        law: its label.
        rows: per fit, loss, delta, residual, params, exponents, value, trusted, reasons, and error
            where it failed (then params and exponents are empty).
    """

    law: str
    rows: tuple[dict[str, Any], ...]

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of every exponent, derived ones included, over all fits."""
        found: dict[str, list[float]] = {}
        for row in self.rows:
            for name, value in row["exponents"].items():
                found.setdefault(name, []).append(value)
        return {name: (min(values), max(values)) for name, values in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values."""
        ranges = {name: list(pair) for name, pair in self.ranges.items()}
        return {"law": self.law, "ranges": ranges, "fits": [dict(row) for row in self.rows]}


def sensitivity(
    law: Law,
    runs: Runs,
    *,
    deltas: Sequence[float] = DELTAS,
    losses: Iterable[str | Loss] = ("huber",),
    residuals: Iterable[str | Residual] = ("log",),
    starts: int = 512,
    seed: int = 0,
    precision: str = "float64",
    known: FitResult | None = None,
    label: str = "",
) -> Sensitivity:
    """Fit a law under every combination of losses and residuals.

    Args:
        law: the law.
        runs: the runs.
        deltas: widths of the Huber loss.
        losses: names or losses; one with a width is fitted once per delta.
        residuals: "log", "relative", "absolute".
        starts: random starts of each fit.
        seed: of random starts.
        precision: as in `fit`.
        known: a fit of the law to the runs, so that its combination is not fitted again.
        label: name of the law in the result.

    Raises:
        ValueError: a loss, width or residual is not one of those allowed, or none is given.

    Cost: one fit each; other widths compile nothing, another loss or residual does.
    """
    chosen: list[Loss] = []
    for given in losses:
        loss = given if isinstance(given, Loss) else loss_named(given)
        for width in deltas if loss.width is not None else ():
            if not (width > 0 and np.isfinite(width)):
                raise ValueError(f"deltas must be positive and finite, got {width:g}")
            chosen.append(loss.with_threshold(float(width)))
        chosen += [loss] if loss.width is None else []
    rows = [
        _fitted(law, known)
        if known is not None and (known.loss.document(), known.residual) == (loss.document(), kind)
        else _row(law, runs, loss, kind, known, starts=starts, seed=seed, precision=precision)
        for kind in map(residual_named, residuals)
        for loss in chosen
    ]
    if not rows:
        raise ValueError("nothing to vary: give deltas, losses and residuals")
    return Sensitivity(label or label_of(law), tuple(rows))


def _row(
    law: Law, runs: Runs, loss: Loss, residual: Residual, known: FitResult | None, **options: Any
) -> dict[str, Any]:
    try:
        if known is None:
            refuse_first(residual, "sensitivity()")
            problem = prepare(law, runs, loss, residual)
        else:
            problem = known.problem.under(loss, residual)
        result = fit_problem(problem, **options)
    except (FitError, ValueError) as error:
        return {
            **loss.document(),
            "residual": residual.name,
            "params": {},
            "exponents": {},
            "value": None,
            "trusted": False,
            "reasons": [],
            "error": str(error),
        }
    return _fitted(law, result)


def _fitted(law: Law, result: FitResult) -> dict[str, Any]:
    params = {name: float(value) for name, value in result.law.values.items()}
    exponents = {
        name: params[name]
        for name, spec in law.parameters.items()
        if spec.role == "exponent" and name in law.free
    }
    shares = derived(result.law)
    exponents |= {name: shares[name] for name in ("a", "b") if name in shares}
    return {
        **result.loss.document(),
        "residual": result.residual.name,
        "params": params,
        "exponents": exponents,
        "value": result.value,
        "trusted": result.certificate.trusted,
        "reasons": list(result.certificate.reasons),
        "error": "",
    }
