"""What a column is, by its name: something that is tuned, or something that was measured."""

from __future__ import annotations

import re

TUNED = re.compile(
    r"(^|[^a-z])(lr|learning ?rate|batch|bs|gbs|bsz|gbsz|wd|weight ?decay|warm ?up|dropout|"
    r"momentum|beta ?[12]|eps(ilon)?|decay|clip|temperature|init|rank|epochs?)([^a-z]|$)"
)
"""Names of what is tuned at given sizes, in lower case with blanks for punctuation."""
MEASURED = re.compile(
    r"(^| )(err(or)?|loss|acc(uracy)?|ppl|perplexity|score|bpb|time|norm|hours|seconds|"
    r"runtime)( |$)"
)
"""Names of what is measured, whatever else they say: `err_lsat_lr`."""


def is_tuned(name: str) -> bool:
    """Return whether a column is called as what people tune."""
    plain = _plain(name)
    return TUNED.search(plain) is not None and MEASURED.search(plain) is None


def is_measured(name: str) -> bool:
    """Return whether a column is called as what a run measures."""
    return MEASURED.search(_plain(name)) is not None


def is_error(name: str) -> bool:
    """Return whether a column is called as the standard error of another."""
    return bool({"se", "sem", "stderr", "std"} & {*_plain(name).split()})


def _plain(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.sub(r"[^a-z0-9]+", " ", words.lower())
