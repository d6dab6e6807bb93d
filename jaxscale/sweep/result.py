"""What a sweep led to, and what one would do."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxscale.shown.blocks import Block, Grid, Shown, said
from jaxscale.shown.frames import frame
from jaxscale.sweep.summary import flat_row
from jaxscale.text import many, quantity


@dataclasses.dataclass(frozen=True)
class Planned(Shown):
    """What a sweep would do about one cell.

    Attributes:
        cell: its name.
        fit: whether the fit on the disk would be reused.
        chunks: chunks of bootstrap replicates.
        reused: how many of them would be reused.
    """

    cell: str
    fit: bool
    chunks: int
    reused: int


@dataclasses.dataclass(frozen=True)
class SweepResult(Shown):
    r"""What a sweep led to.

    Attributes:
        directory: where its files are.
        rows: one mapping per cell, as in `summary.json`.
        reused: fits and chunks that were on the disk already.
        computed: fits and chunks that were computed now.
        seconds: wall time of this run.
        workers: processes that computed something.

    Example:
        >>> from pathlib import Path
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> rows = zip(runs.column("N"), runs.column("D"), runs.loss)
        >>> lines = ["N,D,loss", *(f"{N},{D},{loss}" for N, D, loss in rows)]
        >>> _ = Path("runs.csv").write_text("\n".join(lines))
        >>> text = '[data.ladder]\npath = "runs.csv"\n[sweep]\nlaws = ["Chinchilla"]\nstarts = 64\n'
        >>> _ = Path("sweep.toml").write_text(text)
        >>> spec = jaxscale.read_spec("sweep.toml")
        >>> done = jaxscale.run_sweep(spec, "results")
        >>> len(done.rows), done.failures
        (1, {})
    """

    directory: Path
    rows: tuple[Mapping[str, Any], ...]
    reused: int
    computed: int
    seconds: float
    workers: int = 1

    @property
    def failures(self) -> dict[str, str]:
        """The sentence of every cell that failed, by its name."""
        return {row["cell"]: row["error"] for row in self.rows if row["error"]}

    @property
    def trusted(self) -> bool:
        """Whether every cell was fitted and its certificate has nothing against it."""
        return all(row["trusted"] and not row["error"] for row in self.rows)

    def table(self, *, kind: str | None = None) -> Any:
        """Return the cells as a dataframe, with the columns of `summary.csv`.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict"; default the first of these that is
                installed.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        rows = [flat_row(row) for row in self.rows]
        names = dict.fromkeys(name for row in rows for name in row)
        return frame({name: _column([row.get(name) for row in rows]) for name in names}, kind)

    def _blocks(self) -> list[Block]:
        head = f"{many(len(self.rows), 'cell')} in {self.directory}: {self.computed:,} fits and "
        head += f"chunks computed, {self.reused:,} were there, {self.seconds:.1f} s"
        rows = [["cell", "runs", "objective", "trusted"]]
        for row in self.rows:
            value = "" if row["value"] is None else quantity(row["value"], 6)
            rows.append([row["cell"], str(row["n"]), value, "yes" if row["trusted"] else "no"])
        failed = [f"{cell}: {why}" for cell, why in self.failures.items()]
        return [head, Grid(rows, "<>><"), *said(failed, failed)]


def _column(cells: list[Any]) -> list[Any]:
    numbers = all(x is None or isinstance(x, int | float) for x in cells)
    return [(math.nan if numbers else "") if x is None else x for x in cells]
