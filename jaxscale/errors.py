"""The exceptions of jaxscale: what, where, what is allowed, what was given, what to do."""

from __future__ import annotations


class JaxscaleError(Exception):
    """Base of every error that jaxscale raises on purpose."""


class DataError(JaxscaleError, ValueError):
    """The runs cannot be used as they are; the message names column and row."""


class LawError(JaxscaleError, ValueError):
    """A law does not say of itself what its formula does; the message names field and cure."""


class FitError(JaxscaleError, RuntimeError):
    """No start led anywhere; the message names the most frequent statuses."""


class SeveralFitsError(DataError):
    """A file holds the fits of several tables, and none of them was named."""
