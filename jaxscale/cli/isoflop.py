"""The command `isoflop`: three approaches to the best N and D of a budget, side by side."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from jaxscale.cli.given import (
    column_map,
    costed,
    fixed_values,
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
from jaxscale.cli.values import integer, number
from jaxscale.data.columns import check_map
from jaxscale.flops import Growth, growth_table
from jaxscale.isoflops.approaches import isoflop
from jaxscale.isoflops.conventions import by_count
from jaxscale.isoflops.valleys import DEGREES
from jaxscale.shown.blocks import full_text

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
    sub.add_argument("--compute", type=number, nargs="+", metavar="C", help=text)
    text = "of approach 2: through the losses of a budget; the others are shown beside it"
    sub.add_argument("--polynomial", choices=DEGREES, default="parabola", help=text)
    text = "the size whose logarithm the polynomials take"
    sub.add_argument("--along", choices=("D", "N"), default="D", help=text)
    text = "further columns of parameters: the exponents of N* and D* under each way of counting"
    sub.add_argument("--counts", metavar="COLUMN,...", help=text)
    law_option(sub)
    fitting_options(sub)
    flops_option(sub)
    text = "tables that the law is fitted to again for its intervals"
    sub.add_argument("--draws", type=integer, default=1000, metavar="B", help=text)
    level_option(sub)
    seed_option(sub, "the starts and the draws")
    table_options(sub)
    figure_option(sub, "the valleys, or another kind,")
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
    law, runs = costed(options, law, runs)
    check_map(mapping, [*law.inputs, column], options.where)
    rows: list[Growth] = []
    if options.counts:
        rows, more = by_count(runs, options.counts.split(","), degree=options.polynomial)
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
            flops=law.flops if options.flops else None,
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
    text, document, notes = full_text(found), found.document, [*found.doubts, *found.notes]
    if options.counts:
        text, notes = f"{text}\n\n{growth_table(rows)}", [*notes, *more]

        def document() -> dict[str, Any]:
            return {**found.document(), "counts": [dataclasses.asdict(row) for row in rows]}

    deliver(
        options,
        text,
        document,
        notes=notes,
        noted=True,
        files=files,
    )
    return 0 if found.trusted else 1
