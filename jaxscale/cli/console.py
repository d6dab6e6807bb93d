"""The one door where text leaves: answers to stdout, notes and errors to stderr.

Nothing else in the package prints. Control characters are written out here, whoever put them into
a name, and what the terminal's encoding lacks is replaced, so that no answer is lost for a `²`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import sys
import textwrap
from typing import Any, NoReturn

from jaxscale.text import one_line, visible

STAND_INS = {"²": "^2", "±": "+-", "×": "x", "−": "-"}
"""For the few signs of the tables that are not ASCII."""

STYLE = re.compile("(\x1b\\[[0-9;]*m)")
"""What sets a colour on a terminal."""

LONGEST = 1000
"""Characters of an error message: our sentences are shorter, what they quote may not be."""


SCHEMA = 1
"""Of the JSON that the commands print and write."""

KINDS = {
    "UsageError": "usage",
    "LawError": "law",
    "FitError": "fit",
    "DataError": "data",
    "OSError": "file",
    "MemoryError": "memory",
    "KeyboardInterrupt": "interrupted",
}
"""What the JSON of an error calls it, by the class; a value that is not allowed is one of usage."""


class UndeliveredError(Exception):
    """An answer was found, and could not be printed or written in full."""


class UsageError(ValueError):
    """There is no such command, option or value of an option."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help that says the default of every option which has one; examples keep their lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.split("\n\n")
        return "\n\n".join(
            part
            if re.search("^ ", part, re.MULTILINE)
            else textwrap.fill(part, width, initial_indent=indent)
            for part in parts
        )

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text, default = action.help, action.default
        none = default is None or default is False or default in ([], argparse.SUPPRESS)
        if none or not action.option_strings or "; default " in (text or ""):
            return text
        return f"{text}; default %(default)s" if text else "default %(default)s"


class Parser(argparse.ArgumentParser):
    """A parser whose words leave by the same door as all others."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"formatter_class": HelpFormatter, **options})

    def _print_message(self, message: str, file: Any = None) -> None:
        text = message.removesuffix("\n")
        if file is not None and file is sys.stdout:
            show(text, styled=True)
        else:
            say_text(text)

    def error(self, message: str) -> NoReturn:
        """Raise with a sentence about the usage."""
        raise UsageError(f"{shortened(message)}; see {self.prog} --help")


def occupy_closed_streams() -> None:
    """Keep files from getting the numbers of closed streams, which libraries print to."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one


def show(text: str, *, styled: bool = False) -> None:
    """Print an answer to stdout, at once.

    Args:
        text: the answer.
        styled: whether it is a help of argparse, which fits the terminal already, and may have
            colours on one that wants them (from Python 3.14 on).

    Raises:
        UndeliveredError: stdout is closed, nobody reads it any more, or its disk is full.
    """
    stream = sys.stdout
    if stream is None:
        raise UndeliveredError("the answer could not be printed: stdout is closed")
    try:
        text = _with_colours(text) if styled else folded(visible(text), stream)
        print(_encodable(text, stream), file=stream, flush=True)
    except OSError as error:
        _abandon(stream)
        reason = error.strerror or str(error)
        raise UndeliveredError(f"the answer could not be printed: {reason}") from error


def _with_colours(text: str) -> str:
    return "".join(part if STYLE.fullmatch(part) else visible(part) for part in STYLE.split(text))


def say(text: str) -> None:
    """Print a note or an error to stderr, as one line."""
    _to_stderr(f"jaxscale: {one_line(text)}")


def say_error(text: str) -> None:
    """Print what went wrong to stderr, as one line that a person can read."""
    say(f"error: {shortened(text)}")


def show_failure(text: str, error: BaseException, code: int) -> None:
    """Print an error to stdout as JSON, where JSON was asked for; no answer is there.

    Args:
        text: the sentence that stderr has.
        error: what was raised.
        code: with which the command will end.
    """
    names = [cls.__name__ for cls in type(error).__mro__]
    kind = next((KINDS[name] for name in names if name in KINDS), "usage")
    said = {"message": shortened(text), "kind": kind, "exit_code": code}
    with contextlib.suppress(UndeliveredError):  # the exit code and the sentence say enough
        show(json.dumps({"schema_version": SCHEMA, "error": said}))


def shortened(text: str) -> str:
    """Return a message without its middle, where somebody put a book into a name."""
    spare = len(text) - LONGEST
    return text if spare <= 0 else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def say_text(text: str) -> None:
    """Print a text with newlines of its own to stderr, such as a traceback."""
    _to_stderr(visible(text))


class BarStream:
    """Stderr for a progress bar: an answer is not lost because nobody watches it coming."""

    def write(self, text: str) -> int:
        """Write to stderr while somebody reads it; control characters move the bar."""
        try:
            sys.stderr.write(text)
        except OSError:
            _abandon(sys.stderr)
        return len(text)

    def flush(self) -> None:
        """Flush stderr likewise."""
        try:
            sys.stderr.flush()
        except OSError:
            _abandon(sys.stderr)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def _to_stderr(text: str) -> None:
    if sys.stderr is None:  # closed; `print` would take stdout in its place
        return
    try:
        print(_encodable(folded(text, sys.stderr), sys.stderr), file=sys.stderr, flush=True)
    except OSError:  # nobody reads it any more: the answer and the exit code still count
        _abandon(sys.stderr)


def folded(text: str, stream: Any) -> str:
    """Return text whose lines fit a terminal: broken between words, below their last column.

    What goes into a file or a pipe stays as it is, a line there is a line; and so do command lines,
    which are to be copied.
    """
    if not stream.isatty():
        return text
    width = max(shutil.get_terminal_size().columns, 20)
    return "\n".join(
        line if len(line) <= width else _broken(line, width) for line in text.split("\n")
    )


def _broken(line: str, width: int) -> str:
    starts = [match.end() for match in re.finditer(r"^ +| {2,}(?=\S)", line)]
    indent = max((start for start in starts if start <= width * 0.6), default=2)
    return "\n".join(
        textwrap.wrap(
            line,
            width,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def _encodable(text: str, stream: Any) -> str:
    """Return text that the stream's encoding has; what it lacks is replaced, sign by sign."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    lacking: dict[str, str | int | None] = {}
    for sign in set(text) if not text.isascii() else ():
        try:
            sign.encode(encoding)
        except UnicodeEncodeError:
            lacking[sign] = STAND_INS.get(sign) or sign.encode("unicode_escape").decode()
    return text.translate(str.maketrans(lacking))


def _abandon(stream: Any) -> None:
    """Lead a stream that failed nowhere: what it still holds would fail again at exit."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # none of the system's
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
