"""Comparison of laws, extrapolation first.

`compare` puts together what `selection`, `nested`, `stacking` and `sensitivity` find out about
several laws on the same runs, ranked by how well each predicts larger runs than it was fitted to.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxscale.candidates import Candidate, fit_all, labelled
from jaxscale.comparison_table import comparison_table, percent
from jaxscale.errors import DataError
from jaxscale.laws import Law, derived
from jaxscale.losses import NAMES, Huber, Loss, describe
from jaxscale.nested import Information, NestedTest, information, nested, special_case
from jaxscale.resampling import require_draws
from jaxscale.result import FitResult, plain, versions
from jaxscale.runs import Runs
from jaxscale.search import Progress
from jaxscale.selection import HeldOut, held_out
from jaxscale.sensitivity import DELTAS, Sensitivity, sensitivity
from jaxscale.splits import Split, by_folds, by_groups, by_size
from jaxscale.stacking import MOST, Difference, difference, stacking
from jaxscale.tabulate import notes as fit_notes

STARTS = 512
"""Random starts at most of the fits under other widths: a chunk of the program that is there."""


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
        loss: {"loss": name, "delta": width or None}.
        residual: kind of residual.
        warnings: what kept a part from being worked out.
        settings: everything that was chosen.
        seconds: wall time.
    """

    entries: tuple[Entry, ...]
    held: Mapping[str, HeldOut]
    tests: tuple[NestedTest, ...]
    runs: Runs
    loss: Mapping[str, Any]
    residual: str
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
        return _first(self.held)

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
            "objective": {**self.loss, "residual": self.residual},
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


def _first(held: Mapping[str, HeldOut]) -> str | None:
    """Return what laws are ranked by."""
    return next((kind for kind in ("rollout", "folds", "groups") if kind in held), None)


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def compare(
    laws: Mapping[str, Law] | Iterable[Law],
    runs: Runs,
    *,
    by: str | None = None,
    levels: int = 12,
    share: float = 0.5,
    folds: int = 10,
    groups: bool | str | None = None,
    deltas: Sequence[float] = DELTAS,
    draws: int = 199,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> Comparison:
    """Compare laws on the same runs: by extrapolation, held-out folds, criteria and tests.

    Args:
        laws: laws, or a mapping from label to law. One that cannot be fitted stays in the result
            with the reason.
        runs: the runs; losses must be positive.
        by: what makes a run large; default C where it is known, else N, D or the laws' own input.
        levels: bins along `by`; see `rollout`.
        share: windows fitted to less than this share of the levels are shown but do not count.
        folds: of the cross-validation, at most one per run; 0 for none.
        groups: leave out `runs.group` (True) or the values of a column, one at a time; None for
            `runs.group` where the runs have groups, False for none.
        deltas: widths under which every law is fitted again, for a Huber loss; empty for none.
        draws: simulated tables of each nested test; 0 for no tests.
        seed: of starts, folds, bootstrap and simulations.
        progress: called with (steps done, steps in all).
        **options: `loss`, `residual` and `starts` of `fit`.

    Raises:
        DataError: no law can be fitted, or the runs have no such column.
        ValueError: an option is not one of those allowed.

    Cost: seconds for three laws on 240 runs, beside compiling, most of it for laws that many
    starts crawl in, such as Kaplan and PowerLaw (`python -m benchmarks.answers`).
    """
    begin = time.perf_counter()
    named = labelled(laws)
    loss, residual = _fitting(options)
    starts = int(options.get("starts", 1024))
    require_draws(draws or 19, len(runs), 19, "0 for no tests, or ")
    along = _size(by, named.values(), runs)
    widths = tuple(deltas) if isinstance(loss, Huber) else ()
    steps = _Steps(progress, len(named) * (2 + bool(widths)) + bool(draws))
    sizes = dict(levels=levels, share=share)
    splits, warnings = _splits(named.values(), runs, along, sizes, folds=folds, seed=seed)
    if groups or (groups is None and runs.group is not None and len(set(runs.group)) > 1):
        splits["groups"] = by_groups(runs, groups or True)
    found = fit_all(named, runs, seed=seed, progress=steps, **options)
    held = {}
    if splits:
        each = held_out(found, list(splits.values()), starts=starts, seed=seed, progress=steps)
        held = dict(zip(splits, each, strict=True))
    varied = {}
    for own in found:
        if widths and own.fit is not None:
            varied[own.label] = sensitivity(
                own.law, runs, deltas=widths, residuals=(residual,), starts=min(starts, STARTS),
                seed=seed, known=own.fit, label=own.label,
            )  # fmt: skip
            steps()
    tests = _tests(found, draws, seed) if draws else ()
    steps.finish()
    settings = dict(by=along, **sizes, folds=folds, deltas=list(widths), draws=draws)
    return Comparison(
        entries=_ranked(found, held, varied, seed),
        held=held,
        tests=tests,
        runs=runs,
        loss=describe(loss),
        residual=residual,
        warnings=tuple(warnings),
        settings={**settings, "starts": starts, "seed": seed},
        seconds=time.perf_counter() - begin,
    )


class _Steps:
    """Counts the steps of a comparison for a progress bar."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.done, self.total = progress, 0, total

    def __call__(self) -> None:
        self.done = min(self.done + 1, self.total)
        if self.progress is not None:
            self.progress(self.done, self.total)

    def finish(self) -> None:
        self.done = self.total - 1
        self()


def _fitting(options: Mapping[str, Any]) -> tuple[Loss, str]:
    unknown = sorted(set(options) - {"loss", "residual", "starts"})
    if unknown:
        raise TypeError(f"compare() has no option {unknown[0]!r}")
    loss = options.get("loss") or Huber(1e-3)
    if type(loss) not in NAMES.values():
        raise ValueError(
            f"laws are compared under {', '.join(NAMES)}: {type(loss).__name__} has no likelihood"
        )
    return loss, str(options.get("residual", "log"))


def _size(by: str | None, laws: Iterable[Law], runs: Runs) -> str:
    if by is not None:
        return by
    have = set(runs.columns)
    if "C" in have or {"N", "D"} <= have:
        return "C"
    inputs = [name for law in laws for name in law.inputs]
    return next((name for name in inputs if name in have), inputs[0])


def _splits(
    laws: Iterable[Law], runs: Runs, by: str, sizes: Mapping[str, Any], *, folds: int, seed: int
) -> tuple[dict[str, Split], list[str]]:
    """Return the splits there are, and sentences about those there are not."""
    splits: dict[str, Split] = {}
    warnings = []
    runs.column(runs.column_called(by))  # a name that is wrong is an error, not a note
    try:
        splits["rollout"] = by_size(laws, runs, by, **sizes)
    except DataError as error:
        warnings.append(str(error))
    if folds < 0 or folds == 1:
        raise ValueError(f"folds must be 0 for none, or at least 2, got {folds}")
    used = int((runs.weights > 0).sum())
    if folds and used > 1:
        splits["folds"] = by_folds(runs, min(folds, used), by=by, seed=seed)
    return splits, warnings


def _tests(found: Sequence[Candidate], draws: int, seed: int) -> tuple[NestedTest, ...]:
    fits = [(c.label, c.fit) for c in found if c.fit is not None]
    return tuple(
        nested(low, high, draws=draws, seed=seed, labels=(a, b), check=False)
        for a, low in fits
        for b, high in fits
        if a != b and special_case(low, high)
    )


def _ranked(
    found: Sequence[Candidate],
    held: Mapping[str, HeldOut],
    varied: Mapping[str, Sensitivity],
    seed: int,
) -> tuple[Entry, ...]:
    kind = _first(held)
    main = None if kind is None else held[kind]
    order = list(range(len(found))) if main is None else main.order()
    weights = stacking(main) if main is not None and len(found) <= MOST else {}
    scores = {kind: each.score() for kind, each in held.items()}
    entries = []
    for k in order:
        own = found[k]
        behind = None
        if main is not None and k != order[0]:
            behind = difference(main, k, order[0], seed=seed)
        entries.append(
            Entry(
                label=own.label,
                law=own.law,
                fit=own.fit,
                reason=own.reason,
                errors={kind: float(score[k]) for kind, score in scores.items()},
                behind=behind,
                information=None if own.fit is None else information(own.fit),
                weight=weights.get(own.label),
                sensitivity=varied.get(own.label),
                notes=tuple(
                    note for each in held.values() for note in each.notes[k] if own.fit is not None
                ),
            )
        )
    return tuple(entries)
