"""What a comparison of laws came to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from jaxscale.comparison.account import comparison_blocks, comparison_columns, percent
from jaxscale.comparison.held_out import HeldOut
from jaxscale.comparison.likelihood import Information
from jaxscale.comparison.nested import LEVEL, NestedTest
from jaxscale.comparison.sensitivity import Sensitivity
from jaxscale.comparison.stacking import Difference
from jaxscale.data.runs import Runs
from jaxscale.files.document import plain, versions
from jaxscale.fitting.account import notes as fit_notes
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law, derived
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import Residual
from jaxscale.shown.blocks import Block, Shown
from jaxscale.shown.frames import frame
from jaxscale.text import quantity

DECISIVE = 10.0
"""AICc by which one law is the better within the runs beyond doubt (Burnham and Anderson 2002)."""


@dataclasses.dataclass(frozen=True)
class Entry(Shown):
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
class Comparison(Shown):
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
        """Whether the best law is told from the second; None where there is no second.

        Not where its lead on the larger runs is contradicted by all that is within the runs, or
        where it contains the second and the runs do not reject that one.
        """
        gap = self.entries[1].behind if len(self.entries) > 1 else None
        return None if gap is None else gap.separated and not (self.contradicted or self.unneeded)

    @property
    def unneeded(self) -> str:
        """What speaks against the need for a best law that contains the second; empty if nothing.

        Nearly the same law with a parameter more may lead on every window of a rollout by a hair.
        """
        pair = [entry.label for entry in self.entries[:2]]
        found = next((test for test in self.tests if [test.large, test.small] == pair), None)
        if found is None or found.p < LEVEL:
            return ""
        return f"{found.small} within {found.large} is not rejected, p {quantity(found.p, 2)}"

    @property
    def contradicted(self) -> str:
        """What within the runs speaks for the second law against the best, empty if not all does.

        The windows of a rollout share their few small runs, whose noise moves all predictions of a
        law together; the bootstrap over what is predicted cannot see that.
        """
        if self.kind != "rollout" or len(self.entries) < 2:
            return ""
        best, second = self.entries[:2]
        own, other = best.information, second.information
        if own is None or other is None or not own.aicc - other.aicc > DECISIVE:
            return ""
        said = f"AICc {own.aicc - other.aicc:.0f} lower"
        if "folds" not in self.held:
            return said
        mine, theirs = best.errors["folds"], second.errors["folds"]
        folds = f"folds {percent(theirs)} % against {percent(mine)} %"
        return f"{folds}, {said}" if theirs < mine else ""

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
        if gap.separated and self.contradicted:
            return (
                f"{words}, but within the runs {second.label} is the better law "
                f"({self.contradicted}): they do not separate them."
            )
        if gap.separated and self.unneeded:
            return f"{words}, but {self.unneeded}: the runs do not separate them."
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
        """Whether the best law is certified, and the best value of every other was found.

        A law that loses may leave its parameters open: what it predicts is off all the same.
        """
        return not self.best.reasons and not self.missed

    @property
    def missed(self) -> tuple[str, ...]:
        """Labels of the laws behind the best that failed, or whose best value may be missed."""
        others = [(entry.label, entry.fit) for entry in self.entries[1:]]
        return tuple(name for name, fit in others if not (fit and fit.certificate.reached))

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

    def table(self, *, kind: str | None = None) -> Any:
        """Return the laws as a dataframe, in their order.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Returns:
            Columns law, free (parameters), error_rollout, error_folds and error_groups as far as
            there are (mean absolute log errors), behind, behind_low and behind_high, aicc, bic,
            weight, certified and reason; NaN where a number is not known.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        return frame(comparison_columns(self), kind, self.runs.frame_kind)

    def _blocks(self) -> list[Block]:
        return comparison_blocks(self)


def first_of(held: Mapping[str, HeldOut]) -> str | None:
    """Return what laws are ranked by."""
    return next((kind for kind in ("rollout", "folds", "groups") if kind in held), None)


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
