"""What `fit_many` returns: a mapping from the names of tables to their fits, and one artefact."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
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
from jaxscale.text import columns, many, marked, quantity, short

SCHEMA = 1
SHOWN = 5
"""Tables whose doubts the text has; the document has all."""


@dataclasses.dataclass(frozen=True)
class Solved:
    """A table that is solved and certified, its errors and suspects not worked out yet."""

    found: Found
    certificate: Certificate
    settings: Mapping[str, Any]
    seconds: Mapping[str, float]

    def result(self) -> FitResult:
        """Return the fit."""
        result = concluded(self.found, self.certificate)
        return dataclasses.replace(result, settings=dict(self.settings), seconds=dict(self.seconds))


class ManyFits(Mapping[str, FitResult]):
    """The fits of many tables, by name: `many["c4"]` is the `FitResult` of its own fit.

    A mapping over the tables that were fitted, in the order in which they were given. Certificates
    are there at once; errors and suspects of a fit when it is first looked at.

    Attributes:
        names: of all tables, refused ones included.
        refused: why a table could not be fitted, by its name.
        seconds: {"compile", "solve", "total"} of all together.
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

    def __repr__(self) -> str:
        gone = f", {len(self.refused)} refused" if self.refused else ""
        return f"ManyFits({many(len(self), 'fit')}{gone})"

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
        """Return the same with more said of how every fit was asked for."""
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

        Raises:
            OSError: the file could not be written.
        """
        write_atomically(Path(path), self.to_json().encode() + b"\n")

    def __str__(self) -> str:
        return many_table(self)


def _law(each: Solved | FitResult) -> Law:
    return each.found.law if isinstance(each, Solved) else each.law


def many_table(fits: ManyFits) -> str:
    """Return the short readable account: one line per table."""
    head = f"{len(fits)} of {many(len(fits.names), 'table')} fitted"
    lines = [head]
    if len(fits):
        first = next(iter(fits.values()))
        cls = type(first.law)
        lines[0] = (
            f"{cls.__name__}: {cls.formula()}\n{head}, {first.loss} on {first.residual} residuals"
        )
        names = list(first.law.parameters)
        rows = [["table", "runs", *names, "trusted"]]
        for name, fit in fits.items():
            values = [_with_error(fit, parameter) for parameter in names]
            said = "yes" if fit.certificate.trusted else "no"
            rows.append([name, str(len(fit.runs)), *values, said])
        lines += ["", columns(rows, "<>" + "<" * (len(names) + 1))]
    return "\n".join(lines) + marked(many_notes(fits))


def _with_error(fit: FitResult, name: str) -> str:
    held = " (fixed)" if name in fit.fixed else ""
    return f"{quantity(getattr(fit.law, name))} {error_text(fit, name)}{held}".strip()


def many_notes(fits: ManyFits) -> list[str]:
    """Return why tables were refused, and why fits are not to be trusted."""
    said = [f"{name} was refused: {why}" for name, why in list(fits.refused.items())[:SHOWN]]
    said += _rest(len(fits.refused), "refused table")
    doubted = {name: each.reasons for name, each in fits.certificates.items() if not each.trusted}
    for name, reasons in list(doubted.items())[:SHOWN]:
        said.append(f"{name}: {' '.join(reasons)}")
    said += _rest(len(doubted), "fit that is not to be trusted", "fits that are not to be trusted")
    warned = [(name, fit.warnings) for name, fit in fits.items() if fit.warnings]
    for name, warnings in warned[:SHOWN]:
        said.append(f"{name}: {'; '.join(warnings)}")
    return said + _rest(len(warned), "table with warnings", "tables with warnings")


def _rest(count: int, one: str, several: str = "") -> list[str]:
    if count <= SHOWN:
        return []
    return [f"and {many(count - SHOWN, 'more ' + one, several and 'more ' + several)} (--json)"]
