"""The command `plot`: figures of a fit."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterator

from jaxscale.cli.given import code, doubt_sentences, doubts, source
from jaxscale.cli.options import figure_option, own_flops_option, source_options
from jaxscale.cli.outputs import check_figure, deliver
from jaxscale.cli.values import number
from jaxscale.fitting.exponent_grid import ExponentGrid, exponent_grid
from jaxscale.fitting.fractions import predictions_beyond
from jaxscale.fitting.result import FitResult
from jaxscale.shown.blocks import full_text
from jaxscale.text import one_line


class Kinds:
    """Names of the figures of a fit, looked up when they are needed: drawing is slow to import."""

    def __iter__(self) -> Iterator[str]:
        from jaxscale.plotting import figures_of_a_fit

        yield from figures_of_a_fit()
        yield "surface"

    def __contains__(self, name: object) -> bool:
        return name in list(self)


EXAMPLES = (
    "jaxscale plot fit.json --figure fit.png",
    "jaxscale plot fit.json --kind surface --figure valley.svg",
)
KINDS = Kinds()
FARTHEST = 1e6
"""Times the largest run, beyond which a figure shows nothing but its frame."""
WHOLE = ("all", "law", "residuals", "starts", "waterfall", "inputs", "joint")
"""Kinds that draw a fit over families as one."""


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `plot`."""
    source_options(sub, presets=False)
    own_flops_option(sub)
    figure_option(sub, "the fit", required=True)
    text = "of figure, one of %(choices)s: all shows law, residuals and starts"
    sub.add_argument("--kind", choices=KINDS, metavar="KIND", default="all", help=text)
    text = "draw the law (--kind law) to so many times the largest run; default little beyond it"
    sub.add_argument("--reach", type=number, metavar="X", help=text)


def run(options: argparse.Namespace) -> int:
    """Draw a fit into a file."""
    if options.figure in KINDS:
        raise ValueError(
            f"--figure {options.figure}: is a kind of figure; give --kind {options.figure} and "
            "--figure FILE"
        )
    if options.reach is not None and options.kind != "law":
        raise ValueError("--reach goes with --kind law")
    if options.reach is not None and not 1 <= options.reach <= FARTHEST:
        raise ValueError(f"--reach is a factor from 1 to {FARTHEST:g}, got {options.reach:g}")
    _, result = source(options, whole=options.kind in WHOLE)
    if result is None:
        raise ValueError("plot needs a fit with its runs: write one with jaxscale fit --out")
    check_figure("--figure", options.figure)
    draw: Callable[[], None] = functools.partial(draw_fit, result, options.figure, options.kind)
    if options.reach is not None:
        draw = functools.partial(_draw_law, result, options.figure, options.reach)
    notes = predictions_beyond(result)
    if options.kind == "surface":
        grid = _surface(result)
        notes += [line.removeprefix("note: ") for line in full_text(grid).splitlines()]
        draw = functools.partial(_draw_surface, grid, options.figure)
    deliver(
        options,
        one_line(options.figure),
        lambda: {"figure": options.figure, "kind": options.kind, **doubts(result)},
        notes=notes,
        told=doubt_sentences(result),
        files=[draw],
    )
    return code(result)


def draw_fit(result: FitResult, path: str, kind: str = "all") -> None:
    """Draw one kind of figure of a fit into a file."""
    from jaxscale import plotting

    plotting.save(plotting.draw_fit(result, kind), path)


def _draw_law(result: FitResult, path: str, reach: float) -> None:
    from jaxscale.plotting import plot_law, save

    save(plot_law(result, reach=reach), path)


def _surface(result: FitResult) -> ExponentGrid:
    return exponent_grid(
        result.unfitted,
        result.runs,
        loss=result.loss,
        residual=result.residual,
        resolution=0.0025,
    )


def _draw_surface(grid: ExponentGrid, path: str) -> None:
    from jaxscale.plotting import plot_surface, save

    save(plot_surface(grid), path)
