"""Does a law do what it says of itself? Asked before a fit, and answered by the law after it.

A fit solves the dimensionless law on normalized inputs and gives back parameters in the user's
units (`space`). Both are the same law only where every unit is declared as the formula has it, and
where nothing in the formula carries a unit of its own. So the formula is evaluated both ways, by
NumPy or operation by operation: at random parameters before anything is compiled, and at the
optimum on all runs. What differs is refused, with the field and the cure as far as a search over
declarations finds them (`lawcure`).
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import jax
import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.checks.cure import Sides, beside, cure
from jaxscale.errors import LawError
from jaxscale.laws import Law, Sum
from jaxscale.laws.explained import explained, of_law
from jaxscale.laws.grouped import catalogued
from jaxscale.objective.objective import Objective
from jaxscale.varpro.starts import random_starts

ROWS = 32
"""Runs at which a law is tried before a fit."""
DRAWS = 4
"""Random parameters at which it is tried."""
MANY = 6
"""Linear parameters whose pairs are tried one by one, at most."""
LOOSE = 1e-6
"""Relative difference allowed there; what is declared wrongly differs by its whole size."""
TIGHT = 1e-9
"""Relative difference allowed at the optimum."""


def check_formula(objective: Objective, inputs: dict[str, np.ndarray], rows: np.ndarray) -> None:
    """Raise where the formula cannot be traced, or does something else than its fields declare.

    Laws of the catalogue are not tried: the tests have done it.

    Args:
        objective: of the fit.
        inputs: [n] each, in the units of the runs.
        rows: [n] how the source numbers the runs.

    Raises:
        LawError: naming field or input, row, both numbers and the cure.

    Cost: a few evaluations of the law on 32 rows, uncompiled.
    """
    law = objective.law
    if catalogued(law):
        return
    used = np.flatnonzero(np.asarray(objective.weight)[: len(rows)] > 0)
    tried = used[np.unique(np.linspace(0, len(used) - 1, ROWS).astype(int))]
    with explained(type(law).__name__, of_law(law)):
        _traceable(objective)
    with explained(type(law).__name__, of_law(law)), scope(np.float64), np.errstate(all="ignore"):
        points = random_starts(objective, DRAWS, seed=7)
        some = {name: column[tried] for name, column in inputs.items()}
        sides = Sides(law, objective.space, some)
        _check_elementwise(sides, points, rows[tried])
        _check_affine(sides, points)
        _check_closed_form(sides, points, rows[tried])
        for z in points:
            raw, fitted = sides.both(z)
            floor = 1e-6 * np.max(np.abs(fitted), initial=0.0, where=np.isfinite(fitted))
            off = _apart(raw, fitted, LOOSE * (np.abs(fitted) + floor))
            if off.any():
                k = int(np.argmax(off))
                where = f"in row {rows[tried[k]]}, at parameters drawn at random,"
                raise LawError(_sentence(law, raw[k], fitted[k], where, cure(sides, points)))


def check_fit(
    objective: Objective,
    z: np.ndarray,
    law: Law,
    *,
    inputs: dict[str, np.ndarray],
    prediction: np.ndarray,
    rows: np.ndarray,
) -> None:
    """Raise where the fitted law, by itself, does not give what was fitted.

    Args:
        objective: of the fit.
        z: [P] the optimum.
        law: the law there, its parameters as floats in the units of the runs.
        inputs: [n] each, in the units of the runs.
        prediction: [n] by the compiled program, in the units of the runs.
        rows: [n] how the source numbers the runs.

    Raises:
        LawError: naming field or input, row, both numbers and the cure.

    Cost: one evaluation of the law, by NumPy for the laws of the catalogue.
    """
    with scope(np.float64), np.errstate(all="ignore"):
        raw = evaluated(law, inputs)
        typical = np.sqrt(np.mean(prediction**2)) if objective.residual.has_unit else 0.0
        allowed = TIGHT * (np.abs(prediction) + typical)
        used = np.asarray(objective.weight)[: len(prediction)] > 0
        if not (_apart(raw, prediction, allowed) & used).any():
            return
        off = _apart(raw, prediction, allowed + _rounding(law, inputs, raw)) & used
        if not off.any():
            return
        sides = Sides(objective.law, objective.space, inputs)
        points = np.vstack([z[None], random_starts(objective, 2 * DRAWS, seed=7)])
        # A compiler's mistake: both ways of the formula agree with each other.
        again = sides.both(z)[1]
        mistaken = not _apart(raw, again, LOOSE * (np.abs(again) + typical)).any()
        k = int(np.argmax(np.where(off, np.abs(raw - prediction) / allowed, 0.0)))
        if not mistaken:
            where = f"in row {rows[k]}"
            raise LawError(_sentence(law, raw[k], prediction[k], where, cure(sides, points)))
    raise LawError(
        f"{type(law).__name__}: the formula gives {_two(raw[k], prediction[k])} in row {rows[k]} "
        "as it was compiled: a constant that it reads was changed since (then start a new "
        "process, or make it a field), or the compiler is at fault (then try another version of "
        "jaxlib)"
    )


def evaluated(law: Law, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Return the law at inputs [n] in the units of the runs, not compiled as a whole."""
    n = len(next(iter(inputs.values())))
    found = law.loss(*(inputs[name] for name in law.inputs))
    return np.broadcast_to(np.asarray(found, float), (n,))


def _sentence(law: Law, raw: float, fitted: float, where: str, how: str) -> str:
    if type(law).origin is not None:
        kinds = ", ".join(f"{name}='raw'" for name in law.inputs)
        how = f"have them taken as they are, law_of(f, kinds=dict({kinds}))"
    return (
        f"{type(law).__name__}: {where} the formula gives {_two(raw, fitted)} on inputs divided by "
        f"their mean, as a fit takes them: {how}"
    )


def _two(a: float, b: float) -> str:
    """Return `a and b`, with as many digits as tell them apart."""
    digits = next((d for d in (6, 9, 12) if f"{a:.{d}g}" != f"{b:.{d}g}"), 17)
    return f"{a:.{digits}g}, and {b:.{digits}g}"


def _apart(a: np.ndarray, b: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return where a differs from b; both not finite is no difference."""
    lost = ~np.isfinite(a) & ~np.isfinite(b)
    apart: np.ndarray = ~lost & ~(np.abs(a - b) <= allowed)
    return apart


def _rounding(law: Law, inputs: dict[str, np.ndarray], at: np.ndarray) -> np.ndarray:
    """Return [n]: what a few units in the last place of every parameter do to the formula."""
    total = np.zeros_like(at)
    for name, value in law.values.items():
        moved = evaluated(law.replace(**{name: float(value) * (1 + 1e-8)}), inputs)
        total = total + np.abs(moved - at)
    return 1e-4 * total  # (1e-12 / 1e-8): 5,000 units in the last place


def _check_elementwise(sides: Sides, points: np.ndarray, rows: np.ndarray) -> None:
    """Raise where the prediction of a run depends on which other runs there are."""
    last = len(rows) - 1
    # Every second one, backwards; and some by themselves.
    parts = [np.arange(len(rows))[::-2], *(np.array([k]) for k in {0, last // 2, last})]
    for z, some in itertools.product(points, parts):
        fewer = dataclasses.replace(sides, inputs={k: x[some] for k, x in sides.inputs.items()})
        among, alone = sides.formula(sides.normalized(z))[some], fewer.formula(sides.normalized(z))
        typical = np.max(np.abs(among), initial=0.0, where=np.isfinite(among))
        off = _apart(alone, among, 1e-9 * np.abs(among) + 1e-12 * typical)
        if off.any():
            k = int(np.argmax(off))
            raise LawError(
                f"{type(sides.law).__name__}: the formula gives {_two(among[k], alone[k])} in row "
                f"{rows[some[k]]}, by which other runs there are; a formula is elementwise: it "
                "takes no mean, maximum, order or number of its inputs (hold such a number in a "
                "field instead)"
            )


def _check_affine(sides: Sides, points: np.ndarray) -> None:
    """Raise where the formula is not affine in what is declared linear, alone and together."""
    name_of_law = type(sides.law).__name__
    linear = [name for name, spec in sides.law.parameters.items() if spec.linear]
    bent = [name for name in linear if not _affine(sides, points, (name,))]
    if bent:
        said = (
            f"{name_of_law}: the formula is not affine in {' and '.join(bent)}, declared linear; "
        )
        scaled = [name for name, kind in sides.law.kinds.items() if kind != "raw"]
        found = (beside(sides, key, name, points) for key in bent for name in scaled)
        if words := next(filter(None, found), ""):
            raise LawError(f"{said}declare {words}")
        raise LawError(f"{said}declare it with coefficient(..., linear=False)")
    if len(linear) > MANY and _affine(sides, points, tuple(linear)):
        return  # along all of them at once, which all pairs take part in
    for k, a in enumerate(linear):
        for b in linear[:k]:
            if not _affine(sides, points, (a, b)):
                raise LawError(
                    f"{name_of_law}: the formula is not affine in {b} and {a} together, which are "
                    "declared linear; declare one of them with coefficient(..., linear=False)"
                )


def _affine(sides: Sides, points: np.ndarray, names: tuple[str, ...]) -> bool:
    for z in points:
        values = sides.normalized(z)
        low, center, high = (
            sides.formula({**values, **{name: t * (1 + abs(values[name])) for name in names}})
            for t in (0.5, 1.0, 1.5)
        )
        size = np.abs(low) + 2 * np.abs(center) + np.abs(high)
        if (np.abs(low + high - 2 * center) > 1e-7 * size).any():
            return False
    return True


def _check_closed_form(sides: Sides, points: np.ndarray, rows: np.ndarray) -> None:
    """Raise where the closed form that a law declares is not its formula."""
    law = sides.law
    for z in points:
        values = sides.normalized(z)
        form = law.replace(**{k: np.float64(value) for k, value in values.items()}).closed_form()
        if form is None:
            return
        said = f"{type(law).__name__}.closed_form()"
        if not isinstance(form, Sum):
            raise LawError(f"{said} returns {type(form).__name__}; it is to return a Sum or None")
        inputs = dict(zip(law.inputs, sides.normalized_inputs(), strict=True))
        inputs |= {"S": inputs[law.of]} if law.of in inputs else {}
        unknown = [term.input for term in form.terms if term.input not in inputs]
        if unknown:
            raise LawError(
                f"{said} has a term of {unknown[0]!r}, which is no input of the law; its inputs "
                f"are {', '.join(law.inputs)}"
            )
        given = sides.formula(values)
        stated = np.broadcast_to(np.asarray(form(**inputs), float), given.shape)
        off = _apart(stated, given, LOOSE * np.abs(given))
        if off.any():
            k = int(np.argmax(off))
            raise LawError(
                f"{said} is not the formula: in row {rows[k]}, at parameters drawn at random, the "
                f"formula gives {_two(given[k], stated[k])} by the closed form; correct it, or "
                "leave it out, and the law is searched instead"
            )


def _traceable(objective: Objective) -> None:
    """Raise where the formula cannot be traced, naming its line."""
    law = objective.law
    returned: list[Any] = []

    def formula(z: Any, one: Objective) -> Any:
        returned.append(one.law.replace(**one.space.normalized(z))(*one.inputs))
        return 1.0 * returned[-1] if _shape(returned[-1]) is not None else 0.0

    with scope(np.float64):  # its second derivatives are needed as well
        point = tuple(np.zeros(len(objective.space.specs)))
        jax.eval_shape(jax.jacfwd(jax.jacfwd(formula)), point, objective)
    n, given = len(objective.weight), returned[0]
    shape = _shape(given)
    unreal = jax.numpy.issubdtype(getattr(given, "dtype", float), np.complexfloating)
    if shape not in ((), (n,)) or unreal:
        what = type(given).__name__ if shape is None else f"an array of shape {shape}"
        what = "complex numbers" if unreal else what
        raise LawError(
            f"{type(law).__name__}: the formula returns {what} from inputs of shape ({n},); it is "
            "to return one loss per run"
        )


def _shape(given: Any) -> tuple[int, ...] | None:
    """Return the shape of what a formula returned; None for no array."""
    return getattr(given, "shape", () if isinstance(given, float | int) else None)
