"""The command `warmup`: a law's programs compiled ahead of time."""

from __future__ import annotations

import argparse
import dataclasses
import os

from jaxscale.cli.given import fixed_values, law_given, robust_loss
from jaxscale.cli.options import fitting_options, law_option
from jaxscale.cli.outputs import deliver
from jaxscale.cli.values import integer
from jaxscale.fitting.warmup import warmup
from jaxscale.text import many

EXAMPLES = (
    "jaxscale warmup --law Chinchilla --n 240",
    "jaxscale warmup --law PowerLaw:C --n 60 --loss square",
)


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `warmup`."""
    sub.add_argument("--n", type=integer, required=True, metavar="RUNS", help="how many runs")
    law_option(sub)
    fitting_options(sub)


def run(options: argparse.Namespace) -> int:
    """Compile what fits of one law will need."""
    loss = robust_loss(options)
    label, law, _ = law_given(options.law, fixed_values(options))
    done = warmup(
        law,
        options.n,
        loss=loss,
        residual=options.residual,
        starts=options.starts,
        precision=options.precision,
    )
    low, high = done.rows
    notes = []
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        notes = ["there is no persistent compilation cache, so later processes do not profit"]
    deliver(
        options,
        f"{many(done.programs, 'program')} for {label} on {low} to {high} runs, "
        f"{done.starts} starts, in {done.seconds:.1f} s",
        lambda: {"law": type(law).__name__, "label": label, **dataclasses.asdict(done)},
        notes=notes,
    )
    return 0
