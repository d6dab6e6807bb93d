"""Files that are given as input, and JSON in them: whatever they hold, one sentence or the content.

Only regular files are opened, since a pipe may never answer and a device never end, and no more
of them is read than the caller allows. A pipe is read where it is asked for by name: `-`,
`/dev/stdin`, and what a shell writes for `<(...)`. Nothing here knows what the files mean.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxscale.errors import DataError
from jaxscale.text import short

CHUNK = 1 << 24
BETWEEN = re.compile(r"[\s,]*")
"""What stands between two elements of an array."""
STREAM = re.compile(r"-|/dev/stdin|/dev/fd/\d+|/proc/self/fd/\d+")
"""Names of what is open already."""

LAST: list[Any] = []
"""The stream that was last read as text, and what it held."""


def require_regular(path: Path, wanted: str) -> None:
    """Check that a path is a regular file, or a link to one.

    Args:
        path: what was given.
        wanted: what to give instead of a directory.

    Raises:
        DataError: it is missing, a directory, a pipe, a device, or may not be looked at.
    """
    try:
        found, directory, regular = path.exists(), path.is_dir(), path.is_file()
    except (OSError, ValueError) as error:  # not allowed to look, too long, a NUL in the name
        raise DataError(f"{short(path, 80)}: cannot be read ({str(error)[:80]})") from error
    if not found:
        raise DataError(f"{short(path, 200)}: no such file")
    if directory:
        raise DataError(f"{path} is a directory; give {wanted}")
    if not regular:
        pipe = f"; a pipe is read as standard input: - < {path}" if path.is_fifo() else ""
        raise DataError(f"{path} is not a regular file{pipe}")


def is_stream(path: str | Path) -> bool:
    """Return whether a path names a stream that somebody opened for this process."""
    return STREAM.fullmatch(str(path)) is not None


def read_bytes(path: Path, limit: int, wanted: str) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file.
        limit: bytes that are read at most.
        wanted: what to give instead of a directory.

    Raises:
        DataError: it is no regular file, or larger.
        OSError: it cannot be opened or read.
    """
    return bytes(read_buffer(path, limit, wanted))


def read_buffer(path: Path, limit: int, wanted: str, opener: Any = open) -> bytearray:
    """Return what `read_bytes` does, to be cleared by the caller where that saves memory.

    Args:
        path: the file.
        limit: bytes that are read at most.
        wanted: what to give instead of a directory.
        opener: what opens it; a decompressor is limited by what comes out of it.

    Raises:
        DataError: it is no regular file, or larger.
        OSError: it cannot be opened or read.
    """
    require_regular(path, wanted)
    with opener(path, "rb") as file:
        return _limited(file, limit, str(path))


def read_stream(name: str, limit: int, openers: Mapping[bytes, Any]) -> bytearray:
    """Return what comes through standard input, or another stream that is open.

    Args:
        name: as in `is_stream`.
        limit: bytes that are read at most.
        openers: what opens a file, by how its content begins; a decompressor is limited too.

    Raises:
        DataError: there is more.
        OSError: it cannot be read, or standard input is closed.
    """
    if name == "-":
        stream = sys.stdin.buffer if sys.stdin is not None else None
        if stream is None:
            raise OSError("standard input is closed")
        content = _limited(stream, limit, "standard input")
    else:
        with open(name, "rb") as file:
            content = _limited(file, limit, name)
    for mark, opener in openers.items():
        if content.startswith(mark):
            with opener(io.BytesIO(content), "rb") as file:
                return _limited(file, limit, name)
    return content


def _kept(name: str, limit: int) -> bytes:
    """Return what a stream held, which can be read but once, and is kept while it is open."""
    if name == "-":
        stream: Any = sys.stdin
    else:
        found = os.stat(name)
        stream = (found.st_dev, found.st_ino)
    if not LAST or LAST[0] != stream:
        LAST[:] = [stream, bytes(read_stream(name, limit, {}))]
    return LAST[1]  # type: ignore[no-any-return]


def _limited(file: Any, limit: int, name: str) -> bytearray:
    """Return what a file holds, if it is no more than the limit."""
    content = bytearray()
    while part := file.read(min(CHUNK, limit + 1 - len(content))):
        content += part
        if len(content) > limit:
            most = f"{limit / (1 << 30):g} GiB" if limit >= 1 << 30 else f"{limit >> 20} MiB"
            raise DataError(f"{name}: more than {most}, which is the most that is read")
    return content


def read_text(path: Path, limit: int, wanted: str) -> str:
    """Return the text of a regular file in UTF-8.

    Args:
        path: the file, or a stream, which may be asked for again.
        limit: bytes at most.
        wanted: what it should be, for messages.

    Raises:
        DataError: it is no regular file, too large, cannot be read or is no such text.
    """
    try:
        content = _kept(str(path), limit) if is_stream(path) else read_bytes(path, limit, wanted)
        return content.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(f"{path}: not UTF-8 text (byte 0x{byte:02x})") from error


class RepeatedKey(DataError):
    """An object of a JSON text has a key twice: one of the two values would be lost silently."""


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of a JSON text as a dict: the `object_pairs_hook` of every reader.

    Raises:
        RepeatedKey: a key stands twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise RepeatedKey(f"key {short(key)} stands twice in one object; remove one of them")
    return found


def parse_json(text: str, place: str) -> Any:
    """Return what a JSON text says, if it says it once.

    Args:
        text: the JSON.
        place: how messages name it.

    Raises:
        DataError: an object has a key twice, objects lie too deep, or an integer is too long.
        json.JSONDecodeError: it is no JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=distinct)
    except json.JSONDecodeError:
        raise
    except RepeatedKey as error:
        raise RepeatedKey(f"{place}: {error}") from error
    except ValueError as error:
        raise DataError(f"{place}: an integer of more than 4300 digits") from error
    except RecursionError as error:
        raise DataError(f"{place}: objects in objects without end") from error


def parse_json_array(text: str, place: str) -> list[Any]:
    """Return the elements of a JSON text that begins with a bracket; see `parse_json`.

    Raises:
        DataError: as in `parse_json`; a key that stands twice is named with its row, counted from
            1, and its line.
        json.JSONDecodeError: it is no JSON.
    """
    try:
        return list(parse_json(text, place))
    except RepeatedKey:
        _name_row(text, place)
        raise


def _name_row(text: str, place: str) -> None:
    """Raise what `parse_json` raised, with the row and the line where it happens."""
    decoder = json.JSONDecoder(object_pairs_hook=distinct)
    begin, row = text.index("["), 0
    while True:
        begin, row = BETWEEN.match(text, begin + 1).end(), row + 1  # type: ignore[union-attr]
        try:
            begin = decoder.raw_decode(text, begin)[1] - 1
        except RepeatedKey as error:
            line = text.count("\n", 0, begin) + 1
            raise RepeatedKey(f"{place}, row {row} (line {line}): {error}") from error
