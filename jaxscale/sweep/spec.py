"""The specification of a sweep: data sets x laws x losses x residuals x seeds, read from TOML.

Everything a person may have got wrong in the file is said here, with the name of the key, before
anything is computed. It reads no table and fits nothing.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxscale._numerics.precision import PRECISIONS
from jaxscale.data.columns import check_map
from jaxscale.data.tables import is_pattern
from jaxscale.errors import DataError
from jaxscale.files.fields import LARGEST
from jaxscale.files.reading import is_stream, read_text
from jaxscale.laws.names import NamedLaw, named_law
from jaxscale.objective.losses import NAMES
from jaxscale.objective.residuals import RESIDUALS
from jaxscale.shown.blocks import Shown
from jaxscale.text import literal, short
from jaxscale.varpro.starts import MAX_STARTS

MAX_BYTES = 1 << 20
MAX_REPLICATES = 10_000_000
MAX_CHUNK = 100_000
"""Replicates of a chunk, all of whose weights are in memory at once."""
MAX_FILES = 100_000
DEEP_KEY = re.compile(r"^\s*\[*(?:[^.=,#\n]*\.){33}", re.MULTILINE)
"""A key of more than 33 parts."""


@dataclasses.dataclass(frozen=True)
class DataSet(Shown):
    """One table of a sweep: its name, its file, and the options of `read_runs`.

    `written` is the path as it stands in the specification, which is how results call it.
    """

    name: str
    path: Path
    written: str
    options: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Cell(Shown):
    """One fit of a sweep."""

    data: DataSet
    law: NamedLaw
    fix: Mapping[str, float]
    loss: str
    delta: float | None
    residual: str
    seed: int

    @property
    def id(self) -> str:
        """A readable name that is also the name of a folder."""
        loss = self.loss + ("" if self.delta is None else repr(self.delta))
        parts = (self.data.name, self.law.label, loss, self.residual, f"seed{self.seed}")
        return re.sub(r"[^A-Za-z0-9._-]+", ".", "-".join(parts))


@dataclasses.dataclass(frozen=True)
class Spec(Shown):
    """A whole sweep; the cells are the product of its axes.

    Attributes:
        path: the file.
        cells: every fit, data sets outermost, seeds innermost.
        starts: random starts per fit.
        precision: of every fit.
        bootstrap: replicates per cell, or 0.
        chunk: replicates per chunk, the unit in which bootstraps are computed and kept.
    """

    path: Path
    cells: tuple[Cell, ...]
    starts: int
    precision: str
    bootstrap: int
    chunk: int


def read_spec(path: str | Path) -> Spec:
    r"""Read a sweep's specification from a TOML file.

    Paths in it are relative to the file. The tables are `[data.NAME]` with `path` and the options
    of `read_runs`; `[sweep]` with the axes `laws`, `losses`, `deltas` (widths), `residuals`
    and `seeds` and the settings `starts`, `precision`, `bootstrap` and `chunk`; and `[fix.LAW]`
    with parameters to hold.

    Args:
        path: the TOML file.

    Returns:
        The specification, which `run_sweep` takes.

    Raises:
        ValueError: the file is missing or no TOML, or a key is unknown, missing or of another
            kind; the message names the key.

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
        >>> len(spec.cells), spec.starts
        (1, 64)
    """
    path = Path(path)
    top = _Table(path, "", _document(path))
    data = _data_sets(top)
    sweep = top.table("sweep")
    if sweep is None:
        raise ValueError(f'{path}: there is no [sweep]; it takes at least laws = ["Chinchilla"]')
    laws = _laws(sweep)
    fixes = _fixes(top, laws)
    top.end()
    _mapped(path, data, laws)
    losses = sweep.axis("losses", NAMES.__contains__, f"of {', '.join(NAMES)}", ("huber",))
    wide = [name for name, loss in NAMES.items() if loss.width is not None]
    if "deltas" in sweep.values and not set(wide) & set(losses):
        known = ", ".join(wide)
        raise sweep.wrong("deltas", f"goes with losses of a width ({known}), and losses has none")
    deltas: tuple[float | None, ...] = (None,)
    if "deltas" in sweep.values:
        deltas = sweep.axis("deltas", _positive, "of positive numbers", ())
    residuals = sweep.axis(
        "residuals", RESIDUALS.__contains__, f"of {', '.join(RESIDUALS)}", ("log",)
    )
    seeds = sweep.axis("seeds", _whole(0)[0], "of whole numbers >= 0", (0,))
    settings = {
        "starts": sweep.take("starts", *_whole(1, MAX_STARTS), 1024),
        "precision": sweep.take(
            "precision", PRECISIONS.__contains__, f"one of {', '.join(PRECISIONS)}", "float64"
        ),
        "bootstrap": sweep.take("bootstrap", *_whole(0, MAX_REPLICATES), 0),
        "chunk": sweep.take("chunk", *_whole(1, MAX_CHUNK), 512),
    }
    sweep.end()
    curves = [(loss, delta) for loss in losses for delta in (deltas if loss in wide else (None,))]
    curves = [
        (loss, float(delta) if delta is not None else NAMES[loss]().threshold)
        for loss, delta in curves
    ]
    _feasible(sweep, len(data) * len(laws) * len(residuals) * len(curves) * len(seeds), settings)
    cells = tuple(
        Cell(table, law, fixes[law.text], loss, delta, residual, seed)
        for table, law, residual, (loss, delta), seed in itertools.product(
            data, laws, residuals, curves, seeds
        )
    )
    _distinct(path, cells)
    return Spec(path, cells, **settings)


def _folder(path: Path) -> Path:
    """Return the folder from which a specification names files."""
    return Path() if is_stream(path) else path.parent


def _document(path: Path) -> dict[str, Any]:
    text = read_text(path, MAX_BYTES, "the TOML file of a sweep")
    deep = f"{path}: no specification, tables in tables without end"
    if DEEP_KEY.search(text):  # the parser takes time that grows with the square of the depth
        raise ValueError(deep)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(deep) from error
    except ValueError as error:  # TOMLDecodeError, or an integer of too many digits
        raise ValueError(f"{path}: no TOML: {error}") from error


def _feasible(sweep: _Table, cells: int, settings: dict[str, Any]) -> None:
    """Refuse a sweep of more files than a folder takes, before anything is made of it."""
    files = cells * (1 + -(-settings["bootstrap"] // settings["chunk"]))
    if cells > MAX_FILES:
        text = f"the axes multiply to {cells:,} cells, and at most {MAX_FILES:,} are made"
        raise sweep.wrong("seeds" if "seeds" in sweep.values else "laws", text)
    if files > MAX_FILES:
        text = f"{cells:,} cells would make {files:,} files, and at most {MAX_FILES:,} are made"
        raise sweep.wrong("bootstrap", f"{text}; take a larger chunk")


def _data_sets(top: _Table) -> list[DataSet]:
    tables = top.table("data")
    if tables is None or not tables.values:
        raise ValueError(
            f'{top.path}: there is no data; add a table [data.NAME] with path = "runs.csv"'
        )
    return [_data_set(tables, name) for name in list(tables.values)]


def _data_set(tables: _Table, name: str) -> DataSet:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", name):
        raise tables.wrong(name, "a name becomes part of file names: use letters, digits, _ and -")
    table = tables.table(name)
    assert table is not None
    written = table.take("path", _text, "the path of a table of runs")
    path = _folder(table.path) / written
    if not (path.is_file() or is_pattern(path)):
        raise table.wrong("path", f"there is no file {str(path)!r}")
    options = {
        key: table.take(key, good, expected)
        for key, (good, expected) in {
            "map": (_mapping, 'a table of column names, e.g. {N = "params"}'),
            "where": (_text, 'an expression, e.g. "loss < 4"'),
            "drop_highest": _whole(0),
            "bad": (("raise", "drop").__contains__, "raise or drop"),
            "units": (("plain", "auto").__contains__, "plain or auto"),
            "decimal": ((".", ",").__contains__, '"." or ","'),
            "scale": (_factors, "a table of factors, e.g. {N = 1e6}"),
            "melt": (_text, 'a pattern of columns, e.g. "{N}_{D}tok"'),
            "parse": (_text, 'a pattern of names, e.g. "{N}_{D}tok"'),
            "last_of": (_text, 'columns, e.g. "run"'),
            "end": (_text, 'how, e.g. "median:5"'),
            "best_of": (_text, 'columns, e.g. "N,D"'),
            "over": (_text, 'columns, e.g. "lr"'),
            "average_over": (_text, 'columns, e.g. "seed"'),
            "envelope": (_text, 'a column, e.g. "C"'),
        }.items()
        if key in table.values
    }
    known = ("path", "map", "where", "drop_highest", "bad", "units", "decimal", "scale")
    shaped = ("melt", "parse", "last_of", "end", "best_of", "over", "average_over", "envelope")
    table.end((*known, *shaped))
    return DataSet(name, path, written, options)


def _mapped(path: Path, data: list[DataSet], laws: list[NamedLaw]) -> None:
    """Raise for a column of a map that no law takes."""
    used = [name for law in laws for name in law.law().inputs]
    for table in data:
        try:
            check_map(table.options.get("map", {}), used, table.options.get("where"))
        except DataError as error:
            raise ValueError(f"{path}: [data.{table.name}]: {error}") from error


def _laws(sweep: _Table) -> list[NamedLaw]:
    laws = []
    for text in sweep.axis("laws", _text, "of names, e.g. Chinchilla, PowerLaw:C, mylaws.py:Mine"):
        try:
            laws.append(named_law(text, _folder(sweep.path)))
        except ValueError as error:
            raise sweep.wrong("laws", f"{short(text)}: {error}") from error
    return laws


def _fixes(top: _Table, laws: list[NamedLaw]) -> dict[str, dict[str, float]]:
    """Return the fixed parameters of every law, by the law's text."""
    tables = top.table("fix")
    found: dict[str, dict[str, float]] = {law.text: {} for law in laws}
    if tables is None:
        return found
    for name in list(tables.values):
        meant = [law for law in laws if name in (law.text, law.label, law.cls.__name__)]
        if not meant:
            known = ", ".join(law.label for law in laws)
            raise tables.wrong(name, f"no such law among laws of [sweep]: {known}")
        table = tables.table(name)
        assert table is not None
        for law in meant:
            free = law.law().free
            values = {
                key: float(table.take(key, _number, "a number"))
                for key in table.values
                if key in free
            }
            table.end(free)
            if len(values) == len(free):
                raise tables.wrong(name, f"fixes every parameter of {law.label}: nothing to fit")
            found[law.text] |= values
    tables.end(tuple(tables.values))
    return found


def _distinct(path: Path, cells: tuple[Cell, ...]) -> None:
    seen: dict[str, Cell] = {}
    for cell in cells:
        # Some file systems do not tell upper from lower case.
        if cell.id.lower() in seen:
            raise ValueError(
                f"{path}: two cells would be called {cell.id}; laws, data sets and values must "
                "differ in name"
            )
        seen[cell.id.lower()] = cell


class _Table:
    """A table of the file: hands out checked values, and names the key in every complaint."""

    def __init__(self, path: Path, name: str, values: Any) -> None:
        self.path, self.name, self.known = path, name, set[str]()
        if not isinstance(values, dict):
            raise ValueError(f"{path}: {name} must be a table [{name}], got {literal(values)}")
        self.values: dict[str, Any] = values

    def wrong(self, key: str, text: str) -> ValueError:
        """Return the error that names a key."""
        return ValueError(f"{self.path}: {key} in [{self.name}]: {text}")

    def table(self, key: str) -> _Table | None:
        """Return a table within this one, or None."""
        self.known.add(key)
        if key not in self.values:
            return None
        return _Table(self.path, f"{self.name}.{key}".lstrip("."), self.values[key])

    def take(self, key: str, good: Callable[[Any], Any], expected: str, default: Any = None) -> Any:
        """Return a value that satisfies `good`; None as default means that it is required."""
        self.known.add(key)
        if key not in self.values:
            if default is None:
                raise self.wrong(key, f"is missing; it takes {expected}")
            return default
        value = self.values[key]
        if isinstance(value, list | dict) and good is not _mapping or not good(value):
            raise self.wrong(key, f"expected {expected}, got {literal(value)}")
        return value

    def axis(
        self, key: str, good: Callable[[Any], Any], expected: str, default: Any = None
    ) -> tuple[Any, ...]:
        """Return a list of distinct values that satisfy `good`."""
        self.known.add(key)
        values = self.values.get(key, default)
        if values is None:
            raise self.wrong(key, f"is missing; it takes a list {expected}")
        if not isinstance(values, list | tuple):
            raise self.wrong(key, f"expected a list {expected}, got {literal(values)}")
        if not values:
            raise self.wrong(key, f"is empty; it takes a list {expected}")
        seen = set()
        for value in values:
            if isinstance(value, list | dict) or not good(value):
                raise self.wrong(key, f"expected a list {expected}, got {literal(value)} in it")
            if value in seen:
                raise self.wrong(key, f"has {literal(value)} twice")
            seen.add(value)
        return tuple(values)

    def end(self, allowed: tuple[str, ...] = ()) -> None:
        """Refuse keys that nobody asked for."""
        known = sorted(self.known | set(allowed))
        for key in self.values:
            if key not in known:
                where = f"in [{self.name}]" if self.name else "at the top"
                raise ValueError(
                    f"{self.path}: unknown key {short(key)} {where}; allowed: {', '.join(known)}"
                )


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


def _factors(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_positive, value.values()))


def _number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and -LARGEST <= value <= LARGEST  # an integer may be longer than any float


def _positive(value: Any) -> bool:
    return _number(value) and value > 0


def _whole(least: int, most: float = math.inf) -> tuple[Callable[[Any], bool], str]:
    """Return what tells a whole number between two others, and how to say so."""

    def good(value: Any) -> bool:
        return type(value) is int and least <= value <= most

    return good, f"a whole number >= {least}" + (f" and <= {most:,}" if most < math.inf else "")
