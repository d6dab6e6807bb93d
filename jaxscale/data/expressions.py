"""The small comparison language of `--where`: which rows to keep.

`loss < 4 and experiment == 'a'`, `tokens <= 20 * params`, `config in ['x', 'y']`; `&`, `|` and
`!` work as `and`, `or`, `not`; a column whose name is no identifier stands in backticks. The
text is parsed, checked node by node against a short list, and interpreted here: there is no
eval, no attribute, no call.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

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
TOKEN = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(`[^`]*`)|(&&?)|(\|\|?)|(!(?!=))""")
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
    shown = _cut(expression)
    if len(expression) > MAX_LENGTH:
        raise DataError(f"where: {shown} has more than {MAX_LENGTH} characters")
    quoted: dict[str, str] = {}

    def translate(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        if match[2]:
            key = f"_column{len(quoted)}"
            while key in expression:
                key = "_" + key
            quoted[key] = match[2][1:-1]
            return key
        return " and " if match[3] else " or " if match[4] else " not "

    text = TOKEN.sub(translate, expression)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # "1is 2", "\\d": the reader's notes on style
            tree = ast.parse(text.strip(), mode="eval").body
            result = _Interpreter(shown, columns, quoted).visit(tree)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise DataError(
            f"where: cannot read {shown}; write e.g. \"loss < 4 and name == 'a'\""
        ) from error
    except DataError:
        raise
    except ValueError as error:  # a NUL, half a surrogate pair
        raise DataError(f"where: {shown} is no plain text") from error
    mask = np.asarray(result)
    if mask.dtype != bool:
        raise DataError(f'where: {shown} is not a comparison; write e.g. "loss < 4"')
    length = len(next(iter(columns.values()))) if columns else 0
    return np.broadcast_to(mask, (length,))


def _cut(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


class _Interpreter:
    """Values are NumPy arrays of 0 or 1 dimension, of floats, booleans or text."""

    def __init__(
        self, shown: str, columns: Mapping[str, np.ndarray], quoted: Mapping[str, str]
    ) -> None:
        self.shown, self.columns, self.quoted = shown, columns, quoted

    def visit(self, node: ast.AST) -> np.ndarray:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise self._refuse(node)
        value: np.ndarray = method(node)
        return value

    def _refuse(self, node: ast.AST) -> DataError:
        name = type(node).__name__
        return DataError(
            f"where: {MEANING.get(name, name)} is not allowed in {self.shown}; only columns, "
            "numbers, text, comparisons, + - * / **, and, or, not, in [...]"
        )

    def _truth(self, node: ast.AST, word: str) -> np.ndarray:
        value = self.visit(node)
        if value.dtype.kind != "b":
            raise DataError(f"where: {word} needs comparisons, as in loss < 4, in {self.shown}")
        return value

    def _number(self, node: ast.AST) -> np.ndarray:
        value = self.visit(node)
        if value.dtype.kind != "f":
            what = f"text ({_example(value)})" if _is_text(value) else "a truth value"
            raise DataError(f"where: arithmetic on {what} in {self.shown}")
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

    def _compare(self, node: ast.Compare) -> np.ndarray:
        left = self.visit(node.left)
        result = np.asarray(True)
        for op, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                found = self._among(left, right)
                result = result & (found if isinstance(op, ast.In) else ~found)
                if len(node.ops) > 1:
                    raise DataError(f"where: 'in' stands alone; join with and: {self.shown}")
                continue
            value = self.visit(right)
            result = result & self._one(op, left, value)
            left = value
        return np.asarray(result)

    def _among(self, left: np.ndarray, right: ast.AST) -> np.ndarray:
        if not isinstance(right, ast.List | ast.Tuple):
            raise DataError(f"where: 'in' needs a list, as in ['a', 'b'], in {self.shown}")
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
            raise DataError(
                f"where: {self.shown} compares text ({_example(text)}) with a number; put text in "
                "quotes, or first take out the rows whose cell is no number"
            )
        return function(left, right)

    def _name(self, node: ast.Name) -> np.ndarray:
        name = self.quoted.get(node.id, node.id)
        if name not in self.columns:
            known = ", ".join(_cut(column) for column in list(self.columns)[:12])
            near = difflib.get_close_matches(name, list(self.columns), n=1)
            hint = f"did you mean {near[0]!r}? " if near else "quote it if it is text; "
            raise DataError(f"where: no column {_cut(name)}; {hint}the table has {known[:300]}")
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
