"""Reading named tables and checking that they are what their name stands for."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale.data.columns import numeric
from jaxscale.data.runs import Runs, read_runs
from jaxscale.data.tables import read_table
from jaxscale.datasets.catalogue import ENTRIES
from jaxscale.datasets.downloading import downloaded, instead, url_of
from jaxscale.datasets.entry import Entry, Source
from jaxscale.errors import DataError
from jaxscale.text import listing

PACKAGE = Path(__file__).parent
CURVE = ("step", "tokens", "lr", "train_loss", "loss", "accuracy")
UNITS = {"N": "parameters", "D": "tokens", "C": "FLOPs", "S": "steps", "group": "label"}


def names() -> list[str]:
    """Return the names that `load` knows, the shipped table first.

    Returns:
        The names.

    Example:
        >>> import jaxscale
        >>> jaxscale.datasets.names()[0]
        'stdlib_ladder'
    """
    return list(ENTRIES)


def at_hand() -> list[str]:
    """Return the names whose tables are here: the shipped one, and those with a local copy.

    Returns:
        The names; each can be loaded without a network.

    Example:
        >>> import jaxscale
        >>> "stdlib_ladder" in jaxscale.datasets.at_hand()
        True
    """
    return [name for name, entry in ENTRIES.items() if entry.source is None or _local(entry)]


def load(name: str, *, progress: bool = False) -> Runs:
    """Return the runs of a named table.

    A public table is read from a copy below the folder of the environment variable JAXSCALE_DATA;
    else its source is downloaded once, where that is a plain CSV. `card(name)` says from where.

    Args:
        name: one of `names()`.
        progress: show a bar while downloading.

    Returns:
        The runs, with N [parameters], D [tokens], C [FLOPs] where the source gives it, loss (mostly
        nats/token, see the card), and what else `card(name)` lists; every column [n].

    Raises:
        DataError: there is no such name; there is no copy and no way to download one; or the
            numbers are not those that the name stands for (a download is then removed).

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> len(runs), float(runs.loss.min())
        (68, 1.27587)
    """
    entry = _entry(name)
    if entry.source is None:
        return read_runs(PACKAGE / entry.file, map=entry.columns).replace(source=name)
    local = _local(entry)
    if local is not None:
        runs = _read(name, entry, local, entry.columns, entry.where)
        if not _as_recorded(runs, entry):
            raise DataError(
                f"{local}: {len(runs)} rows whose numbers are not those of {name!r} "
                f"({entry.rows} rows); put the table that `jaxscale datasets {name}` describes "
                "there, or read this one with read_runs"
            )
        return runs
    return _from_source(name, entry, entry.source, progress)


def load_curves(name: str) -> dict[str, dict[str, np.ndarray]]:
    """Return the runs of a shipped table on their way.

    Args:
        name: of a table with curves, "stdlib_ladder".

    Returns:
        By run, in the order of the runs of `load(name)`, columns [m], one value per evaluation;
        step, tokens (so far), lr (of that step), train_loss [nats/token], loss [nats/token, held
        out] and accuracy [share].

    Raises:
        DataError: there is no such name, or the table has no curves.

    Example:
        >>> import jaxscale
        >>> curves = jaxscale.datasets.load_curves("stdlib_ladder")
        >>> len(curves), list(next(iter(curves.values())))
        (68, ['step', 'tokens', 'lr', 'train_loss', 'loss', 'accuracy'])
    """
    entry = _entry(name)
    path = (PACKAGE / entry.file).with_name("curves.csv")
    if entry.source is not None or not path.is_file():
        have = [other for other, known in ENTRIES.items() if known.source is None]
        raise DataError(f"{name!r} has no curves; tables with curves: {listing(have)}")
    table = read_table(path)
    runs = np.array(table.columns["run"])
    every = np.ones(len(runs), bool)
    columns = {column: numeric(table, column, every, "plain") for column in CURVE}
    order = read_table(PACKAGE / entry.file).columns["run"]
    return {
        run: {column: values[runs == run] for column, values in columns.items()}
        for run in order
        if run in runs
    }


def card(name: str) -> str:
    """Return what a table is: rows, columns and units, licence, paper, source.

    Args:
        name: one of `names()`.

    Returns:
        The text, of several lines.

    Raises:
        DataError: there is no such name.

    Example:
        >>> import jaxscale
        >>> print(jaxscale.datasets.card("stdlib_ladder").splitlines()[0])
        # stdlib_ladder: a ladder of small byte-level transformers
    """
    entry = _entry(name)
    if entry.source is None:
        text = (PACKAGE / entry.file).with_name("README.md").read_text(encoding="utf-8")
        return text.rstrip("\n")
    units = UNITS | {"loss": entry.unit}
    columns = dict.fromkeys(("N", "D", *entry.columns))
    shown = [f"{column} [{units[column]}]" if column in units else column for column in columns]
    source, derived = entry.source, [k for k in "ND" if k not in entry.columns]
    lines = {
        "rows": str(entry.rows),
        "columns": ", ".join(shown) + "".join(f"; {k} from C = 6 N D" for k in derived),
        "left out": f"the {entry.drop_highest} highest losses" if entry.drop_highest else "",
        "licence": entry.licence,
        "paper": entry.paper,
        "source": f"https://github.com/{source.repository}, {source.path}, commit {source.commit}",
        "download": f"{url_of(source)} (no download has been tried)"
        if source.ref
        else "none: the source is no plain table",
        "copy": f"{entry.file} in the folder that JAXSCALE_DATA names; read first"
        + (f", rows where {entry.where}" if entry.where else ""),
        "digest": entry.digest,
    }
    body = [f"{key:<9} {text}" for key, text in lines.items() if text]
    return "\n".join([f"{name}: {entry.about}", "", *body])


def content_digest(runs: Runs) -> str:
    """Return the SHA-256 of N, D and the loss: little-endian float64, column by column.

    It is the same for any file that parses to these numbers in this order, whatever its columns
    are called, so a tidy copy and its source share it.

    Args:
        runs: the runs.

    Returns:
        The digest, 64 hexadecimal digits.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> len(jaxscale.datasets.content_digest(runs))
        64
    """
    sha = hashlib.sha256()
    for values in (runs.column("N"), runs.column("D"), runs.loss):
        sha.update(np.ascontiguousarray(values, "<f8").tobytes())
    return sha.hexdigest()


def _entry(name: str) -> Entry:
    if name in ENTRIES:
        return ENTRIES[name]
    near = difflib.get_close_matches(str(name), ENTRIES, n=4, cutoff=0.5)
    hint = f"did you mean {listing(near)}? " if near else ""
    raise DataError(
        f"no table is called {str(name)[:60]!r}; {hint}All names: jaxscale.datasets.names() "
        "(jaxscale datasets)"
    )


def _local(entry: Entry) -> Path | None:
    folder = os.environ.get("JAXSCALE_DATA")
    path = Path(folder or "") / entry.file
    return path if folder and path.is_file() else None


def _from_source(name: str, entry: Entry, source: Source, progress: bool) -> Runs:
    if source.columns is None:
        raise DataError(
            f"{name}: there is no copy {instead(entry)}, and the source is no plain table: "
            f"{source.path} in https://github.com/{source.repository}, commit {source.commit}. "
            f"Write {entry.file} from it, with the columns {listing([*entry.columns.values()])}"
        )
    path = downloaded(name, entry, source, progress=progress)
    try:
        runs = _read(name, entry, path, source.columns, source.where)
        problem = "" if _as_recorded(runs, entry) else f"{len(runs)} rows of other numbers"
    except DataError as error:
        problem = str(error)[:200]
    if problem:
        path.unlink(missing_ok=True)  # or the next call would find it again
        raise DataError(
            f"{name}: {url_of(source)} does not hold the {entry.rows} rows that the name stands "
            f"for ({problem}); the downloaded file was removed. The source has changed, or the "
            f"download was damaged: try again, or put a copy {instead(entry)}"
        )
    return runs


def _read(
    name: str, entry: Entry, path: Path, columns: Mapping[str, str], where: str | None
) -> Runs:
    """Read the columns of an entry, the same whichever file they come from; N, D worked out."""
    read = read_runs(path, map=columns, where=where, drop_highest=entry.drop_highest)
    kept: dict[str, Any] = {k: read.columns[k] for k in columns if k in read.columns}
    return Runs(
        loss=read.loss,
        group=read.group if "group" in columns else None,
        rows=read.rows,
        source=name,
        dropped=read.dropped,
        names=columns,
        **kept | {letter: read.column(letter) for letter in "ND"},
    )


def _as_recorded(runs: Runs, entry: Entry) -> bool:
    return len(runs) == entry.rows and content_digest(runs) == entry.digest
