"""The command line: fit, bootstrap, compare, sweep, predict, allocate, plot, forecast and others.

Data goes to stdout, everything else to stderr. `--json` prints one JSON object and nothing else;
it has every number of the text, and nothing as long as the runs. `--out` writes all of the answer.
Files are written before anything is printed. Exit codes: 0 done; 1 done, but the certificate says
not to trust it, or no answer, which a sentence explains; 2 bad input or usage; 3 done, but the
answer could not be printed or a file not be written (stdout is closed, the disk is full); 130
interrupted. Errors are sentences; `--debug` shows the traceback.

A command is a module of this folder with what `Command` lists. To add one, write its module and
put it into `COMMANDS`.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any, Protocol

from jaxscale._numerics.programs import require_backend
from jaxscale._version import __version__
from jaxscale.cli import (
    allocate,
    bootstrap,
    compare,
    console,
    datasets,
    demo,
    fit,
    forecast,
    influence,
    laws,
    outputs,
    plot,
    predict,
    sweep,
    warmup,
)
from jaxscale.cli.cache import private_cache
from jaxscale.cli.renamed import refuse_old_names
from jaxscale.cli.tables import of_every_table
from jaxscale.errors import FitError, JaxscaleError
from jaxscale.fitting.saved import SeveralFitsError


class Command(Protocol):
    """A module that is a command; its own name is the command's.

    Attributes:
        HELP: one sentence on what it does.
        EXAMPLES: two command lines that work.
        COMPILES: whether it compiles programs that are worth keeping for the next time.
    """

    HELP: str
    EXAMPLES: tuple[str, str]
    COMPILES: bool

    def options(self, sub: argparse.ArgumentParser) -> None:
        """Add the options of the command."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it, deliver the answer, return the exit code."""


COMMANDS: tuple[Command, ...] = (
    *(fit, bootstrap, influence, compare, sweep, warmup, predict),
    *(allocate, plot, forecast, laws, datasets, demo),
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def name_of(command: Any) -> str:
    """Return the name of a command, which is that of its module."""
    return str(command.__name__).rpartition(".")[2]


def entry() -> None:
    """Start the command line with a private, persistent compilation cache.

    JAX reads the cache's settings when it is first imported, so the process replaces itself once
    with the environment set, rather than change JAX's configuration. `-P` keeps the working
    directory off its path. A cache that the user has set stays; `JAXSCALE_CACHE=off` switches it
    off.
    """
    cached = [name_of(command) for command in COMMANDS if command.COMPILES]
    wanted = sys.argv[1:2] and sys.argv[1] in cached and os.name == "posix"
    given = "JAX_COMPILATION_CACHE_DIR" in os.environ
    if wanted and not given and os.environ.get("JAXSCALE_CACHE", "") != "off":
        directory = private_cache()
        if directory is not None:
            environment = dict(
                os.environ,
                JAX_COMPILATION_CACHE_DIR=str(directory),
                JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
            )
            command = [sys.executable, "-P", "-m", "jaxscale", *sys.argv[1:]]
            os.execve(sys.executable, command, environment)
    signal.signal(signal.SIGINT, _interrupted)
    console.occupy_closed_streams()
    sys.exit(main())


def _interrupted(*_: Any) -> None:
    """End at once: an exception could get lost in a callback of the compiler's threads."""
    console.say_text("\njaxscale: interrupted")
    os._exit(130)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = argparse.Namespace(debug=False)
    try:
        options, unknown = parser().parse_known_args(argv)
        if unknown:
            where = f"jaxscale {name_of(options.command)}"
            raise ValueError(f"{where} has no {' '.join(unknown)}; see {where} --help")
        outputs.check_options(options)
        require_backend()
        return _ran(options)
    except KeyboardInterrupt:
        console.say("interrupted")
        return 130
    except console.UndeliveredError as error:
        return _failed(options, error, 3)
    except FitError as error:
        return _failed(options, error, 1)
    except OSError as error:
        where, code = f"{error.filename}: " if error.filename else "", 2 + (error.errno in FULL)
        return _failed(options, error, code, f"{where}{error.strerror or error}")
    except (JaxscaleError, ValueError) as error:
        return _failed(options, error, 2)
    except MemoryError as error:
        return _failed(options, error, 2, f"out of memory: {error or 'the input is too large'}")


def _ran(options: argparse.Namespace) -> int:
    try:
        return int(options.command.run(options))
    except SeveralFitsError:
        return of_every_table(options)


def _failed(options: argparse.Namespace, error: Exception, code: int, text: str = "") -> int:
    if options.debug:
        console.say_text("".join(traceback.format_exception(error)).rstrip())
    console.say_error(text or str(error))
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = console.Parser(
        prog="jaxscale", description="Fit scaling laws to tables of training runs."
    )
    top.add_argument("--version", action="version", version=__version__)
    subparsers = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        examples = "\n".join(f"  {line}" for line in command.EXAMPLES)
        sub = subparsers.add_parser(
            name_of(command),
            help=command.HELP,
            description=command.HELP,
            epilog=f"examples:\n{examples}",
        )
        sub.set_defaults(command=command)
        command.options(sub)
        sub.add_argument("--json", action="store_true", help="print one JSON object, a summary")
        sub.add_argument("--debug", action="store_true", help="show tracebacks")
        refuse_old_names(name_of(command), sub)
    return top
