"""The command line: fit, sweep, warmup, predict, allocate, plot, laws, demo.

Data goes to stdout, everything else to stderr. `--json` prints one JSON object and nothing else.
Exit codes: 0 done; 1 done, but the certificate says not to trust it; 2 bad input or usage; 130
interrupted. Errors are sentences; `--debug` shows the traceback.
"""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jaxscale
from jaxscale import commands, sweep_command
from jaxscale._precision import PRECISIONS
from jaxscale.errors import FitError, JaxscaleError
from jaxscale.losses import NAMES
from jaxscale.objective import RESIDUALS

CACHED_COMMANDS = ("fit", "demo", "sweep", "warmup")


def entry() -> None:
    """Start the command line with a private, persistent compilation cache.

    JAX reads the cache's settings when it is first imported, so the process replaces itself once
    with the environment set, rather than change JAX's configuration. A cache that the user has
    set stays; `JAXSCALE_CACHE=off` switches it off.
    """
    wanted = sys.argv[1:2] and sys.argv[1] in CACHED_COMMANDS and os.name == "posix"
    given = "JAX_COMPILATION_CACHE_DIR" in os.environ
    if wanted and not given and os.environ.get("JAXSCALE_CACHE", "") != "off":
        directory = _cache_directory()
        if directory is not None:
            environment = dict(
                os.environ,
                JAX_COMPILATION_CACHE_DIR=str(directory),
                JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
            )
            command = [sys.executable, "-m", "jaxscale", *sys.argv[1:]]
            os.execve(sys.executable, command, environment)
    signal.signal(signal.SIGINT, _interrupted)
    sys.exit(main())


def _interrupted(*_: Any) -> None:
    """End at once: an exception could get lost in a callback of the compiler's threads."""
    print("\njaxscale: interrupted", file=sys.stderr, flush=True)
    os._exit(130)


def _cache_directory() -> Path | None:
    """Return the user's own cache directory, or None where it cannot be private.

    Whoever can write to a compilation cache can run code in this process.
    """
    base = os.environ.get("JAXSCALE_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "jaxscale", "programs"
    )
    try:
        path = Path(base)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError:
        return None
    private = status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return path if private else None


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        commands.say("interrupted")
        return 130
    except FitError as error:
        return _failed(options, error, 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _failed(options, error, 2, f"{where}{error.strerror or error}")
    except (JaxscaleError, ValueError) as error:
        return _failed(options, error, 2)


def _failed(options: argparse.Namespace, error: Exception, code: int, text: str = "") -> int:
    if options.debug:
        raise error
    commands.say(f"error: {text or error}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jaxscale", description="Fit scaling laws to tables of training runs."
    )
    parser.add_argument("--version", action="version", version=jaxscale.__version__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Any], int], text: str) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        sub.add_argument("--debug", action="store_true", help="show tracebacks")
        return sub

    _fit_options(command("fit", commands.run_fit, "Fit a law to a table of runs."))
    _sweep_options(
        command("sweep", sweep_command.run_sweep_command, "Fit many laws and tables, resumably.")
    )
    _warmup_options(
        command("warmup", sweep_command.run_warmup, "Compile a law's programs ahead of time.")
    )
    sub = command("predict", commands.run_predict, "Evaluate a fitted law or a preset.")
    _source_options(sub)
    for name in ("N", "D", "C", "S"):
        sub.add_argument(f"--{name}", type=float, nargs="+", metavar="X", help=f"values of {name}")
    sub.add_argument(
        "--at",
        action="append",
        default=[],
        metavar="NAME=X",
        type=_pair,
        help="value of an input of another name",
    )
    sub = command(
        "allocate", commands.run_allocate, "Best N and D for a budget, or for a target loss."
    )
    _source_options(sub)
    goal = sub.add_mutually_exclusive_group(required=True)
    goal.add_argument("--compute", type=float, nargs="+", metavar="C", help="budgets in FLOPs")
    goal.add_argument("--target-loss", type=float, nargs="+", metavar="L", help="losses to reach")
    sub = command("plot", commands.run_plot, "Draw the law, the residuals and the starts of a fit.")
    _source_options(sub)
    sub.add_argument("-o", "--out", required=True, help="figure file: .png, .svg or .pdf")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--figure", choices=("all", "law", "residuals", "starts"), default="all")
    what.add_argument(
        "--surface", action="store_true", help="draw the objective over the law's exponents"
    )
    sub = command("laws", commands.run_laws, "List the laws, their parameters and presets.")
    sub.add_argument("name", nargs="?", help="show one law in full")
    sub = command(
        "demo", commands.run_demo, "Run the main job on the simulated table in the package."
    )
    sub.add_argument("-o", "--out", metavar="DIR", help="write fit.json and fit.png there")
    return parser


def _fit_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("runs", help="CSV, TSV, JSON Lines, JSON or Parquet file")
    _problem_options(sub)
    sub.add_argument("--delta", type=float, help="width of the Huber loss; default 1e-3")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--optimizer", choices=commands.OPTIMIZERS, default="newton")
    sub.add_argument("--max-steps", type=int, help="evaluations per start")
    sub.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="N=COLUMN",
        help="say which column is N, D, C, S, loss, weight or group; repeatable",
    )
    sub.add_argument("--where", metavar="EXPR", help='keep rows, e.g. "loss < 4 and lr == 3e-4"')
    sub.add_argument(
        "--drop-highest", type=int, default=0, metavar="K", help="leave out the K highest losses"
    )
    sub.add_argument(
        "--bad",
        choices=("raise", "drop"),
        default="raise",
        help="what to do with missing or non-finite cells",
    )
    sub.add_argument(
        "--units",
        choices=("plain", "auto"),
        default="plain",
        help="auto reads 300M, 1.2B, 32.0K, 11%%",
    )
    sub.add_argument("--decimal", default=".", help="decimal mark of CSV numbers")
    sub.add_argument("-o", "--out", metavar="FILE", help="write the result as JSON")
    sub.add_argument("--quiet", action="store_true", help="no progress bar")


def _sweep_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("spec", help="TOML file: [data.NAME], [sweep] and [fix.LAW]")
    sub.add_argument(
        "-o",
        "--out",
        required=True,
        metavar="DIR",
        help="results; a sweep that was stopped goes on with what is there",
    )
    sub.add_argument(
        "--dry-run", action="store_true", help="list the cells and what would be reused"
    )
    sub.add_argument("--quiet", action="store_true", help="no progress bar")


def _warmup_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--n", type=int, required=True, metavar="RUNS", help="how many runs")
    _problem_options(sub)


def _problem_options(sub: argparse.ArgumentParser) -> None:
    """Add what decides the programs of a fit."""
    sub.add_argument("--law", default="Chinchilla", help="a law's name, or FILE.py:CLASS")
    sub.add_argument("--of", metavar="COLUMN", help="the scale of a one-scale law, e.g. C")
    sub.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=X",
        type=_pair,
        help="hold a parameter at a value; repeatable",
    )
    sub.add_argument("--loss", choices=NAMES, default="huber")
    sub.add_argument("--residual", choices=RESIDUALS, default="log")
    sub.add_argument("--starts", type=int, default=1024, help="random starts")
    sub.add_argument("--precision", choices=PRECISIONS, default="float64")


def _source_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("fit", help="a result of `jaxscale fit --out`, or LAW:PRESET")
    sub.add_argument("--law", help="FILE.py:CLASS of a user's own law")


def _pair(text: str) -> tuple[str, float]:
    name, mark, value = text.partition("=")
    try:
        return name, float(value) if mark else float("nan") / 0
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"expected NAME=NUMBER, got {text!r}") from None
