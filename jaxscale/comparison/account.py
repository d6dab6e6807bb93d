"""A comparison of laws for a person to read: as text, and as columns of a dataframe."""

from __future__ import annotations

import math
from typing import Any

from jaxscale.comparison.nested import LEVEL
from jaxscale.data.account import COUNTED, read_from
from jaxscale.shown.blocks import Block, Grid, Note, parted, said
from jaxscale.text import count, one_line, quantity

HEADS = {"rollout": "larger runs", "folds": "folds", "groups": "groups"}


def percent(error: float) -> str:
    """Return a log error in percent, to two digits after the point, or three significant ones."""
    return f"{100 * error:.2f}" if abs(error) < 1 else f"{100 * error:.3g}"


def _percent(error: float) -> str:
    return f"{percent(error)} %" if math.isfinite(error) else "-"


def comparison_blocks(comparison: Any) -> list[Block]:
    """Return the sentence, the laws, the windows, the exponents, the tests and the notes."""
    runs, best = comparison.runs, comparison.best
    head = (
        f"{len(runs)} runs from {runs.source}, {comparison.loss} on {comparison.residual} residuals"
    )
    first: list[Block] = [one_line(comparison.sentence or "")]
    if best.reasons:
        doubt = f"{one_line(best.label)} is not certified: {one_line(best.reasons[0])}"
        first = [Note(doubt, doubt=True), *first]
    if comparison.missed:
        who = ", ".join(comparison.missed)
        doubt = f"the place of {who} is open: not fitted, or a better optimum may be missed"
        first.append(Note(one_line(doubt), doubt=True))
    reasons = {why for entry in comparison.entries for why in entry.reasons}
    doubts = {note for note in comparison.notes if any(note.endswith(why) for why in reasons)}
    return parted(
        first,
        [one_line(head) + _rollout_facts(comparison), *read_from(runs, (*COUNTED, "S", "loss"))],
        _laws(comparison),
        _windows(comparison),
        _exponents(comparison),
        _tests(comparison),
        said(comparison.notes, doubts),
    )


def _rollout_facts(comparison: Any) -> str:
    if "rollout" not in comparison.held:
        return ""
    split = comparison.held["rollout"].split
    by = one_line(str(split.by))
    low, high = split.factor.min(), split.factor.max()
    return (
        f";\n{int(split.level.max()) + 1} levels of {by}, {len(split)} windows that "
        f"extrapolate {by} by a factor of up to {quantity(low, 3)} to {quantity(high, 3)}"
    )


def _laws(comparison: Any) -> list[Block]:
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
    lines: list[Block] = [Grid(rows, align), ""]
    called = comparison.runs.response.kind
    said = f"Errors are mean |log prediction - log {called}|; behind the best, in points."
    if any(entry.weight is not None for entry in comparison.entries):
        said += "\nWeights: of the mean of the laws' predictions that errs least there."
    lines.append(said)
    if any(entry.reasons for entry in comparison.entries):
        lines.append("(!) not fitted, or its fit to all runs is not certified: see the notes.")
    return lines


def _above(value: float, least: float) -> str:
    if not (math.isfinite(value) and math.isfinite(least)):
        return "-"
    return "best" if value == least else f"+{value - least:.1f}"


def _windows(comparison: Any) -> list[Block]:
    held = comparison.held.get("rollout")
    if held is None:
        return []
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
    lines: list[Block] = [Grid(rows, "<" + ">" * (3 + len(labels)))]
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
    return lines


def _exponents(comparison: Any) -> list[Block]:
    tried = [entry for entry in comparison.entries if entry.sensitivity is not None]
    rows = [_range(entry) for entry in tried if entry.sensitivity.ranges]
    if not rows:
        return []
    low, high = min(deltas := comparison.settings["deltas"]), max(deltas)
    title = (
        f"Exponents over delta {low:g} to {high:g}" if low < high else f"Exponents at delta {low:g}"
    )
    return [title, Grid(rows, "<<", head=False)]


def _range(entry: Any) -> list[str]:
    assert entry.sensitivity is not None
    one = len(entry.sensitivity.rows) == 1
    spans = [
        f"{name} {low:.3f}" + ("" if one else f" to {high:.3f}")
        for name, (low, high) in entry.sensitivity.ranges.items()
    ]
    doubted = sum(not row["trusted"] for row in entry.sensitivity.rows)
    some = f"  ({doubted} of {len(entry.sensitivity.rows)} not certified)" if doubted else ""
    return ["  " + entry.label, ", ".join(spans) + some]


def _tests(comparison: Any) -> list[Block]:
    lines: list[Block] = []
    for test in comparison.tests:
        verdict = "rejected" if test.p < LEVEL else "not rejected"
        lines.append(
            f"{one_line(f'{test.small} within {test.large}')}: {verdict}, p {quantity(test.p, 2)} "
            f"(likelihood ratio {quantity(test.ratio, 3)}, {count(test.draws)} simulated tables"
            + (f", {test.stuck} missed an optimum" if test.stuck else "")
            + ")"
        )
    for entry in comparison.entries:
        nesting = None if entry.fit is None else entry.fit.nesting
        if nesting is not None and nesting.said:
            lines.append(f"{one_line(entry.label)} with an outer exponent: {nesting.said}")
    return lines


def comparison_columns(comparison: Any) -> dict[str, Any]:
    """Return the columns of a dataframe of the laws."""
    entries = comparison.entries
    gaps, own = [e.behind for e in entries], [e.information for e in entries]
    columns: dict[str, Any] = {
        "law": [e.label for e in entries],
        "free": [len(e.law.free) for e in entries],
    }
    for kind in comparison.held:
        columns[f"error_{kind}"] = [e.errors[kind] for e in entries]
    for name, field in (("behind", "mean"), ("behind_low", "low"), ("behind_high", "high")):
        columns[name] = [math.nan if gap is None else getattr(gap, field) for gap in gaps]
    for name in ("aicc", "bic"):
        columns[name] = [math.nan if each is None else getattr(each, name) for each in own]
    return columns | {
        "weight": [math.nan if e.weight is None else e.weight for e in entries],
        "certified": [not e.reasons for e in entries],
        "reason": [" ".join(e.reasons) for e in entries],
    }
