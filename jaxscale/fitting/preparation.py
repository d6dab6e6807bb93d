"""From validated runs and a law to an objective in dimensionless, padded arrays.

All checks that need the law as well as the runs are here: can every parameter be identified, is
the loss a loss, do N, D and C agree. What makes a fit impossible raises with column and row;
what is only suspicious becomes a warning in the result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxscale._numerics.positive import Positive
from jaxscale._numerics.widemat import LIMIT
from jaxscale.checks.alike import alike
from jaxscale.checks.declaration import check_held, check_names
from jaxscale.checks.design import refuse_unidentified, weaknesses
from jaxscale.checks.families import family_weaknesses, refuse_small_families
from jaxscale.checks.formula import check_formula
from jaxscale.checks.repeats import sweep_notes
from jaxscale.checks.table import (
    on_response,
    own_accounting,
    refuse_forgotten_inputs,
    swapped,
    unread_units,
)
from jaxscale.data.headers import header
from jaxscale.data.runs import Runs
from jaxscale.data.sources import LETTERS
from jaxscale.errors import DataError
from jaxscale.fitting.constraints import FREE, Constraints
from jaxscale.fitting.trials import TRIALS, counted, require_fractions, weighs_trials
from jaxscale.flops import SixND
from jaxscale.laws import Law
from jaxscale.laws.grouped import FamilyLaw, catalogued
from jaxscale.objective.inputs import log_unit, normalized
from jaxscale.objective.losses import Loss, usual_loss
from jaxscale.objective.objective import Objective
from jaxscale.objective.residuals import Residual, residual_named
from jaxscale.objective.space import Space
from jaxscale.shown.blocks import Shown
from jaxscale.text import listing


@dataclasses.dataclass(frozen=True)
class Problem(Shown):
    """Runs, a law, a loss and a residual, as an objective that is ready to be minimized.

    A fit keeps its problem: whatever is asked of the fit afterwards starts from it, and the runs
    are not checked and scaled again.

    Attributes:
        law: the law; parameters with a value are fixed.
        runs: the runs, n of them.
        objective: in dimensionless, padded float64 NumPy arrays, ready to cast.
        inputs: per input of the law [n], in the units of the runs.
        warnings: what was noticed about the runs.
        weaknesses: what the design cannot determine.
        constraints: bounds and ties of parameters.
    """

    law: Law
    runs: Runs
    objective: Objective
    inputs: dict[str, np.ndarray]
    warnings: tuple[str, ...]
    weaknesses: tuple[str, ...]
    constraints: Constraints = FREE

    @property
    def loss(self) -> Loss:
        """The robust loss."""
        return self.objective.loss

    @property
    def residual(self) -> Residual:
        """The kind of residual."""
        return self.objective.residual

    def under(self, loss: Loss | None = None, residual: str | Residual | None = None) -> Problem:
        """Return the same problem under another loss or residual.

        Raises:
            DataError: the residual needs positive losses, and one is not; or the runs are weighted
                by their trials as another residual has it.
        """
        kind = self.residual if residual is None else residual_named(residual)
        counts = TRIALS in self.runs.columns or weighs_trials(self.runs)
        if kind.name != self.residual.name and counts and (kind.fraction or self.residual.fraction):
            raise DataError(
                f"{self.runs.source}: trials weigh runs under {self.residual} residuals otherwise "
                f"than under {kind} ones; fit anew with residual={kind.name!r}"
            )
        _require_losses(self.runs, kind)
        own = self.loss if loss is None else loss
        objective = dataclasses.replace(self.objective, loss=own, residual=kind)
        return dataclasses.replace(self, objective=objective)

    def on(self, runs: Runs) -> Problem:
        """Return the same problem with other losses or weights of the same runs, unchecked."""
        objective = _objective(
            self.law, self.inputs, runs.loss, runs.weights, loss=self.loss, residual=self.residual
        )
        objective = _constrained(objective, self.constraints)
        return dataclasses.replace(self, runs=runs, objective=objective)

    def pinned(self, **values: float) -> Problem:
        """Return the same problem with further parameters held at values."""
        law = self.law.replace(**values)
        space = dataclasses.replace(self.objective.space, fixed=_held(law))
        objective = dataclasses.replace(self.objective, space=space)
        return dataclasses.replace(self, law=law, objective=objective)


WHOLE = 0.01
"""By how much shares may miss one: those of a table are rounded."""
SHARE = "a share, 0 to 1 (of percentages, --column web='web/100')"


def runs_given(law: Law, given: Any) -> Runs:
    """Return the runs for a law; a column of a dict that nothing uses is refused by name.

    Raises:
        DataError: a column is missing, unused, or cannot be read.
        TypeError: it is no table.
    """
    runs = Runs.of(given)
    if isinstance(given, Mapping):
        used = {*law.inputs, *LETTERS, TRIALS}
        unused = [runs.label(name) for name in runs.columns if name not in used]
        if unused:
            raise DataError(
                f"{runs.source}: {type(law).__name__} takes {', '.join(law.inputs)}; nothing uses "
                f"column {unused[0]}. Leave it out, or give Runs, which may hold more"
            )
    return runs


def bucket(n: int) -> int:
    """Return the padded number of rows: quarter steps between powers of two, at least 32.

    Tables of nearly the same length then share a compiled program.
    """
    size = 32
    while size < n:
        quarter = max(size // 4, 8)
        for step in range(1, 5):
            if n <= size + step * quarter:
                return size + step * quarter
        size *= 2
    return size


def prepare(
    law: Law,
    runs: Runs,
    loss: Loss | None,
    residual: str | Residual,
    constraints: Constraints = FREE,
) -> Problem:
    """Check the runs against the law and build the objective.

    Args:
        law: the law; parameters with a value are fixed.
        runs: the runs, n of them.
        loss: the robust loss; None for the usual one of the residual.
        residual: the kind of residual, or its name.
        constraints: bounds and ties.

    Raises:
        DataError: the fit would be impossible or meaningless; names column and row.
        LawError: the formula does something else than the law declares.
        ValueError: an option is not one of those allowed.
    """
    residual = residual_named(residual)
    runs = counted(runs, residual)
    if not law.free:
        raise ValueError(f"{type(law).__name__} has no free parameter: nothing to fit")
    if len(law.free) > LIMIT:
        raise ValueError(
            f"{type(law).__name__} has {len(law.free)} free parameters; a fit takes up to {LIMIT}. "
            f"Fix some of them (--fix {law.free[0]}=VALUE)"
        )
    check_names(law)
    check_held(law)
    read = list(law.inputs)  # and what the others are worked out from, first
    if any(name in LETTERS and name not in (*runs.columns, *runs.unread) for name in read):
        read = [*(name for name in LETTERS if name in runs.columns), *read]
    inputs = {}
    for name in dict.fromkeys(read):
        column = runs.column(name, law.flops, besides=law.inputs)
        _require(runs, name, column, np.isfinite(column), "a finite number")
        if law.kinds.get(name, "positive") == "positive":
            _require(
                runs, name, column, column > 0, "a positive number", otherwise=_otherwise(law, name)
            )
        inputs[name] = column
    inputs = _wholes(law, runs, {name: inputs[name] for name in law.inputs})
    _require(runs, "loss", runs.loss, np.isfinite(runs.loss), "a finite number")
    _require_losses(runs, residual)
    weight = runs.weights
    _require(runs, "weight", weight, np.isfinite(weight) & (weight >= 0), "a weight >= 0")
    refuse_forgotten_inputs(law, runs)
    units = unread_units(law, runs)
    refuse_unidentified(law, runs, inputs)
    law, accounting = own_accounting(law, runs)
    warnings = (
        *(*runs.warnings, *units, *_suspicious(law, runs, inputs)),
        *(*accounting, *on_response(law, runs, constraints.bounds)),
    )
    loss = usual_loss(residual) if loss is None else loss
    objective = _objective(law, inputs, runs.loss, weight, loss=loss, residual=residual)
    check_formula(objective, inputs, runs.rows)
    return Problem(
        law=law,
        runs=runs,
        objective=_constrained(objective, constraints),
        inputs=inputs,
        warnings=warnings,
        weaknesses=_weaknesses(law, runs, inputs),
        constraints=constraints,
    )


def _weaknesses(law: Law, runs: Runs, inputs: dict[str, np.ndarray]) -> tuple[str, ...]:
    if isinstance(law, FamilyLaw):
        refuse_small_families(law, runs, inputs)
        return family_weaknesses(law, runs, inputs)
    return weaknesses(law, runs, inputs)


def _constrained(objective: Objective, constraints: Constraints) -> Objective:
    if constraints != FREE:
        objective = dataclasses.replace(objective, space=constraints.applied(objective.space))
    prior = constraints.prior(objective.law, objective.space.free)
    return objective if prior is None else dataclasses.replace(objective, prior=prior)


def _objective(
    law: Law,
    inputs: dict[str, np.ndarray],
    y: np.ndarray,
    weight: np.ndarray,
    *,
    loss: Loss,
    residual: Residual,
) -> Objective:
    n = len(y)
    total = weight.sum()
    kinds, rows = law.kinds, bucket(n)
    units = {name: log_unit(x, weight, kinds[name]) for name, x in inputs.items()}
    if (y > 0).all():
        loss_scale = float(np.exp(weight @ np.log(y) / total))
    else:
        loss_scale = float(np.sqrt(weight @ y**2 / total))

    def padded(values: np.ndarray, fill: float) -> np.ndarray:
        return np.concatenate([values, np.full(rows - n, fill)])

    target = padded(y / loss_scale, 1.0)
    return Objective(
        law=law.replace(**dict.fromkeys(law.parameters, None)),
        space=Space(
            fixed=_held(law),
            log_scale={name: np.asarray(value) for name, value in units.items()},
            loss_scale=np.asarray(loss_scale),
            parameters=tuple(law.parameters.items()),
        ),
        inputs=tuple(normalized(x, units[name], kinds[name], rows) for name, x in inputs.items()),
        target=Positive(target, np.log(np.maximum(target, np.finfo(float).tiny))),
        weight=padded(weight, 0.0),
        loss=loss,
        residual=residual,
    )


def _held(law: Law) -> dict[str, np.ndarray]:
    return {name: np.asarray(value, float) for name, value in law.fixed.items()}


def _require_losses(runs: Runs, residual: Residual) -> None:
    if residual.positive:
        rule = f"a positive loss under {residual} residuals (or use residual='absolute')"
        _require(runs, "loss", runs.loss, runs.loss > 0, rule)
    elif residual.fraction:
        require_fractions(runs, residual, residual.allows(runs.loss))


def _wholes(law: Law, runs: Runs, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the inputs; raise where the shares of a run are no parts of one whole."""
    if not law.shares:
        return inputs
    for name in law.shares:
        column = inputs[name]
        _require(runs, name, column, (column >= 0) & (column <= 1 + WHOLE), SHARE)
    total = np.sum([inputs[name] for name in law.shares], axis=0)
    for k in np.flatnonzero(np.abs(total - 1) > WHOLE)[:1]:
        raise DataError(
            f"{runs.where(k)}: the shares {listing(law.shares)} add up to {total[k]:.4g}, not to "
            "one; name every domain of the mixture, or those left out as one column of the rest"
        )
    return inputs


def _some(runs: Runs, which: np.ndarray) -> str:
    rows = ", ".join(runs.row(k) for k in which[:5])
    return f"row{'s' if len(which) > 1 else ''} {rows}{' and more' if len(which) > 5 else ''}"


def _otherwise(law: Law, name: str) -> str:
    """Return how a law of the user's own says that an input may be zero or negative."""
    if catalogued(law) or name not in law.inputs:
        return ""
    argument = "S" if name == law.of else name
    if type(law).origin is not None:
        return f". Where {name} may be zero or negative: law_of(f, kinds=dict({name}='signed'))"
    return (
        f". Where {name} may be zero or negative, the law says so: input_kinds: ClassVar = "
        f"dict({argument}='signed'), or 'raw' for a number without a unit"
    )


def _require(
    runs: Runs, name: str, column: np.ndarray, good: np.ndarray, rule: str, *, otherwise: str = ""
) -> None:
    bad = np.flatnonzero(~good)
    if len(bad) == 0:
        return
    value = column[bad[0]]
    more = f"; also {_some(runs, bad[1:])}" if len(bad) > 1 else ""
    given = "an empty or NaN cell" if np.isnan(value) else f"{value:g}"
    drop = "" if np.isfinite(value) else " leave such rows out with bad='drop' (--bad drop),"
    if np.isnan(value) and runs.come_again():
        otherwise = (
            ". Names of runs come again: of a log, last_of=COLUMN (--last-of COLUMN), with the "
            "column of the names, keeps the end of each run"
        )
    raise DataError(
        f"{runs.where(bad[0])}, column {runs.label(name)}: expected {rule}, got {given}{more}. "
        f"Correct the table,{drop} or select rows with where (--where){otherwise}"
    )


def _suspicious(law: Law, runs: Runs, inputs: dict[str, np.ndarray]) -> list[str]:
    found = []
    n, free = len(runs), len(law.free)
    if n < 3 * free:
        found.append(f"only {n} runs for {free} free parameters: expect wide uncertainty")
    same = alike([*inputs.values(), runs.loss])
    original = same.first[same.group]
    repeats = np.flatnonzero(original != np.arange(n))
    if len(repeats):
        found.append(
            f"{len(repeats)} of {n} rows repeat another in {', '.join(inputs)} and loss "
            f"({_some(runs, repeats)}; the first repeats row {runs.rows[original[repeats[0]]]}): "
            "kept, each counts"
        )
    # Real models go down to some thousand parameters; in millions, 2,000 would be large.
    counted = True  # in single parameters and tokens, as far as one can see
    for name, least, unit in (("N", 2e3, "parameters"), ("D", 2e4, "tokens")):
        column = runs.columns.get(name)
        often = "1e6" if name == "N" else "1e9"
        said = header(runs.names.get(name, name)).factor != 1
        sized = name in inputs and law.kinds[name] == "positive"  # else it may well be none
        if sized and column is not None and np.min(column) < least and not said:
            counted = False
            found.append(
                f"column {runs.label(name)} begins at {np.min(column):g}, and {name} counts "
                f"single {unit}; is the table in millions or billions? Nothing was rescaled; "
                f"--scale {name}={often} (scale={{'{name}': {often}}}) does it"
            )
    if all(name in runs.columns for name in LETTERS):
        found += _contradiction(law, runs)
    found += sweep_notes(runs, inputs)
    return found + (swapped(runs, inputs) if counted else [])


def _contradiction(law: Law, runs: Runs) -> list[str]:
    model = law.flops
    N, D, C = (runs.columns[name] for name in LETTERS)
    with np.errstate(all="ignore"):
        ratio = C / np.asarray(model(N, D), float)
    off = np.flatnonzero(~((ratio > 0.5) & (ratio < 2)) & ~np.isnan(ratio))
    if len(off) == 0:
        return []
    rule = "6 N D" if model == SixND() else "the FLOPs function"
    return [
        f"column {runs.label('C')} contradicts {rule} by more than a factor two in {len(off)} of "
        f"{len(runs)} rows ({_some(runs, off)}; the first is {ratio[off[0]]:.3g} times it); the "
        f"fit uses {', '.join(law.inputs)}"
    ]
