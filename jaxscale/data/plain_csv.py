"""CSV without quotation marks and blank lines, in which every line has as many cells as the first.

Nearly all large tables are that. They are cut at line ends and delimiters, which takes a twentieth
of the time of the standard library's parser and comes to the same; any other text is left to it,
and so is every refusal.
"""

from __future__ import annotations

from operator import methodcaller

CHUNK = 1 << 22
"""Characters that are cut at a time."""


def plain_columns(text: str, delimiter: str, longest: int) -> list[list[str]] | None:
    """Return the stripped cells of every column, its header first; None for what is not plain.

    Args:
        text: the text.
        delimiter: what separates cells.
        longest: characters of a line at most.
    """
    if '"' in text or "\r" in text:
        if '"' in text or text.count("\r") != text.count("\r\n"):
            return None
        text = text.replace("\r\n", "\n")
    begin, end = 0, len(text)
    while end and text[end - 1] == "\n":
        end -= 1
    if end == 0:
        return None
    first = text[: max(text.find("\n"), 0) or end]
    columns: list[list[str]] = [[] for _ in first.split(delimiter)]
    delimiters = methodcaller("count", delimiter)
    while begin < end:
        stop = text.find("\n", min(begin + CHUNK, end), end)
        stop = end if stop < 0 else stop
        part = text[begin:stop]
        lines = part.split("\n")
        if {*map(delimiters, lines)} != {len(columns) - 1} or max(map(len, lines)) > longest:
            return None
        cells = part.replace("\n", delimiter).split(delimiter)
        if sum(map(len, part.split())) + len(lines) - 1 != len(part):  # more white space
            cells = [*map(str.strip, cells)]
        for k, column in enumerate(columns):
            column += cells[k :: len(columns)]
        begin = stop + 1
    if not any("" not in column for column in columns) and any(
        not any(row) for row in zip(*columns, strict=True)
    ):
        return None  # rows without a cell, which do not count
    return columns
