"""One law on all trials: fitted in batches, judged by what it predicts of the runs held out.

A trial is a table in which the runs held out have weight zero: their predictions and the slopes of
these come with the fit. Tables of different lengths are filled up with copies of weight zero, so
that few widths, and thus few compiled programs, serve all of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxscale._numerics.student import student_t
from jaxscale.comparison.held_out import ABSURD
from jaxscale.comparison.splits import identified
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError, FitError, JaxscaleError
from jaxscale.files.reading import read_bytes
from jaxscale.fitting.fit import Stated
from jaxscale.fitting.linearized import linearize
from jaxscale.fitting.many import fit_many
from jaxscale.fitting.preparation import bucket
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.sandwich import inverse_curvature, run_scores
from jaxscale.laws import Law
from jaxscale.laws.names import MAX_BYTES, find_law, law_file, one_scale, running, split_law
from jaxscale.objective.losses import Loss
from jaxscale.ranking.trials import Trial
from jaxscale.shown.blocks import shown

SHARED = 384
"""Width up to which all shorter tables share it: a search there takes less than compiling."""
SPREAD = 4
"""Beyond it, tables of up to so many times the length of the shortest share a width."""
SCALES = ("C", "S", "N", "D")
"""Columns that a law of one scale reads where none is named, in this order."""


@dataclasses.dataclass(frozen=True)
class Search:
    """How every law is fitted to every trial.

    Attributes:
        starts: random starts; see `fit`.
        seed: of the starts.
        loss: the robust loss; None for that of `fit`.
        residual: its name.
        precision: see `fit`.
        level: of the intervals whose coverage is counted.
    """

    starts: int = 256
    seed: int = 0
    loss: Loss | None = None
    residual: str = "log"
    precision: str = "float64"
    level: float = 0.9


@shown
class Outcome(NamedTuple):
    """What became of a law on a trial.

    Attributes:
        error: root mean square of log prediction - log loss over the runs held out; NaN where the
            law does not apply, 1 (100 %) where it applies and gives no prediction.
        median: of their absolute values.
        largest: of them.
        covered: share of the runs held out within the interval; NaN where there is none.
        certified: whether nothing speaks against the fit.
        reason: why the law does not apply, why it failed, or the first doubt about the fit.
    """

    error: float
    median: float = math.nan
    largest: float = math.nan
    covered: float = math.nan
    certified: bool = False
    reason: str = ""


@shown
class Judged(NamedTuple):
    """A law after all trials.

    Attributes:
        outcomes: one per trial.
        free: the number of its free parameters.
        formula: the first line of its docstring.
        sha256: of its source.
        seconds: wall time, compiling included.
        failure: why there is no outcome at all; empty if there are some.
        unread: why no table has the inputs; empty where one has them.
    """

    outcomes: list[Outcome]
    free: int
    formula: str
    sha256: str
    seconds: float
    failure: str = ""
    unread: str = ""


class Order(NamedTuple):
    """A law of a person's own file, to be loaded and judged elsewhere."""

    text: str
    folder: Path
    tables: Mapping[str, Runs]
    trials: Sequence[Trial]
    search: Search


def judged_from_file(order: Order) -> Judged:
    """Load a law of a person's own file, and judge it.

    Raises:
        ValueError: the file cannot be run, or defines no such law.
    """
    with contextlib.redirect_stdout(sys.stderr):  # stdout is for the answer
        law, sha256 = law_called(order.text, order.folder)
        return judge(law, order.tables, order.trials, order.search, sha256)


def law_called(text: str, folder: Path = Path()) -> tuple[Law, str]:
    """Return the law of a name or of `FILE.py:CLASS`, and the hash of its source.

    A law of one scale for which no column is named is not bound to one: its `of` is empty.

    Args:
        text: as in `--law`.
        folder: where a relative FILE.py is looked for.

    Raises:
        ValueError: there is no such law, or the column is out of place.
    """
    name, of = split_law(text)
    cls, path = find_law(name, folder), law_file(text, folder)
    law = cls(of=of) if one_scale(cls, of) else cls()  # type: ignore[call-arg]
    return law, source_of(cls) if path is None else hash_of_file(path)


def hash_of_file(path: Path) -> str:
    """Return the SHA-256 of a file of laws.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return hashlib.sha256(read_bytes(path, MAX_BYTES, "FILE.py:CLASS")).hexdigest()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error


def source_of(cls: type[Law]) -> str:
    """Return the SHA-256 of the source of a law and of the laws that it extends, and its name."""
    parts = [cls.__name__]
    for base in cls.__mro__:
        if issubclass(base, Law) and base is not Law:
            with contextlib.suppress(OSError, TypeError):  # of a session; made by arguments, [2]
                parts.append(inspect.getsource(base.origin.function if base.origin else base))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def judge(
    law: Law,
    tables: Mapping[str, Runs],
    trials: Sequence[Trial],
    search: Search,
    sha256: str = "",
) -> Judged:
    """Fit a law to every trial that it applies to, and judge its predictions.

    Args:
        law: the law; of one scale without a column (`of=""`), it reads C, else S, N or D.
        tables: by name.
        trials: of these tables.
        search: how it is fitted.
        sha256: of its source.

    A law that raises, whatever it raises, has a `failure` and no outcomes.
    """
    begin = time.perf_counter()
    name, none = type(law).__name__, [Outcome(math.nan)] * len(trials)
    failure = unread = ""
    outcomes = none
    free, formula = 0, ""
    try:
        with running(f"{name} fails"):
            free, formula = len(law.free), type(law).formula()
            unread = _unread(law, tables)
            outcomes = _outcomes(law, tables, trials, search)
    except (JaxscaleError, ValueError) as error:
        failure, outcomes = str(error), none
    return Judged(outcomes, free, formula, sha256, time.perf_counter() - begin, failure, unread)


def _unread(law: Law, tables: Mapping[str, Runs]) -> str:
    """Return why no table has the inputs of a law, by the first; empty where one has them."""
    why = ""
    for runs in tables.values():
        own = bound_to(law, runs)
        try:
            for name in own.inputs:
                runs.column(name, own.flops, besides=own.inputs)
        except DataError as error:
            why = why or str(error)
        else:
            return ""
    return why


def _outcomes(
    law: Law, tables: Mapping[str, Runs], trials: Sequence[Trial], search: Search
) -> list[Outcome]:
    found: list[Outcome | None] = [None] * len(trials)
    width = widths({name: len(runs) for name, runs in tables.items()})
    batches: dict[tuple[str | None, int], list[int]] = {}
    bound = {name: bound_to(law, runs) for name, runs in tables.items()}
    for k, trial in enumerate(trials):
        own, runs = bound[trial.table], tables[trial.table]
        reason = identified(own, runs, trial.train)
        if reason:
            found[k] = Outcome(math.nan, reason=reason)
        else:
            batches.setdefault((own.of, width[trial.table]), []).append(k)
    for (_, wide), places in batches.items():
        own = bound[trials[places[0]].table]
        filled = {str(k): widened(tables[trials[k].table], trials[k].train, wide) for k in places}
        fits = fit_many(
            own,
            filled,
            loss=search.loss,
            residual=search.residual,
            starts=search.starts,
            seed=search.seed,
            precision=search.precision,
        )
        for k in places:
            name = str(k)
            if name in fits:
                found[k] = _outcome(fits[name], trials[k], search.level)
            else:
                found[k] = _refused(own, filled[name], fits.refused[name], search)
    return [each for each in found if each is not None]


def bound_to(law: Law, runs: Runs) -> Law:
    """Return a law of one scale with the column that it reads of these runs; others as they are."""
    if law.of != "":
        return law
    have = {*runs.columns, *("NDC" if len({*runs.columns} & set("NDC")) > 1 else "")}
    return law.replace(of=next((name for name in SCALES if name in have), "S"))


def widths(lengths: Mapping[str, int]) -> dict[str, int]:
    """Return the width to which every table is filled up: few of them, each for like lengths."""
    found: dict[str, int] = {}
    wide = 0
    for name, length in sorted(lengths.items(), key=lambda item: (-item[1], item[0])):
        if wide == 0 or length * SPREAD < wide > SHARED:
            wide = bucket(length)
        found[name] = wide
    return found


def widened(runs: Runs, train: np.ndarray, width: int) -> Runs:
    """Return a table of `width` rows in which the runs not to be fitted have no weight.

    Args:
        runs: n runs, which come first.
        train: [n] bool, the runs to fit.
        width: of the table, n or more; copies of a run without weight fill it up.
    """
    n = len(runs)
    which = np.concatenate([np.arange(n), np.full(width - n, int(np.argmax(train)))])
    weight = np.where(np.arange(width) < n, (runs.weights * train)[which], 0.0)
    columns = {name: column[which] for name, column in runs.columns.items()}
    return runs.replace(
        **columns,
        loss=runs.loss[which],
        weight=weight,
        group=None,
        rows=runs.rows[which],
        dropped=(),
        called={},
    )


def _outcome(fit: FitResult, trial: Trial, level: float) -> Outcome:
    test, runs = np.flatnonzero(trial.test), fit.runs
    with np.errstate(all="ignore"):
        off = np.log(fit.prediction[test]) - np.log(runs.loss[test])
    off = np.abs(np.where(np.isfinite(off), off, ABSURD))
    return Outcome(
        error=float(np.sqrt(np.mean(off**2))),
        median=float(np.median(off)),
        largest=float(off.max()),
        covered=covered(fit, test, level),
        certified=fit.certificate.trusted,
        reason=next(iter(fit.certificate.reasons), ""),
    )


def _refused(law: Law, runs: Runs, reason: str, search: Search) -> Outcome:
    """Return what to make of a refusal: the runs do not suit the law, or the law has failed."""
    try:
        stated = Stated.of(
            law, search.loss, search.residual, bounds=None, tie=None, precision=search.precision
        )
        stated.on(runs)
    except DataError:
        return Outcome(math.nan, reason=reason)
    except JaxscaleError:
        pass
    return Outcome(ABSURD, ABSURD, ABSURD, math.nan, False, reason)


def covered(fit: FitResult, test: np.ndarray, level: float) -> float:
    """Return the share of runs without weight whose loss lies within their prediction interval.

    The interval is of a further run: the sandwich covariance of the parameters, and the variance
    of the residuals beside it, under Student's t.

    Args:
        fit: of all runs, some without weight.
        test: [m] places of runs without weight.
        level: nominal.

    Returns:
        The share; NaN where the curvature or the residuals state no interval.
    """
    at = linearize(fit)
    breaks = np.array([spec.role == "breakpoint" for spec in at.objective.space.specs])
    at = dataclasses.replace(at, moving=at.moving & ~breaks)  # a break has no slope
    if at.freedom < 1:
        return math.nan
    try:
        bread = inverse_curvature(at)
    except FitError:
        return math.nan
    scores = run_scores(at, bread)
    matrix = bread @ (scores.T @ scores) @ bread
    rows = at.rows[test]
    variance = at.weight @ at.residual**2 / at.weight.sum() * _spare(at.weight, at.freedom)
    with np.errstate(all="ignore"):
        spread = np.sqrt(variance + np.einsum("np,pq,nq->n", rows, matrix, rows))
    if not np.isfinite(spread).all():
        return math.nan
    half = student_t(0.5 + level / 2, float(at.freedom)) * spread
    return float(np.mean(np.abs(at.residual[test]) <= half))


def _spare(weight: np.ndarray, freedom: int) -> float:
    """Return n / (n - P): what a fit takes from the residuals of n runs."""
    return float((weight > 0).sum() / freedom)
