"""Try a law against the catalogue on every table at hand: one call, one ranking.

Every law is fitted to the smaller runs of every table and predicts the largest, along compute,
model size, data and time (`trials`); what it is judged by is how far off it is there (`judging`),
relative to a baseline on the same runs (`standing`). A law of a person's own file is loaded and
run in a process of its own, with so much time and no more: whatever it does, the bench goes on.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxscale._numerics.precision import host
from jaxscale.comparison.candidates import label_of
from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import Progress
from jaxscale.errors import DataError
from jaxscale.executors import WorkerError, within
from jaxscale.laws import CATALOGUE, Law
from jaxscale.laws.names import Given, law_file, law_given, several, split_law
from jaxscale.objective.losses import Huber, Loss
from jaxscale.objective.residuals import residual_named
from jaxscale.ranking.judging import (
    Judged,
    Order,
    Outcome,
    Search,
    judge,
    judged_from_file,
    law_called,
    source_of,
)
from jaxscale.ranking.result import Place, Ranking
from jaxscale.ranking.standing import standing
from jaxscale.ranking.trials import Trial, trials_of
from jaxscale.varpro.starts import MAX_STARTS

BASELINE = ("Chinchilla", "PowerLaw")
"""Laws that every error is divided by: the first that applies to a trial."""
TWINS = ("ChinchillaNDC",)
"""Laws of the catalogue that are another one of it, read from other columns."""
MOST_DRAWS = 100_000

Proposed = Given


class Contestant(NamedTuple):
    """A law that takes part: at hand, or still in its file."""

    label: str
    law: Law | None
    text: str
    sha256: str
    proposed: bool


@host()
def rank(
    proposed: Proposed | Sequence[Proposed],
    tables: Mapping[str, Runs] | Runs,
    *,
    rivals: Sequence[Proposed] | None = None,
    by: Sequence[str] = (),
    sources: Mapping[str, str] | None = None,
    starts: int = 256,
    seed: int = 0,
    loss: Loss | None = None,
    residual: str = "log",
    precision: str = "float64",
    level: float = 0.9,
    draws: int = 1000,
    limit: float = 600.0,
    folder: str | Path = "",
    progress: Progress | None = None,
) -> Ranking:
    """Rank laws by how well they predict the largest runs of tables from the smaller ones.

    Args:
        proposed: the laws that it is about, as classes, with fixed parameters, or by name; one of
            a file, "FILE.py:CLASS", runs in a process of its own (a script then needs
            `if __name__ == "__main__":`). May be empty.
        tables: runs by name, or those of one table; losses must be positive.
        rivals: whom to rank them with; default all laws of the catalogue that read what the tables
            have. The baselines, Chinchilla and PowerLaw, always take part.
        by: columns to extrapolate along; default C, N, D, else S, and a date, time, year or order.
        sources: by table, a name of its set of training runs: tables that show the same runs count
            as one. Default every table for itself.
        starts: random starts of every fit.
        seed: of the starts and the bootstrap.
        loss: the robust loss of the fits; see `fit`.
        residual: see `fit`.
        precision: see `fit`.
        level: of the intervals, those of predictions and those of relative errors.
        draws: of the bootstrap over sources and trials.
        limit: seconds that a law of a file may take.
        folder: where a relative FILE.py is looked for.
        progress: called with (laws done, laws in all).

    Returns:
        The laws by how well they predict, with what each was tried on.

    Raises:
        DataError: no table has a trial, or none the inputs of a proposed law.
        ValueError: a law does not exist or is given twice, or an option is not one of those
            allowed.

    Cost: a batched search per law, beside compiling (`python -m benchmarks.laws`).

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> tables = {"ladder": runs}
        >>> found = jaxscale.rank("Kaplan", tables, rivals=[], by=["C"], starts=64)
        >>> sorted(place.label for place in found.places)
        ['Chinchilla', 'Kaplan', 'PowerLaw']
    """
    begin = time.perf_counter()
    tables = {tables.source: tables} if isinstance(tables, Runs) else tables
    search = _checked(Search(starts, seed, loss, residual, precision, level))
    if not 19 <= draws <= MOST_DRAWS:
        raise ValueError(f"draws must be between 19 and {MOST_DRAWS:,}, got {draws}")
    if not (limit > 0 and math.isfinite(limit)):
        raise ValueError(f"limit must be a positive number of seconds, got {limit:g}")
    tables = {name: Runs.of(table) for name, table in tables.items()}
    trials, skipped = _trials(tables, by)
    kept = {name: runs for name, runs in tables.items() if name not in skipped}
    given = several(proposed)
    laws = contestants(given, rivals, kept, Path(folder))
    judged = []
    for done, each in enumerate(laws):
        if progress is not None:
            progress(done, len(laws))
        judged.append(_judged(each, kept, trials, search, limit=limit, folder=Path(folder)))
    if progress is not None:
        progress(len(laws), len(laws))
    places = [Place(each.label, each.proposed, own) for each, own in zip(laws, judged, strict=True)]
    named = {
        name: {
            "runs": len(runs),
            "sha256": runs.digest(),
            "source": (sources or {}).get(name, name),
        }
        for name, runs in kept.items()
    }
    settings = {
        "starts": starts,
        "seed": seed,
        **(loss or Huber(1e-3)).document(),
        "residual": residual,
        "precision": precision,
        "level": level,
        "draws": draws,
        "limit": limit,
        "by": list(by),
    }
    found = _ranked(places, trials, named, settings)
    return dataclasses.replace(found, skipped=skipped, seconds=time.perf_counter() - begin)


def _checked(search: Search) -> Search:
    starts, level = search.starts, search.level
    if isinstance(starts, bool) or not isinstance(starts, int | np.integer):
        raise TypeError(f"starts must be a number of them, got {type(starts).__name__}")
    if not 1 <= starts <= MAX_STARTS:
        raise ValueError(f"starts must be between 1 and {MAX_STARTS:,}, got {starts}")
    if search.seed < 0:
        raise ValueError(f"seed must be a whole number >= 0, got {search.seed}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level:g}")
    residual_named(search.residual)
    return search


def _trials(
    tables: Mapping[str, Runs], by: Sequence[str]
) -> tuple[tuple[Trial, ...], dict[str, str]]:
    """Return all trials, and why some tables have none.

    Raises:
        DataError: none has any.
    """
    found: list[Trial] = []
    skipped = {}
    for name, runs in tables.items():
        bad = np.flatnonzero(~(runs.loss > 0))
        try:
            if len(bad):
                raise DataError(
                    f"{runs.where(int(bad[0]))}, column 'loss': {runs.loss[bad[0]]:g}; laws are "
                    "judged by the error of the log loss, so every loss must be positive. Select "
                    "rows with where (--where)"
                )
            found += trials_of(name, runs, by)
        except DataError as error:
            skipped[name] = str(error)
    if not found:
        raise DataError(next(iter(skipped.values()), "there is no table: name one"))
    return tuple(found), skipped


def contestants(
    proposed: Sequence[Proposed],
    rivals: Sequence[Proposed] | None,
    tables: Mapping[str, Runs],
    folder: Path,
) -> list[Contestant]:
    """Return the laws that take part, proposed ones first.

    Args:
        proposed: the laws that it is about.
        rivals: whom they are ranked with; None for the catalogue.
        tables: whose columns decide which laws of the catalogue take part.
        folder: where a relative FILE.py is looked for.

    Raises:
        ValueError: a law does not exist, or is given twice.
    """
    found: dict[str, Contestant] = {}
    for law in proposed:
        each = _contestant(law, True, folder)
        if each.label in found:
            raise ValueError(f"{each.label} is given twice")
        found[each.label] = each
    own = set(found)
    asked = [_contestant(law, False, folder) for law in rivals or ()]
    names = [each.label for each in asked]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0]} is given twice")
    others = BASELINE if rivals is not None else (*BASELINE, *CATALOGUE)
    for each in [*asked, *(_contestant(name, False, folder) for name in dict.fromkeys(others))]:
        listed = each in asked or each.text not in TWINS
        if each.label not in own and each.label not in found and listed:
            if each in asked or any(reads(each.law, runs) for runs in tables.values()):
                found[each.label] = each
    return list(found.values())


def _contestant(law: Proposed, proposed: bool, folder: Path) -> Contestant:
    if isinstance(law, str):
        path = law_file(law, folder)
        if path is not None:
            if not path.is_file():
                raise ValueError(f"{path}: there is no such file")
            return Contestant(label_of_file(law, folder), None, law, "", proposed)
        found, sha256 = law_called(law, folder)
        label = type(found).__name__ + (f":{found.of}" if split_law(law)[1] else "")
        return Contestant(label, found, law, sha256, proposed)
    if isinstance(law, type) and issubclass(law, Law) and law.__name__ in CATALOGUE:
        return _contestant(law.__name__, proposed, folder)
    found = law_given(law)
    return Contestant(label_of(found), found, "", source_of(type(found)), proposed)


def label_of_file(text: str, folder: Path = Path()) -> str:
    """Return what a law of a person's own file is called in a ranking: its file's name and it."""
    path = law_file(text, folder)
    assert path is not None
    return f"{path.name}:{text.partition('.py:')[2]}"


def reads(law: Law | None, runs: Runs) -> bool:
    """Return whether runs have the inputs of a law, or a scale for a law of one."""
    if law is None:
        return True
    have = set(runs.columns)
    if len(have & set("NDC")) >= 2:
        have |= set("NDC")
    return bool(have & set("CSND")) if law.of == "" else set(law.inputs) <= have


def _judged(
    each: Contestant,
    tables: Mapping[str, Runs],
    trials: Sequence[Trial],
    search: Search,
    *,
    limit: float,
    folder: Path,
) -> Judged:
    if each.law is not None:
        return _applied(each, judge(each.law, tables, trials, search, each.sha256))
    begin = time.perf_counter()
    order = Order(each.text, folder, tables, trials, search)
    try:
        return _applied(each, within(limit, judged_from_file, order))
    except TimeoutError:
        why = f"it took longer than {limit:g} s and was ended (limit=, --limit)"
    except WorkerError as error:
        why = str(error)
    none = [Outcome(math.nan, reason=why)] * len(trials)
    return Judged(none, 0, "", "", time.perf_counter() - begin, why)


def _applied(each: Contestant, judged: Judged) -> Judged:
    """Return it; raise for a proposed law that reads no table, before others take minutes."""
    if each.proposed and judged.unread:
        raise DataError(f"{each.label} applies to no trial: {judged.unread}")
    return judged


def _ranked(
    places: Sequence[Place],
    trials: tuple[Trial, ...],
    tables: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> Ranking:
    error = np.array([[o.error for o in place.judged.outcomes] for place in places])
    sources = [str(tables[trial.table]["source"]) for trial in trials]
    labels = [place.label for place in places]
    base, serving = np.full(len(trials), np.nan), []
    for name in BASELINE:
        own = error[labels.index(name)] if name in labels else base
        serving += [name] if (np.isnan(base) & np.isfinite(own)).any() else []
        base = np.where(np.isfinite(base), base, own)
    asked = dict(draws=settings["draws"], seed=settings["seed"], level=settings["level"])
    first = standing(error, base, sources, **asked)
    order = np.lexsort((first.relative, np.where(first.rank > 0, first.rank, len(places) + 1)))
    kinds = dict.fromkeys(trial.by for trial in trials)
    error, places = error[order], [places[k] for k in order]
    base_of = {by: np.where([trial.by == by for trial in trials], base, np.nan) for by in kinds}
    along = {by: standing(error, own, sources, **asked) for by, own in base_of.items()}
    against = {
        place.label: standing(error, error[k], sources, **asked)
        for k, place in enumerate(places)
        if place.proposed
    }
    ordered = dataclasses.replace(
        first, **{f.name: getattr(first, f.name)[order] for f in dataclasses.fields(first)}
    )
    return Ranking(
        places=tuple(places),
        standing=ordered,
        along=along,
        against=against,
        tables=tables,
        trials=trials,
        skipped={},
        baseline=tuple(serving),
        settings=settings,
        seconds=0.0,
    )
