"""The command line: fit, bootstrap, compare, sweep, predict, allocate, plot, forecast and others.

Data goes to stdout, everything else to stderr. `--json` prints one JSON object and nothing else.
Files are written before anything is printed. Exit codes: 0 done; 1 done, but the certificate says
not to trust it, or no answer, which a sentence explains; 2 bad input or usage; 3 done, but the
answer could not be printed or a file not be written (stdout is closed, the disk is full); 130
interrupted. Errors are sentences; `--debug` shows the traceback.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import jaxscale
from jaxscale import (
    commands,
    compare_command,
    console,
    datasets_command,
    forecast_command,
    influence_command,
    laws_command,
    outputs,
    sweep_command,
    uncertainty_command,
)
from jaxscale._cache import private_cache
from jaxscale._precision import PRECISIONS
from jaxscale._programs import require_backend
from jaxscale.bootstrap import METHODS
from jaxscale.errors import FitError, JaxscaleError
from jaxscale.intervals import KINDS
from jaxscale.losses import NAMES
from jaxscale.objective import RESIDUALS
from jaxscale.quantities import BEST
from jaxscale.schedules import SCHEDULES

CACHED_COMMANDS = (
    *("fit", "bootstrap", "compare", "demo", "forecast", "influence", "plot", "sweep", "warmup"),
)
RUNS_FILE = "naming a FILE.py runs it, with all that it does"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FIGURES = ("all", "law", "residuals", "starts", "waterfall", "bands")


def entry() -> None:
    """Start the command line with a private, persistent compilation cache.

    JAX reads the cache's settings when it is first imported, so the process replaces itself once
    with the environment set, rather than change JAX's configuration. `-P` keeps the working
    directory off its path. A cache that the user has set stays; `JAXSCALE_CACHE=off` switches it
    off.
    """
    wanted = sys.argv[1:2] and sys.argv[1] in CACHED_COMMANDS and os.name == "posix"
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
        options = _parser().parse_args(argv)
        outputs.check_options(options)
        require_backend()
        return int(options.run(options))
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


def _failed(options: argparse.Namespace, error: Exception, code: int, text: str = "") -> int:
    if options.debug:
        console.say_text("".join(traceback.format_exception(error)).rstrip())
    console.say(f"error: {text or error}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = console.Parser(
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
    _bootstrap_options(
        command("bootstrap", uncertainty_command.run_bootstrap, "Confidence intervals of a fit.")
    )
    text = "Say which runs decide an answer of a fit."
    _influence_options(command("influence", influence_command.run_influence, text))
    _compare_options(
        command("compare", compare_command.run_compare, "Compare laws, extrapolation first.")
    )
    _sweep_options(
        command("sweep", sweep_command.run_sweep_command, "Fit many laws and tables, resumably.")
    )
    _warmup_options(
        command("warmup", sweep_command.run_warmup, "Compile a law's programs ahead of time.")
    )
    sub = command("predict", commands.run_predict, "Evaluate a fitted law or a preset.")
    _source_options(sub)
    _input_options(sub)
    sub = command(
        "allocate", commands.run_allocate, "Best N and D for a budget, or for a target loss."
    )
    _source_options(sub)
    goal = sub.add_mutually_exclusive_group(required=True)
    goal.add_argument("--compute", type=float, nargs="+", metavar="C", help="budgets in FLOPs")
    goal.add_argument("--target-loss", type=float, nargs="+", metavar="L", help="losses to reach")
    _force_option(sub)
    sub = command("plot", commands.run_plot, "Draw the law, the residuals and the starts of a fit.")
    _plot_options(sub)
    text = "Forecast where a run that is still training will end."
    _forecast_options(command("forecast", forecast_command.run_forecast, text))
    sub = command("laws", laws_command.run_laws, "List the laws, their parameters and presets.")
    text = f"show one law in full: its name, or FILE.py:CLASS; {RUNS_FILE}"
    sub.add_argument("name", nargs="?", help=text)
    sub = command("datasets", datasets_command.run_datasets, "List named tables of real runs.")
    sub.add_argument("name", nargs="?", help="show one table's card")
    sub = command(
        "demo", commands.run_demo, "Run the main job on the table of real runs in the package."
    )
    sub.add_argument(
        "-o", "--out", dest="directory", metavar="DIR", help="write fit.json and fit.png there"
    )
    return parser


def _plot_options(sub: argparse.ArgumentParser) -> None:
    _source_options(sub)
    sub.add_argument("-o", "--out", required=True, help="figure file: .png, .svg or .pdf")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--figure", dest="panels", choices=FIGURES, default="all")
    what.add_argument(
        "--surface", action="store_true", help="draw the objective over the law's exponents"
    )


def _fit_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("runs", help="CSV, TSV, JSON Lines, JSON or Parquet file")
    _problem_options(sub)
    sub.add_argument("--delta", type=float, help="width of the Huber loss; default 1e-3")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--optimizer", choices=commands.OPTIMIZERS, default="newton")
    sub.add_argument("--max-steps", type=int, help="evaluations per start")
    _table_options(sub)
    sub.add_argument("-o", "--out", metavar="FILE", help="write the result as JSON")
    sub.add_argument("--quiet", action="store_true", help="no progress bar")


def _table_options(sub: argparse.ArgumentParser) -> None:
    """Add how a table is read."""
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


def _compare_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("runs", help="CSV, TSV, JSON Lines, JSON or Parquet file")
    sub.add_argument(
        "--laws",
        metavar="LAW,...",
        help="e.g. Chinchilla,Kaplan,PowerLaw:C,FILE.py:CLASS; default what the columns allow; "
        + RUNS_FILE,
    )
    sub.add_argument("--by", metavar="COLUMN", help="what makes a run large; default C")
    sub.add_argument("--levels", type=int, default=12, help="bins along it")
    sub.add_argument("--folds", type=int, default=10, help="of the cross-validation; 0 for none")
    sub.add_argument("--group", metavar="COLUMN", help="leave out its values, one at a time")
    sub.add_argument(
        "--deltas", metavar="X,...", help="fit again under these; default 1e-4 to 1e-2"
    )
    sub.add_argument("--draws", type=int, default=199, help="of each nested test; 0 for none")
    _loss_options(sub)
    sub.add_argument("--delta", type=float, help="width of the Huber loss; default 1e-3")
    sub.add_argument("--seed", type=int, default=0)
    _table_options(sub)
    sub.add_argument("-o", "--out", metavar="FILE", help="write the result as JSON")
    sub.add_argument("--quiet", action="store_true", help="no progress bar")


def _bootstrap_options(sub: argparse.ArgumentParser) -> None:
    _source_options(sub)
    sub.add_argument(
        "--method", choices=METHODS, default="auto", help="what is drawn; default by the residuals"
    )
    sub.add_argument("--draws", type=int, help=f"default {uncertainty_command.DRAWS}")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--level", type=float, default=0.9, help="of the intervals; default 0.9")
    kinds = (*KINDS, "profile")
    sub.add_argument(
        "--kind", choices=kinds, default=kinds[0], help="of interval; profile draws nothing"
    )
    sub.add_argument("--group", metavar="COLUMN", help="runs that move together: draw them whole")
    sub.add_argument("--compute", type=float, nargs="+", metavar="C", help="budgets in FLOPs")
    sub.add_argument("--target-loss", type=float, nargs="+", metavar="L", help="losses to reach")
    _input_options(sub)
    _force_option(sub)
    sub.add_argument("-o", "--out", metavar="FILE", help="write the result as JSON")
    sub.add_argument("--figure", metavar="FILE", help="draw the bands, or the profiles")
    sub.add_argument("--joint", metavar="FILE", help="draw the joint spread of the exponents")
    sub.add_argument("--quiet", action="store_true", help="no progress bar")


def _influence_options(sub: argparse.ArgumentParser) -> None:
    _source_options(sub)
    sub.add_argument("--param", metavar="NAME", help="a parameter or derived name, e.g. alpha")
    sub.add_argument("--compute", type=float, metavar="C", help="the best run of a budget, FLOPs")
    sub.add_argument("--best", choices=BEST, default="N", help="what of the best run; default N")
    sub.add_argument("--target-loss", type=float, metavar="L", help="the compute for a loss")
    _input_options(sub)
    _force_option(sub)
    sub.add_argument("--most", type=int, default=10, help="lines of the table; default 10")
    sub.add_argument("--figure", metavar="FILE", help="draw the runs that decide")


def _forecast_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "metrics",
        nargs="+",
        help="CSV or JSON Lines of metrics, a W&B export, or event files of TensorBoard",
    )
    sub.add_argument(
        "--final-step", type=_steps, required=True, metavar="N", help="where the run ends"
    )
    sub.add_argument("--schedule", choices=SCHEDULES, help="default: the rate stays as it is")
    sub.add_argument("--peak-lr", type=float, metavar="X", help="default the largest rate logged")
    sub.add_argument("--warmup", type=float, metavar="X", help="steps, or below 1 a fraction")
    sub.add_argument("--floor", type=float, metavar="X", help="lowest rate, of the peak")
    sub.add_argument(
        "--decay", type=float, metavar="X", help="of wsd: steps, or below 1 a fraction; default 0.2"
    )
    for name in ("loss", "step", "lr"):
        sub.add_argument(f"--{name}", metavar="COLUMN", help=f"column of the {name}")
    sub.add_argument("--run", dest="run_name", metavar="NAME", help="of several runs, this one")
    sub.add_argument("--until", type=_steps, metavar="STEP", help="use the losses up to there")
    sub.add_argument(
        "--below", type=float, nargs="+", default=[], metavar="X", help="how likely is a lower end"
    )
    sub.add_argument("--level", type=float, default=0.9, help="of the interval; default 0.9")
    sub.add_argument("--law", choices=forecast_command.LAWS, default="annealing")
    sub.add_argument(
        "--learn", metavar="FILE", help="finished runs of the same recipe: what is usual for it"
    )
    sub.add_argument("--figure", metavar="FILE", help="draw losses, forecast and learning rate")
    sub.add_argument("--log-steps", action="store_true", help="draw them on a logarithmic axis")


def _sweep_options(sub: argparse.ArgumentParser) -> None:
    text = f"TOML file: [data.NAME], [sweep] and [fix.LAW]; for laws in it, {RUNS_FILE}"
    sub.add_argument("spec", help=text)
    sub.add_argument(
        "-o",
        "--out",
        dest="directory",
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
    text = f"a law's name, or FILE.py:CLASS; {RUNS_FILE}"
    sub.add_argument("--law", default="Chinchilla", help=text)
    sub.add_argument("--of", metavar="COLUMN", help="the scale of a one-scale law, e.g. C")
    sub.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=X",
        type=_pair,
        help="hold a parameter at a value; repeatable",
    )
    _loss_options(sub)
    sub.add_argument("--precision", choices=PRECISIONS, default="float64")


def _loss_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--loss", choices=NAMES, default="huber")
    sub.add_argument("--residual", choices=RESIDUALS, default="log")
    sub.add_argument("--starts", type=int, default=1024, help="random starts")


def _source_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("fit", help="a result of `jaxscale fit --out`, or LAW:PRESET")
    sub.add_argument("--law", help=f"FILE.py:CLASS of a user's own law; {RUNS_FILE}")


def _force_option(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--force", action="store_true", help="allocate by a fit that is not certified all the same"
    )


def _input_options(sub: argparse.ArgumentParser) -> None:
    """Add the inputs of predictions."""
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


def _pair(text: str) -> tuple[str, float]:
    name, mark, value = text.partition("=")
    try:
        return name, float(value) if mark else float("nan") / 0
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"expected NAME=NUMBER, got {text!r}") from None


def _steps(text: str) -> int:
    """Return a number of steps, also where it is written as 1e5."""
    try:
        steps = float(text)
        if 0 < steps < 2**31 and steps == int(steps):
            return int(steps)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected a whole number of steps, got {text!r}")
