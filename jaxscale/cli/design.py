"""The command `design`: the next runs, chosen for an answer, or a plan judged."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from jaxscale.cli.given import code, doubt_sentences, doubts, source
from jaxscale.cli.options import (
    figure_option,
    force_option,
    level_option,
    out_option,
    source_options,
)
from jaxscale.cli.outputs import check_figure, check_outputs, deliver, inputs_of
from jaxscale.cli.values import integer, number
from jaxscale.designs.candidates import KINDS
from jaxscale.designs.criteria import CRITERIA
from jaxscale.designs.design import RUNS, design
from jaxscale.designs.result import PLANS
from jaxscale.designs.rivals import apart
from jaxscale.designs.simulation import simulate
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.saved import load
from jaxscale.shown.blocks import full_text
from jaxscale.text import marked

EXAMPLES = (
    'jaxscale design fit.json --budget 1e21 --for "N* at 1e25" --plan plan.csv',
    'jaxscale design Chinchilla:hoffmann_2022 --noise .01 --budget 1e20 --for "N* at 1e23" --json',
)


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `design`."""
    source_options(sub)
    sub.add_argument("--budget", type=number, metavar="C", help="FLOPs of the whole batch")
    text = "in place of a budget: find the cheapest batch that leaves this share of the interval"
    sub.add_argument("--narrow", type=number, metavar="SHARE", help=text)
    sub.add_argument(
        "--for",
        dest="asked",
        action="append",
        default=[],
        metavar="ANSWER",
        help='what is to be known better: "N* at 1e25", "loss at 1e24", "loss at N=7e9 D=1e12", '
        '"compute for 2.0", "alpha"; repeatable',
    )
    kinds = ", ".join(KINDS)
    sub.add_argument(
        "--candidates",
        default="grid",
        metavar="KIND|FILE",
        help=f"{kinds}, or a table with N, D and maybe cost",
    )
    text = "c for one answer, V for several, D for all parameters; default by what is asked"
    sub.add_argument("--criterion", choices=CRITERIA, help=text)
    sub.add_argument(
        "--runs", dest="batch", type=integer, default=RUNS, metavar="K", help="runs at most"
    )
    sub.add_argument("--largest", type=number, metavar="C", help="what one run may cost")
    text = "how often one candidate may be chosen, as seeds"
    sub.add_argument("--repeats", type=integer, default=1, metavar="K", help=text)
    text = "judge the runs of this table, in place of choosing any"
    sub.add_argument("--check", metavar="FILE", help=text)
    text = "settings of runs that are there, beside LAW:PRESET"
    sub.add_argument("--present", metavar="FILE", help=text)
    text = "of the runs, .01 for 1 %% of the loss; default what the fit shows"
    sub.add_argument("--noise", type=number, metavar="X", help=text)
    text = "a fit of another law to the same runs: say whether the batch tells the two apart"
    sub.add_argument("--rival", metavar="FILE", help=text)
    text = "hold the intervals against refits of so many simulated tables"
    sub.add_argument("--simulate", type=integer, metavar="T", help=text)
    level_option(sub)
    force_option(sub)
    text = f"write the batch for a launcher, {' or '.join(PLANS)}"
    sub.add_argument("--plan", metavar="FILE", help=text)
    out_option(sub)
    figure_option(sub, "the candidates and the batch")


def run(options: argparse.Namespace) -> int:
    """Print the runs to make next."""
    _check_files(options)
    law, fit = source(options)
    rival = None if options.rival is None else load(options.rival)
    if options.simulate is not None:
        _may_simulate(options, fit)
    found = design(
        law if fit is None else fit,
        budget=options.budget,
        narrow=options.narrow,
        what=options.asked,
        candidates=options.candidates,
        criterion=options.criterion,
        batch=options.batch,
        largest=options.largest,
        repeats=options.repeats,
        plan=options.check,
        present=options.present,
        noise=options.noise,
        level=options.level,
        force=options.force,
    )

    def draw() -> None:
        from jaxscale import plotting
        from jaxscale.plotting.design import plot_design

        plotting.save(plot_design(found), options.figure)

    files: list[Any] = [draw] if options.figure else []
    if options.plan:
        files.append(lambda: found.save(options.plan))
    more: dict[str, Any] = {}
    text, notes = full_text(found), list(found.notes)
    if rival is not None:
        tells = apart(found, law, rival)
        notes.append(tells.said)
        text, more = f"{text}{marked([tells.said])}", {"rival": tells.to_dict()}
    if options.simulate is not None and fit is not None:
        came = [simulate(fit, found, asked, tables=options.simulate) for asked in options.asked]
        text = "\n".join([text, "", *map(full_text, came)])
        more |= {"simulated": [each.to_dict() for each in came]}
    deliver(
        options,
        text,
        lambda: {**found.to_dict(), **more, **doubts(fit)},
        notes=notes,
        noted=True,
        told=doubt_sentences(fit),
        files=files,
    )
    return max(code(fit), int(not found.identified))


def _may_simulate(options: argparse.Namespace, fit: FitResult | None) -> None:
    if options.simulate < 20:
        raise ValueError(f"--simulate must be 20 tables or more, got {options.simulate}")
    if fit is None or not options.asked:
        raise ValueError("--simulate goes with a fit and an answer that is asked for (--for)")


def _check_files(options: argparse.Namespace) -> None:
    """Raise before any work for a file that may not be written or is of another kind."""
    check_figure("--figure", options.figure)
    if options.plan is None:
        return
    if Path(options.plan).suffix.lower() not in PLANS:
        raise ValueError(f"--plan {options.plan}: a plan ends in one of {', '.join(PLANS)}")
    read = [*inputs_of(options)]
    for given in (options.candidates, options.check, options.present, options.rival):
        read += [Path(given)] if given and given not in KINDS else []
    given = {"--plan": options.plan, "--out": options.out, "--figure": options.figure}
    check_outputs({flag: path for flag, path in given.items() if path}, read)
