"""What `fit_many` returns: a mapping from the names of tables to their fits, and one artefact."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale.files.document import plain, versions
from jaxscale.files.durable import write_atomically
from jaxscale.fitting.account import error_text
from jaxscale.fitting.assembly import Found, concluded
from jaxscale.fitting.certificate import Certificate
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.shown.blocks import MOST, Block, Grid, Shown, said
from jaxscale.shown.frames import frame
from jaxscale.text import many, quantity, short

SCHEMA = 1
SHOWN = 5
"""Tables whose doubts the text has; the document has all."""


@dataclasses.dataclass(frozen=True)
class Solved(Shown):
    """A table that is solved and certified, its errors and suspects not worked out yet."""

    found: Found
    certificate: Certificate
    settings: Mapping[str, Any]
    seconds: Mapping[str, float]

    def result(self) -> FitResult:
        """Return the fit."""
        result = concluded(self.found, self.certificate)
        return dataclasses.replace(result, settings=dict(self.settings), seconds=dict(self.seconds))


class ManyFits(Shown, Mapping[str, FitResult]):
    """The fits of many tables, by name: `many["c4"]` is the `FitResult` of its own fit.

    A mapping over the tables that were fitted, in the order in which they were given. Certificates
    are there at once; errors and suspects of a fit when it is first looked at.

    Attributes:
        names: of all tables, refused ones included.
        refused: why a table could not be fitted, by its name.
        seconds: {"compile", "solve", "total"} of all together.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> halves = {"even": runs.select(runs.rows % 2 == 0, "odd row"), "all": runs}
        >>> many = jaxscale.fit_many("Chinchilla", halves, starts=64)
        >>> many.trusted, many.law.alpha.round(2)
        (True, array([0.39, 0.42]))
    """

    def __init__(
        self,
        names: Sequence[str],
        solved: Mapping[str, Solved | FitResult],
        refused: Mapping[str, str],
        seconds: Mapping[str, float],
    ) -> None:
        """Put together what was solved.

        Args:
            names: of all tables.
            solved: by name.
            refused: by name, why there is no fit.
            seconds: of all together.
        """
        self.names, self.refused, self.seconds = tuple(names), dict(refused), dict(seconds)
        self._solved = {name: solved[name] for name in self.names if name in solved}

    def __getitem__(self, name: str) -> FitResult:
        if name in self.refused:
            raise KeyError(f"table {short(name)} was refused: {self.refused[name]}")
        known = self._solved[name]
        if isinstance(known, Solved):
            known = self._solved[name] = known.result()
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(self._solved)

    def __len__(self) -> int:
        return len(self._solved)

    @property
    def certificates(self) -> dict[str, Certificate]:
        """The certificate of every table that was fitted."""
        return {name: each.certificate for name, each in self._solved.items()}

    @property
    def trusted(self) -> bool:
        """Whether every table was fitted, and nothing speaks against any fit."""
        sound = all(each.certificate.trusted for each in self._solved.values())
        return sound and bool(self._solved) and not self.refused

    @property
    def law(self) -> Law:
        """The law whose parameters are arrays [T], one value per table that was fitted.

        Raises:
            ValueError: no table was fitted.
        """
        laws = [_law(each) for each in self._solved.values()]
        if not laws:
            raise ValueError("no table was fitted")
        values = {
            name: np.array([law.values[name] for law in laws], float) for name in laws[0].values
        }
        return laws[0].replace(**values)

    def with_settings(self, **settings: Any) -> ManyFits:
        """Return the same with more said of how every fit was asked for.

        Args:
            **settings: what to add, by name; plain values.
        """
        solved = {
            name: dataclasses.replace(each, settings={**each.settings, **settings})
            for name, each in self._solved.items()
        }
        return ManyFits(self.names, solved, self.refused, self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document as a dict of plain Python values."""
        document = {
            "schema_version": SCHEMA,
            "names": list(self.names),
            "fits": {name: fit.to_dict(nested=False) for name, fit in self.items()},
            "refused": dict(self.refused),
            "seconds": dict(self.seconds),
            "versions": versions(),
        }
        written: dict[str, Any] = plain(document)
        return written

    def to_json(self) -> str:
        """Return the JSON text; numbers keep all digits, NaN and infinities become null."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file, the old one staying whole until the new one is.

        Args:
            path: the file; its folder must exist.

        Raises:
            OSError: the file could not be written.
        """
        write_atomically(Path(path), self.to_json().encode() + b"\n")

    def table(self, *, kind: str | None = None) -> Any:
        """Return a dataframe with a row per table that was fitted.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the kind of frame that the runs
                came from, else the first of these that is installed.

        Returns:
            Columns table, runs, every parameter with its standard error, trusted and reason.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        own = next((fit.runs.frame_kind for fit in self.values()), "")
        return frame(many_columns(self), kind, own)

    def _blocks(self) -> list[Block]:
        return many_blocks(self, MOST)


def _law(each: Solved | FitResult) -> Law:
    return each.found.law if isinstance(each, Solved) else each.law


def many_blocks(fits: ManyFits, most: int | None = None) -> list[Block]:
    """Return the short readable account: one line per table.

    Args:
        fits: of all tables.
        most: tables that are looked at; None for all. What a fit says beside its law is worked out
            when it is first looked at.
    """
    head = f"{len(fits)} of {many(len(fits.names), 'table')} fitted"
    if not len(fits):
        return [head, *said(many_notes(fits, most))]
    some = dict(islice(fits.items(), most))
    first = next(iter(some.values()))
    cls, names = type(first.law), list(first.law.parameters)
    rows = [["table", "runs", *names, "trusted"]]
    for name, fit in some.items():
        values = [_with_error(fit, parameter) for parameter in names]
        trusted = "yes" if fit.certificate.trusted else "no"
        rows.append([name, str(len(fit.runs)), *values, trusted])
    rest = len(fits) - len(some)
    return [
        f"{cls.__name__}: {cls.formula()}",
        f"{head}, {first.loss} on {first.residual} residuals",
        "",
        Grid(rows, "<>" + "<" * (len(names) + 1)),
        *([f"and {many(rest, 'more row')}"] if rest else []),
        *said(many_notes(fits, most)),
    ]


def many_columns(fits: ManyFits) -> dict[str, Any]:
    """Return the columns of a dataframe with a row per table."""
    found: dict[str, Any] = {"table": list(fits), "runs": [len(x.runs) for x in fits.values()]}
    names = list(next(iter(fits.values())).law.parameters) if len(fits) else []
    for name in names:
        found[name] = [float(getattr(fit.law, name)) for fit in fits.values()]
        errors = [float(fit.errors.get(name, math.nan)) for fit in fits.values()]
        found[f"{name}_standard_error"] = errors
    certificates = fits.certificates.values()
    found["trusted"] = [each.trusted for each in certificates]
    return found | {"reason": [" ".join(each.reasons) for each in certificates]}


def _with_error(fit: FitResult, name: str) -> str:
    held = " (fixed)" if name in fit.fixed else ""
    return f"{quantity(getattr(fit.law, name))} {error_text(fit, name)}{held}".strip()


def many_notes(fits: ManyFits, most: int | None = None) -> list[str]:
    """Return why tables were refused, and why fits are not to be trusted.

    Args:
        fits: of all tables.
        most: tables whose warnings are looked at; None for all.
    """
    told = [f"{name} was refused: {why}" for name, why in list(fits.refused.items())[:SHOWN]]
    told += _rest(len(fits.refused), "refused table")
    doubted = {name: each.reasons for name, each in fits.certificates.items() if not each.trusted}
    for name, reasons in list(doubted.items())[:SHOWN]:
        told.append(f"{name}: {' '.join(reasons)}")
    told += _rest(len(doubted), "fit that is not to be trusted", "fits that are not to be trusted")
    warned = [(name, fit.warnings) for name, fit in islice(fits.items(), most) if fit.warnings]
    for name, warnings in warned[:SHOWN]:
        told.append(f"{name}: {'; '.join(warnings)}")
    return told + _rest(len(warned), "table with warnings", "tables with warnings")


def _rest(count: int, one: str, several: str = "") -> list[str]:
    if count <= SHOWN:
        return []
    return [f"and {many(count - SHOWN, 'more ' + one, several and 'more ' + several)} (--json)"]
