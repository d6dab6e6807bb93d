"""The command line: fit, bootstrap, compare, sweep, predict, allocate, plot, forecast and others.

Data goes to stdout, everything else to stderr. `--json` prints one JSON object and nothing else;
it has every number of the text, and nothing as long as the runs. `--out` writes all of the answer.
Files are written before anything is printed. Exit codes: 0 done; 1 done, but the certificate says
not to trust it, or no answer, which a sentence explains; 2 bad input or usage; 3 done, but the
answer could not be printed or a file not be written (stdout is closed, the disk is full); 130
interrupted. Errors are sentences, and with `--json` an object on stdout as well; `--debug` shows
the traceback.

A person waits for every import: only the command that is meant is imported, and JAX with it, once
its compilation cache is known. The commands are listed in `commands`.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import gc
import sys
import traceback
from collections.abc import Iterable, Sequence

from jaxscale._version import __version__
from jaxscale.cli import console
from jaxscale.cli.cache import keep_programs
from jaxscale.cli.commands import COMMANDS, command_named
from jaxscale.cli.front import everything, overview
from jaxscale.cli.manual import synopsis
from jaxscale.cli.renamed import refuse_old_names
from jaxscale.cli.sections import OUTPUT, arrange, section
from jaxscale.errors import FitError, JaxscaleError, SeveralFitsError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def start() -> None:
    """Run what the process was called with, with a private, persistent compilation cache.

    JAX reads the cache's settings when it is first imported, which is later than this. A cache
    that the user has set stays; `JAXSCALE_CACHE=off` switches it off.
    """
    gc.set_threshold(100_000, 20, 20)  # tracing makes many objects, and few of them are garbage
    name = _meant(sys.argv[1:])
    if name in COMMANDS and COMMANDS[name].compiles:
        keep_programs()
    console.occupy_closed_streams()
    sys.exit(main())


def _meant(argv: Sequence[str]) -> str:
    """Return the command that is meant, options before it or not; empty if there is none."""
    return next((word for word in argv if not word.startswith("-")), "")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    options = argparse.Namespace(debug="--debug" in argv, json="--json" in argv)
    try:
        if argv[:1] == ["help"]:
            argv = [*argv[1:], "--help"]
        if not argv:
            console.show(overview())
            return 0
        return _run(_understood(argv))
    except KeyboardInterrupt as error:
        console.say("interrupted")
        return _failed(options, error, 130, "interrupted")
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


def _understood(argv: list[str]) -> argparse.Namespace:
    """Return the options of a command.

    Raises:
        ValueError: there is no such command or option.
    """
    name = _meant(argv)
    if name and name not in COMMANDS:
        near = _near(name, COMMANDS)
        raise console.UsageError(f"there is no command {name!r}; {near}see jaxscale --help")
    top = parser(name)
    options, unknown = top.parse_known_args(argv)
    if unknown:
        where = f"jaxscale {options.command}"
        known = [
            option for action in top.commands[name]._actions for option in action.option_strings
        ]
        word = unknown[0].partition("=")[0]
        if word in known:
            near = "options go after the command; "
        elif "--at" in known and (inputs := _as_inputs(unknown)):
            near = _near(word, known, least=0.75)  # --E is as like --S as any letter is
            near += f"an input of another name is given with {inputs}; "
        else:
            near = _near(word, known)
        raise console.UsageError(f"{where} has no {' '.join(unknown)}; {near}see {where} --help")
    return options


def _near(word: str, known: Iterable[str], least: float = 0.6) -> str:
    """Return the question whether a word that is known was meant; empty if none is like it."""
    bare = {one.lstrip("-").lower(): one for one in known}
    near = difflib.get_close_matches(word.lstrip("-").lower(), bare, n=1, cutoff=least)
    return f"did you mean {bare[near[0]]}? " if near else ""


def _as_inputs(unknown: Sequence[str]) -> str:
    """Return `--at E=127` for what is given as `--E 127`; empty where it is anything else."""
    words = [part for text in unknown for part in text.split("=", 1)]
    found, name = [], ""
    for word in words:
        if word.startswith("--"):
            name = word[2:]
        elif name.isidentifier() and _is_number(word):
            found.append(f"--at {name}={word}")
        else:
            return ""
    return " ".join(found)


def _is_number(text: str) -> bool:
    from jaxscale.cli.values import number

    try:
        number(text)
    except argparse.ArgumentTypeError:
        return False
    return True


def _failed(options: argparse.Namespace, error: BaseException, code: int, text: str = "") -> int:
    """Say what went wrong; returns the exit code."""
    text = text or str(error)
    if options.debug and not isinstance(error, console.UsageError):
        console.say_text("".join(traceback.format_exception(error)).rstrip())
    if not isinstance(error, KeyboardInterrupt):
        console.say_error(text)
    if options.json and code != 3:  # else stdout has the answer, or is closed
        console.show_failure(text, error, code)
    return code


def _run(options: argparse.Namespace) -> int:
    command = command_named(options.command)
    if COMMANDS[options.command].bare:
        return int(command.run(options))
    from jaxscale._numerics.programs import require_backend
    from jaxscale.cli.outputs import check_options

    check_options(options)
    require_backend()
    try:
        return int(command.run(options))
    except SeveralFitsError:
        from jaxscale.cli.tables import of_every_table

        return of_every_table(options)


class Top(console.Parser):
    """The parser of the command line, whose help is the list of commands.

    Attributes:
        commands: their parsers, by name.
    """

    commands: dict[str, argparse.ArgumentParser]

    def format_help(self) -> str:
        """Return what there is."""
        return everything() + "\n"


def parser(*names: str) -> Top:
    """Return the parser of the command line.

    Args:
        names: of the commands whose options it is to know; default all.
    """
    top = Top(prog="jaxscale", description="Fit scaling laws to tables of training runs.")
    top.add_argument("--version", action="version", version=f"jaxscale {__version__}")
    subparsers = top.add_subparsers(required=True, metavar="COMMAND", parser_class=console.Parser)
    top.commands = {}
    for name, row in COMMANDS.items():
        sub = top.commands[name] = subparsers.add_parser(name, help=row.help, description=row.help)
        sub.set_defaults(command=name)
        if names and name not in names:
            continue
        command = command_named(name)
        examples = "\n".join(f"  {line}" for line in command.EXAMPLES)
        sub.epilog = f"examples:\n{examples}"
        command.options(sub)
        output = section(sub, OUTPUT)
        output.add_argument("--json", action="store_true", help="print one JSON object, a summary")
        output.add_argument("--debug", action="store_true", help="show tracebacks")
        arrange(sub)
        sub.usage = synopsis(name, sub)
        refuse_old_names(name, sub)
    return top
