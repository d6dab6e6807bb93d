"""The columns of runs as numbers, and what their source calls its rows and columns in messages."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

from jaxscale.data.headers import made_from
from jaxscale.data.hints import suggestion
from jaxscale.errors import DataError
from jaxscale.flops import Flops, SixND, parameters_for, tokens_for
from jaxscale.text import listing, short

LETTERS = ("N", "D", "C")
"""Columns of which any two give the third."""
LIKELY = {
    "N": re.compile(r"param|size|参数", re.IGNORECASE),
    "D": re.compile(r"tok(?!/s)|data|数据|词元", re.IGNORECASE),
    "C": re.compile(r"flop|compute|算力|计算量", re.IGNORECASE),
    "S": re.compile(r"step|iter|步", re.IGNORECASE),
}
"""What is in the name of a column that may be meant by a letter, though it is not called so."""
WIDTH = 48
"""Characters of a column's name, where a person is to choose one."""


class Sourced:
    """What `Runs` has from its source, and how that is called."""

    columns: dict[str, np.ndarray]
    rows: np.ndarray
    source: str
    names: dict[str, str]
    unread: dict[str, str]
    called: dict[int, str]

    def column(
        self, name: str, flops: Flops | None = None, *, besides: Sequence[str] = ()
    ) -> np.ndarray:
        """Return a column [n]; the third of N, D, C follows from the other two.

        Args:
            name: N, D, C or another column.
            flops: FLOPs model that ties N, D and C; default C = 6 N D.
            besides: other columns that will be asked for; what is missing of them is said as well.

        Raises:
            DataError: the column is missing and cannot be worked out.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> ratio = runs.column("D") / runs.column("N")
            >>> f"{ratio.min():.1f} to {ratio.max():.1f} tokens per parameter"
            '0.3 to 826.1 tokens per parameter'
        """
        if name in self.columns:
            return self.columns[name]
        if name in self.unread:
            raise DataError(self.unread[name])
        if name == "loss":
            raise DataError(
                f"{self.source}: losses are what a law gives, and no input of one; they are in "
                "runs.loss, and another column of them can be read under another name"
            )
        have = {letter: self.columns.get(letter) for letter in "NDC"}
        if name in have and sum(column is not None for column in have.values()) == 2:
            model = flops or SixND()
            with np.errstate(all="ignore"):
                if name == "C":
                    return np.asarray(model(have["N"], have["D"]), float)
                if name == "D":
                    return np.asarray(tokens_for(model, have["N"], have["C"]), float)
                return np.asarray(parameters_for(model, have["D"], have["C"]), float)
        third = "; the third of N, D and C follows from the other two"
        if name not in have:
            third = (
                "; text is no input: give a category as a column of 0 and 1, or fit its tables "
                "with --by, or Grouped"
            )
        sizes = [letter for letter in (*LETTERS, "S") if letter in self.columns]
        has = [column for column in self.columns if not column.startswith("\0")]
        near = self._near(name)
        rest = [column for column in (*has, "loss") if column not in near]
        cure, shell = self._cure(name)
        alone = ""
        if name in have and len(sizes) == 1 and not near:
            alone = (
                f"Only {sizes[0]} is here, so try a law of one scale: law='PowerLaw:{sizes[0]}' "
                f"(--law PowerLaw:{sizes[0]}). Or name {name} "
            )
        pattern = suggestion(itertools.islice(self.called.values(), 8)) if name in have else ""
        raise DataError(
            f"{self.source}, {self.span()}: no column {name!r} of numbers, and no way to work it "
            f"out (columns of numbers: {listing([*near, *rest], width=WIDTH)}{third}). "
            f"{alone or 'Name it '}with map={{{cure}}} ({shell})"
            + (f", or take it from the names: --parse '{pattern[:60]}'" if pattern else "")
            + self._likewise([other for other in besides if other != name])
        )

    def _near(self, name: str) -> list[str]:
        """Return the columns that a letter may mean."""
        like = LIKELY.get(name)
        named = (c for c in self.columns if c not in LIKELY and not c.startswith("\0"))
        return [c for c in named if like and like.search(c)]

    def _cure(self, name: str) -> tuple[str, str]:
        """Return how a column is named, in Python and at the shell."""
        meant = next(iter(self._near(name)), "COLUMN")
        shell = f"{name}={meant}" if re.fullmatch(r"[\w./-]+", meant) else f"'{name}={meant}'"
        return f"{name!r}: {meant!r}", f"--column {shell}"

    def _likewise(self, names: Sequence[str]) -> str:
        gone = [n for n in names if n not in self.columns and n not in self.unread]
        have = sum(letter in self.columns for letter in LETTERS)
        gone = [n for n in gone if n not in LETTERS or have < 2]
        if not gone:
            return ""
        cures = [self._cure(n) for n in gone]
        return (
            f". Likewise map={{{', '.join(python for python, _ in cures)}}} "
            f"({' '.join(shell for _, shell in cures)})"
        )

    def column_called(self, name: str) -> str:
        """Return the name here of a column that the source may call otherwise.

        Args:
            name: here or in the source.
        """
        if name in self.columns:
            return name
        known = self.names.items()
        return next((k for k, called in known if name in (called, made_from(called)[1])), name)

    def where(self, index: int) -> str:
        """Return how to name a run in a message.

        Args:
            index: of the run, from 0.
        """
        return f"{self.source}, row {self.row(index)}"

    def row(self, index: int) -> str:
        """Return the row of a run, with what the run is called: `12 (tiny-350M)`.

        Args:
            index: of the run, from 0.
        """
        return self.row_called(int(self.rows[index]))

    def row_called(self, row: int) -> str:
        """Return a row as the source counts it, left out or not, with what its run is called.

        Args:
            row: as the source counts it.
        """
        return f"{row} ({self.called[row]})" if row in self.called else str(row)

    def come_again(self) -> bool:
        """Return whether the names of runs come twice and more, as those of a log do."""
        named = [name for row in self.rows if (name := self.called.get(int(row)))]
        return 0 < 2 * len(set(named)) <= len(named)

    def span(self) -> str:
        """Return how to name all the rows in a message."""
        if len(self.rows) < 2:
            return f"row {self.rows[0]}" if len(self.rows) else "no rows"
        return f"rows {self.rows[0]} to {self.rows[-1]}"

    def label(self, name: str) -> str:
        """Return how the source calls a column, or what it was worked out from.

        Args:
            name: of a column here.
        """
        if name in LETTERS and name not in self.columns:
            known = " and ".join(letter for letter in LETTERS if letter in self.columns)
            return f"{name!r} (worked out from {known})"
        called = self.names.get(name, name)
        return repr(name) if called == name else f"{short(called)} ({name})"
