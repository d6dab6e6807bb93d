"""A fit made again from its table: whether the file of it holds, and if not what differs.

`verification` holds a file against itself; here the law is fitted again, as the file says it was,
and data, objective, parameters and verdict are held against those of the file.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import Progress
from jaxscale.files.document import plain, versions
from jaxscale.fitting.account import NEWTON
from jaxscale.fitting.certificate import SAME, SAME_FLOAT32
from jaxscale.fitting.families import with_codes
from jaxscale.fitting.fit import fit as fit_again
from jaxscale.fitting.result import FitResult, hashed_names, stored
from jaxscale.fitting.saved import load, read_document
from jaxscale.laws.grouped import FamilyLaw
from jaxscale.optimizers import OPTIMIZERS
from jaxscale.optimizers.named import row_of, transformation
from jaxscale.shown.blocks import Block, Grid, Shown, said
from jaxscale.text import many, quantity, short

MOVED = 0.01
"""Standard errors by which a parameter may move; ten times that for a search in float32."""
CLOSE = 1e-4
"""The same relatively, for parameters of a small error, or of none."""
NAMED = 5
"""Rows that a sentence names."""


@dataclasses.dataclass(frozen=True)
class Verified(Shown):
    """A fit held against one made again.

    Attributes:
        fit: the fit that was to be verified.
        again: the same law fitted again to the table.
        differences: why the fit does not hold, in sentences; empty if it does.
        notes: what else differs, without effect on whether it holds.
        moved: per free parameter, by how many standard errors it moved; NaN without an error.
        objective: relative difference of the objectives.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> jaxscale.verify(fit, runs).sentence.split(":")[0]
        'holds'
    """

    fit: FitResult
    again: FitResult
    differences: tuple[str, ...]
    notes: tuple[str, ...]
    moved: Mapping[str, float]
    objective: float

    @property
    def holds(self) -> bool:
        """Whether the fit is what its table gives."""
        return not self.differences

    @property
    def sentence(self) -> str:
        """Say in one sentence whether the fit holds, and if not what differs first."""
        if not self.holds:
            more = len(self.differences) - 1
            rest = f" ({many(more, 'further difference')})" if more else ""
            return f"does not hold: {self.differences[0]}{rest}"
        stated = [x for x in self.moved.values() if math.isfinite(x)]
        most = max(stated, default=0.0)
        far = f" by more than {most:.0e} standard errors" if most > 1e-9 else ""
        return (
            f"holds: the same {many(len(self.fit.runs), 'run')}, and fitted again the objective "
            f"is the same within {max(self.objective, 1e-15):.0e}; no parameter moves{far}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values."""
        law, again = self.fit.law, self.again.law
        document = {
            "holds": self.holds,
            "sentence": self.sentence,
            "differences": list(self.differences),
            "objective": {"stated": self.fit.value, "again": self.again.value},
            "params": {
                name: {
                    "stated": float(getattr(law, name)),
                    "again": float(getattr(again, name)),
                    "standard_errors": off,
                }
                for name, off in self.moved.items()
            },
            "data": {
                "stated": stored(self.fit.runs, law).digest(),
                "again": _without(
                    stored(self.again.runs, law), _beside(self.fit, self.again)
                ).digest(),
            },
            "trusted": {
                "stated": self.fit.certificate.trusted,
                "again": self.again.certificate.trusted,
            },
        }
        return dict(plain(document))

    def _blocks(self) -> list[Block]:
        rows = [["", "stated", "again", "moved by"]]
        for name, off in self.moved.items():
            values = (quantity(float(getattr(f.law, name)), 6) for f in (self.fit, self.again))
            rows.append([f"  {name}", *values, f"{off:.1e} s.e." if math.isfinite(off) else ""])
        rows.append(["  objective", f"{self.fit.value:.10g}", f"{self.again.value:.10g}", ""])
        grid = Grid(rows, "<>>>")
        return [self.sentence, "", grid, *said(self.differences[1:], self.differences)]


def verify(
    fit: FitResult | str | Path,
    runs: Any,
    *,
    error: Any = None,
    made_by: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Fit the law of a fit again, as it was fitted, and say whether the fit holds.

    The same law, loss, residual, fixed values, bounds, ties, optimizer, starts, seed and precision
    are used; the runs are to be read as they were, with the same rows left out.

    Args:
        fit: the fit, or its file.
        runs: the table: runs, a dataframe or a dict of arrays.
        error: standard errors of the losses, where the fit was given some; see `fit`.
        made_by: versions that made the fit, by name; default those that its file states.
        progress: see `fit`.

    Returns:
        Whether the fit holds, the fit made again, and what differs.

    Raises:
        DataError: the file is damaged, or the table cannot be read or fitted at all.
        FitError: no start led to a finite objective.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> verified = jaxscale.verify(fit, runs)
        >>> verified.holds, verified.differences
        (True, ())
    """
    if isinstance(fit, str | Path):
        made_by = made_by or stated_versions(fit)
        fit = load(fit)
    settings, found = fit.settings, fit.certificate
    name = settings.get("optimizer", NEWTON)
    notes = []
    if name not in OPTIMIZERS:
        notes.append(f"fitted with the optimizer {short(name)}, verified with {NEWTON}")
        name = NEWTON
    steps = settings.get("max_steps")
    if steps == row_of(transformation(name)).lap(len(fit.free)):
        steps = None  # which makes the leaders go on, as it did
    law = fit.law
    table = with_codes(law, runs) if isinstance(law, FamilyLaw) else Runs.of(runs)
    again = fit_again(
        fit.unfitted,
        table,
        loss=fit.loss,
        residual=fit.residual,
        optimizer=name,
        starts=found.starts // max(1, len(found.searches)),
        seed=settings.get("seed") or 0,
        precision=settings.get("precision", "float64"),
        max_steps=steps,
        bounds=dict(fit.constraints.bounds),
        tie=dict(fit.constraints.tied),
        error=error,
        progress=progress,
    )
    coarse = settings.get("precision") == "float32"
    moved, differences = _moved(fit, again, coarse)
    gap, said = _objective(fit, again, SAME_FLOAT32 if coarse else SAME)
    others = _data(fit, again)  # whose objective is another one, and says nothing
    differences = [*(others or said), *differences, *_verdict(fit, again)]
    notes += _versions(made_by) + _left_out(fit.runs, again.runs)
    if not _lacking(fit.runs, again.runs) and not np.array_equal(fit.runs.loss, again.runs.loss):
        notes.append("the table has the runs in another order")
    if beside := _beside(fit, again):
        notes.append(f"the table has {', '.join(beside)} as well, which the law does not read")
    return Verified(fit, again, tuple(differences), tuple(notes), moved, gap)


def stated_versions(path: str | Path, table: str | None = None) -> dict[str, Any]:
    """Return the versions that a file says made it; empty where it says none.

    Args:
        path: of a fit, or of several.
        table: whose fit, of a file of several.
    """
    document = read_document(Path(path)).value
    fits = document.get("fits")
    if isinstance(fits, dict):
        document = fits.get(table) or document
    found = document.get("versions") if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def _objective(fit: FitResult, again: FitResult, same: float) -> tuple[float, list[str]]:
    """Return the relative difference of the objectives, and a sentence where it is one."""
    size = max(abs(fit.value), abs(again.value), np.finfo(float).tiny)
    gap = abs(fit.value - again.value) / size
    if gap <= same or (fit.certificate.exact and again.certificate.exact):
        return (0.0 if gap > same else gap), []
    lower = again.value < fit.value
    word = "a lower objective, so what is stated is not the best" if lower else "a higher objective"
    return gap, [f"fitted again it reaches {word}: {again.value:.9g}, stated {fit.value:.9g}"]


def _moved(fit: FitResult, again: FitResult, coarse: bool) -> tuple[dict[str, float], list[str]]:
    """Return by how many standard errors parameters moved, and a sentence on those too far."""
    moved, far = {}, []
    for name in fit.free:
        old, new = float(getattr(fit.law, name)), float(getattr(again.law, name))
        error = fit.errors.get(name, math.nan)
        moved[name] = abs(new - old) / error if error > 0 else math.nan
        room = (10 if coarse else 1) * MOVED * error if error > 0 else 0.0
        if not abs(new - old) <= max(room, CLOSE * abs(old)):
            by = f", {moved[name]:.2g} standard errors" if math.isfinite(moved[name]) else ""
            far.append(f"{name} is {new:.6g}, stated {old:.6g}{by}")
    return moved, [f"parameters moved: {'; '.join(far)}"] if far else []


def _verdict(fit: FitResult, again: FitResult) -> list[str]:
    then, now = fit.certificate.trusted, again.certificate.trusted
    if then == now:
        return []
    if now:
        return ["it is certified when fitted again, and stated as not certified"]
    return [f"it is not certified when fitted again: {again.certificate.reasons[0]}"]


def _data(fit: FitResult, again: FitResult) -> list[str]:
    """Return what differs in the data; empty where their digests agree."""
    old = stored(fit.runs, fit.law)
    new = _without(stored(again.runs, fit.law), _beside(fit, again))
    if old.digest() == new.digest():
        return []
    missing, more = _lacking(old, new), _lacking(new, old)
    if not (missing or more) and old.columns.keys() == new.columns.keys():
        return []  # in another order
    if missing != more:
        text = f"the table gives {many(len(new), 'run')}, the fit has {len(old):,}"
        text += f"; missing: row {_rows(old, missing)}" if missing else ""
        text += f"; new: row {_rows(new, more)}" if more else ""
        return [text]
    said = []
    names = [*hashed_names(old), *hashed_names(new)]
    for name in dict.fromkeys(names):
        a, b = _column(old, name), _column(new, name)
        if a is None or b is None:
            where = "the fit" if a is None else "the table"
            said.append(f"{where} has no column {short(name)}")
        elif len(off := np.flatnonzero(~((a == b) | (np.isnan(a) & np.isnan(b))))):
            k = int(off[0])
            rest = f", and {len(off) - 1:,} more" if len(off) > 1 else ""
            said.append(
                f"{new.label(name)} of row {new.row(k)} is {b[k]:.9g} in the table, {a[k]:.9g} in "
                f"the fit{rest}"
            )
    return [f"the data are others: {'; '.join(said)}"]


def _beside(fit: FitResult, again: FitResult) -> list[str]:
    """Return columns of N, D and C that only the table has, and the law does not read."""
    new = stored(again.runs, fit.law).columns.keys()
    return sorted(new - stored(fit.runs, fit.law).columns.keys() - {*fit.law.inputs})


def _without(runs: Runs, names: list[str]) -> Runs:
    """Return the same runs without some columns."""
    fields = {f.name: getattr(runs, f.name) for f in dataclasses.fields(runs)}
    columns = {k: column for k, column in fields.pop("columns").items() if k not in names}
    return Runs(**fields, **columns)


def _column(runs: Runs, name: str) -> np.ndarray | None:
    return {"loss": runs.loss, "weight": runs.weight}.get(name, runs.columns.get(name))


def _lacking(runs: Runs, other: Runs) -> list[int]:
    """Return the indices of runs whose numbers are no row of another table."""
    names = sorted(runs.columns.keys() & other.columns.keys())
    left = Counter(_tuples(other, names))
    lacking = []
    for k, row in enumerate(_tuples(runs, names)):
        if left[row]:
            left[row] -= 1
        else:
            lacking.append(k)
    return lacking


def _tuples(runs: Runs, names: list[str]) -> list[bytes]:
    table = np.column_stack([*(runs.columns[name] for name in names), runs.loss, runs.weights])
    return [row.tobytes() for row in table]


def _rows(runs: Runs, which: list[int]) -> str:
    more = f" and {len(which) - NAMED:,} more" if len(which) > NAMED else ""
    return ", ".join(runs.row(k) for k in which[:NAMED]) + more


def _versions(made_by: Mapping[str, Any] | None) -> list[str]:
    """Return a sentence on versions that are others now."""
    now = versions()
    other = [
        f"{name} {short(then)[1:-1]} then, {now[name]} now"
        for name, then in (made_by or {}).items()
        if name in now and then != now[name]
    ]
    return [f"other versions: {', '.join(other)}"] if other else []


def _left_out(old: Runs, new: Runs) -> list[str]:
    then, now = len(old.dropped), len(new.dropped)
    if then == now:
        return []
    return [f"{many(now, 'row')} left out of the table, {then:,} of that of the fit"]
