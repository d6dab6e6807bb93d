"""The command `compare`.

Results go to stdout, the bar and notes to stderr, as in `commands`.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from jaxscale.columns import check_map
from jaxscale.commands import column_map, robust_loss, table, with_progress
from jaxscale.comparison import compare
from jaxscale.lawnames import named_law
from jaxscale.laws import Law
from jaxscale.outputs import deliver
from jaxscale.runs import Runs
from jaxscale.sensitivity import DELTAS


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
