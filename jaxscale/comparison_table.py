"""A comparison of laws as text for a person at a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxscale._visible import one_line
from jaxscale.tabulate import columns, count, marked, quantity

if TYPE_CHECKING:
    from jaxscale.comparison import Comparison, Entry

HEADS = {"rollout": "larger runs", "folds": "folds", "groups": "groups"}


def percent(error: float) -> str:
    """Return a log error in percent, to two digits after the point, or three significant ones."""
    return f"{100 * error:.2f}" if abs(error) < 1 else f"{100 * error:.3g}"


def _percent(error: float) -> str:
    return f"{percent(error)} %" if math.isfinite(error) else "-"


def comparison_table(comparison: Comparison) -> str:
    """Return the sentence, the laws, the windows, the exponents, the tests and the notes."""
    delta = comparison.loss["delta"]
    loss = str(comparison.loss["loss"]) + (f" (delta {delta:g})" if delta is not None else "")
    runs = comparison.runs
    head = f"{len(runs)} runs from {runs.source}, {loss} on {comparison.residual} residuals"
    best = comparison.best
    first = one_line(comparison.sentence or "")
    if best.reasons:
        first = f"! {one_line(best.label)} is not certified: {one_line(best.reasons[0])}\n{first}"
    parts = [first, one_line(head) + _rollout_facts(comparison)]
    parts.append(_laws(comparison))
    parts += [_windows(comparison), _exponents(comparison), _tests(comparison)]
    text = "\n\n".join(part for part in parts if part)
    return text + "\n" + marked(comparison.notes)


def _rollout_facts(comparison: Comparison) -> str:
    if "rollout" not in comparison.held:
        return ""
    split = comparison.held["rollout"].split
    by = one_line(str(split.by))
    low, high = split.factor.min(), split.factor.max()
    return (
        f";\n{int(split.level.max()) + 1} levels of {by}, {len(split)} windows that "
        f"extrapolate {by} by a factor of up to {quantity(low, 3)} to {quantity(high, 3)}"
    )


def _laws(comparison: Comparison) -> str:
    kinds = list(comparison.held)
    criteria = [e.information for e in comparison.entries if e.information is not None]
    aicc, bic = min(c.aicc for c in criteria), min(c.bic for c in criteria)
    ranked = ["behind", "95 %"] if kinds else []
    first, others = [HEADS[k] for k in kinds[:1]], [HEADS[k] for k in kinds[1:]]
    rows = [["law", "free", *first, *ranked, *others, "AICc", "BIC", "weight"]]
    for entry in comparison.entries:
        gap, own = entry.behind, entry.information
        errors = [_percent(entry.errors[kind]) for kind in kinds]
        span = ["", ""]
        if gap is not None:
            span = [percent(gap.mean), f"{percent(gap.low)} to {percent(gap.high)}"]
        rows.append(
            [
                entry.label + (" (!)" if entry.reasons else ""),
                str(len(entry.law.free)),
                *errors[:1],
                *span[: len(ranked)],
                *errors[1:],
                "failed" if own is None else _above(own.aicc, aicc),
                "" if own is None else _above(own.bic, bic),
                "" if entry.weight is None else f"{entry.weight:.2f}",
            ]
        )
    align = "<" + ">" * (len(rows[0]) - 1)
    lines = [columns(rows, align), ""]
    lines.append("Errors are mean |log prediction - log loss|; behind the best, in points.")
    if any(entry.reasons for entry in comparison.entries):
        lines.append("(!) not fitted, or its fit to all runs is not certified: see the notes.")
    return "\n".join(lines)


def _above(value: float, least: float) -> str:
    if not (math.isfinite(value) and math.isfinite(least)):
        return "-"
    return "best" if value == least else f"+{value - least:.1f}"


def _windows(comparison: Comparison) -> str:
    held = comparison.held.get("rollout")
    if held is None:
        return ""
    labels = [entry.label for entry in comparison.entries]
    at = [held.laws.index(label) for label in labels]
    errors, split, shared = held.by_window(), held.split, held.shared
    rows = [["fitted to", "runs", "predicted", "factor", *labels]]
    for w in range(len(split)):
        rows.append(
            [
                split.labels[w] + ("" if shared[w] else " *"),
                str(int(split.train[w].sum())),
                str(int(split.test[w].sum())),
                quantity(split.factor[w], 3),
                *(_percent(errors[k, w]) for k in at),
            ]
        )
    lines = [columns(rows, "<" + ">" * (3 + len(labels)))]
    if not shared.all():
        lines.append("* shown, not counted: too few levels fitted, or not every law")
    counted = [w for w in range(len(split)) if shared[w]]
    if counted and (last := held.best_in(counted[-1])) not in (None, labels[0]):
        errors = errors[:, counted[-1]]
        own, other = errors[held.laws.index(str(last))], errors[at[0]]
        lines.append(
            f"In the last window {one_line(str(last))} is best, {_percent(own)} against "
            f"{_percent(other)} for {one_line(labels[0])}: the order depends on how many runs "
            "are fitted."
        )
    return "\n".join(lines)


def _exponents(comparison: Comparison) -> str:
    rows = [_range(entry) for entry in comparison.entries if entry.sensitivity is not None]
    if not rows:
        return ""
    deltas = comparison.settings["deltas"]
    title = f"Exponents over delta {min(deltas):g} to {max(deltas):g}"
    return title + "\n" + columns(rows, "<<")


def _range(entry: Entry) -> list[str]:
    assert entry.sensitivity is not None
    spans = [
        f"{name} {low:.3f} to {high:.3f}" for name, (low, high) in entry.sensitivity.ranges.items()
    ]
    doubted = sum(not row["trusted"] for row in entry.sensitivity.rows)
    some = f"  ({doubted} of {len(entry.sensitivity.rows)} not certified)" if doubted else ""
    return ["  " + entry.label, ", ".join(spans) + some]


def _tests(comparison: Comparison) -> str:
    lines = []
    for test in comparison.tests:
        verdict = "rejected" if test.p < 0.05 else "not rejected"
        lines.append(
            f"{one_line(f'{test.small} within {test.large}')}: {verdict}, p {quantity(test.p, 2)} "
            f"(likelihood ratio {quantity(test.ratio, 3)}, {count(test.draws)} simulated tables"
            + (f", {test.stuck} missed an optimum" if test.stuck else "")
            + ")"
        )
    return "\n".join(lines)
