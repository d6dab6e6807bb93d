"""The command `rank`: a proposed law against the catalogue, on every table at hand."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path
from typing import Any

from jaxscale.cli.given import column_map, table
from jaxscale.cli.options import (
    RUNS_FILE,
    figure_option,
    out_option,
    quiet_option,
    seed_option,
    table_options,
)
from jaxscale.cli.outputs import check_figure, deliver, law_names, with_progress
from jaxscale.cli.values import integer, number
from jaxscale.data.columns import check_map
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.laws import CATALOGUE
from jaxscale.laws.names import law_file, split_law
from jaxscale.ranking.check import check, read_ranking
from jaxscale.ranking.rank import contestants, rank
from jaxscale.ranking.result import Ranking
from jaxscale.ranking.tables import named_tables, source_of, tables_at_hand
from jaxscale.shown.blocks import full_text

EXAMPLES = (
    "jaxscale rank Skaling stdlib_ladder --law Kaplan,PowerLaw:C --starts 64",
    "jaxscale rank KaplanD runs.csv --law KaplanN --out rank.json --figure rank.png",
)
SHOWN = 50
"""Trials that the summary has; the file of `--out` has all."""


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `rank`."""
    text = (
        "laws to try, FILE.py:CLASS or names of the catalogue, then tables: files, or names of "
        "`jaxscale datasets`; default the shipped table and the public ones of which "
        f"JAXSCALE_DATA has a copy; {RUNS_FILE}"
    )
    sub.add_argument("runs", nargs="*", metavar="LAW | TABLE", help=text)
    sub.add_argument(
        "--law",
        action="append",
        default=[],
        metavar="LAW[:COLUMN],...",
        help="whom to rank them with; repeatable; default the laws of the catalogue that read "
        "what the tables have; Chinchilla or PowerLaw, the baseline, always takes part",
    )
    text = "what makes a run large; repeatable; default C, N and D, and a date, time, year or order"
    sub.add_argument("--by", action="append", default=[], metavar="COLUMN", help=text)
    text = "random starts of every fit; default 256"
    sub.add_argument("--starts", type=integer, default=256, metavar="S", help=text)
    text = "bootstrap tables that the intervals come from"
    sub.add_argument("--draws", type=integer, default=1000, metavar="B", help=text)
    text = "seconds that a law of a file may take"
    sub.add_argument("--limit", type=number, default=600.0, metavar="SECONDS", help=text)
    text = "whether a file of `jaxscale rank --out` holds: hashes of its tables and laws, digest"
    sub.add_argument("--check", metavar="FILE", help=text)
    sub.add_argument("--again", action="store_true", help="with --check: rank again, and compare")
    seed_option(sub, "starts and draws")
    table_options(sub)
    out_option(sub)
    figure_option(sub, "where every law stands, with its interval")
    quiet_option(sub)


def run(options: argparse.Namespace) -> int:
    """Rank laws, or check a ranking; print the result."""
    laws = [text for text in options.runs if _is_law(text)]
    tables = [text for text in options.runs if not _is_law(text)]
    check_figure("--figure", options.figure)
    if options.check:
        return _check(options, laws, tables)
    if options.again:
        raise ValueError("--again goes with --check FILE")
    given = _tables(options, tables) if tables else tables_at_hand()
    rivals = law_names(options.law)
    if options.law and not rivals:
        raise ValueError("--law names no law; give e.g. --law Chinchilla,Kaplan,PowerLaw:C")
    _check_columns(options, laws, rivals, given)
    result = with_progress(
        options,
        lambda progress: rank(
            laws,
            given,
            rivals=rivals or None,
            by=options.by,
            sources={name: source_of(name) for name in given},
            starts=options.starts,
            seed=options.seed,
            draws=options.draws,
            limit=options.limit,
            progress=progress,
        ),
        doing="ranking",
        of="law",
    )
    deliver(
        options,
        full_text(result),
        result.to_dict,
        brief=_brief,
        notes=result.notes,
        noted=True,
        files=[lambda: _draw(result, options.figure)] if options.figure else [],
    )
    return 0 if result.trusted else 1


def _is_law(text: str) -> bool:
    """Return whether a word names a law: of a file, or of the catalogue."""
    if text.endswith(".py"):
        raise ValueError(f"{text}: say which class of it, {text}:CLASS")
    name = split_law(text)[0].partition("[")[0].lower()
    return law_file(text) is not None or name in {known.lower() for known in CATALOGUE}


def _tables(options: argparse.Namespace, texts: list[str]) -> dict[str, Runs]:
    """Return the tables of files and names; files are read as the options say.

    Raises:
        ValueError: one is named twice.
        DataError: a table cannot be read, or there is none of this name.
    """
    mapping = column_map(options)
    found: dict[str, Runs] = {}
    for text in texts:
        file = text == "-" or any(mark in text for mark in "./*\\") or Path(text).exists()
        if file:
            one = argparse.Namespace(**{**vars(options), "runs": [text]})
            read = {text: table(one, mapping)}
        else:
            read = _named(text)
        twice = [name for name in read if name in found]
        if twice:
            raise ValueError(f"the table {twice[0]} is named twice")
        found |= read
    return found


def _named(text: str) -> dict[str, Runs]:
    """Return a named table; a word that is no name of one may be a law's, misspelled."""
    try:
        return named_tables(text)
    except DataError as error:
        near = difflib.get_close_matches(split_law(text)[0], CATALOGUE, 1)
        raise DataError(f"{error}; or the law {near[0]}" if near else str(error)) from error


def _check_columns(
    options: argparse.Namespace,
    laws: list[str],
    rivals: list[str],
    tables: dict[str, Runs],
) -> None:
    """Raise for a `--column` that nothing uses, as far as the laws are at hand."""
    mapping = column_map(options)
    if not mapping or any(law_file(text) for text in (*laws, *rivals)):
        return
    taking = contestants(laws, rivals or None, tables, Path())
    used = [name for each in taking if each.law is not None for name in each.law.inputs]
    check_map(mapping, [*used, *options.by], options.where)


def _brief(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without the outcome of every law on every trial."""
    short = {name: value for name, value in document.items() if name != "results"}
    return {**short, "trials": document["trials"][:SHOWN]}


def _draw(result: Ranking, path: str) -> None:
    from jaxscale import plotting
    from jaxscale.plotting.ranking import plot_ranking

    plotting.save(plot_ranking(result), path)


def _check(options: argparse.Namespace, laws: list[str], tables: list[str]) -> int:
    document = read_ranking(options.check)
    given = _tables(options, tables)
    if options.figure:
        raise ValueError("--figure goes with a ranking, not with --check")
    try:
        found = with_progress(
            options,
            lambda progress: check(document, laws, given, again=options.again, progress=progress),
            doing="ranking again",
            of="law",
        )
    except DataError as error:
        raise DataError(f"{options.check}: {error}") from error
    deliver(options, full_text(found), found.to_dict, notes=found.notes, noted=True)
    return 0 if found.holds else 1
