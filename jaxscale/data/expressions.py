"""The small language of `--where` and `--column`: which rows to keep, what to work out.

`loss < 4 and experiment == 'a'`, `tokens <= 20 * params`, `N < 7B`, `config in ['x', 'y']`;
`log(val_ppl)`, ``1e6 * `params (M)` ``; `&`, `|` and `!` work as `and`, `or`, `not`; a column
whose name is no identifier stands in backticks. The text is parsed, checked node by node against a
short list, and interpreted here: there is no eval, no attribute, and no call but of `FUNCTIONS`.
"""

from __future__ import annotations

import ast
import difflib
import keyword
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from jaxscale.data.cells import written
from jaxscale.errors import DataError

COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
}
"""Functions of one number that an expression may call."""
TOKEN = re.compile(
    r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(`[^`]*`)|(&&?)|(\|\|?)|(!(?!=))|"""
    r"""(?<![\w.])(\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?[kKmMbBgGtT])\b"""
)
MAX_LENGTH = 10_000
MEANING = {
    "Call": "a call",
    "Attribute": "a dot after a name",
    "Subscript": "an index in brackets",
    "IfExp": "if ... else",
    "JoinedStr": "an f-string",
    "Is": "is",
    "IsNot": "is not",
    "Mod": "%",
    "FloorDiv": "//",
    "BitXor": "^",
    "Invert": "~",
    "UAdd": "a sign +",
    "NamedExpr": ":=",
    "Constant": "a value that is no number, text or truth",
}


def keep_rows(expression: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a boolean mask [n] of the rows that satisfy `expression`.

    Args:
        expression: text in the language of this module.
        columns: numeric, boolean or text columns by name, all of length n.

    Raises:
        DataError: the text is not of the language, or names an unknown column.
    """
    parsed = _Parsed(expression, "where")
    mask = parsed.value(columns)
    if mask.dtype != bool:
        raise DataError(f'where: {parsed.shown} is not a comparison; write e.g. "loss < 4"')
    return np.broadcast_to(mask, (_length(columns),))


def worked_out(expression: str, columns: Mapping[str, np.ndarray], what: str) -> np.ndarray:
    """Return the numbers [n] that `expression` gives; where it has none, NaN or infinities.

    Args:
        expression: text in the language of this module.
        columns: numeric columns by name, all of length n.
        what: what the numbers are for, to begin messages with.

    Raises:
        DataError: the text is not of the language, names an unknown column, or is no number.
    """
    parsed = _Parsed(expression, what)
    found = parsed.value(columns)
    if found.dtype.kind != "f":
        raise DataError(f"{what}: {parsed.shown} gives no numbers; write e.g. log(val_ppl)")
    return np.broadcast_to(found, (_length(columns),))


def names_in(expression: str) -> list[str] | None:
    """Return the names that an expression reads; None for a text that is no expression."""
    try:
        parsed = _Parsed(expression, "")
    except DataError:
        return None
    if parsed.tree is None:
        return None
    called = {id(node.func) for node in ast.walk(parsed.tree) if isinstance(node, ast.Call)}
    names = [
        parsed.quoted.get(node.id, node.id)
        for node in ast.walk(parsed.tree)
        if isinstance(node, ast.Name) and id(node) not in called
    ]
    return list(dict.fromkeys(names))


def as_name(column: str) -> str:
    """Return how an expression writes the name of a column: in backticks unless it is plain."""
    plain = column.isidentifier() and not keyword.iskeyword(column)
    return column if plain else f"`{column}`"


def _length(columns: Mapping[str, np.ndarray]) -> int:
    return len(next(iter(columns.values()))) if columns else 0


class _Parsed:
    """An expression as a tree, with the names that stood in backticks."""

    def __init__(self, expression: str, what: str) -> None:
        self.expression, self.what, self.shown = expression, what, _cut(expression)
        if len(expression) > MAX_LENGTH:
            raise DataError(f"{what}: {self.shown} has more than {MAX_LENGTH} characters")
        self.quoted: dict[str, str] = {}
        text = TOKEN.sub(self._translated, expression)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "1is 2", "\\d": the reader's notes on style
                self.tree: ast.AST | None = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, RecursionError, MemoryError):
            self.tree = None  # said once the columns are known, which may be the reason
        except ValueError as error:  # a NUL, half a surrogate pair
            raise DataError(f"{what}: {self.shown} is no plain text") from error

    def _translated(self, match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        if match[2]:
            key = f"_column{len(self.quoted)}"
            while key in self.expression:
                key = "_" + key
            self.quoted[key] = match[2][1:-1]
            return key
        if match[6]:
            return repr(written(match[6]))
        return " and " if match[3] else " or " if match[4] else " not "

    def value(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return what the expression gives on columns."""
        try:
            if self.tree is None:
                raise SyntaxError
            with np.errstate(all="ignore"):
                return np.asarray(_Interpreter(self, columns).visit(self.tree))
        except (SyntaxError, RecursionError, MemoryError) as error:
            example = "\"loss < 4 and name == 'a'\"" if self.what == "where" else "log(val_ppl)"
            cure = backticks(self.expression, columns) or f"write e.g. {example}"
            raise DataError(f"{self.what}: cannot read {self.shown}; {cure}") from error
        except DataError:
            raise
        except ValueError as error:  # half a surrogate pair
            raise DataError(f"{self.what}: {self.shown} is no plain text") from error


def backticks(expression: str, columns: Iterable[str]) -> str:
    """Return how to write a name that is no identifier, where the text has one as it stands."""
    plain = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", " ", expression)
    odd = [name for name in columns if name and as_name(name) != name and name in plain]
    if not odd:
        return ""
    name = max(odd, key=len)
    cured = expression.replace(name, f"`{name}`")
    return f"write such a name in backticks, all in single quotes: {_cut(cured)}"


def _cut(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


class _Interpreter:
    """Values are NumPy arrays of 0 or 1 dimension, of floats, booleans or text."""

    def __init__(self, parsed: _Parsed, columns: Mapping[str, np.ndarray]) -> None:
        self.parsed, self.columns = parsed, columns
        self.what, self.shown = parsed.what, parsed.shown

    def visit(self, node: ast.AST) -> np.ndarray:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise self._refuse(node)
        value: np.ndarray = method(node)
        return value

    def _refuse(self, node: ast.AST) -> DataError:
        name = type(node).__name__
        allowed = backticks(self.parsed.expression, self.columns) or (
            f"only columns, numbers, text, comparisons, + - * / **, {', '.join(FUNCTIONS)}, and, "
            "or, not, in [...]"
        )
        return DataError(
            f"{self.what}: {MEANING.get(name, name)} is not allowed in {self.shown}; {allowed}"
        )

    def _truth(self, node: ast.AST, word: str) -> np.ndarray:
        value = self.visit(node)
        if value.dtype.kind != "b":
            raise DataError(
                f"{self.what}: {word} needs comparisons, as in loss < 4, in {self.shown}"
            )
        return value

    def _number(self, node: ast.AST) -> np.ndarray:
        value = self.visit(node)
        if value.dtype.kind != "f":
            what = f"text ({_example(value)})" if _is_text(value) else "a truth value"
            raise DataError(f"{self.what}: arithmetic on {what} in {self.shown}")
        return value

    def _boolop(self, node: ast.BoolOp) -> np.ndarray:
        is_and = isinstance(node.op, ast.And)
        values = [self._truth(value, "and" if is_and else "or") for value in node.values]
        result = values[0]
        for value in values[1:]:
            result = np.asarray(result & value if is_and else result | value)
        return result

    def _unaryop(self, node: ast.UnaryOp) -> np.ndarray:
        if isinstance(node.op, ast.Not):
            return np.asarray(~self._truth(node.operand, "not"))
        if isinstance(node.op, ast.USub):
            return np.asarray(-self._number(node.operand))
        if isinstance(node.op, ast.UAdd):
            return self._number(node.operand)
        raise self._refuse(node.op)

    def _binop(self, node: ast.BinOp) -> np.ndarray:
        function = ARITHMETIC.get(type(node.op))
        if function is None:
            raise self._refuse(node.op)
        return np.asarray(function(self._number(node.left), self._number(node.right)))

    def _call(self, node: ast.Call) -> np.ndarray:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS or len(node.args) != 1 or node.keywords:
            raise self._refuse(node)
        return np.asarray(FUNCTIONS[name](self._number(node.args[0])))

    def _compare(self, node: ast.Compare) -> np.ndarray:
        left = self.visit(node.left)
        result = np.asarray(True)
        for op, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                found = self._among(left, right)
                result = result & (found if isinstance(op, ast.In) else ~found)
                if len(node.ops) > 1:
                    raise DataError(f"{self.what}: 'in' stands alone; join with and: {self.shown}")
                continue
            value = self.visit(right)
            result = result & self._one(op, left, value)
            left = value
        return np.asarray(result)

    def _among(self, left: np.ndarray, right: ast.AST) -> np.ndarray:
        if not isinstance(right, ast.List | ast.Tuple):
            raise DataError(f"{self.what}: 'in' needs a list, as in ['a', 'b'], in {self.shown}")
        found = np.zeros(left.shape, bool)
        for item in right.elts:
            found = np.asarray(found | self._one(ast.Eq(), left, self.visit(item)))
        return found

    def _one(self, op: ast.cmpop, left: np.ndarray, right: np.ndarray) -> Any:
        function = COMPARE.get(type(op))
        if function is None:
            raise self._refuse(op)
        if _is_text(left) != _is_text(right):
            text = left if _is_text(left) else right
            cure = "put text in quotes, or first take out the rows whose cell is no number"
            if self.what != "where":
                cure = (
                    "only where (--where) reads columns of text; add a column of 0 and 1 to the "
                    "table, or fit the tables of a category with --by, or Grouped"
                )
            raise DataError(
                f"{self.what}: {self.shown} compares text ({_example(text)}) with a number; {cure}"
            )
        return function(left, right)

    def _name(self, node: ast.Name) -> np.ndarray:
        name = self.parsed.quoted.get(node.id, node.id)
        if name not in self.columns:
            known = ", ".join(_cut(column) for column in list(self.columns)[:12])
            near = difflib.get_close_matches(name, list(self.columns), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            hint = hint or ("quote it if it is text; " if self.what == "where" else "")
            if node.id not in self.parsed.quoted and (
                cure := backticks(self.parsed.expression, self.columns)
            ):
                hint = f"{cure}; "
            raise DataError(
                f"{self.what}: no column {_cut(name)}; {hint}the table has {known[:250]}"
            )
        column = np.asarray(self.columns[name])
        kind = {"i": float, "u": float, "O": str}.get(column.dtype.kind)
        return column if kind is None else column.astype(kind)

    def _constant(self, node: ast.Constant) -> np.ndarray:
        value = node.value
        if isinstance(value, bool | float | str):
            return np.asarray(value)
        if isinstance(value, int):
            return np.asarray(float(value) if abs(value) < 2**1023 else np.inf)
        raise self._refuse(node)


def _is_text(value: np.ndarray) -> bool:
    return value.dtype.kind not in "bf"


def _example(value: np.ndarray) -> str:
    """Return a cell that makes a column text: the first that is no number."""
    for cell in np.ravel(value):
        try:
            float(cell)
        except (TypeError, ValueError):
            if str(cell):
                return _cut(str(cell))
    return _cut(str(np.ravel(value)[0])) if value.size else "no rows"
