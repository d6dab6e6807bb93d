"""Where cells are computed: here, in processes of this machine, or by the workers of a cluster."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxscale.cli.console import say
from jaxscale.executors import WorkerError
from jaxscale.files.reading import parse_json, read_text
from jaxscale.text import many, one_line

WAIT = 10
"""Seconds in which a scheduler must answer."""
MAX_BYTES = 1 << 24
"""Largest scheduler file that is read."""


def worker_options(sub: argparse.ArgumentParser) -> None:
    """Add who computes."""
    group = sub.add_mutually_exclusive_group()
    text = "compute in so many processes of this machine, e.g. one per core"
    group.add_argument("--workers", type=_count, metavar="K", help=text)
    text = (
        "compute on the workers of a dask scheduler, tcp://HOST:PORT or its scheduler file "
        "(pip install 'jaxscale[cluster]')"
    )
    group.add_argument("--scheduler", metavar="ADDRESS", help=text)


def worker_words(options: argparse.Namespace) -> list[str]:
    """Return the options as they would be given again."""
    if options.scheduler is not None:
        return ["--scheduler", options.scheduler]
    return [] if options.workers is None else ["--workers", str(options.workers)]


@contextlib.contextmanager
def given_workers(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the arguments `executor` and `workers` that the options stand for.

    Raises:
        ValueError: there is no such scheduler, or dask.distributed is missing.
        WorkerError: the workers were lost, and how to go on.
    """
    try:
        if options.scheduler is None:
            yield {"workers": options.workers}
            return
        with _client(options.scheduler) as client:
            threads = client.nthreads()
            if not threads:
                say(f"no workers yet; start some: dask worker {options.scheduler} --nthreads 1")
            elif not options.quiet:
                say(f"{many(len(threads), 'worker')} at {options.scheduler}")
            yield {"executor": client.get_executor(pure=False)}
    except WorkerError as error:
        text = f"{error}; what is finished is kept, and the same command goes on with it"
        raise WorkerError(text) from error


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            "--scheduler needs dask.distributed: pip install 'jaxscale[cluster]'"
        ) from error
    connect: Any = Client  # it has no types
    where = _address(address) if os.path.isfile(address) else address
    try:
        return connect(where, timeout=WAIT, set_as_default=False)
    except (OSError, ValueError) as error:  # a timeout, or an address that is none
        raise ValueError(
            f"--scheduler {address}: no dask scheduler answers there "
            f"({one_line(str(error))}); start one with: dask scheduler"
        ) from error


def _address(file: str) -> str:
    """Return the address in a file of `dask scheduler --scheduler-file`."""
    text = read_text(Path(file), MAX_BYTES, "a file of dask scheduler --scheduler-file")
    try:
        found = parse_json(text, file)
    except ValueError:
        found = None
    if not (isinstance(found, dict) and isinstance(found.get("address"), str)):
        raise ValueError(f"--scheduler {file}: no file of dask scheduler --scheduler-file")
    return str(found["address"])


def _count(text: str) -> int:
    """Return a number of workers."""
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number >= 1, got {text!r}")
