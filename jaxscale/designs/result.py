"""What a design says: the batch, what it costs, and the interval before and after."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale.designs.account import design_blocks
from jaxscale.designs.candidates import Candidates
from jaxscale.files.durable import write_atomically
from jaxscale.shown.blocks import Block, Shown, said
from jaxscale.shown.frames import frame
from jaxscale.uncertainty.intervals import Interval

PLANS = (".csv", ".json")
"""Endings of a plan."""


@dataclasses.dataclass(frozen=True)
class Answer(Shown):
    """One asked quantity.

    Attributes:
        name: of the quantity.
        before: its interval by the runs that are there; NaN limits where they do not determine it.
        after: as it is predicted to be after the batch.
        logarithmic: whether its error lives on the logarithmic scale.
    """

    name: str
    before: Interval
    after: Interval
    logarithmic: bool

    @property
    def ratio(self) -> float:
        """Width after over width before; of logarithms where the error lives there."""
        return _width(self.after, self.logarithmic) / _width(self.before, self.logarithmic)

    @property
    def factor(self) -> float:
        """By what factor the limits after are apart; NaN for a quantity that may be negative."""
        return self.after.high / self.after.low if self.logarithmic else np.nan


def _width(interval: Interval, log: bool) -> float:
    with np.errstate(all="ignore"):
        ends = np.array([interval.low, interval.high])
        low, high = np.log(ends) if log else ends
        return float(high - low) if np.isfinite([low, high]).all() else np.inf


@dataclasses.dataclass(frozen=True)
class Other(Shown):
    """Another way to spend as much.

    Attributes:
        name: what it is.
        runs: how many.
        cost: of all of them.
        ratio: of the interval after it to that at present; NaN where there is none at present.
        against: of the interval after it to that after the batch; infinite if it leaves the law
            open.
    """

    name: str
    runs: int
    cost: float
    ratio: float
    against: float


@dataclasses.dataclass(frozen=True)
class Design(Shown):
    """A batch of runs, and what it is worth.

    Attributes:
        law: name of the law.
        candidates: that were looked at.
        batch: [k] indices of candidates, in the order in which they pay most.
        loss: [k] predicted losses.
        criterion: "c", "V" or "D".
        budget: what could be spent.
        answers: what was asked, before and after; empty for "D".
        steps: [k + 1] width of the asked interval over that at present, after each run.
        halves: [k + 1] half the interval of the first answer, of its logarithm where its error
            lives there; infinite where it is not determined.
        spent: [k + 1] cost of the batch up to there.
        swaps: [k] per run, how many candidates do as well within a percent in its place.
        others: what the field's usual designs of that cost would come to.
        noise: standard deviation of the residuals that was reckoned with.
        present: inputs of the runs that are there.
        level: of the intervals.
        notes: what a reader should know.
        identified: whether the runs with the batch determine the law.
        seconds: that it took.
        frame_kind: of the runs behind it, as `Runs.frame_kind`.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> plan = jaxscale.design(fit, budget=1e13, what="alpha", batch=3)
        >>> sorted(plan.inputs), bool(plan.spent[-1] <= 1e13)
        (['D', 'N'], True)
    """

    law: str
    candidates: Candidates
    batch: np.ndarray
    loss: np.ndarray
    criterion: str
    budget: float
    answers: tuple[Answer, ...]
    steps: np.ndarray
    halves: np.ndarray
    spent: np.ndarray
    swaps: tuple[Mapping[str, Any], ...]
    others: tuple[Other, ...]
    noise: float
    present: Mapping[str, np.ndarray]
    level: float
    notes: tuple[str, ...]
    identified: bool
    seconds: float
    frame_kind: str = dataclasses.field(default="", repr=False)

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """Inputs [k] of the batch."""
        return {name: x[self.batch] for name, x in self.candidates.inputs.items()}

    @property
    def cost(self) -> np.ndarray:
        """[k] what each run costs."""
        return np.asarray(self.candidates.cost[self.batch])

    @property
    def ratio(self) -> float:
        """Width of the asked interval after the batch over that before; NaN if there was none."""
        return float(self.steps[-1])

    def rows(self) -> list[dict[str, Any]]:
        """Return the batch as a launcher reads it: one object per run, in order."""
        found = []
        for k, one in enumerate(self.batch):
            row: dict[str, Any] = {"order": k + 1}
            row |= {name: float(x[k]) for name, x in self.inputs.items()}
            if {"N", "D"} <= set(row):
                row["tokens_per_parameter"] = row["D"] / row["N"]
            row["flops" if self.candidates.unit == "FLOPs" else "cost"] = float(self.cost[k])
            row["predicted_loss"] = float(self.loss[k])
            row["interval_left"] = float(self.steps[k + 1])
            if len(self.candidates.rows):
                row["candidate_row"] = int(self.candidates.rows[one])
            found.append(row)
        return found

    def save(self, path: str | Path) -> None:
        """Write the plan as .csv or .json; `candidates` reads either back.

        Args:
            path: the file; ends in .csv or .json.

        Raises:
            ValueError: the ending is none of these.
            OSError: the file could not be written.
        """
        path, rows = Path(path), self.rows()
        if path.suffix.lower() not in PLANS:
            raise ValueError(f"{path}: a plan ends in one of {', '.join(PLANS)}")
        if path.suffix.lower() == ".json":
            text = json.dumps([{k: _finite(v) for k, v in row.items()} for row in rows], indent=1)
        else:
            out = io.StringIO()
            writer = csv.DictWriter(out, list(rows[0]) if rows else ["order"], lineterminator="\n")
            writer.writeheader()
            writer.writerows({k: "" if _finite(v) is None else _short(v) for k, v in row.items()}
                             for row in rows)  # fmt: skip
            text = out.getvalue()
        write_atomically(path, text.rstrip("\n").encode() + b"\n")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {
            "law": self.law,
            "criterion": self.criterion,
            "identified": self.identified,
            "answers": [
                {
                    "quantity": a.name,
                    "estimate": a.after.estimate,
                    "before": [a.before.low, a.before.high],
                    "after": [a.after.low, a.after.high],
                    "ratio": a.ratio,
                }
                for a in self.answers
            ],
            "level": self.level,
            "budget": self.budget,
            "spent": float(self.spent[-1]),
            "unit": self.candidates.unit,
            "share": float(self.spent[-1]) / self.budget,
            "ratio": self.ratio,
            "noise": self.noise,
            "candidates": len(self.candidates),
            "source": self.candidates.source,
            "present": len(next(iter(self.present.values()), ())),
            "plan": self.rows(),
            "near_equivalents": [dict(each) for each in self.swaps],
            "others": [dataclasses.asdict(other) for other in self.others],
            "seconds": self.seconds,
        }

    def table(self, *, kind: str | None = None) -> Any:
        """Return the batch as a dataframe, the columns of `rows`.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        rows = self.rows()
        return frame(
            {name: [row[name] for row in rows] for name in rows[0]} if rows else {},
            kind,
            self.frame_kind,
        )

    def _blocks(self) -> list[Block]:
        return [*design_blocks(self), *said(self.notes)]


def _finite(value: Any) -> Any:
    return value if not isinstance(value, float) or np.isfinite(value) else None


def _short(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
