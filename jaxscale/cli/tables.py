"""A command on a file of many fits: its answer for each of them, as one answer."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxscale.cli.commands import command_named
from jaxscale.cli.console import say_error
from jaxscale.cli.given import loss_class
from jaxscale.cli.outputs import deliver
from jaxscale.errors import FitError, JaxscaleError
from jaxscale.fitting.families import families_of
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.saved import load, read_document
from jaxscale.fitting.saved_families import has_families
from jaxscale.fitting.saved_many import load_many
from jaxscale.laws.names import find_law, split_law
from jaxscale.text import columns


def of_every_table(options: argparse.Namespace) -> int:
    """Run a command that takes one fit on all fits of its file; returns the worst exit code.

    Raises:
        ValueError: the command draws a figure, which is of one table.
    """
    for flag in ("figure", "joint"):
        if getattr(options, flag, None):
            raise ValueError(f"--{flag} is of one fit; say which: --table NAME")
    name, _ = split_law(options.law or "")
    own = loss_class(options.loss) if options.loss else None
    cls = find_law(name) if name else None
    if has_families(read_document(Path(options.fit))):
        tables: Mapping[str, FitResult] = families_of(load(options.fit, cls, loss=own))
        refused: Mapping[str, str] = {}
    else:
        many = load_many(options.fit, cls, loss=own)
        tables, refused = many, many.refused
    answers: dict[str, Any] = {}
    failed: list[str] = []
    code = 1 if refused else 0
    notes = [f"{table} was refused: {why}" for table, why in refused.items()]
    for table, fit in tables.items():
        given = {**vars(options), "table": table, "loaded": fit, "collected": []}
        one = argparse.Namespace(**given)
        try:
            code = max(code, int(command_named(options.command).run(one)))
        except (JaxscaleError, ValueError) as error:
            say_error(f"{table}: {error}")
            failed.append(f"{table}: {error}")
            code = max(code, 1 if isinstance(error, FitError) else 2)
            continue
        answers.update(zip([table], one.collected, strict=False))
    texts = {table: answer[0] for table, answer in answers.items() if answer[0]}
    notes += failed if answers or options.json else []  # else they were said, and nothing else
    notes += [f"{table}: {note}" for table, answer in answers.items() for note in answer[3]]
    deliver(
        options,
        _together(texts) or None,
        lambda: {"tables": {table: _said(answer[1], answer) for table, answer in answers.items()}},
        brief=lambda _: {
            "tables": {
                table: _said(answer[2](answer[1]), answer) for table, answer in answers.items()
            }
        },
        notes=notes,
    )
    return code


def _together(texts: Mapping[str, str]) -> str:
    """Return one table, where the answers are tables with one head; else one after the other."""
    split = {name: [re.split(r" {2,}", line.strip()) for line in text.split("\n")]
             for name, text in texts.items()}  # fmt: skip
    heads = {tuple(rows[0]) for rows in split.values()}
    if len(heads) != 1 or len({len(row) for rows in split.values() for row in rows}) != 1:
        return "\n\n".join(f"{name}\n{text}" for name, text in texts.items())
    (head,) = heads
    body = [[name, *row] for name, rows in split.items() for row in rows[1:]]
    return columns([["table", *head], *body], "<" + ">" * len(head))


def _said(document: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    return {**document, "notes": [*answer[4], *answer[3]]}
