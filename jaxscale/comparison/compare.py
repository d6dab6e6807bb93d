"""Comparison of laws, extrapolation first.

`compare` puts together what `held_out`, `nested`, `stacking` and `sensitivity` find out about
several laws on the same runs, ranked by how well each predicts larger runs than it was fitted to.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxscale._numerics.precision import host
from jaxscale.comparison.candidates import Candidate, Comparable, fit_all, labelled
from jaxscale.comparison.held_out import HeldOut, held_out
from jaxscale.comparison.likelihood import information
from jaxscale.comparison.nested import NestedTest, nested, special_case
from jaxscale.comparison.result import Comparison, Entry, first_of
from jaxscale.comparison.sensitivity import DELTAS, Sensitivity, sensitivity
from jaxscale.comparison.splits import Split, by_folds, by_groups, by_size
from jaxscale.comparison.stacking import MAX_LAWS, difference, stacking
from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import Progress
from jaxscale.errors import DataError
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.objective.losses import Loss, usual_loss
from jaxscale.objective.residuals import Residual, residual_named
from jaxscale.uncertainty.resampling import require_draws

SENSITIVITY_STARTS = 512
"""Random starts at most of the fits under other widths: a chunk of the program that is there."""


@host()
def compare(
    laws: Mapping[str, Comparable] | Iterable[Comparable] | Comparable,
    runs: Runs | Any,
    *,
    by: str | None = None,
    levels: int = 12,
    share: float = 0.5,
    folds: int = 10,
    groups: bool | str | None = None,
    deltas: Sequence[float] = DELTAS,
    draws: int = 199,
    seed: int = 0,
    loss: Loss | None = None,
    residual: str | Residual = "log",
    starts: int = 1024,
    precision: str = "float64",
    progress: Progress | None = None,
) -> Comparison:
    """Compare laws on the same runs: by extrapolation, held-out folds, criteria and tests.

    Args:
        laws: laws, or a mapping from label to law; `Grouped` ones too, all by one column and not
            pooled. One that cannot be fitted stays in the result with the reason.
        runs: the runs, or a dataframe or a dict of arrays; losses must be positive.
        by: what makes a run large; default C where it is known, else N, D or the laws' own input.
        levels: bins along `by`; see `rollout`.
        share: windows fitted to less than this share of the levels are shown but do not count.
        folds: of the cross-validation, at most one per run; 0 for none.
        groups: leave out `runs.group` (True) or the values of a column, one at a time; None for
            `runs.group` where the runs have groups, False for none.
        deltas: widths under which every law is fitted again, for a loss that has one; empty for
            none.
        draws: simulated tables of each nested test; 0 for no tests.
        seed: of starts, folds, bootstrap and simulations.
        loss: see `fit`; one that stands for a density.
        residual: see `fit`.
        starts: random starts of each fit.
        progress: called with (steps done, steps in all).
        precision: of every fit; refits in one batch are in float64.

    Returns:
        The laws in the order of how well they predict larger runs, with the tests.

    Raises:
        DataError: no law can be fitted, or the runs have no such column.
        ValueError: an option is not one of those allowed.

    Cost: seconds for three laws on 240 runs, beside compiling, most of it for laws that many
    starts crawl in, such as Kaplan and PowerLaw (`python -m benchmarks.answers`).

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> laws = ["Chinchilla", "PowerLaw:C"]
        >>> found = jaxscale.compare(laws, runs, levels=6, folds=0, deltas=(), draws=0, starts=64)
        >>> found.best.label
        'Chinchilla'
    """
    begin = time.perf_counter()
    named, runs = labelled(laws, runs)
    residual = residual_named(residual)
    loss = usual_loss(residual) if loss is None else loss
    require_draws(draws or 19, len(runs), 19, "0 for no tests, or ")
    along = _size(by, named.values(), runs)
    widths = tuple(deltas) if loss.width is not None else ()
    steps = _Steps(progress, len(named) * (2 + bool(widths)) + bool(draws))
    sizes = dict(levels=levels, share=share)
    splits, warnings = _splits(named.values(), runs, along, sizes, folds=folds, seed=seed)
    if groups or (groups is None and runs.group is not None and len(set(runs.group)) > 1):
        splits["groups"] = by_groups(runs, groups or True)
    search: dict[str, Any] = dict(starts=starts, seed=seed, precision=precision)
    found = fit_all(named, runs, loss=loss, residual=residual, progress=steps, **search)
    held = {}
    if splits:
        each = held_out(found, list(splits.values()), starts=starts, seed=seed, progress=steps)
        held = dict(zip(splits, each, strict=True))
    varied = {}
    for own in found if widths else ():
        if own.fit is not None:
            varied[own.label] = _varied(own, own.fit, widths, starts=starts, seed=seed)
            steps()
    tests = _tests(found, draws, seed) if draws else ()
    steps.finish()
    settings = dict(by=along, **sizes, folds=folds, deltas=list(widths), draws=draws)
    return Comparison(
        entries=_ranked(found, held, varied, seed),
        held=held,
        tests=tests,
        runs=runs,
        loss=loss,
        residual=residual,
        warnings=tuple(warnings),
        settings={**settings, **search},
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


def _varied(
    own: Candidate, fit: FitResult, widths: Sequence[float], *, starts: int, seed: int
) -> Sensitivity:
    return sensitivity(
        own.law,
        fit.runs,
        deltas=widths,
        losses=(fit.loss,),
        residuals=(fit.residual,),
        starts=min(starts, SENSITIVITY_STARTS),
        seed=seed,
        precision=fit.settings.get("precision", "float64"),
        known=fit,
        label=own.label,
    )


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
    kind = first_of(held)
    main = None if kind is None else held[kind]
    order = list(range(len(found))) if main is None else main.order()
    weights = stacking(main) if main is not None and len(found) <= MAX_LAWS else {}
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
