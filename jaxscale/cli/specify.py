"""The command `specify`: the best N and D of a budget under every defensible choice."""

from __future__ import annotations

import argparse

from jaxscale.cli.given import code, doubt_sentences, doubts, fit_given
from jaxscale.cli.options import (
    figure_option,
    out_option,
    quiet_option,
    seed_option,
    source_options,
)
from jaxscale.cli.outputs import check_figure, deliver, with_progress
from jaxscale.cli.values import integer, number
from jaxscale.specification.specify import specify

EXAMPLES = (
    "jaxscale specify fit.json --compute 3.8e25",
    "jaxscale specify fit.json --compute 3.8e25 --draws 0 --figure spec.png --json",
)


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `specify`."""
    source_options(sub, presets=False)
    text = "budget in FLOPs, or in the unit of the cost"
    sub.add_argument("--compute", type=number, required=True, metavar="C", help=text)
    text = "bootstrap draws behind the sampling interval; 0 for none"
    sub.add_argument("--draws", type=integer, default=400, metavar="B", help=text)
    text = "show every combination of law, loss and residual, not their range only"
    sub.add_argument("--cross", action="store_true", help=text)
    seed_option(sub, "starts and draws")
    out_option(sub)
    figure_option(sub, "the specification curve")
    quiet_option(sub)


def run(options: argparse.Namespace) -> int:
    """Print the answer under every choice."""
    fit = fit_given(options)
    check_figure("--figure", options.figure)
    found = with_progress(
        options,
        lambda progress: specify(
            fit,
            compute=options.compute,
            draws=options.draws,
            seed=options.seed,
            progress=progress,
        ),
        doing="specifying",
        of="choice",
    )

    def draw() -> None:
        from jaxscale import plotting
        from jaxscale.plotting.specification import plot_specification

        plotting.save(plot_specification(found), options.figure)

    deliver(
        options,
        f"{found.sentence}\n\n{found.text(options.cross)}",
        lambda: {**found.to_dict(), **doubts(fit)},
        notes=found.notes,
        told=doubt_sentences(fit),
        files=[draw] if options.figure else [],
    )
    return code(fit)
