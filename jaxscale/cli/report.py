"""The command `report`: one page with the answer of a fit and all that led there."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxscale.cli.further import further, further_option
from jaxscale.cli.given import doubt_sentences, doubts, fit_given
from jaxscale.cli.options import level_option, quiet_option, seed_option, source_options
from jaxscale.cli.outputs import deliver, with_progress
from jaxscale.cli.values import integer, number
from jaxscale.errors import DataError, SeveralFitsError
from jaxscale.text import one_line

EXAMPLES = (
    "jaxscale report fit.json -o report.html",
    "jaxscale report fit.json --compute 1e24 --title 'Ladder of May' -o report.html --json",
)
DRAWS = 4000
ENDINGS = (".html", ".htm")


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `report`."""
    source_options(sub, presets=False)
    sub.add_argument("-o", "--out", metavar="FILE", required=True, help="the page, a .html file")
    text = "budgets in FLOPs, or in the unit of the cost, that it answers for, the first on top, "
    text += "or scales of a law of one scale; default ten times the largest run"
    sub.add_argument("--compute", type=number, nargs="+", metavar="C", help=text)
    sub.add_argument("--title", metavar="TEXT", help="of the page; default the law and its runs")
    text = "TOML file of what only a person can say, which the checklist asks for: "
    text += "authors = 'A. Person', training_data = '...'; the page names the fields"
    sub.add_argument("--about", metavar="FILE", help=text)
    further_option(sub)
    text = f"bootstrap tables that the law is fitted to; default {DRAWS}"
    sub.add_argument("--draws", type=integer, metavar="B", help=text)
    seed_option(sub, "the draws")
    level_option(sub)
    quiet_option(sub)


def run(options: argparse.Namespace) -> int:
    """Write the page; print what it says on top."""
    from jaxscale.reports.about import read_about
    from jaxscale.reports.page import report

    if Path(options.out).suffix.lower() not in ENDINGS:
        raise ValueError(f"--out {options.out}: the page is a file that ends in .html")
    draws = DRAWS if options.draws is None else options.draws
    if draws < 2:
        raise ValueError(f"--draws must be at least 2, got {draws}")
    try:
        fit = fit_given(options)
    except SeveralFitsError as error:
        raise DataError(f"a report is of one fit. {error}") from error
    about = read_about(options.about) if options.about else {}
    results = further(options, fit)
    made = with_progress(
        options,
        lambda progress: report(
            fit,
            title=options.title,
            compute=tuple(options.compute or ()),
            about=about,
            results=results,
            draws=draws,
            seed=options.seed,
            level=options.level,
            progress=progress,
        ),
        doing="drawing",
        of="draw",
    )
    lines = [*made.answers, one_line(options.out)]
    write: Callable[[], Any] = lambda: made.save(options.out)  # noqa: E731
    deliver(
        argparse.Namespace(**{**vars(options), "out": None}),
        "\n".join(lines),
        lambda: {
            "report": options.out,
            "bytes": len(made.html.encode()),
            "answers": list(made.answers),
            "doubts": list(made.doubts),
            **doubts(fit),
        },
        notes=[text for text in made.doubts if text not in fit.doubts],
        told=doubt_sentences(fit),
        files=[write],
    )
    return 0 if made.trusted else 1
