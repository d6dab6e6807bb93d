"""What the choice of runs lets nobody know, whatever their losses are.

A law of several inputs is identified where the runs spread in every direction of their logarithms.
A ladder with D = 20 N throughout, one compute budget, two sizes: there some answers of a fit are
arbitrary, however small its residuals. Said before the losses are looked at, in the words of the
field, and kept in the certificate. What depends on the noise is judged after the fit
(`determined`). NumPy only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jaxscale.checks.alike import distinct
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.laws import Law
from jaxscale.laws.parameters import exponent_of
from jaxscale.objective.inputs import spaced

NARROW = 0.15
"""Spread (standard deviation of a logarithm) across a line up to which one budget is one, and one
size one size. Of 38 public tables the narrowest has .47."""
ON_THE_LINE = 0.05
"""The same up to which two inputs are one, whatever the noise: no law holds to the fraction of a
percent by which their terms differ then. D = 20 N give or take 10 % has .04; what is wider is
judged by the noise."""
APART = 0.1
"""Distance of logarithms from which two values of an input tell of its exponent."""
MIXED = 1e4
"""Factor between neighbouring sizes from which some rows are in another unit. Of 38 public tables
the largest is 7.5."""


def refuse_unidentified(law: Law, runs: Runs, inputs: dict[str, np.ndarray]) -> None:
    """Raise where no value of the losses could determine the free parameters.

    Args:
        law: what is to be fitted.
        runs: to which.
        inputs: [n] each, of the law.

    Raises:
        DataError: too few distinct rows, equal losses, or an input that does not vary.
    """
    used = runs.weights > 0
    called = ", ".join(runs.label(name) for name in law.inputs)
    place = f"{runs.source}, {runs.span()}"
    count, free = int(used.sum()), len(law.free)
    have = counted(count, "run")
    if not used.all():
        have = f"{count} of {len(used)} runs with a weight above 0"

    def too_few(have: str) -> DataError:
        return DataError(
            f"{place}, columns {called} and {runs.label('loss')}: {have} for the {free} free "
            f"parameters of {type(law).__name__}; it takes at least {free + 1}. Add runs, or fix "
            f"parameters (--fix {law.free[0]}=VALUE)"
        )

    if count <= free:
        raise too_few(have)
    if np.ptp(runs.loss[used]) == 0:
        raise DataError(
            f"{place}, column {runs.label('loss')}: all values are {runs.loss[used][0]:g}; is "
            "this the loss of different runs?"
        )
    for name, column in inputs.items():
        if np.ptp(column[used]) <= 1e-9 * np.abs(column).max():  # D = C / (6 N) is rounded
            raise DataError(
                f"{place}, column {runs.label(name)}: only one distinct value, "
                f"{column[used][0]:g}, so how the loss depends on {name} cannot be identified; "
                f"use a law without {name}, or add runs with another {name}"
            )
    settings = distinct(settings_of(law, inputs, used))
    different = distinct([*settings_of(law, inputs, used), runs.loss[used]])
    if different <= free:
        raise too_few(f"{have}, {different} of them distinct")
    if settings < free:  # repeats of a setting tell about noise only
        raise too_few(f"{have} at {counted(settings, 'setting')}")


def weaknesses(law: Law, runs: Runs, inputs: dict[str, np.ndarray]) -> tuple[str, ...]:
    """Return sentences that say what these runs cannot determine; empty for a sound design.

    Args:
        law: what is to be fitted.
        runs: to which.
        inputs: [n] each, of the law.
    """
    used = runs.weights > 0
    logs = {name: np.log(inputs[name][used]) for name in inputs if law.kinds[name] == "positive"}
    tied = terms_of(law)
    line = _on_a_line(tied, logs, runs.weights[used])
    few = too_few_values(law, logs) if len(inputs) > 1 else []  # one is counted as settings
    found = [*_mixed_units(runs, used), *(line or few)]
    settings = distinct(settings_of(law, inputs, used))
    if settings == len(law.free):
        found.append(
            f"There are {settings} distinct settings of {listed(law.inputs)} for {settings} free "
            "parameters: the law passes through all of them, and nothing tests its form."
        )
    return tuple(found)


def settings_of(law: Law, inputs: Mapping[str, np.ndarray], used: np.ndarray) -> list[np.ndarray]:
    """Return the inputs of the runs used, on their own scales and without their rounding.

    Args:
        law: which reads them, or some of them.
        inputs: [n] each.
        used: [n] bool.
    """
    kinds = law.kinds
    some = {name: x[used] for name, x in inputs.items() if name in kinds}
    return [np.round(spaced(x, kinds[name]), 9) for name, x in some.items()]


def _covariance(columns: list[np.ndarray], weight: np.ndarray) -> np.ndarray:
    """Return the weighted covariance of columns [n]: that of NumPy, at a third of its time."""
    rows = np.stack(columns)
    rows = rows - ((rows * weight).sum(1) / weight.sum())[:, None]
    matrix: np.ndarray = rows @ (rows * weight).T * (1 / weight.sum())
    return matrix


def counted(many: int, thing: str) -> str:
    """Return a number with its noun."""
    return f"{many} {thing}{'' if many == 1 else 's'}"


def listed(names: tuple[str, ...]) -> str:
    """Return names with commas, and an "and"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _mixed_units(runs: Runs, used: np.ndarray) -> list[str]:
    found = []
    for name in ("N", "D", "C"):
        column = runs.columns.get(name)
        if column is None or not (column[used] > 0).all():
            continue
        if column[used].max() < MIXED * column[used].min():
            continue
        values = np.sort(column[used])
        factor = values[1:] / values[:-1]
        if len(factor) == 0 or factor.max() < MIXED:
            continue
        k = int(np.argmax(factor))
        low = int((column[used] <= values[k]).sum())
        found.append(
            f"{name} falls into two groups, {counted(low, 'run')} up to {values[k]:.3g} and "
            f"{counted(int(used.sum()) - low, 'run')} from {values[k + 1]:.3g}: are some rows in "
            "other units?"
        )
    return found


def terms_of(law: Law) -> dict[str, set[str]]:
    """Return, per input, the free parameters whose unit or power belongs to it."""
    tied: dict[str, set[str]] = {name: set() for name in law.inputs}
    for key, spec in law.parameters.items():
        for name, power in spec.per:
            tied[name] |= {key, exponent_of(power) or key} & set(law.free)
    return tied


def too_few_values(law: Law, logs: dict[str, np.ndarray]) -> list[str]:
    """Say of which inputs there are fewer values than it takes for the free parameters."""
    tied = terms_of(law)
    constant = {
        key
        for key, spec in law.parameters.items()
        if spec.role == "offset" and not spec.shifted and key in law.free
    }
    found: list[str] = []
    for name, log in logs.items():
        names = tied[name]
        needed = len(names) + (1 if constant else 0)
        values = _apart(log, needed)
        if len(values) < needed:
            shown = " and ".join(f"{np.exp(value):.3g}" for value in values)
            found.append(
                f"{name} takes only {counted(len(values), 'value')} ({shown}), a tenth apart: "
                f"{listed(tuple(sorted(constant | names)))} need at least {needed}."
            )
    return found


def _apart(log: np.ndarray, most: int) -> list[float]:
    """Return up to `most` values of which each lies well above the one before."""
    values: list[float] = []
    while len(values) < most:
        above = log[log > values[-1] + APART] if values else log
        if len(above) == 0:
            break
        values.append(float(above.min()))
    return values


def _on_a_line(
    tied: dict[str, set[str]], logs: dict[str, np.ndarray], weight: np.ndarray
) -> list[str]:
    """Say which inputs move as one, where each has parameters of its own."""
    found: list[str] = []
    names = [a for a in logs if any(tied[a] - tied[b] for b in logs if b != a)]
    for k, b in enumerate(names):
        for a in names[:k]:
            if not (tied[a] - tied[b] and tied[b] - tied[a]):
                continue
            said, meaning, spread = _line(a, b, logs, weight)
            if spread < (ON_THE_LINE if meaning is APART_ONLY else NARROW):
                found.append(f"{said}: {meaning.format(a=a, b=b)}")
    return found or _in_a_plane(names, logs, weight)


APART_ONLY = (
    "the terms of {a} and {b} cannot be told apart; add runs off that line, fix an exponent, or "
    "use a law of one input."
)
HARDLY = (
    "how the loss depends on it is hardly seen; add runs with another {a}, or use a law without it."
)
ONE_BUDGET = "what another budget brings is not seen; add runs of other budgets."


def _line(
    a: str, b: str, logs: dict[str, np.ndarray], weight: np.ndarray
) -> tuple[str, str, float]:
    """Return what the line of two inputs is, what that means, and the spread across it."""
    n = len(logs[a])
    # Ascending variances; across a line, what rounding leaves may be below zero.
    variance, axes = np.linalg.eigh(_covariance([logs[a], logs[b]], weight))
    spread = float(np.sqrt(max(variance[0], 0.0)))
    across = axes[:, 0]
    slope = -across[0] / across[1] if across[1] else np.inf
    if abs(slope - 1) < 0.1:
        return f"{b}/{a} is {_range(logs[b] - logs[a])} in all {n} runs", APART_ONLY, spread
    if abs(slope + 1) < 0.1:
        product = logs[a] + logs[b]
        if {a, b} == {"N", "D"}:
            budget = f"C = 6 N D of {_range(product + np.log(6))}"
            return f"All {n} runs share one compute budget, {budget}", ONE_BUDGET, spread
        return f"{a} times {b} is {_range(product)} in all {n} runs", APART_ONLY, spread
    for name, flat in ((b, abs(slope) < 0.1), (a, abs(slope) > 10)):
        if flat:
            meaning = HARDLY.replace("{a}", name)
            return f"{name} is {_range(logs[name])} in all {n} runs", meaning, spread
    return f"{b} follows {a} in all {n} runs ({b} ~ {a}^{slope:.2g})", APART_ONLY, spread


def line_of(
    pair: tuple[str, str], logs: dict[str, np.ndarray], weight: np.ndarray, width: float
) -> str:
    """Return which line two inputs nearly lie on; empty where they do not.

    Args:
        pair: names of the inputs.
        logs: their logarithms [n].
        weight: of the runs [n].
        width: spread across the line up to which they do, if that along it is twice as large.
    """
    said, meaning, spread = _line(*pair, logs, weight)
    along = np.sqrt(np.linalg.eigvalsh(_covariance([logs[name] for name in pair], weight))[-1])
    near = spread < width and along > 2 * spread and meaning is APART_ONLY
    return said if near else ""


def _in_a_plane(names: list[str], logs: dict[str, np.ndarray], weight: np.ndarray) -> list[str]:
    """Say that three inputs or more are tied to each other though no two of them are."""
    if len(names) < 3:
        return []
    variance, axes = np.linalg.eigh(_covariance([logs[name] for name in names], weight))
    if variance[0] > ON_THE_LINE**2:
        return []
    across = axes[:, 0] / np.abs(axes[:, 0]).max()
    held = {name: power for name, power in zip(names, across, strict=True) if abs(power) > 0.05}
    product = " ".join(f"{name}^{power:.2g}" for name, power in held.items())
    return [
        f"{listed(tuple(held))} are tied to each other in all {len(logs[names[0]])} runs "
        f"({product} is the same throughout): their terms cannot be told apart; add runs where "
        "one of them is another, or fix an exponent."
    ]


def _range(log: np.ndarray) -> str:
    low, high = np.exp(log.min()), np.exp(log.max())
    if f"{low:.3g}" == f"{high:.3g}":
        return f"{low:.3g}"
    if high < 1.5 * low:
        off = 50 * (high - low) / np.sqrt(low * high)
        return f"{np.sqrt(low * high):.2g} (\u00b1 {max(off, 1):.0f} %)"
    return f"{low:.3g} to {high:.3g}"
