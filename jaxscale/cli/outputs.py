"""The files of a command: none is lost, and all are on the disk before a word is printed."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from jaxscale.cli.console import SCHEMA, BarStream, UndeliveredError, say, show
from jaxscale.data.loss_curves import EVENTS
from jaxscale.files.document import plain, versions
from jaxscale.files.durable import same_file, write_atomically
from jaxscale.laws.names import law_file, split_laws

INPUTS = ("runs", "fit", "metrics", "learn", "spec", "about", "check")
OUTPUTS = ("out", "figure", "joint")
"""Attributes of the options that name files, in every command."""


def check_options(options: argparse.Namespace) -> None:
    """Raise before any work for an option that is empty, or a file that may not be written.

    Raises:
        ValueError: an option is empty; an output is an input, is another output, or has no folder.
    """
    for name, value in vars(options).items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not text.strip():
                raise ValueError(
                    f"{_flag(name)} is empty (an unset variable?); give a value, or leave it out"
                )
    given = {_flag(name): getattr(options, name, None) for name in OUTPUTS}
    check_outputs({flag: path for flag, path in given.items() if path}, list(inputs_of(options)))


def check_outputs(outputs: Mapping[str, str | Path], inputs: Sequence[str | Path] = ()) -> None:
    """Raise for files that may not be written.

    Args:
        outputs: the files by the option that names them.
        inputs: files that the command reads.

    Raises:
        ValueError: an output is an input or another output, also by another name; it is a
            directory, has no folder, or may not be written.
    """
    for flag, path in outputs.items():
        _writable(flag, Path(path))
    for source in inputs:
        if _is_stdout(source):
            raise ValueError(f"stdout goes into {source}, which the command reads")
    before: dict[str, str | Path] = {}
    for flag, path in outputs.items():
        for source in inputs:
            if same_file(path, source):
                raise ValueError(
                    f"{flag} {path}: would overwrite {source}, which the command reads; give "
                    "another file"
                )
        if _is_stdout(path):
            raise ValueError(f"{flag} {path}: stdout goes there as well; give another file")
        for other, taken in before.items():
            if same_file(path, taken):
                raise ValueError(f"{flag} {path}: {other} is the same file; give another")
        before[flag] = path


def _is_stdout(path: str | Path) -> bool:
    """Return whether stdout is this regular file."""
    try:
        status = os.fstat(sys.stdout.fileno())
        return stat.S_ISREG(status.st_mode) and os.path.samestat(status, os.stat(path))
    except (AttributeError, OSError, ValueError):  # closed, or none of the system's
        return False


def _flag(name: str) -> str:
    positional = ("runs", "fit", "spec", "name", "metrics")
    return name if name in positional else "--" + name.replace("_", "-")


def inputs_of(options: argparse.Namespace) -> Iterator[Path]:
    """Yield the files that the options make a command read; those of a sweep stand in its spec."""
    for name in INPUTS:
        given = getattr(options, name, None) or ()
        for text in [given] if isinstance(given, str) else given:
            yield Path(text)
            if Path(text).is_dir():
                yield from Path(text).rglob(f"*{EVENTS}*")
    laws, loss = getattr(options, "law", None) or "", getattr(options, "loss", None) or ""
    for text in [*(law_names(laws) if isinstance(laws, list) else [laws]), loss]:
        if (path := law_file(text)) is not None:
            yield path


def law_names(given: Sequence[str]) -> list[str]:
    """Return the laws of a `--law` that is repeatable, and takes several with commas between."""
    return [name for text in given for name in split_laws(text) if name]


def _writable(flag: str, path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"{flag} {path}: is a directory; give a file, e.g. {path / 'fit.json'}")
    folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
    if not path.exists() and not folder.is_dir():
        raise ValueError(f"{flag} {path}: there is no folder {str(folder)!r}")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"{flag} {path}: may not be written")
    replaced = path.is_file() or not path.exists()  # else it is a device or a pipe
    if replaced and not os.access(folder, os.W_OK):
        raise ValueError(f"{flag} {path}: the folder {str(folder)!r} may not be written")


def check_figure(flag: str, path: str | None) -> None:
    """Raise for a figure file of a kind that cannot be drawn."""
    if path is None:
        return
    from jaxscale.plotting.style import ENDINGS

    if Path(path).suffix.lower() not in ENDINGS:
        raise ValueError(f"{flag} {path}: a figure file ends in one of {', '.join(ENDINGS)}")


def deliver(
    options: argparse.Namespace,
    text: str | None,
    document: Callable[[], Mapping[str, Any]],
    *,
    brief: Callable[[dict[str, Any]], Mapping[str, Any]] = dict,
    notes: Sequence[str] = (),
    told: Sequence[str] = (),
    noted: bool = False,
    files: Sequence[Callable[[], Any]] = (),
) -> None:
    """Write the files that were asked for, then print the answer, whatever became of the files.

    `--out` takes the whole document, `--json` prints what `brief` leaves of it. Both have a
    schema_version, notes and versions.

    Args:
        options: `json` decides which of text and document is printed, `out` is a file for the
            document.
        text: the answer for a person; None where there is none to print.
        document: returns the whole answer.
        brief: takes away from the document what is as long as the runs or the starts.
        notes: what a reader should know beside the numbers; said on stderr beside the JSON.
        told: notes that stderr had before.
        noted: whether the text has the notes; else stderr has them beside the text too.
        files: write further files, such as figures.

    Where the options have a list `collected`, the answer goes there: it is one of several.

    Raises:
        UndeliveredError: a file could not be written, or the answer not be printed.
    """
    if (collected := getattr(options, "collected", None)) is not None:
        collected.append((text, dict(document()), brief, list(notes), list(told)))
        return
    out = getattr(options, "out", None)
    whole = dict(document()) if options.json or out else {}
    write: list[Callable[[], Any]] = []
    if out:
        raw = _encoded(whole, [*told, *notes]).encode() + b"\n"
        write.append(lambda: write_atomically(Path(out), raw))
    lost: list[str] = []
    try:
        for each in (*write, *files):
            try:
                each()
            except OSError as error:
                lost.append(f"{error.filename} could not be written: {error.strerror or error}")
            except UndeliveredError as error:
                lost.append(str(error))
    finally:
        try:
            answer = _encoded(brief(whole), [*told, *notes]) if options.json else text
            if answer is not None:
                show(answer)
        except UndeliveredError as error:
            lost.append(str(error))
        for note in notes if options.json or not noted else ():
            say(f"note: {note}")
    if lost:
        raise UndeliveredError("; ".join(lost))


def _encoded(document: Mapping[str, Any], notes: Sequence[str]) -> str:
    """Return JSON; what is not finite becomes null."""
    head = {"schema_version": SCHEMA}
    return json.dumps(
        plain({**head, **document, "notes": list(notes), "versions": versions()}), allow_nan=False
    )


def brief_data(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document whose `data` counts the rows that were left out, in place of a list."""
    data = dict(document["data"])
    for name in ("dropped", "suspects"):
        if name in data:
            data[name] = len(data[name])
    return {**document, "data": data}


T = TypeVar("T")


def with_progress(
    options: argparse.Namespace, work: Callable[[Any], T], doing: str = "fitting", of: str = "start"
) -> T:
    """Show a bar on a terminal once the work has taken a second; till it moves, that it compiles.

    A file or a pipe gets neither: a bar is thousands of lines there.
    """
    if getattr(options, "quiet", False) or sys.stderr is None or not sys.stderr.isatty():
        return work(None)
    stream = BarStream()
    with (
        tqdm(desc=doing, unit=of, delay=1.0, leave=False, file=stream) as bar,
        _said_after_a_second(stream, f"compiling, then {doing} ...") as moves,
    ):

        def progress(done: int, total: int) -> None:
            moves()
            bar.total = total
            bar.update(done - bar.n)

        return work(progress)


@contextlib.contextmanager
def _said_after_a_second(stream: BarStream, text: str) -> Iterator[Callable[[], None]]:
    """Show a line on a terminal, if a second goes by before what is yielded is called."""
    shown = threading.Event()

    def show_it() -> None:
        shown.set()
        stream.write(text)
        stream.flush()

    timer = threading.Timer(1.0, show_it)
    timer.daemon = True

    def moves() -> None:
        timer.cancel()
        if shown.is_set():
            shown.clear()
            stream.write("\r" + " " * len(text) + "\r")

    timer.start()
    try:
        yield moves
    finally:
        moves()
