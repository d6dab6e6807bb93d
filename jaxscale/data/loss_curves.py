"""Loss curves from what people already log: W&B exports, JSON Lines, CSV, TensorBoard events.

A file becomes raw tables (`tables`), a table one part per run, a part one `Curve`. Columns are
told by their names, in an order that is written down here; whatever was chosen among several is
said in the notes of the curve.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxscale.data.columns import MISSING, canonical, numeric
from jaxscale.data.melt import BOUNDS, chart_of
from jaxscale.data.table import Table
from jaxscale.data.tables import read_table
from jaxscale.errors import DataError
from jaxscale.shown.blocks import Shown
from jaxscale.text import listing, short

_NAMES = {
    "loss": "loss trainloss trainingloss learningloss traintrainloss losstrain trainlossstep "
    "trainstepsloss traincrossentropyloss trainlmloss lmloss lossmetricsglobalavgloss "
    "crossentropyloss celoss valloss evalloss validationloss testloss heldoutloss lossval "
    "losseval lossvalidation lmlossvalidation evalcrossentropyloss vallossepoch trainlossepoch",
    "step": "globalstep trainerglobalstep trainglobalstep step trainstep trainingstep steps "
    "iteration iterations iter trainiter niter update updates optimizerstep _step",
    "lr": "lr learningrate trainlr trainlearningrate traininglr traininglearningrate "
    "learninglearningrate learningcurrentlearningrate optimlr optimlearningrate optimizerlr "
    "optimizerlearningrate optimlearningrategroup0 learningrategroup0 currentlr "
    "schedulelr opttrainlr",
    "run": "run runname runid name experiment experimentname",
}
ALIASES: dict[str, tuple[str, ...]] = {k: tuple(v.split()) for k, v in _NAMES.items()}
"""Names that loggers use, in lower case without punctuation, best first by what they mean.

A step of the optimizer goes before `_step`, which at W&B counts calls of `log`.
"""

LIKE = {"loss": re.compile(r".*loss"), "step": re.compile(r"(?!)"), "lr": re.compile(r"lr[a-z].*")}
"""Other names, tried last: `distill/loss`, `lr-AdamW/pg1`."""

BLANK = frozenset(MISSING) - {"nan"}  # a loss that is "nan" was logged; an empty cell was not
LARGEST = 2**31 - 1
EVENTS = "events.out.tfevents."


@dataclasses.dataclass(frozen=True, eq=False)
class Curve(Shown):
    """The losses of one run in order of its steps.

    Attributes:
        step: increasing, from 0 [n], int64.
        loss: in the unit of the log [n]; NaN and infinities stay.
        lr: learning rate of each step [n], or None where it was not logged. Between the steps
            where it was, and is finite, it is interpolated.
        name: of the run.
        source: the file or folder.
        notes: what was chosen or left out while reading.
        column: what the loss is called there.
    """

    step: np.ndarray
    loss: np.ndarray
    lr: np.ndarray | None
    name: str
    source: str
    notes: tuple[str, ...] = ()
    column: str = "loss"

    def __len__(self) -> int:
        return len(self.step)

    def until(self, step: float) -> Curve:
        """Return the part up to and with a step."""
        seen = self.step <= step
        lr = None if self.lr is None else self.lr[seen]
        return dataclasses.replace(self, step=self.step[seen], loss=self.loss[seen], lr=lr)


class _Part(NamedTuple):
    """What belongs to one run in a table."""

    name: str
    table: Table
    rows: np.ndarray  # [rows] bool
    labels: dict[str, str]  # what a quantity is called within the run -> its column


def read_metrics(
    path: str | Path,
    *,
    loss: str | None = None,
    step: str | None = None,
    lr: str | None = None,
    run: str | None = None,
) -> dict[str, Curve]:
    """Read the loss curves of a file of metrics.

    Args:
        path: a table as `read_table` reads it, a history or a chart that Weights & Biases
            exported as CSV, an event file of TensorBoard, or a folder with event files (those in
            one folder are one run). Rows without a loss are skipped.
        loss: column or tag of the loss; default the first of `ALIASES["loss"]`.
        step: likewise of the step.
        lr: likewise of the learning rate.
        run: read this run only.

    Returns:
        The curves by the name of their run; a file of one nameless run gives its own name.

    Raises:
        DataError: the file cannot be read, a column is missing, a cell is no number, a step is no
            whole number, or there is no such run; the message names row and column.
    """
    wanted = {"loss": loss, "step": step, "lr": lr}
    parts = [part for name, table in _tables(Path(path)) for part in _parts(name, table)]
    names = [part.name for part in parts]
    if run is not None:
        parts = [part for part in parts if part.name == run]
        if not parts:
            near = difflib.get_close_matches(run, names, n=1)
            hint = f"did you mean {short(near[0])}? " if near else ""
            raise DataError(f"{path}: no run {short(run)}; {hint}it has {listing(names)}")
    elif len(parts) > 1:  # beside others, a run without the loss is no reason to refuse the file
        parts = [part for part in parts if _candidates(part, "loss", loss, part.rows)] or parts[:1]
    return {part.name: _curve(part, wanted) for part in parts}


def _tables(path: Path) -> list[tuple[str, Table]]:
    """Return the tables of a file or folder, each with the name of its run."""
    if path.name.startswith(EVENTS) or path.is_dir():
        return _event_tables(path)
    name = path.name
    for _ in path.suffixes[-2:]:
        name = re.sub(r"\.(gz|xz|csv|tsv|txt|jsonl|ndjson|json|parquet)$", "", name, flags=re.I)
    return [(name, read_table(path))]


def _parts(name: str, table: Table) -> Iterator[_Part]:
    """Split a table into its runs: a chart by columns, another by the column of the run."""
    everything = np.ones(len(table.lines), bool)
    chart = chart_of(table)
    if chart:
        shared = {c: c for c in table.columns if " - " not in c and not c.endswith(BOUNDS)}
        for run, labels in chart.items():
            yield _Part(run or name, table, everything, {**shared, **labels})
        return
    labels = {column: column for column in table.columns}
    column = next(iter(_candidates(_Part(name, table, everything, labels), "run", None)), None)
    if column is None:
        yield _Part(name, table, everything, labels)
        return
    cells = table.columns[column]
    texts = np.array([f"{x:g}" if isinstance(x, float) else str(x).strip() for x in cells])
    texts[~filled(cells)] = ""
    runs = [run for run in dict.fromkeys(texts.tolist()) if run]
    for run in runs:  # rows without a name belong to the run where there is one only
        yield _Part(run, table, everything if len(runs) == 1 else texts == run, labels)


def _canonical(name: str) -> str:
    return "_" * name.startswith("_") + canonical(name)


def filled(cells: Sequence[Any]) -> np.ndarray:
    """Return which cells hold something [rows]."""
    if isinstance(cells, np.ndarray):
        return np.asarray(~np.isnan(cells))
    return np.array(
        [c is not None and not (isinstance(c, str) and c.lower() in BLANK) for c in cells], bool
    )


def _candidates(
    part: _Part, what: str, wanted: str | None, rows: np.ndarray | None = None
) -> list[str]:
    """Return the columns that may be a quantity, best first, and hold something in the rows."""
    rows = part.rows if rows is None else rows
    if wanted is not None:
        same = [c for k, c in part.labels.items() if _canonical(k) == _canonical(wanted)]
        column = part.labels.get(wanted, wanted if wanted in part.labels.values() else None)
        found = [column] if column else same[:1]
    else:
        by_name: dict[str, list[str]] = {}
        for label, column in part.labels.items():
            by_name.setdefault(_canonical(label), []).append(column)
        found = [column for alias in ALIASES[what] for column in by_name.get(alias, ())]
        if not found and what in LIKE:
            found = [c for k, cs in by_name.items() if LIKE[what].fullmatch(k) for c in cs]
    return [c for c in found if (filled(part.table.columns[c]) & rows).any()]


def _column(part: _Part, what: str, wanted: str | None, rows: np.ndarray, notes: list[str]) -> str:
    """Return the column of a quantity; say in the notes which others it might have been."""
    found = _candidates(part, what, wanted, rows)
    if found:
        if len(found) > 1:
            others = listing(found[1:], 4)
            notes.append(
                f"{what} is column {short(found[0])}; --column {what}=COLUMN could also be {others}"
            )
        return found[0]
    table, names = part.table, list(part.labels)
    near = difflib.get_close_matches(wanted or what, names, n=3, cutoff=0.5)
    has = listing([*near, *(name for name in names if name not in near)])
    of_run = f" for run {short(part.name)}" if len(part.labels) < len(table.columns) else ""
    given = f"--column {what}={(wanted or 'COLUMN')[:40]}"
    if wanted is not None and (wanted in part.labels or wanted in part.labels.values()):
        raise DataError(f"{table.top}: column {short(wanted)} ({given}) holds no number{of_run}")
    if wanted is not None:
        raise DataError(f"{table.top}: {given}: no column {short(wanted)}{of_run}; there are {has}")
    raise DataError(
        f"{table.top}: no column of the {what} is recognized{of_run}; there are {has}. Name it "
        f"with {what}='COLUMN' ({given})"
    )


def _curve(part: _Part, wanted: dict[str, str | None]) -> Curve:
    """Return the curve of a part: losses sorted by step, the rate interpolated to them."""
    table, notes = part.table, list(part.table.notes)
    column = _column(part, "loss", wanted["loss"], part.rows, notes)
    logged = part.rows & filled(table.columns[column])
    counter = _column(part, "step", wanted["step"], logged, notes)
    counted = part.rows & filled(table.columns[counter])
    used = logged & counted
    if used.sum() < logged.sum():
        lost = int(logged.sum() - used.sum())
        notes.append(
            f"left out {lost} of {logged.sum()} losses: no step in column {short(counter)}"
        )
    step = _whole(table, counter, used)[used]
    loss = numeric(table, column, used, "plain")[used]
    order = np.argsort(step, kind="stable")
    step, loss = step[order], loss[order]
    last = np.append(step[1:] != step[:-1], True)
    if not last.all():
        notes.append(
            f"left out {int((~last).sum())} of {len(step)} losses: logged again at the same step "
            "(a resumed run?)"
        )
    step, loss = step[last], loss[last]
    lr = None
    if wanted["lr"] is not None or _candidates(part, "lr", None, counted):
        rate = _column(part, "lr", wanted["lr"], counted, notes)
        lr = _rate(part, rate, counter, counted, step, notes=notes)
        if lr is None and wanted["lr"] is not None:
            given = f"--column lr={rate[:40]}"
            raise DataError(f"{table.top}: column {short(rate)} ({given}) holds no finite number")
    return Curve(step, loss, lr, part.name, table.source, tuple(notes), column)


def _whole(table: Table, column: str, rows: np.ndarray) -> np.ndarray:
    """Return a column of steps [rows], int64; 0 in rows that are not asked for."""
    values = numeric(table, column, rows, "plain")
    bad = rows & ~((values >= 0) & (values <= LARGEST) & (values == np.floor(values)))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        large = "; are these tokens?" if values[row] > LARGEST else ""
        raise DataError(
            f"{table.source}, {table.where(row)}, column {short(column)}: a step is a whole number "
            f"from 0 to {LARGEST}, got {short(table.columns[column][row])}{large}"
        )
    return np.where(rows, values, 0).astype(np.int64)


def _rate(
    part: _Part,
    column: str,
    counter: str,
    counted: np.ndarray,
    step: np.ndarray,
    *,
    notes: list[str],
) -> np.ndarray | None:
    """Return the learning rate at the steps [n]; it may have been logged in other rows.

    Where it was not, or is not finite, it is interpolated; the latter is said in the notes. None
    where none is finite.
    """
    table = part.table
    rows = counted & filled(table.columns[column])
    values = numeric(table, column, rows, "plain")
    bad = rows & (values < 0) & np.isfinite(values)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{table.source}, {table.where(row)}, column {short(column)}: a learning rate is at "
            f"least 0, got {short(table.columns[column][row])}"
        )
    unknown = rows & ~np.isfinite(values)
    if unknown.any():
        few = f"{int(unknown.sum())} of {int(rows.sum())} learning rates are not finite"
        rows &= ~unknown
        notes.append(f"{few}; " + ("interpolated from the others" if rows.any() else "left out"))
    if not rows.any():
        return None
    known = _whole(table, counter, rows)[rows]
    order = np.argsort(known, kind="stable")
    known, values = known[order], values[rows][order]
    last = np.append(known[1:] != known[:-1], True)
    rates: np.ndarray = np.interp(step, known[last], values[last])
    return rates


def _event_tables(path: Path) -> list[tuple[str, Table]]:
    """Return one table per folder of event files, one column per tag of scalars."""
    if not path.exists():
        raise DataError(f"{short(path, 200)}: no such file")
    files = sorted(path.rglob(f"*{EVENTS}*")) if path.is_dir() else [path]
    folders: dict[Path, list[Path]] = {}
    for file in files:
        if file.is_file():
            folders.setdefault(file.parent, []).append(file)
    if not folders:
        raise DataError(f"{path}: a folder without event files of TensorBoard ({EVENTS}*)")
    found: list[tuple[str, Table]] = []
    for folder, group in folders.items():
        inside = folder != path and path.is_dir()
        name = str(folder.relative_to(path)) if inside else folder.resolve().name
        rows = _event_rows(group)
        if rows:
            tags = dict.fromkeys(tag for row in rows for tag in row)
            columns: dict[str, Any] = {tag: [row.get(tag) for row in rows] for tag in tags}
            source = str(path if not path.is_dir() else folder)
            found.append((name, Table(columns, list(range(1, len(rows) + 1)), source)))
    if not found:
        raise DataError(f"{path}: the event files of TensorBoard hold no scalars")
    return found


def _event_rows(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the scalars of one run, a row per step; what is logged again opens another row."""
    try:
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
        from tensorboard.compat.proto import types_pb2
        from tensorboard.util import tensor_util
    except ImportError as error:
        raise DataError(
            f"{files[0]}: event files of TensorBoard need its package; install it with: "
            "pip install 'jaxscale[tensorboard]'"
        ) from error
    rows: list[dict[str, Any]] = []
    latest: dict[int, dict[str, Any]] = {}
    for file in files:
        for event in EventFileLoader(str(file)).Load():  # simple values come as tensors, too
            for value in event.summary.value:
                if not value.HasField("tensor") or value.tensor.dtype == types_pb2.DT_STRING:
                    continue
                array = tensor_util.make_ndarray(value.tensor)
                if array.size != 1:
                    continue
                row = latest.get(event.step)
                if row is None or value.tag in row:
                    row = latest[event.step] = {"step": event.step}
                    rows.append(row)
                row[value.tag] = float(array.item())
    return rows
