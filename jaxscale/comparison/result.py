"""A comparison of laws as text for a person at a terminal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from jaxscale.comparison.held_out import HeldOut
from jaxscale.comparison.likelihood import Information
from jaxscale.comparison.nested import NestedTest
from jaxscale.comparison.sensitivity import Sensitivity
from jaxscale.comparison.stacking import Difference
from jaxscale.data.runs import Runs
from jaxscale.files.document import plain, versions
from jaxscale.fitting.account import notes as fit_notes
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law, derived
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import Residual
from jaxscale.text import columns, count, marked, one_line, quantity

HEADS = {"rollout": "larger runs", "folds": "folds", "groups": "groups"}


def percent(error: float) -> str:
    """Return a log error in percent, to two digits after the point, or three significant ones."""
    return f"{100 * error:.2f}" if abs(error) < 1 else f"{100 * error:.3g}"


def _percent(error: float) -> str:
    return f"{percent(error)} %" if math.isfinite(error) else "-"


def comparison_table(comparison: Comparison) -> str:
    """Return the sentence, the laws, the windows, the exponents, the tests and the notes."""
    runs = comparison.runs
    head = (
        f"{len(runs)} runs from {runs.source}, {comparison.loss} on {comparison.residual} residuals"
    )
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
    called = comparison.runs.response.kind
    lines.append(f"Errors are mean |log prediction - log {called}|; behind the best, in points.")
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
    for entry in comparison.entries:
        nesting = None if entry.fit is None else entry.fit.nesting
        if nesting is not None and nesting.said:
            lines.append(f"{one_line(entry.label)} with an outer exponent: {nesting.said}")
    return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One law of a comparison.

    Attributes:
        label: its name there.
        law: as it was given, what is free being None.
        fit: its fit to all runs; None where that failed.
        reason: why it failed.
        errors: mean absolute log error by kind of held-out runs: "rollout", "folds", "groups".
        behind: its error less that of the best law; None for the best and where not known.
        information: AICc and BIC; None without a fit.
        weight: share in the best combination of the predictions; None where not worked out.
        sensitivity: its exponents over deltas; None where not asked for.
        notes: what happened in its windows, folds and groups.
    """

    label: str
    law: Law
    fit: FitResult | None
    reason: str
    errors: Mapping[str, float]
    behind: Difference | None
    information: Information | None
    weight: float | None
    sensitivity: Sensitivity | None
    notes: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not to trust its fit to all runs; empty if there is nothing."""
        return (self.reason,) if self.fit is None else self.fit.certificate.reasons

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values."""
        result, criteria = self.fit, self.information
        return {
            "label": self.label,
            "law": type(self.law).__name__,
            "formula": type(self.law).formula(),
            "free": list(self.law.free),
            "fixed": {name: float(value) for name, value in self.law.fixed.items()},
            "trusted": not self.reasons,
            "reasons": list(self.reasons),
            "params": None if result is None else _floats(result.law.values),
            "derived": None if result is None else derived(result.law),
            "objective": None if result is None else result.value,
            "statistics": None if result is None else dict(result.statistics),
            "error": dict(self.errors),
            "behind": None
            if self.behind is None
            else {**dataclasses.asdict(self.behind), "separated": self.behind.separated},
            "information": None if criteria is None else dataclasses.asdict(criteria),
            "nesting": result and result.nesting and result.nesting.document(),
            "weight": self.weight,
            "sensitivity": None if self.sensitivity is None else self.sensitivity.to_dict(),
            "notes": list(self.notes),
        }


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Laws on the same runs, the one that predicts larger runs best first.

    Attributes:
        entries: the laws in the order of their rollout error (of their folds without one).
        held: held-out errors by kind: "rollout", "folds", "groups", as far as there are.
        tests: of every pair of laws of which one contains the other.
        runs: the runs.
        loss: the robust loss.
        residual: kind of residual.
        warnings: what kept a part from being worked out.
        settings: everything that was chosen.
        seconds: wall time.
    """

    entries: tuple[Entry, ...]
    held: Mapping[str, HeldOut]
    tests: tuple[NestedTest, ...]
    runs: Runs
    loss: Loss
    residual: Residual
    warnings: tuple[str, ...]
    settings: Mapping[str, Any]
    seconds: float

    @property
    def best(self) -> Entry:
        """The law that comes first."""
        return self.entries[0]

    @property
    def kind(self) -> str | None:
        """What the laws are ranked by: "rollout", else "folds"; None without either."""
        return first_of(self.held)

    @property
    def separated(self) -> bool | None:
        """Whether the best law is told from the second; None where there is no second."""
        gap = self.entries[1].behind if len(self.entries) > 1 else None
        return None if gap is None else gap.separated

    @property
    def sentence(self) -> str:
        """Say in one sentence which law predicts best, and whether the runs can tell."""
        kind, best = self.kind, self.best
        if kind is None or not math.isfinite(best.errors[kind]):
            return f"These runs do not say which law predicts best: {self.warnings[0]}."
        task = {"rollout": "the larger runs", "folds": "held-out runs", "groups": "held-out groups"}
        error = f"{percent(best.errors[kind])} %"
        if len(self.entries) < 2 or (gap := self.entries[1].behind) is None:
            return f"{best.label} predicts {task[kind]} with a mean error of {error}."
        second = self.entries[1]
        words = f"{best.label} predicts {task[kind]} best, {error} against "
        words += f"{percent(second.errors[kind])} % for {second.label}"
        low, high = percent(gap.low), percent(gap.high)
        if gap.separated:
            return (
                f"{words}; the difference of {percent(gap.mean)} points is larger than its "
                f"bootstrap error (95 % interval {low} to {high})."
            )
        return (
            f"{words}, but the runs do not separate them: the difference of {percent(gap.mean)} "
            f"points has a 95 % bootstrap interval from {low} to {high}."
        )

    @property
    def trusted(self) -> bool:
        """Whether every law was fitted and certified."""
        return not any(entry.reasons for entry in self.entries)

    @property
    def notes(self) -> tuple[str, ...]:
        """Everything a person should be told: what is true of all laws once, else by law."""
        found: dict[str, list[str]] = {}
        for entry in self.entries:
            own = [entry.reason] if entry.fit is None else fit_notes(entry.fit)
            for text in (*own, *entry.notes):
                found.setdefault(text, []).append(entry.label)
        every = sum(entry.fit is not None for entry in self.entries)
        told = [
            text if len(who) == every and every > 1 else f"{', '.join(who)}: {text}"
            for text, who in found.items()
        ]
        return (*self.warnings, *told)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document as a dict of plain Python values; not finite is None."""
        document = {
            "schema_version": 1,
            "sentence": self.sentence,
            "best": self.best.label,
            "ranked_by": self.kind,
            "separated": self.separated,
            "trusted": self.trusted,
            "laws": [entry.to_dict() for entry in self.entries],
            **{kind: held.to_dict() for kind, held in self.held.items()},
            "nested": [dataclasses.asdict(test) for test in self.tests],
            "objective": {**self.loss.document(), "residual": self.residual.name},
            "data": {
                "n": len(self.runs),
                "source": self.runs.source,
                "sha256": self.runs.digest(),
                "dropped": [[int(row), reason] for row, reason in self.runs.dropped],
            },
            "notes": list(self.notes),
            "settings": dict(self.settings),
            "seconds": self.seconds,
            "versions": versions(),
        }
        return dict(plain(document))

    def __str__(self) -> str:
        return comparison_table(self)


def first_of(held: Mapping[str, HeldOut]) -> str | None:
    """Return what laws are ranked by."""
    return next((kind for kind in ("rollout", "folds", "groups") if kind in held), None)


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
