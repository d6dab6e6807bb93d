"""The result of a bench for laws: where each stands, as text, as JSON, and with hashes to check."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxscale.files.document import plain
from jaxscale.ranking.judging import Judged
from jaxscale.ranking.standing import Standing
from jaxscale.ranking.trials import Trial
from jaxscale.shown.blocks import Block, Grid, Shown, said
from jaxscale.shown.frames import frame
from jaxscale.text import many, quantity

SCHEMA = 1
USABLE = 0.5
"""Share of its fits that are certified, from which the place of a law is to be trusted."""


@dataclasses.dataclass(frozen=True)
class Place(Shown):
    """A law in a ranking.

    Attributes:
        label: its name; a law of a person's own file has that before it.
        proposed: whether it is one that the ranking is for.
        judged: its outcomes on every trial.
    """

    label: str
    proposed: bool
    judged: Judged

    def of_fitted(self, name: str) -> np.ndarray:
        """Return a field of the outcomes on the trials that the law applies to."""
        applies = [each for each in self.judged.outcomes if math.isfinite(each.error)]
        return np.array([getattr(each, name) for each in applies], float)

    @property
    def certified(self) -> float:
        """Share of the fits that are certified; NaN where there is none."""
        each = self.of_fitted("certified")
        return float(each.mean()) if len(each) else math.nan

    @property
    def usable(self) -> bool:
        """Whether there are fits, and at least half of them are certified."""
        return self.certified >= USABLE

    @property
    def coverage(self) -> float:
        """Mean share of the runs held out within their intervals, over trials that state some."""
        each = self.of_fitted("covered")
        each = each[np.isfinite(each)]
        return float(each.mean()) if len(each) else math.nan

    @property
    def median(self) -> float:
        """Median over the trials of the error; NaN where there is none."""
        each = self.of_fitted("error")
        return float(np.median(each)) if len(each) else math.nan


@dataclasses.dataclass(frozen=True)
class Ranking(Shown):
    """Laws ranked by how well they predict the largest runs of tables from the smaller ones.

    Attributes:
        places: the laws, the best first; those without a place last.
        standing: arrays [L] in this order.
        along: by the column that trials extrapolate along, the standing on these alone.
        against: by label of a proposed law, the standing of all laws with it as the baseline.
        tables: by name, {"runs", "sha256", "source"}.
        trials: what was fitted and predicted.
        skipped: by name, why a table has no trial.
        baseline: labels of the laws that errors are divided by, the first that applies.
        settings: starts, seed, loss, residual, precision, level, draws, limit.
        seconds: wall time of all.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> tables = {"ladder": runs}
        >>> found = jaxscale.rank("Kaplan", tables, rivals=[], by=["C"], starts=64)
        >>> found.trusted, found.baseline
        (True, ('Chinchilla',))
    """

    places: tuple[Place, ...]
    standing: Standing
    along: Mapping[str, Standing]
    against: Mapping[str, Standing]
    tables: Mapping[str, Mapping[str, Any]]
    trials: tuple[Trial, ...]
    skipped: Mapping[str, str]
    baseline: tuple[str, ...]
    settings: Mapping[str, Any]
    seconds: float

    @property
    def proposed(self) -> tuple[Place, ...]:
        """The laws that the ranking is for."""
        return tuple(place for place in self.places if place.proposed)

    @property
    def trusted(self) -> bool:
        """Whether every proposed law has fits, and at least half of them are certified."""
        return all(place.usable for place in self.proposed)

    @property
    def notes(self) -> list[str]:
        """What to know beside the numbers."""
        found = []
        for place in self.places:
            outcomes = place.judged.outcomes
            lost = [k for k, each in enumerate(outcomes) if each.error == 1 and each.reason]
            if place.judged.failure:
                found.append(f"{place.label}: {place.judged.failure}")
            elif not len(place.of_fitted("error")):
                found.append(f"{place.label} applies to no trial: {outcomes[0].reason}")
            elif not place.usable and place.proposed and len(lost) < len(place.of_fitted("error")):
                share = f"{100 * place.certified:.0f} %"
                first = next((e.reason for e in outcomes if e.reason and not e.certified), "")
                found.append(f"{place.label}: only {share} of its fits are certified: {first}")
            if lost:
                where = self.trials[lost[0]]
                found.append(
                    f"{place.label}: {many(len(lost), 'fit')} failed, counted as 100 % off; of "
                    f"{where.table} along {where.by}: {outcomes[lost[0]].reason}"
                )
        found += [f"{name} has no trial: {why}" for name, why in self.skipped.items()]
        if len({str(table["source"]) for table in self.tables.values()}) < 5:
            found.append(
                "few independent tables: the intervals say little of other tables than these"
            )
        return found

    def _blocks(self) -> list[Block]:
        level = f"{100 * self.settings['level']:g} %"
        head = ["place", "", "law", "error", f"{level} from", "to", "better", "trials"]
        head += ["median", "cover", "certified", "free", "seconds"]
        rows = [head]
        for k, place in enumerate(self.places):
            s, judged = self.standing, place.judged
            if not s.shared[k]:
                rows.append(["-", "", place.label, *["-"] * 8, _free(judged), _s(judged)])
                continue
            rows.append(
                [
                    str(s.rank[k] or "-"),
                    f"({s.best[k]:.0f} to {s.worst[k]:.0f})" if s.rank[k] else "",
                    place.label,
                    *map(_figures, (s.relative[k], s.low[k], s.high[k])),
                    f"{100 * s.better[k]:.0f} %",
                    str(s.shared[k]),
                    f"{100 * place.median:.2f} %",
                    _percent(place.coverage),
                    f"{100 * place.certified:.0f} %",
                    _free(judged),
                    _s(judged),
                ]
            )
        base = " or ".join(self.baseline) or "a baseline"
        what = (
            f"error: geometric mean of the error over that of {base}, on the runs held out of "
            f"{many(len(self.trials), 'trial')} of {many(len(self.tables), 'table')}"
        )
        doubts = [note for note in self.notes if "certified" in note or "failed" in note]
        grid = Grid(rows, "><<" + ">" * 10)
        return [grid, what, *self._sentences(), *said(self.notes, doubts)]

    def _sentences(self) -> list[str]:
        """Return how each proposed law stands against the best of the others."""
        found = []
        for place in self.proposed:
            there = self.against.get(place.label)
            others = [k for k, each in enumerate(self.places) if not each.proposed]
            others = [k for k in others if there is not None and there.shared[k]]
            if there is None or not others:
                continue
            k = min(others, key=lambda k: (self.standing.rank[k] or 10**6, k))
            x, low, high = (1 / float(v[k]) for v in (there.relative, there.high, there.low))
            sure = f" ({quantity(low, 3)} to {quantity(high, 3)})" if math.isfinite(low) else ""
            found.append(
                f"{place.label}: {quantity(x, 3)} times the error of {self.places[k].label}{sure} "
                f"on {many(int(there.shared[k]), 'trial')} that both apply to"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document; its digest is of all of it but seconds and versions."""
        document = plain(
            {
                "kind": "ranking",
                "schema": SCHEMA,
                "settings": dict(self.settings),
                "baseline": list(self.baseline),
                "trusted": self.trusted,
                "tables": {name: dict(table) for name, table in self.tables.items()},
                "skipped": dict(self.skipped),
                "trials": [_trial(trial) for trial in self.trials],
                "laws": [self._law(k) for k in range(len(self.places))],
                "results": self._results(),
            }
        )
        seconds = {place.label: place.judged.seconds for place in self.places}
        document["digest"] = digest_of(document)
        document["seconds"] = {"total": self.seconds, "laws": seconds}
        return dict(document)

    def table(self, *, kind: str | None = None) -> Any:
        """Return the laws as a dataframe, the best first.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the first of these that is
                installed.

        Returns:
            Columns law, proposed, place (0 for none), relative_error with low and high, better,
            trials, median_error, coverage, certified, free and seconds.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        rows = [self._law(k) for k in range(len(self.places))]
        names = ("law", "proposed", "relative_error", "trials", "median_error", "coverage")
        columns = {name: [row[name] for row in rows] for name in (*names, "certified")}
        return frame(
            columns
            | {
                "place": [row["rank"] or 0 for row in rows],
                "low": self.standing.low,
                "high": self.standing.high,
                "better": self.standing.better,
                "free": [place.judged.free for place in self.places],
                "seconds": [place.judged.seconds for place in self.places],
            },
            kind,
        )

    def _law(self, k: int) -> dict[str, Any]:
        place, s = self.places[k], self.standing
        return {
            "law": place.label,
            "proposed": place.proposed,
            "sha256": place.judged.sha256,
            "formula": place.judged.formula,
            "free": place.judged.free,
            "rank": int(s.rank[k]) or None,
            "rank_interval": [_whole(s.best[k]), _whole(s.worst[k])] if s.rank[k] else None,
            "relative_error": float(s.relative[k]),
            "interval": [float(s.low[k]), float(s.high[k])],
            "better": float(s.better[k]) if s.shared[k] else None,
            "trials": int(s.shared[k]),
            "fitted": len(place.of_fitted("error")),
            "median_error": place.median,
            "coverage": place.coverage,
            "intervals_stated": int(np.isfinite(place.of_fitted("covered")).sum()),
            "certified": place.certified,
            "usable": place.usable,
            "failure": place.judged.failure,
            "along": {by: _brief(own, k) for by, own in self.along.items()},
            "against": {label: _brief(own, k) for label, own in self.against.items()},
        }

    def _results(self) -> list[dict[str, Any]]:
        """Return one entry per law and trial, those left out that a law does not apply to."""
        return [
            {"law": place.label, "trial": k, **outcome._asdict()}
            for place in self.places
            for k, outcome in enumerate(place.judged.outcomes)
            if math.isfinite(outcome.error)
        ]


def _brief(own: Standing, k: int) -> dict[str, Any]:
    return {
        "relative_error": float(own.relative[k]),
        "interval": [float(own.low[k]), float(own.high[k])],
        "trials": int(own.shared[k]),
    }


def digest_of(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a ranking says, times, versions and notes aside."""
    aside = ("digest", "seconds", "versions", "notes", "schema_version")
    kept = {key: value for key, value in document.items() if key not in aside}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "table": trial.table,
        "by": trial.by,
        "fitted": int(trial.train.sum()),
        "predicted": int(trial.test.sum()),
        "factor": trial.factor,
    }


def _figures(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if math.isfinite(share) else "-"


def _free(judged: Judged) -> str:
    return str(judged.free or "-")


def _whole(value: float) -> int | None:
    return int(round(value)) if math.isfinite(value) else None


def _s(judged: Judged) -> str:
    return f"{judged.seconds:.0f}"
