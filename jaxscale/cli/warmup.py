"""The command `warmup`: a law's programs compiled ahead of time."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path

from jaxscale.cli.console import say, show
from jaxscale.cli.options import problem_options
from jaxscale.fitting.warmup import warmup
from jaxscale.laws.names import named_law
from jaxscale.objective.losses import loss_named


def warmup_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `warmup`."""
    sub.add_argument("--n", type=int, required=True, metavar="RUNS", help="how many runs")
    problem_options(sub)


def run_warmup(options: argparse.Namespace) -> int:
    """Compile what fits of one law will need."""
    text = options.law if options.of is None else f"{options.law}:{options.of}"
    law = named_law(text, Path()).law(**dict(options.fix))
    done = warmup(
        law,
        options.n,
        loss=loss_named(options.loss),
        residual=options.residual,
        starts=options.starts,
        precision=options.precision,
    )
    if options.json:
        show(json.dumps({"law": type(law).__name__, **dataclasses.asdict(done)}))
        return 0
    low, high = done.rows
    show(
        f"{done.programs} programs for {type(law).__name__} on {low} to {high} runs, "
        f"{done.starts} starts, in {done.seconds:.1f} s"
    )
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        say("note: there is no persistent compilation cache, so later processes do not profit")
    return 0
