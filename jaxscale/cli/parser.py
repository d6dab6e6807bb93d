"""The command line: fit, bootstrap, compare, sweep, predict, allocate, plot, forecast and others.

Data goes to stdout, everything else to stderr. `--json` prints one JSON object and nothing else;
it has every number of the text, and nothing as long as the runs. `--out` writes all of the answer.
Files are written before anything is printed. Exit codes: 0 done; 1 done, but the certificate says
not to trust it, or no answer, which a sentence explains; 2 bad input or usage; 3 done, but the
answer could not be printed or a file not be written (stdout is closed, the disk is full); 130
interrupted. Errors are sentences; `--debug` shows the traceback.

A person waits for every import: only the command that is meant is imported, and JAX with it, once
its compilation cache is known. The commands are listed in `commands`.
"""

from __future__ import annotations

import argparse
import errno
import gc
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from jaxscale._version import __version__
from jaxscale.cli import console
from jaxscale.cli.cache import keep_programs
from jaxscale.cli.commands import COMMANDS, command_named
from jaxscale.cli.renamed import refuse_old_names
from jaxscale.errors import FitError, JaxscaleError, SeveralFitsError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def entry() -> None:
    """Start the command line with a private, persistent compilation cache.

    JAX reads the cache's settings when it is first imported, which is later than this. A cache
    that the user has set stays; `JAXSCALE_CACHE=off` switches it off.
    """
    gc.set_threshold(100_000, 20, 20)  # tracing makes many objects, and few of them are garbage
    name = _meant(sys.argv[1:])
    if name and COMMANDS[name].compiles:
        keep_programs()
    signal.signal(signal.SIGINT, _interrupted)
    console.occupy_closed_streams()
    sys.exit(main())


def _interrupted(*_: Any) -> None:
    """End at once: an exception could get lost in a callback of the compiler's threads."""
    console.say_text("\njaxscale: interrupted")
    os._exit(130)


def _meant(argv: Sequence[str]) -> str:
    """Return the command that is meant, options before it or not; empty if there is none."""
    return next((word for word in argv if word in COMMANDS), "")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    options = argparse.Namespace(debug=False)
    try:
        options, unknown = parser(_meant(argv)).parse_known_args(argv)
        if unknown:
            where = f"jaxscale {options.command}"
            raise ValueError(f"{where} has no {' '.join(unknown)}; see {where} --help")
        return _run(options)
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


def _failed(options: argparse.Namespace, error: Exception, code: int, text: str = "") -> int:
    if options.debug:
        console.say_text("".join(traceback.format_exception(error)).rstrip())
    console.say_error(text or str(error))
    return code


def _run(options: argparse.Namespace) -> int:
    from jaxscale._numerics.programs import require_backend
    from jaxscale.cli.outputs import check_options

    check_options(options)
    require_backend()
    try:
        return int(command_named(options.command).run(options))
    except SeveralFitsError:
        from jaxscale.cli.tables import of_every_table

        return of_every_table(options)


def parser(*names: str) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        names: of the commands whose options it is to know; default all.
    """
    top = console.Parser(
        prog="jaxscale", description="Fit scaling laws to tables of training runs."
    )
    top.add_argument("--version", action="version", version=__version__)
    subparsers = top.add_subparsers(required=True, metavar="COMMAND")
    for name, row in COMMANDS.items():
        sub = subparsers.add_parser(name, help=row.help, description=row.help)
        sub.set_defaults(command=name)
        if names and name not in names:
            continue
        command = command_named(name)
        examples = "\n".join(f"  {line}" for line in command.EXAMPLES)
        sub.epilog = f"examples:\n{examples}"
        command.options(sub)
        sub.add_argument("--json", action="store_true", help="print one JSON object, a summary")
        sub.add_argument("--debug", action="store_true", help="show tracebacks")
        refuse_old_names(name, sub)
    return top
