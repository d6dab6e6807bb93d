"""The files of a command: none is lost, and all are on the disk before a word is printed."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from jaxscale.cli.console import BarStream, UndeliveredError, say, show
from jaxscale.data.loss_curves import EVENTS
from jaxscale.files.durable import same_file, write_atomically
from jaxscale.laws.names import law_file

INPUTS = ("runs", "fit", "metrics", "learn", "spec")
OUTPUTS = ("out", "figure", "joint")
"""Attributes of the options that name files, in every command."""


def check_options(options: argparse.Namespace) -> None:
    """Raise before any work for an option that is empty, or a file that may not be written.

    Raises:
        ValueError: an option is empty; an output is an input, is another output, or has no folder.
    """
    for name, value in vars(options).items():
        if isinstance(value, str) and not value.strip():
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
    name = {"directory": "out", "panels": "figure", "run_name": "run"}.get(name, name)
    return name if name in ("runs", "fit", "spec", "name") else "--" + name.replace("_", "-")


def inputs_of(options: argparse.Namespace) -> Iterator[Path]:
    """Yield the files that the options make a command read; those of a sweep stand in its spec."""
    for name in INPUTS:
        given = getattr(options, name, None) or ()
        for text in [given] if isinstance(given, str) else given:
            yield Path(text)
            if Path(text).is_dir():
                yield from Path(text).rglob(f"*{EVENTS}*")
    several = (getattr(options, "laws", None) or "").split(",")
    for text in (getattr(options, "law", None) or "", *several):
        if (path := law_file(text.strip())) is not None:
            yield path


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
    text: str,
    document: Callable[[], str],
    *,
    out: str | None = None,
    notes: Sequence[str] = (),
    files: Sequence[Callable[[], Any]] = (),
) -> None:
    """Write the files that were asked for, then print the answer, whatever became of the files.

    Args:
        options: `json` decides which of the two is printed.
        text: the answer for a person.
        document: returns the answer as JSON.
        out: file that takes the JSON.
        notes: said on stderr beside the JSON; the text has its own.
        files: write further files, such as figures.

    Raises:
        UndeliveredError: a file could not be written, or the answer not be printed.
    """
    encoded = document() if options.json or out else ""
    write = [lambda: write_atomically(Path(str(out)), encoded.encode() + b"\n")] if out else []
    lost: list[str] = []
    try:
        for each in (*write, *files):
            try:
                each()
            except OSError as error:
                lost.append(f"{error.filename} could not be written: {error.strerror or error}")
    finally:
        try:
            show(encoded if options.json else text)
        except UndeliveredError as error:
            lost.append(str(error))
        for note in notes if options.json else ():
            say(f"note: {note}")
    if lost:
        raise UndeliveredError("; ".join(lost))


T = TypeVar("T")


def with_progress(
    options: argparse.Namespace, work: Callable[[Any], T], doing: str = "fitting", of: str = "start"
) -> T:
    """Show a bar on stderr once the work has taken a second."""
    if getattr(options, "quiet", False) or sys.stderr is None:
        return work(None)
    look: Any = dict(desc=f"compiling, then {doing}", unit=of, delay=1.0, leave=False)
    with tqdm(**look, file=BarStream()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.set_description(doing, refresh=False)
            bar.update(done - bar.n)

        return work(progress)
