"""Held-out prediction: expanding windows, folds and groups, each law one batched solve.

A scaling law is there to extrapolate. So `rollout` fits on the smaller runs and predicts the
larger ones; `cross_validate` leaves out folds or groups in the range of the runs. Every window,
fold and group is a row of weights of one `refit`. All of them start from the optimum on all runs,
which knows the held-out losses: that is harmless only while the solve finds the best basin. So
`refit` revives terms that are dead there and looks for other basins, and a window that has not
converged is fitted anew from random starts.

Errors are log prediction - log loss. The error of a law is its mean absolute value: every
held-out run counts once, with its mean over the windows that count and predict it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxscale._numerics.precision import host
from jaxscale.comparison.candidates import Candidate, Comparable, fit_all, labelled
from jaxscale.comparison.splits import Split, by_folds, by_groups, by_size, identified
from jaxscale.comparison.unseen import unseen
from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import chunk_size
from jaxscale.engine.loop import Status
from jaxscale.fitting.certificate import CONVERGED
from jaxscale.fitting.fit import fit_problem
from jaxscale.fitting.refit import refit
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law, predict
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import Residual
from jaxscale.shown.blocks import Block, Grid, Shown, said
from jaxscale.shown.frames import frame
from jaxscale.text import quantity

ABSURD = 1.0
"""Log error of a prediction that is not positive, whose logarithm does not exist: 100 %."""
ENDED = (*CONVERGED, Status.AT_BOUND, Status.DEGENERATE_TERM)
"""Statuses with which a window is done; any other is fitted anew."""
GUARDS = 4
"""Random starts per window at least, for a law without a grid to scan."""


@dataclasses.dataclass(frozen=True)
class HeldOut(Shown):
    """What L laws predicted for runs that they had not seen.

    Attributes:
        split: the windows [W]: which runs are fitted, which are predicted.
        laws: labels [L].
        error: [L, W, n] log prediction - log loss; NaN where a run is not held out and where the
            law was not fitted to the window.
        skipped: per law and window, why it was not fitted; empty where it was.
        notes: per law, sentences about its windows.
        frame_kind: of the runs behind it, as `Runs.frame_kind`.
    """

    split: Split
    laws: tuple[str, ...]
    error: np.ndarray
    skipped: tuple[tuple[str, ...], ...]
    notes: tuple[tuple[str, ...], ...]
    frame_kind: str = dataclasses.field(default="", repr=False)

    @property
    def shared(self) -> np.ndarray:
        """The windows [W] that compare: they count, and every law that has any was fitted."""
        fitted = np.array([[not reason for reason in row] for row in self.skipped], bool)
        some = (fitted & self.split.counted).any(axis=1)
        none = np.zeros(len(self.split), bool)
        return np.asarray(fitted[some].all(axis=0) & self.split.counted) if some.any() else none

    def _mean(self, values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
        known = np.isfinite(values)
        count = known.sum(axis=axis)
        total = np.where(known, values, 0.0).sum(axis=axis)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def by_window(self) -> np.ndarray:
        """Return the mean absolute error [L, W] over the runs of each window."""
        return self._mean(np.abs(self.error), 2)

    def by_run(self) -> np.ndarray:
        """Return each held-out run's mean absolute error [L, n] over the shared windows."""
        return self._mean(np.abs(self.error[:, self.shared]), 1)

    def score(self) -> np.ndarray:
        """Return the mean absolute error [L] over held-out runs; NaN where there is none."""
        return self._mean(self.by_run(), 1)

    def best_in(self, window: int) -> str | None:
        """Return the law with the least error in one window; None where none was fitted.

        Args:
            window: its index in `split`.
        """
        error = self.by_window()[:, window]
        return self.laws[int(np.nanargmin(error))] if np.isfinite(error).any() else None

    def table(self, *, kind: str | None = None) -> Any:
        """Return the windows as a dataframe: window, fitted, predicted, factor, a column per law.

        The cells of a law are its mean absolute log errors, NaN where it was not fitted.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        errors, split = self.by_window(), self.split
        columns: dict[str, Any] = {
            "window": list(split.labels),
            "fitted": split.train.sum(axis=1),
            "predicted": split.test.sum(axis=1),
            "factor": split.factor,
        }
        return frame(columns | dict(zip(self.laws, errors, strict=True)), kind, self.frame_kind)

    def _blocks(self) -> list[Block]:
        errors, split = self.by_window(), self.split
        rows = [["window", "fitted", "predicted", "factor", *self.laws]]
        for w, label in enumerate(split.labels):
            sizes = [str(int(x[w].sum())) for x in (split.train, split.test)]
            factor = quantity(split.factor[w], 3)
            rows.append([label, *sizes, factor, *map(_percent, errors[:, w])])
        rows.append(["all", "", "", "", *map(_percent, self.score())])
        told = (
            f"{law}: {note}" for law, own in zip(self.laws, self.notes, strict=True) for note in own
        )
        align = "<" + ">" * (len(rows[0]) - 1)
        return ["mean |log prediction - log loss| of held-out runs", Grid(rows, align), *said(told)]

    def to_dict(self) -> dict[str, Any]:
        """Return the windows with their errors as plain Python values."""
        errors, split, shared = self.by_window(), self.split, self.shared
        windows = [
            {
                "label": split.labels[w],
                "trained": int(split.train[w].sum()),
                "tested": int(split.test[w].sum()),
                "factor": float(split.factor[w]),
                "shared": bool(shared[w]),
                "best": self.best_in(w),
                "error": dict(zip(self.laws, errors[:, w].tolist(), strict=True)),
            }
            for w in range(len(split))
        ]
        return {"by": split.by, "levels": int(split.level.max()) + 1, "windows": windows}

    def order(self) -> list[int]:
        """Return the laws by their score, those without one last."""
        score = self.score()
        return [int(k) for k in np.argsort(np.where(np.isnan(score), np.inf, score), kind="stable")]


def held_out(
    candidates: Sequence[Candidate],
    splits: Sequence[Split],
    *,
    starts: int = 1024,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> tuple[HeldOut, ...]:
    """Fit every law to the windows of all splits, one batched solve per law, and predict.

    Args:
        candidates: laws with their fits to the same runs.
        splits: what is fitted and what is predicted.
        starts: random starts per window of what is fitted one by one: windows that have not
            converged, and laws with a break, which a refit would leave where it is.
        seed: of random starts.
        progress: called without arguments after each law.

    Absolute loss is refitted at the smoothing of its search; see `refit`.
    """
    train = np.concatenate([split.train for split in splits])
    test = np.concatenate([split.test for split in splits])
    ends = np.cumsum([0, *(len(split) for split in splits)])
    errors, skipped, notes = [], [], []
    for candidate in candidates:
        error, reasons, status = _one_law(candidate, train, test, starts=starts, seed=seed)
        errors.append(error)
        skipped.append(reasons)
        notes.append(status)
        if progress is not None:
            progress()
    return tuple(
        HeldOut(
            split,
            tuple(candidate.label for candidate in candidates),
            np.stack([error[a:b] for error in errors]),
            tuple(tuple(reasons[a:b]) for reasons in skipped),
            tuple(
                tuple(_notes(s, reasons[a:b], status[a:b]))
                for s, reasons, status in zip([split] * len(errors), skipped, notes, strict=True)
            ),
            next((c.fit.runs.frame_kind for c in candidates if c.fit is not None), ""),
        )
        for split, a, b in zip(splits, ends[:-1], ends[1:], strict=True)
    )


def _one_law(
    candidate: Candidate, train: np.ndarray, test: np.ndarray, *, starts: int, seed: int
) -> tuple[np.ndarray, list[str], list[str]]:
    """Return errors [W, n], the reason why each window was skipped, and what ended oddly."""
    error, oddities = np.full(train.shape, np.nan), [""] * len(train)
    result = candidate.fit
    if result is None:
        return error, [f"not fitted at all: {candidate.reason}"] * len(train), oddities
    runs = result.runs
    reasons = [identified(candidate.law, runs, mask) for mask in train]
    rows = np.array([k for k, reason in enumerate(reasons) if not reason], int)
    if len(rows) == 0:
        return error, reasons, oddities
    columns = {name: _inputs(candidate.law, runs, name) for name in candidate.law.inputs}
    laws, status = _refitted(candidate.law, result, train[rows] * runs.weights, starts, seed)
    with np.errstate(all="ignore"):
        value = np.asarray(predict(laws, **columns) * np.ones((len(rows), 1)))
        log_error = np.log(value) - np.log(runs.loss)
    absurd = ~(value > 0) | ~np.isfinite(log_error)
    blind = unseen(laws, candidate.law.free, columns, train[rows] & (runs.weights > 0), test[rows])
    error[rows] = np.where(test[rows], np.where(absurd, ABSURD, log_error), np.nan)
    for k, row in enumerate(rows):
        if blind[k]:
            reasons[row], error[row] = blind[k], np.nan
            continue
        wild = int((absurd[k] & test[row]).sum())
        if wild:
            many = "predictions that are not positive count"
            one = "prediction that is not positive counts"
            oddities[row] = f"{wild} {one if wild == 1 else many} as 100 % off"
        elif status[k] > Status.CONVERGED_STEP:
            name = status[k].name.lower().replace("_", " ")
            oddities[row] = f"the fit ended with the status {name!r}"
    return error, reasons, oddities


def _refitted(
    law: Law, result: FitResult, weights: np.ndarray, starts: int, seed: int
) -> tuple[Law, list[Status]]:
    """Return the law with leaves [W, 1], refitted to each row of weights [W, n]."""
    if any(spec.role == "breakpoint" for spec in law.parameters.values()):
        return _one_by_one(law, result, weights, starts, seed)
    count = len(weights)
    guards = max(GUARDS, chunk_size(count) // count)
    again = refit(result, weights=weights, guards=guards, seed=seed)
    leaves = {name: np.array(getattr(again.law, name))[:, None] for name in law.free}
    status = [Status(int(s)) for s in again.status]
    crawled = [k for k, s in enumerate(status) if s not in ENDED]
    if crawled:
        anew, how = _one_by_one(law, result, weights[crawled], starts, seed)
        for name in law.free:
            leaves[name][crawled] = getattr(anew, name)
        for k, s in zip(crawled, how, strict=True):
            status[k] = s
    return again.law.replace(**leaves), status


def _inputs(law: Law, runs: Runs, name: str) -> np.ndarray:
    return runs.column(name, law.flops)


def _one_by_one(
    law: Law, result: FitResult, weights: np.ndarray, starts: int, seed: int
) -> tuple[Law, list[Status]]:
    """Return the law with leaves [W, 1], fitted to each row of weights [W, n]."""
    fits = [
        fit_problem(
            result.problem.on(result.runs.replace(weight=w)),
            starts=starts,
            seed=seed,
            precision=result.settings.get("precision", "float64"),
        )
        for w in weights
    ]
    leaves = {n: np.array([[float(getattr(f.law, n))] for f in fits]) for n in law.free}
    return law.replace(**leaves), [Status[f.certificate.status.upper()] for f in fits]


def _notes(split: Split, reasons: Sequence[str], oddities: Sequence[str]) -> list[str]:
    """Return one sentence per reason and per oddity, with the windows that it is about."""
    found = []
    for texts, verb in ((reasons, "not fitted, "), (oddities, "")):
        for text in dict.fromkeys(filter(None, texts)):
            names = [label for label, own in zip(split.labels, texts, strict=True) if own == text]
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            which = f"{split.kind} {', '.join(names[:3])}{more}"
            if len(names) == len(split) > 1:
                which = f"all {len(names)} {split.kind}s"
            found.append(f"{which}: {verb}{text}")
    return found


@host()
def rollout(
    laws: Mapping[str, Comparable] | Iterable[Comparable] | Comparable,
    runs: Runs | Any,
    *,
    by: str = "C",
    levels: int = 12,
    share: float = 0.5,
    horizon: str = "all",
    loss: Loss | None = None,
    residual: str | Residual = "log",
    starts: int = 1024,
    seed: int = 0,
) -> HeldOut:
    """Fit laws to the smaller runs and predict the larger, for an expanding window of sizes.

    Args:
        laws: laws, or a mapping from label to law.
        runs: the runs, or a dataframe or a dict of arrays.
        by: what makes a run large: "C", "N", "D" or any other column of positive numbers.
        levels: quantile bins along `by` where its values are no few levels; see `splits.by_size`.
        share: windows fitted to a smaller share of the levels do not count in `score`.
        horizon: "all" predicts all larger runs, "next" those of the next level.
        loss: see `fit`.
        residual: see `fit`.
        starts: random starts of the fits.
        seed: of random starts.

    Returns:
        The errors of every law in every window; `split.factor` is how far each extrapolates.

    Raises:
        DataError: no window is left in which a law can be fitted, or no law can be.

    Cost: beside the fit and compiling, one batched solve, and one more fit for each window that
    has to be fitted anew (`python -m benchmarks.answers`).

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> held = jaxscale.rollout(["Chinchilla", "PowerLaw:C"], runs, levels=6, starts=64)
        >>> dict(zip(held.laws, held.score().round(2).tolist()))
        {'Chinchilla': 0.01, 'PowerLaw:C': 0.06}
    """
    named, runs = labelled(laws, runs)
    split = by_size(named.values(), runs, by, levels=levels, horizon=horizon, share=share)
    found = fit_all(named, runs, loss=loss, residual=residual, starts=starts, seed=seed)
    return held_out(found, [split], starts=starts, seed=seed)[0]


@host()
def cross_validate(
    laws: Mapping[str, Comparable] | Iterable[Comparable] | Comparable,
    runs: Runs | Any,
    *,
    folds: int = 10,
    groups: bool | str = False,
    by: str = "C",
    loss: Loss | None = None,
    residual: str | Residual = "log",
    starts: int = 1024,
    seed: int = 0,
) -> HeldOut:
    """Fit laws to all but one fold or group of runs and predict it, for each in turn.

    Args:
        laws: laws, or a mapping from label to law.
        runs: the runs, or a dataframe or a dict of arrays.
        folds: number of folds, stratified along `by`.
        groups: True leaves out `runs.group`, a name the values of that column, one at a time, in
            place of folds.
        by: column along which every fold is spread.
        loss: see `fit`.
        residual: see `fit`.
        starts: random starts of the fits.
        seed: of the folds and of random starts.

    Returns:
        The errors of every law in every fold.

    Raises:
        DataError: there is no such group, or no law can be fitted.
        ValueError: fewer than 2 folds, or more than runs.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> held = jaxscale.cross_validate(["Chinchilla"], runs, folds=5, starts=64)
        >>> held.error.shape, round(float(held.score()[0]), 3)
        ((1, 5, 68), 0.012)
    """
    named, runs = labelled(laws, runs)
    split = by_groups(runs, groups) if groups else by_folds(runs, folds, by=by, seed=seed)
    found = fit_all(named, runs, loss=loss, residual=residual, starts=starts, seed=seed)
    return held_out(found, [split], starts=starts, seed=seed)[0]


def _percent(error: float) -> str:
    return f"{100 * error:.2f} %" if np.isfinite(error) else "-"
