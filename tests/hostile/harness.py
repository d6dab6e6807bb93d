"""One row of the catalogue: files that somebody made up, a command, and how it may end.

Whatever a row holds, the command ends in a right answer or in one sentence: no traceback, nothing
that a terminal would obey, no file that was not asked for, no number that is none.
"""

import contextlib
import dataclasses
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxscale.cli.parser import main
from jaxscale.errors import FitError

CONTROLS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
NO_NUMBER = re.compile(r"(?<![\w/.-])[-+]?(nan|inf(inity)?)(?![\w/.-])", re.IGNORECASE)
LONGEST = 1100
"""Characters of an error message."""
SECONDS = 30.0
ESCAPE = "a\x1b[31mred\x07\x9b1m\u202e\u2066\u200f\u2028\x7f\rb\njaxscale: fake"
TAKEN = "the runs were taken"


@dataclasses.dataclass(frozen=True)
class Row:
    """A command that is given something that nobody in good faith would give it.

    Attributes:
        name: of the row.
        argv: the command line.
        files: by name, a text, bytes, or what makes the file of a path.
        said: what stdout and stderr must hold.
        codes: the exit codes that are right.
        check: told the runs that a fit was given; returns whether they are right.
        makes: files that may appear.
        slow: too slow, or too large, for the ordinary suite.
        size: bytes of the input, unpacked: memory is held against three times that.
        weird: whether `nan` may be shown (a cell that was quoted, say).
    """

    name: str
    argv: tuple[str, ...]
    files: dict[str, Any] = dataclasses.field(default_factory=dict)
    said: tuple[str, ...] = ()
    codes: tuple[int, ...] = (2,)
    check: Callable[[Any], Any] | None = None
    makes: tuple[str, ...] = ()
    slow: bool = False
    size: int = 0
    weird: bool = False

    @property
    def option(self) -> str:
        """The last option of the command line."""
        return self.argv[-1].partition("=")[0]


class Hang(KeyboardInterrupt):
    """A row took longer than `SECONDS`."""


def make_files(folder: Path, row: Row) -> None:
    """Write the files of a row."""
    for name, content in row.files.items():
        path = folder / name
        if callable(content):
            content(path)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8", newline="")


def nothing_compiled(function: Any, *args: Any, **static: Any) -> Any:
    """Stand in for `programs.program`: what comes so far was taken, and the command ends."""
    raise FitError(TAKEN)


def overhear(fit: Callable[..., Any], heard: list[Any]) -> Callable[..., Any]:
    """Return `fit`, which keeps the runs that it is given."""

    def fitted(law: Any, runs: Any, **options: Any) -> Any:
        heard.append(runs)
        return fit(law, runs, **options)

    return fitted


@contextlib.contextmanager
def in_time(seconds: float = SECONDS):
    """Raise `Hang` in what takes too long."""

    def ring(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(argv: Any) -> int:
    """Run a command in this process; returns its exit code."""
    try:
        return main(argv)
    except SystemExit as stop:  # of argparse
        return stop.code


def faults(row: Row, code: int, out: str, err: str, folder: Path) -> list[str]:
    """Return what is wrong with how a row ended."""
    found, whole = [], out + err
    if code not in row.codes:
        found.append(f"exit code {code}, not one of {row.codes}")
    if "Traceback" in whole:
        found.append("a traceback")
    if CONTROLS.search(whole):
        found.append("control characters")
    if re.search("^jaxscale: fake", whole, re.MULTILINE):
        found.append("a faked line")
    lines = err.splitlines()
    if code == 2:
        if out and "--json" not in row.argv:
            found.append("an answer beside an error")
        if not lines or not lines[-1].startswith("jaxscale: error: "):
            found.append("no sentence")
        if len(lines) > 3 or len(err) > LONGEST:
            found.append(f"a message of {len(lines)} lines, {len(err)} characters")
    if code == 0 and not row.weird and NO_NUMBER.search(out):
        found.append("nan or inf in an answer")
    found += [f"nothing said of {text!r}" for text in row.said if text not in whole]
    allowed = {name.split("/")[0] for name in (*row.files, *row.makes)}
    found += [f"{name} appeared" for name in sorted(set(os.listdir(folder)) - allowed)]
    return found
