"""What the columns of a raw table mean: the letter of each by its name, its cells as numbers.

A letter may also be worked out from columns: N=1e6*params, loss=1-acc.

Every refusal names column and row, in the numbering of the table.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxscale.data.cells import MISSING, all_numbers, number, read_cell, unread
from jaxscale.data.expressions import as_name, backticks, names_in, worked_out
from jaxscale.data.headers import COUNTED, unit_for
from jaxscale.data.hints import shape_hint
from jaxscale.data.melt import chart_of
from jaxscale.data.responses import CORRECT, EXPRESSION, candidates
from jaxscale.data.table import Table
from jaxscale.errors import DataError
from jaxscale.text import listing, short

__all__ = ["MISSING", "canonical", "number", "numeric"]

_NAMES = {
    "N": "n params nparams numparams parameters numparameters nparameters parametercount "
    "paramcount modelsize size modelparams totalparams "
    "参数量 参数 参数数量 参数规模 模型参数 模型参数量 模型规模 模型大小 总参数量",
    "D": "d tokens ntokens numtokens trainingtokens traintokens totaltokens datasetsize "
    "tokenstrained throughputtotaltokens "
    "数据量 训练数据量 训练数据 数据规模 数据集大小 词元数 token数 训练token数 训练词元数",
    "C": "c flops flop compute trainingflop trainingflops trainflops totalflops computebudget "
    "计算量 训练计算量 总计算量 算力 浮点运算量 浮点运算次数",
    "S": "s scale steps smin 步数 训练步数",
    "loss": "loss valloss validationloss evalloss testloss finalloss l crossentropy "
    "crossentropyloss celoss 损失 损失值 验证损失 验证集损失 测试损失 测试集损失 交叉熵 交叉熵损失",
    "weight": "weight weights 权重",
    "group": "group 分组 组别",
    "trials": "trials ntrials numtrials questions nquestions numquestions 题数 题目数",
}
ALIASES: dict[str, tuple[str, ...]] = {k: tuple(v.split()) for k, v in _NAMES.items()}
"""Names that people use, in lower case without punctuation, by the letter they mean."""

LATER = {"D": ("tokensseen", "traintokensseen", "trainingtokensseen", "consumedtokens")}
"""Names that are taken where none of the others is there."""
LOGGED = re.compile(
    r"(?:config|summary|hparams|hyperparameters|params|args|cfg)[./]", re.IGNORECASE
)
"""What loggers put before the name of a setting."""

RESERVED = ("self", "rows", "source", "dropped", "warnings", "names", "unread", "called", "group")
"""Keywords of `Runs` that no column of numbers can be called."""

_NEAR = {
    "weight": "weights sampleweight sampleweights sigma sigmas std stds stdev stddev stderr "
    "standarderror standarddeviation se sem error errors err yerr uncertainty variance",
    "group": "groups",
}
NEAR_MISSES: dict[str, str] = {word: k for k, words in _NEAR.items() for word in words.split()}
"""Names by which other packages call what is a weight or a group here."""

ERRORS = ("error", "errors", "se", "sem", "stderr", "standarderror", "sigma", "yerr", "err")
"""Names, in lower case without punctuation, of the standard error of what was measured."""
IN_TABLE = "call the column so in the table"


def canonical(name: str) -> str:
    """Return a name in lower case without punctuation, Chinese characters kept."""
    return re.sub(r"[^a-z0-9\u4e00-\u9fff]", "", name.lower())


def _closest(wanted: str, table: Table) -> str:
    near = difflib.get_close_matches(wanted, list(table.columns), n=3, cutoff=0.5)
    return listing([*near, *(name for name in table.columns if name not in near)])


def missing_loss(table: Table) -> DataError:
    """Return the error of a table without a loss."""
    numbers = [name for name in table.columns if _is_number(name)]
    lost = " (is the header line missing?)" if len(numbers) == len(table.columns) else ""
    hint = shape_hint(table)
    has = listing([*table.columns], 4) if hint else _closest("loss", table)
    return DataError(
        f"{table.top}: no column 'loss'; the table has {has}{lost}. "
        + (f"{hint}. Or name it " if hint else "Name it ")
        + (
            "with Runs.from_dataframe(frame, map={'loss': 'COLUMN'})"
            if table.frame_kind
            else "with map={'loss': 'COLUMN'} (--column loss=COLUMN)"
        )
    )


def likely_errors(columns: Mapping[str, np.ndarray]) -> str | None:
    """Return the column that looks like standard errors; None where there is none."""
    words = {"sem", "se", "stderr"}
    for name, values in columns.items():
        named = canonical(name) in ERRORS or words & set(re.split(r"[^a-z0-9]+", name.lower()))
        if named and (values > 0).all():
            return name
    return None


def refuse_near_miss(name: str, given: str, otherwise: str) -> None:
    """Raise for a name that somebody gives for `weight` or `group`: it would be without effect.

    Args:
        name: what a column would be called.
        given: how it was given, for the message.
        otherwise: how to give it as a column nevertheless.

    Raises:
        DataError: it is such a name.
    """
    meant = NEAR_MISSES.get(canonical(name))
    if meant is None:
        return
    how = "labels"
    if meant == "weight":
        how = "how far each counts, e.g. 1 / variance; standard errors: --error COLUMN"
    raise DataError(
        f"{given} is without effect; did you mean {meant} ({how})? If a law of your own takes "
        f"{name!r}, {otherwise}"
    )


def check_map(given: Mapping[str, str], used: Sequence[str], where: str | None = None) -> None:
    """Raise for a column that is given a name which nothing uses.

    Args:
        given: letter -> column.
        used: names that the laws take, or the other options name; empty for an option left out.
        where: rows to keep, where letters may stand as well.

    Raises:
        DataError: a name is none of them; the message names the nearest.
    """
    known = list(dict.fromkeys([*ALIASES, *filter(None, used)]))
    given = {"weight" if k == "weights" else k: name for k, name in given.items()}
    for letter, name in given.items():
        if letter in known or re.search(rf"(?<!\w){re.escape(letter)}(?!\w)", where or ""):
            continue
        refuse_near_miss(letter, f"--column {letter}={name}", IN_TABLE)
        meant = [k for k, words in ALIASES.items() if canonical(letter) in words]
        near = meant or difflib.get_close_matches(letter, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DataError(
            f"--column {letter}={name}: nothing uses a column called {letter!r}; {hint}there are "
            f"{', '.join(known)}"
        )


def recognize(table: Table, given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the column of each letter, or an expression of columns, and notes on the choice.

    A column that `given` names is not taken for another letter.

    Args:
        table: the table.
        given: letter -> column, or an expression of columns; a name of a column goes before an
            expression.

    Raises:
        DataError: a letter or a column is not known, or several columns could be one letter.
    """
    names: dict[str, str] = {}
    for letter, text in given.items():
        if letter in RESERVED and letter != "group":
            raise DataError(f"--column {letter}={text}: {letter!r} is a reserved name")
        letter = "weight" if letter == "weights" else letter
        refuse_near_miss(letter, f"--column {letter}={text}", IN_TABLE)
        if text not in table.columns:
            _require_expression(table, letter, text)
        names[letter] = text
    free = [name for name in table.columns if name not in set(given.values())]
    for letter in ALIASES:
        if letter not in names and (found := _by_name(table, letter, free)):
            names[letter] = found
    notes = []
    right = [c for c in free if canonical(c) in CORRECT]
    if "loss" not in names and "trials" in names and len(right) == 1:
        names["loss"] = f"{as_name(right[0])} / {as_name(names['trials'])}"
        notes.append(f"no column is called loss: the accuracy {names['loss']} is taken")
    if "loss" not in names and not chart_of(table):
        numbers = [c for c in free if c not in names.values() and _mostly_numbers(table, c)]
        measured = candidates(numbers)
        if len(measured) > 1:
            raise DataError(
                f"{table.top}: no column 'loss'; {listing(list(measured))} could be it. Choose "
                f"with map={{'loss': {short(next(iter(measured)))}}} "
                f"(--column 'loss={next(iter(measured))[:40]}')"
            )
        for name, kind in measured.items():
            names["loss"] = name
            notes.append(
                f"no column is called loss: {short(name)} is taken, which is "
                f"{kind if kind != 'loss' else 'a loss'} by its name; another is chosen with "
                "--column loss=COLUMN"
            )
    return names, notes


def _by_name(table: Table, letter: str, free: Sequence[str]) -> str | None:
    """Return the column of a letter by its header; None where there is none."""
    aliases = ALIASES[letter]
    found = [letter] if letter in free else [c for c in free if canonical(c) in aliases]
    if not found and letter in (*COUNTED, "loss"):
        found = [c for c in free if canonical(unit_for(letter, c).base) in aliases]
    if not found and letter in COUNTED:
        names = {name for name in aliases if len(name) > 4 and name != "scale"}  # config.n is none
        names |= {*LATER.get(letter, ())}
        found = [c for c in free if canonical(LOGGED.sub("", unit_for(letter, c).base, 1)) in names]
    if len(found) > 1 and letter != "group":  # a text beside numbers is the label of a size
        plain = [c for c in found if _mostly_numbers(table, c, "plain")]
        found = plain or [c for c in found if _mostly_numbers(table, c)] or found
    found = [c for c in found if canonical(c) == canonical(letter)] or found
    if len(found) > 1:
        raise DataError(
            f"{table.top}: columns {listing(found)} could all be {letter}; choose with "
            f"map={{{letter!r}: {short(found[0])}}} (--column {letter}={found[0][:40]})"
        )
    return found[0] if found else None


def _mostly_numbers(table: Table, name: str, units: str = "auto") -> bool:
    """Return whether half the cells of a column and more are numbers."""
    cells = table.columns[name]
    if isinstance(cells, np.ndarray):
        return True
    quick = all_numbers(cells, units)
    if quick is not None:
        return 0 < int(np.isfinite(quick).sum()) >= int((~np.isnan(quick)).sum()) / 2
    good = filled = 0
    for cell in cells:
        try:
            good += bool(np.isfinite(number(cell, units, True)))
        except ValueError:
            pass
        filled += cell is not None and str(cell).strip().lower() not in MISSING
    return 0 < good >= filled / 2


def _require_expression(table: Table, letter: str, text: str) -> None:
    """Raise for what is neither a column nor an expression of columns."""
    read = [] if letter == "group" else names_in(text)  # labels are not worked out
    if read and any(name in table.columns or name in ALIASES for name in read):
        return
    if letter != "group" and EXPRESSION.search(text):  # which is refused with what is wrong in it
        nothing = {name: np.ones(1) for name in table.columns}
        worked_out(text, nothing, f"{table.top}: --column {letter}")
    cure = backticks(text, table.columns)
    raise DataError(
        f"{table.top}: --column {letter}={text}: no column {short(text)}; the table has "
        f"{_closest(text, table)}" + (f"; {cure}" if cure else "")
    )


def _is_number(cell: Any) -> bool:
    try:
        return bool(np.isfinite(number(cell, "plain")))
    except ValueError:
        return False


def cells_of(
    table: Table,
    name: str,
    keep: np.ndarray,
    units: str,
    *,
    factor: float = 1.0,
    counts: bool = False,
    first: bool = False,
) -> tuple[np.ndarray, list[int]]:
    """Return a column [n] as floats, NaN where it has none, and the kept rows that are no numbers.

    Args:
        table: the table, n rows.
        name: the column.
        keep: [n] bool, rows to read; the others are NaN, and may hold anything.
        units: "plain", or "auto" for 300M and the like.
        factor: by which cells without a unit of their own are multiplied.
        counts: as in `cells.number`.
        first: whether to stop at the first cell that is no number.
    """
    values = np.full(len(keep), np.nan)
    cells = table.columns[name]
    some = cells if keep.all() else _kept(cells, keep)
    quick = all_numbers(some, units)
    if quick is not None:
        with np.errstate(all="ignore"):
            values[keep] = quick if factor == 1 else factor * quick
        return values, []
    bad = []
    for row in np.flatnonzero(keep).tolist():
        try:
            value, own = read_cell(cells[row], units, counts)
        except ValueError:
            bad.append(row)
            if first:
                break
            continue
        values[row] = value if own or factor == 1 else factor * value
    return values, bad


def _kept(cells: Sequence[Any], keep: np.ndarray) -> Sequence[Any]:
    if isinstance(cells, np.ndarray):
        kept: np.ndarray = cells[keep]
        return kept
    return [*itertools.compress(cells, keep.tolist())]


def numeric(table: Table, name: str, keep: np.ndarray, units: str) -> np.ndarray:
    """Return a column [n] as floats; rows that are not kept may hold anything.

    Args:
        table: the table, n rows.
        name: the column.
        keep: [n] bool, rows to read; the others are NaN.
        units: "plain", or "auto" for 300M and the like.

    Raises:
        DataError: a cell that is kept is no number.
    """
    values, bad = cells_of(table, name, keep, units)
    if bad:
        raise DataError(unread(table, name, bad, units, drop=False))
    return values


def others(
    table: Table, names: Mapping[str, str], keep: np.ndarray, units: str
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the columns of numbers that stand for no letter, and notes on those left out.

    Args:
        table: the table, n rows.
        names: the column of every letter.
        keep: [n] bool, rows to read; the others are NaN.
        units: as in `numeric`.

    Returns:
        Columns [n] by their names, and sentences.
    """
    found: dict[str, np.ndarray] = {}
    notes = []
    for name in table.columns:
        if name in names.values() or name in names:
            continue
        values, bad = cells_of(table, name, keep, units, first=True)
        if bad or not np.isfinite(values).any():
            continue
        if name in RESERVED:
            notes.append(f"column {name!r} is not carried along: jaxscale uses that name itself")
        else:
            found[name] = values
    return found, notes


def labels(cells: Sequence[Any], keep: np.ndarray) -> np.ndarray:
    """Return a column of labels as text, or as numbers where the source has types."""
    if isinstance(cells, np.ndarray):
        return cells[keep]
    text: np.ndarray = np.array(["" if cell is None else str(cell) for cell in cells])[keep]
    return text


def for_where(table: Table, units: str) -> dict[str, np.ndarray]:
    """Return arrays [n] by column: numbers, truths, or text.

    Args:
        table: the table, n rows.
        units: as in `numeric`.
    """
    columns: dict[str, np.ndarray] = {}
    for name, cells in table.columns.items():
        if all(isinstance(cell, bool | np.bool_) for cell in cells):
            columns[name] = np.array(cells, bool)
            continue
        try:
            quick = all_numbers(cells, units)
            columns[name] = (
                np.array([number(cell, units) for cell in cells]) if quick is None else quick
            )
        except ValueError:
            blank = [cell is None or cell != cell for cell in cells]
            columns[name] = np.array(
                ["" if b else str(cell) for b, cell in zip(blank, cells, strict=True)]
            )
    return columns
