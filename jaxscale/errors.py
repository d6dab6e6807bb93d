"""The exceptions of jaxscale: what, where, what is allowed, what was given, what to do."""

from __future__ import annotations


class JaxscaleError(Exception):
    """Base of every error that jaxscale raises on purpose.

    Example:
        >>> import jaxscale
        >>> try:
        ...     jaxscale.datasets.load("no such table")
        ... except jaxscale.JaxscaleError as error:
        ...     print(type(error).__name__)
        DataError
    """


class DataError(JaxscaleError, ValueError):
    """The runs cannot be used as they are; the message names column and row.

    Example:
        >>> import jaxscale
        >>> table = {"N": [1e6, 1e7], "D": [1e9, 1e9], "loss": [3.2, "diverged"]}
        >>> try:
        ...     jaxscale.Runs.of(table)
        ... except jaxscale.DataError as error:
        ...     print(str(error).split(";")[0])
        arrays, row 2, column 'loss': expected a number, got 'diverged'
    """


class LawError(JaxscaleError, ValueError):
    """A law does not say of itself what its formula does; the message names field and cure.

    Example:
        >>> import jaxscale
        >>> try:
        ...     class Mine(jaxscale.Law):
        ...         a: float = 1.0
        ... except jaxscale.LawError as error:
        ...     print(str(error).split(";")[0])
        Mine.a does not say what it is
    """


class FitError(JaxscaleError, RuntimeError):
    """No start led anywhere, or the fit is not certified for what was asked; the message says why.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64, max_steps=1)
        >>> try:
        ...     jaxscale.allocate(fit, compute=1e15)
        ... except jaxscale.FitError as error:
        ...     print(str(error).split(" (")[0])
        no allocation from a fit that is not certified
    """


class SeveralFitsError(DataError):
    """A file holds the fits of several tables, and none of them was named."""
