"""The specification table: the answer under every choice, beside its sampling interval."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from typing import Any

from jaxscale.fitting.result import FitResult
from jaxscale.flops import unit_of
from jaxscale.shown.blocks import Block, Grid, Shown, said, text_of
from jaxscale.shown.frames import frame
from jaxscale.text import count, one_line, quantity
from jaxscale.uncertainty.intervals import Interval

KINDS = {
    "fit": "the fit itself",
    "law": "the law",
    "loss": "the loss",
    "residual": "the residual",
    "approach": "the approach",
    "data": "which runs are kept",
    "parameters": "how parameters are counted",
    "cross": "law, loss and residual together",
}
"""What a specification differs from the fit in, and how a sentence calls it."""
ALIKE = 1.05
"""Factor up to which two answers are the same in a sentence."""


@dataclasses.dataclass(frozen=True)
class Specification(Shown):
    """One way to come to the answer.

    Attributes:
        kind: a key of `KINDS`.
        approach: "3" for a law of N and D; "2, parabola in log D" and so on.
        law: name of the law; empty for approach 2.
        loss: the robust loss; empty for approach 2.
        residual: the residual; empty for approach 2.
        data: which runs, "all" of them or which not.
        N: the best N at the budget.
        D: the best D.
        loss_there: the loss of that run; NaN for approach 2.
        a: exponent of N* in C there.
        trusted: whether it counts in what is said of all.
        reason: why it does not; or what is weak about it.
    """

    kind: str
    approach: str
    law: str
    loss: str
    residual: str
    data: str
    N: float = math.nan
    D: float = math.nan
    loss_there: float = math.nan
    a: float = math.nan
    trusted: bool = False
    reason: str = ""

    @property
    def changed(self) -> str:
        """What it differs in, as a cell of the table."""
        if self.kind == "cross":
            return f"{self.law}, {self.loss}, {self.residual}"
        if self.kind in ("data", "parameters"):
            return self.data
        if self.kind == "approach":
            return f"approach {self.approach}"
        if self.kind == "fit":
            return f"the fit: {self.law}, {self.loss}, {self.residual}"
        return str(getattr(self, self.kind))


@dataclasses.dataclass(frozen=True)
class Specifications(Shown):
    """The answer under every choice.

    Attributes:
        rows: the specifications; the fit itself first.
        compute: the budget, as the law of the fit counts it.
        fit: the fit.
        sampling: intervals of N*, D* and L* from draws, by "N", "D", "loss"; empty where none were
            asked for.
        draws: how they were made, in words.
        reach: the budget over the largest of the runs.
        seconds: that it took.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> laws = ("Skaling",)
        >>> found = jaxscale.specify(fit, compute=1e15, laws=laws, cross=False, draws=0, starts=64)
        >>> found.reach > 100, sorted(found.moved)
        (True, ['approach', 'data', 'law', 'loss', 'residual'])
    """

    rows: tuple[Specification, ...]
    compute: float
    fit: FitResult
    sampling: dict[str, Interval]
    draws: str
    reach: float
    seconds: float

    @property
    def unit(self) -> str:
        """What the budget is counted in."""
        return unit_of(self.fit.law.flops)

    @property
    def certified(self) -> tuple[Specification, ...]:
        """The specifications that count, by N."""
        return tuple(sorted((r for r in self.rows if r.trusted), key=lambda row: row.N))

    @property
    def moved(self) -> dict[str, tuple[Specification, float]]:
        """Per kind, the specification farthest from the fit, and log(N* / N* of the fit)."""
        base = self.rows[0].N
        found: dict[str, tuple[Specification, float]] = {}
        for row in self.rows[1:]:
            if row.trusted and row.N > 0 and base > 0:
                far = math.log(row.N / base)
                if row.kind not in found or abs(far) > abs(found[row.kind][1]):
                    found[row.kind] = row, far
        return found

    @property
    def sentence(self) -> str:
        """What moves the answer most, in one sentence."""
        base, known = self.rows[0], self.certified
        if not base.N > 0 or len(known) < 2:
            beside = "beside the fit itself " if self.rows[0].trusted else ""
            return f"No choice {beside}led to an answer that counts."
        single = {kind: found for kind, found in self.moved.items() if kind != "cross"}
        low, high = known[0], known[-1]
        head = (
            f"N* at {self.compute:.3g} {self.unit} is {count(base.N)}; the choices span "
            f"{count(low.N)} to {count(high.N)}"
        )
        if "N" in self.sampling:
            at = self.sampling["N"]
            head += f", the runs' own noise {count(at.low)} to {count(at.high)}"
            head += f" ({100 * at.level:g} %)"
        if not single:
            return head + "."
        kind, (row, far) = max(single.items(), key=lambda each: abs(each[1][1]))
        if abs(far) < math.log(ALIKE):
            return f"{head}. No single choice moves it by 5 %."
        return f"{head}. What moves it most is {KINDS[kind]}: {row.changed} gives {count(row.N)}."

    @property
    def notes(self) -> list[str]:
        """What to know beside the table."""
        lost = [row for row in self.rows if not row.trusted]
        said = []
        if lost:
            named = "; ".join(f"{row.changed}: {row.reason.split(': ')[0]}" for row in lost[:3])
            more = f"; and {len(lost) - 3} more" if len(lost) > 3 else ""
            said.append(f"{len(lost)} of {len(self.rows)} do not count ({named}{more})")
        if self.reach > 1:
            said.append(f"the budget is {quantity(self.reach, 2)} times the largest of the runs")
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values."""
        moved = {k: dict(row=dataclasses.asdict(r), log=x) for k, (r, x) in self.moved.items()}
        return {
            "law": type(self.fit.law).__name__,
            "compute": self.compute,
            "sentence": self.sentence,
            "specifications": [dataclasses.asdict(row) for row in self.rows],
            "moved": moved,
            "sampling": {name: dataclasses.asdict(each) for name, each in self.sampling.items()},
            "draws": self.draws,
            "reach": self.reach,
            "seconds": self.seconds,
        }

    def text(self, cross: bool = False) -> str:
        """Return the table as text.

        Args:
            cross: whether every combination of law, loss and residual is shown.
        """
        return text_of(self._table(cross))

    def table(self, *, kind: str | None = None) -> Any:
        """Return the specifications as a dataframe, the fit itself first.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Returns:
            The attributes of `Specification` as columns, a row for each.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        names = [field.name for field in dataclasses.fields(Specification)]
        columns = {name: [getattr(row, name) for row in self.rows] for name in names}
        return frame(columns, kind, self.fit.runs.frame_kind)

    def _table(self, cross: bool = False) -> list[Block]:
        head = ["choice", "N*", "D*", "D/N", "L*", "a", ""]
        body, kind = [], ""
        for row in self.rows:
            if row.kind == "cross" and not cross:
                continue
            if row.kind not in (kind, "fit"):
                body.append([KINDS[row.kind], *[""] * 6])
            kind = row.kind
            indent = "" if kind == "fit" else "  "
            body.append([indent + one_line(row.changed), *_numbers(row), _note(row)])
        lines: list[Block] = [Grid([head, *body], "<>>>>><", muted=(6,))]
        crossed = [row for row in self.certified if row.kind == "cross"]
        if crossed and not cross:
            few = f"{count(crossed[0].N)} to {count(crossed[-1].N)}"
            lines.append(f"{len(crossed)} combinations of law, loss and residual: N* {few}")
        for name, at in self.sampling.items():
            written = count if name in ("N", "D") else _short
            low, high = written(at.low), written(at.high)
            lines.append(f"{100 * at.level:g} % of {self.draws}: {_called(name)} {low} to {high}")
        return lines

    def _blocks(self) -> list[Block]:
        return [self.sentence, "", *self._table(), *said(self.notes)]


def _short(x: float) -> str:
    return quantity(x, 3)


def _called(name: str) -> str:
    return {"N": "N*", "D": "D*", "loss": "L*"}.get(name, name)


def _numbers(row: Specification) -> list[str]:
    if not row.N > 0:
        return ["-"] * 5
    loss = f"{row.loss_there:.4f}" if math.isfinite(row.loss_there) else "-"
    return [count(row.N), count(row.D), quantity(row.D / row.N, 3), loss, f"{row.a:.3f}"]


def _note(row: Specification) -> str:
    return ("" if row.trusted else "(!) ") + textwrap.shorten(
        one_line(row.reason), 90, placeholder=" …"
    )
