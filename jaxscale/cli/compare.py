"""The command `compare`.

Results go to stdout, the bar and notes to stderr, as in `commands`.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from jaxscale.cli.options import (
    RUNS_FILE,
    column_map,
    loss_options,
    robust_loss,
    table,
    table_options,
)
from jaxscale.cli.outputs import deliver, with_progress
from jaxscale.comparison.compare import compare
from jaxscale.comparison.sensitivity import DELTAS
from jaxscale.data.columns import check_map
from jaxscale.data.runs import Runs
from jaxscale.laws import Law
from jaxscale.laws.names import named_law


def run_compare(options: argparse.Namespace) -> int:
    """Compare laws on a table; print the result."""
    loss, deltas, mapping = robust_loss(options), _deltas(options), _mapping(options)
    runs = table(options, mapping)
    laws = _laws(options, runs)
    used = [name for law in laws.values() for name in law.inputs]
    check_map(mapping, [*used, options.by or "", options.group or ""], options.where)
    result = with_progress(
        options,
        lambda progress: compare(
            laws,
            runs,
            by=options.by,
            levels=options.levels,
            folds=options.folds,
            groups=True if options.group else None,
            deltas=deltas,
            draws=options.draws,
            seed=options.seed,
            progress=progress,
            loss=loss,
            residual=options.residual,
            starts=options.starts,
        ),
        doing="comparing",
        of="step",
    )
    deliver(
        options,
        str(result),
        lambda: json.dumps(result.to_dict(), allow_nan=False),
        out=options.out,
        notes=result.notes,
    )
    return 0 if result.trusted else 1


def _mapping(options: argparse.Namespace) -> dict[str, str]:
    mapping = column_map(options)
    if options.group and mapping.setdefault("group", options.group) != options.group:
        raise ValueError(f"--group {options.group} and --map group={mapping['group']} differ")
    return mapping


def _deltas(options: argparse.Namespace) -> list[float]:
    if options.deltas is None:
        return list(DELTAS) if options.loss == "huber" else []
    if options.loss != "huber" and options.deltas:
        raise ValueError(f"--deltas goes with --loss huber, not with {options.loss}")
    found = []
    for text in filter(None, options.deltas.split(",")):
        try:
            found.append(float(text))
        except ValueError:
            raise ValueError(
                f"--deltas {options.deltas}: {text!r} is no number; give e.g. 1e-4,1e-3,1e-2"
            ) from None
    return found


def _laws(options: argparse.Namespace, runs: Runs) -> dict[str, Law]:
    """Return the laws by label: those of `--laws`, else what the columns allow."""
    names = options.laws.split(",") if options.laws else _default_laws(runs)
    laws: dict[str, Any] = {}
    for name in filter(None, (name.strip() for name in names)):
        found = named_law(name)
        law = found.law()
        if found.of:
            law = law.replace(of=runs.column_called(found.of))
        if found.label in laws:
            raise ValueError(f"--laws: {found.label} is given twice")
        laws[found.label] = law
    if not laws:
        raise ValueError("--laws names no law; give e.g. --laws Chinchilla,Kaplan,PowerLaw:C")
    return laws


def _default_laws(runs: Runs) -> list[str]:
    have = [name for name in "NDCS" if name in runs.columns]
    if len(set(have) & set("NDC")) >= 2:
        return ["Chinchilla", "Kaplan", "PowerLaw:C"]
    if not have:
        raise ValueError(
            f"{runs.source}: no column of sizes is recognized; say which with --map N=COLUMN, or "
            f"name laws of one column, e.g. --laws PowerLaw:{next(iter(runs.columns), 'COLUMN')}"
        )
    return [f"{law}:{have[0]}" for law in ("PowerLaw", "PurePowerLaw", "LogLaw")]


def compare_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `compare`."""
    sub.add_argument("runs", help="CSV, TSV, JSON Lines, JSON or Parquet file")
    sub.add_argument(
        "--laws",
        metavar="LAW,...",
        help="e.g. Chinchilla,Kaplan,PowerLaw:C,FILE.py:CLASS; default what the columns allow; "
        + RUNS_FILE,
    )
    sub.add_argument("--by", metavar="COLUMN", help="what makes a run large; default C")
    sub.add_argument("--levels", type=int, default=12, help="bins along it")
    sub.add_argument("--folds", type=int, default=10, help="of the cross-validation; 0 for none")
    sub.add_argument("--group", metavar="COLUMN", help="leave out its values, one at a time")
    sub.add_argument(
        "--deltas", metavar="X,...", help="fit again under these; default 1e-4 to 1e-2"
    )
    sub.add_argument("--draws", type=int, default=199, help="of each nested test; 0 for none")
    loss_options(sub)
    sub.add_argument("--delta", type=float, help="width of the Huber loss; default 1e-3")
    sub.add_argument("--seed", type=int, default=0)
    table_options(sub)
    sub.add_argument("-o", "--out", metavar="FILE", help="write the result as JSON")
    sub.add_argument("--quiet", action="store_true", help="no progress bar")
