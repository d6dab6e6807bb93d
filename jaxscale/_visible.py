"""Text that a terminal shows and does not obey: control characters are written out.

Names of columns, runs, files and laws come from whoever made them. An escape sequence in one of
them would recolor or rewrite what a person reads, a newline would fake a line of its own, and a
mark of writing direction would turn digits around.
"""

from __future__ import annotations

import re

CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""C0, DEL, C1, marks of direction, separators of lines, and halves of a pair of surrogates."""


def visible(text: str) -> str:
    r"""Return text with its control characters written out, `\x1b`; its newlines stay."""
    return CONTROLS.sub(_kept_or_written, text)


def one_line(text: str) -> str:
    r"""Return text with its control characters written out, newlines too: `\n`."""
    return CONTROLS.sub(_written, text)


def _kept_or_written(match: re.Match[str]) -> str:
    return match[0] if match[0] == "\n" else _written(match)


def _written(match: re.Match[str]) -> str:
    if match[0] == "\x7f":  # JSON allows it as it is, and knows no \x7f
        return r"\u007f"
    return match[0].encode("unicode_escape").decode()
