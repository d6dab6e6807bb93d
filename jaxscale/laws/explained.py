"""What a person's formula raises, in one sentence that names its line and the cure."""

from __future__ import annotations

import contextlib
import linecache
from collections.abc import Callable, Iterator
from typing import Any

import jax

from jaxscale.errors import LawError
from jaxscale.laws.law import Law

ANY = (Exception, SystemExit, GeneratorExit, BaseExceptionGroup)
"""What a person's own code may raise; only around such code is everything caught."""


def of_law(law: Law) -> Callable[..., Any]:
    """Return the function that a law's formula is: its `__call__`, or what `law_of` was given."""
    cls: Any = type(law)
    return cls.__call__ if cls.origin is None else cls.origin.function  # type: ignore[no-any-return]


@contextlib.contextmanager
def explained(called: str, function: Callable[..., Any]) -> Iterator[None]:
    """Turn what a formula raises into a sentence that names its line; what it does not, passes.

    Args:
        called: how the law is called.
        function: its formula.
    """
    try:
        yield
    except ANY as error:
        line = _line(function, error)
        if not line and isinstance(error, LawError) and called not in str(error):
            raise LawError(f"{called}: {error}") from error
        if not line:
            raise
        said = str(error) if isinstance(error, LawError) else _meaning(error)
        raise LawError(f"{called}{line}: {said}") from error


def _line(function: Callable[..., Any], error: BaseException) -> str:
    """Return ` (line 12: text)` for the last line of its file in a traceback, or nothing."""
    code = getattr(function, "__code__", None)
    file, found, trace = getattr(code, "co_filename", ""), "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            text = linecache.getline(file, trace.tb_lineno).strip()
            found = f" (line {trace.tb_lineno}{': ' if text else ''}{text})"
        trace = trace.tb_next
    return found


def _meaning(error: BaseException) -> str:
    text = (str(error).strip().split("\n")[0])[:200]
    kind = type(error).__name__
    numpy_words = ("ufunc", "must be real number", "numpy.ndarray", "only length-1 arrays")
    if isinstance(error, jax.errors.TracerArrayConversionError) or any(
        words in text for words in numpy_words
    ):
        return (
            "a function or attribute of NumPy or math in a formula; use a function of jax.numpy "
            "(jnp.exp instead of np.exp)"
        )
    if "'Positive' object has no attribute" in text:
        return f"an input has no {text.split()[-1]}; use functions of jax.numpy, elementwise"
    if isinstance(error, jax.errors.TracerBoolConversionError) or "truth value" in text:
        return "a formula cannot branch on values; use jnp.where(condition, one, other)"
    if isinstance(error, jax.errors.ConcretizationTypeError):
        return "a formula cannot turn values into Python numbers; use functions of jax.numpy"
    if "subscriptable" in text or isinstance(error, IndexError):
        return "a formula is elementwise and cannot index an input"
    return f"the formula raises {kind}: {text.replace('Positive', 'the input')}"
