"""The command `isoflop`: three approaches to the best N and D of a budget, side by side."""

from __future__ import annotations

import argparse

from jaxscale.cli.given import (
    column_map,
    counted,
    fixed_values,
    flops_given,
    law_given,
    robust_loss,
    table,
)
from jaxscale.cli.options import (
    figure_option,
    fitting_options,
    flops_option,
    law_option,
    level_option,
    out_option,
    quiet_option,
    seed_option,
    table_argument,
    table_options,
)
from jaxscale.cli.outputs import check_figure, deliver, with_progress
from jaxscale.data.columns import check_map
from jaxscale.isoflops.approaches import isoflop
from jaxscale.isoflops.valleys import DEGREES

EXAMPLES = (
    "jaxscale isoflop isoflop.csv --compute 1e21 --figure valleys.png",
    "jaxscale isoflop isoflop.csv --compute 1e21 1e23 --polynomial cubic --along N --json",
)
KINDS = ("valleys", "optima", "envelope")
"""Figures that `--kind` names."""


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `isoflop`."""
    table_argument(sub)
    text = "budgets in FLOPs; default the largest of the table, and ten times it"
    sub.add_argument("--compute", type=float, nargs="+", metavar="C", help=text)
    text = "of approach 2: through the losses of a budget; the others are shown beside it"
    sub.add_argument("--polynomial", choices=DEGREES, default="parabola", help=text)
    text = "the size whose logarithm the polynomials take"
    sub.add_argument("--along", choices=("D", "N"), default="D", help=text)
    law_option(sub)
    fitting_options(sub)
    flops_option(sub)
    text = "tables that the law is fitted to again for its intervals"
    sub.add_argument("--draws", type=int, default=1000, metavar="B", help=text)
    level_option(sub)
    seed_option(sub, "the starts and the draws")
    table_options(sub)
    figure_option(sub, "the valleys (or the kind) ")
    text = "of figure: the valleys with N* and D* against C, N*, D* and D*/N* with published laws, "
    sub.add_argument("--kind", choices=KINDS, default=KINDS[0], help=text + "or the curves")
    out_option(sub)
    quiet_option(sub)


def run(options: argparse.Namespace) -> int:
    """Find the best N and D of budgets by three approaches; print them."""
    check_figure("--figure", options.figure)
    loss, mapping = robust_loss(options), column_map(options)
    runs = table(options, mapping)
    _, law, column = law_given(options.law, fixed_values(options), runs)
    flops = flops_given(options)
    law = counted(law, flops)
    check_map(mapping, [*law.inputs, column], options.where)
    found = with_progress(
        options,
        lambda progress: isoflop(
            runs,
            compute=options.compute,
            law=law,
            polynomial=options.polynomial,
            along=options.along,
            level=options.level,
            draws=options.draws,
            seed=options.seed,
            loss=loss,
            residual=options.residual,
            precision=options.precision,
            flops=flops,
            starts=options.starts,
            progress=progress,
        ),
        doing="drawing",
        of="draw",
    )
    files = []
    if options.figure:
        from jaxscale.plotting import save
        from jaxscale.plotting.isoflop import draw_isoflop

        drawn = draw_isoflop(found, options.kind)
        files.append(lambda: save(drawn, options.figure))
    deliver(
        options,
        str(found),
        found.document,
        notes=[*found.doubts, *found.notes],
        noted=True,
        files=files,
    )
    return 0 if found.trusted else 1
