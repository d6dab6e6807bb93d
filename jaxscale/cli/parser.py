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

from jaxscale._numerics.programs import require_backend
from jaxscale._version import __version__
from jaxscale.cli import console, outputs
from jaxscale.cli.allocate import run_allocate
from jaxscale.cli.bootstrap import bootstrap_options, run_bootstrap
from jaxscale.cli.cache import private_cache
from jaxscale.cli.compare import compare_options, run_compare
from jaxscale.cli.datasets import run_datasets
from jaxscale.cli.demo import run_demo
from jaxscale.cli.fit import fit_options, run_fit
from jaxscale.cli.forecast import forecast_options, run_forecast
from jaxscale.cli.influence import influence_options, run_influence
from jaxscale.cli.laws import run_laws
from jaxscale.cli.options import RUNS_FILE, force_option, input_options, source_options
from jaxscale.cli.plot import plot_options, run_plot
from jaxscale.cli.predict import run_predict
from jaxscale.cli.sweep import run_sweep_command, sweep_options
from jaxscale.cli.warmup import run_warmup, warmup_options
from jaxscale.errors import FitError, JaxscaleError

CACHED_COMMANDS = (
    *("fit", "bootstrap", "compare", "demo", "forecast", "influence", "plot", "sweep", "warmup"),
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Any], int], text: str) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        sub.add_argument("--debug", action="store_true", help="show tracebacks")
        return sub

    fit_options(command("fit", run_fit, "Fit a law to a table of runs."))
    bootstrap_options(command("bootstrap", run_bootstrap, "Confidence intervals of a fit."))
    text = "Say which runs decide an answer of a fit."
    influence_options(command("influence", run_influence, text))
    compare_options(command("compare", run_compare, "Compare laws, extrapolation first."))
    sweep_options(command("sweep", run_sweep_command, "Fit many laws and tables, resumably."))
    warmup_options(command("warmup", run_warmup, "Compile a law's programs ahead of time."))
    sub = command("predict", run_predict, "Evaluate a fitted law or a preset.")
    source_options(sub)
    input_options(sub)
    sub = command("allocate", run_allocate, "Best N and D for a budget, or for a target loss.")
    source_options(sub)
    goal = sub.add_mutually_exclusive_group(required=True)
    goal.add_argument("--compute", type=float, nargs="+", metavar="C", help="budgets in FLOPs")
    goal.add_argument("--target-loss", type=float, nargs="+", metavar="L", help="losses to reach")
    force_option(sub)
    sub = command("plot", run_plot, "Draw the law, the residuals and the starts of a fit.")
    plot_options(sub)
    text = "Forecast where a run that is still training will end."
    forecast_options(command("forecast", run_forecast, text))
    sub = command("laws", run_laws, "List the laws, their parameters and presets.")
    text = f"show one law in full: its name, or FILE.py:CLASS; {RUNS_FILE}"
    sub.add_argument("name", nargs="?", help=text)
    sub = command("datasets", run_datasets, "List named tables of real runs.")
    sub.add_argument("name", nargs="?", help="show one table's card")
    sub = command("demo", run_demo, "Run the main job on the table of real runs in the package.")
    sub.add_argument(
        "-o", "--out", dest="directory", metavar="DIR", help="write fit.json and fit.png there"
    )
    return parser
