"""The small comparison language of `--where`: which rows to keep.

`loss < 4 and experiment == 'a'`, `tokens <= 20 * params`, `config in ['x', 'y']`; `&`, `|` and
`!` work as `and`, `or`, `not`; a column whose name is no identifier stands in backticks. The
text is parsed, checked node by node against a short list, and interpreted here: there is no
eval, no attribute, no call.
"""

from __future__ import annotations

import ast
import operator
import re
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
TOKEN = re.compile(r"""('[^']*'|"[^"]*")|(`[^`]*`)|(&&?)|(\|\|?)|(!(?!=))""")


def keep_rows(expression: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a boolean mask [n] of the rows that satisfy `expression`.

    Args:
        expression: text in the language of this module.
        columns: numeric or text columns by name, all of length n.

    Raises:
        DataError: the text is not of the language, or names an unknown column.
    """
    quoted: dict[str, str] = {}

    def translate(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        if match[2]:
            key = f"_column{len(quoted)}"
            quoted[key] = match[2][1:-1]
            return key
        return " and " if match[3] else " or " if match[4] else " not "

    text = TOKEN.sub(translate, expression)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(
            f"--where: cannot read {expression!r}; write e.g. \"loss < 4 and name == 'a'\""
        ) from error
    length = len(next(iter(columns.values()))) if columns else 0
    result = _Interpreter(expression, columns, quoted).visit(tree)
    mask = np.asarray(result)
    if mask.dtype != bool:
        raise DataError(f"--where: {expression!r} is not a comparison")
    return np.broadcast_to(mask, (length,))


class _Interpreter:
    def __init__(
        self, text: str, columns: Mapping[str, np.ndarray], quoted: Mapping[str, str]
    ) -> None:
        self.text, self.columns, self.quoted = text, columns, quoted

    def visit(self, node: ast.AST) -> Any:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise DataError(
                f"--where: {type(node).__name__} is not allowed in {self.text!r}; only columns, "
                "numbers, text, comparisons, + - * / **, and, or, not, in"
            )
        return method(node)

    def _boolop(self, node: ast.BoolOp) -> Any:
        values = [np.asarray(self.visit(v)) for v in node.values]
        if any(v.dtype != bool for v in values):
            raise DataError(f"--where: and/or need comparisons on both sides in {self.text!r}")
        combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        result = values[0]
        for value in values[1:]:
            result = combine(result, value)
        return result

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        value = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return np.logical_not(value)
        if isinstance(node.op, ast.USub):
            return -value
        return self.visit(ast.Pass())

    def _binop(self, node: ast.BinOp) -> Any:
        function = ARITHMETIC.get(type(node.op))
        if function is None:
            return self.visit(node.op)
        left, right = self.visit(node.left), self.visit(node.right)
        for value in (left, right):
            if np.asarray(value).dtype.kind not in "fiu":
                raise DataError(f"--where: arithmetic on text in {self.text!r}")
        return function(np.asarray(left, float), right)

    def _compare(self, node: ast.Compare) -> Any:
        left = self.visit(node.left)
        result: Any = True
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.visit(right_node)
            if isinstance(op, ast.In | ast.NotIn):
                found = np.isin(np.asarray(left), np.asarray(right))
                one = found if isinstance(op, ast.In) else ~found
            else:
                one = self._one(op, left, right)
            result = np.logical_and(result, one)
            left = right
        return result

    def _one(self, op: ast.cmpop, left: Any, right: Any) -> Any:
        function = COMPARE.get(type(op))
        if function is None:
            return self.visit(op)
        kinds = {np.asarray(v).dtype.kind in "OUS" for v in (left, right)}
        if len(kinds) == 2:
            raise DataError(
                f"--where: {self.text!r} compares text with a number; put text in quotes"
            )
        return function(np.asarray(left), np.asarray(right))

    def _name(self, node: ast.Name) -> Any:
        name = self.quoted.get(node.id, node.id)
        if name not in self.columns:
            raise DataError(
                f"--where: no column {name!r}; the table has {', '.join(list(self.columns)[:15])}"
            )
        return self.columns[name]

    def _constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, bool | int | float | str):
            return node.value
        return self.visit(ast.Pass())

    def _list(self, node: ast.List | ast.Tuple) -> Any:
        return [self.visit(item) for item in node.elts]

    _tuple = _list
