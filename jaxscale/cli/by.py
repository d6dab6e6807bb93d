"""`fit --by COLUMN`: one table per label of a column, and the answers of a file of many fits.

With `--own NAMES` it is one fit, of a law whose parameters all tables share but those.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from jaxscale.cli.outputs import deliver, with_progress
from jaxscale.cli.recorded import reading
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.fitting.families import with_families
from jaxscale.fitting.many import fit_many
from jaxscale.fitting.many_result import ManyFits, many_blocks, many_notes
from jaxscale.laws import Law
from jaxscale.laws.grouped import Grouped
from jaxscale.shown.blocks import text_of


def by_column(options: argparse.Namespace, mapping: dict[str, str]) -> None:
    """Let the column of `--by` be read as the group, and rows be compared within it.

    Args:
        options: with `by`; what `last_of` and `best_of` keep is of each table.
        mapping: of `--column`; it gets another entry.

    Raises:
        ValueError: the group is named already, or rows would be left out across tables.
    """
    if options.drop_highest:
        raise ValueError(
            "--drop-highest counts over all tables of --by together; leave such rows out with "
            "--where, or fit one table at a time"
        )
    if options.last_of:
        options.last_of = f"{options.last_of},{options.by}"
    if options.best_of:
        options.best_of = f"{options.best_of},{options.by}"
    if mapping.setdefault("group", options.by) != options.by:
        raise ValueError(f"--by {options.by} and --column group={mapping['group']} differ")


def together(
    options: argparse.Namespace, law: Law, runs: Runs, fixed: Mapping[str, float]
) -> tuple[Law, Runs]:
    """Return the law over the tables of `--by`, the parameters of `--own` for each, and its runs.

    Args:
        options: of `fit`.
        law: of one table.
        runs: of all of them.
        fixed: values of parameters, of all tables (alpha) or of one (E_c4).
    """
    own = tuple(name.strip() for name in options.own.split(",") if name.strip())
    shared = {name: x for name, x in fixed.items() if name in law.parameters}
    grouped = Grouped(law.replace(**shared), options.by, own, options.pool or False)
    over, runs = with_families(grouped, runs)
    return over.replace(**{name: x for name, x in fixed.items() if name not in shared}), runs


def fit_by(options: argparse.Namespace, law: Law, runs: Runs, asked: dict[str, Any]) -> int:
    """Fit every table; print a line for each.

    Args:
        options: of `fit`.
        law: to fit.
        runs: of all tables, with their group.
        asked: options of `fit_many`.
    """
    found = with_progress(
        options,
        lambda progress: fit_many(law, runs, **asked, progress=progress),
        of="table",
    )
    if not found:
        name, why = next(iter(found.refused.items()))
        raise DataError(f"none of {len(found.refused)} tables could be fitted; {name}: {why}")
    found = found.with_settings(law=options.law, **reading(options))
    deliver(
        options,
        text_of(many_blocks(found)),
        found.to_dict,
        brief=lambda _: brief_many(found),
        notes=many_notes(found),
        noted=True,
    )
    return 0 if found.trusted else 1


def brief_many(found: ManyFits) -> dict[str, Any]:
    """Return the document without what is as long as the runs or the starts."""
    fits = {
        name: {
            "params": {key: float(value) for key, value in fit.law.values.items()},
            "errors": dict(fit.errors),
            "value": fit.value,
            "n": len(fit.runs),
            "trusted": fit.certificate.trusted,
            "reasons": list(fit.certificate.reasons),
        }
        for name, fit in found.items()
    }
    law = type(next(iter(found.values())).law).__name__
    return {"law": law, "fits": fits, "refused": found.refused, "seconds": found.seconds}
