"""The command `compare`: several laws on the same runs, extrapolation first."""

from __future__ import annotations

import argparse
from typing import Any

from jaxscale.cli.console import UndeliveredError
from jaxscale.cli.given import column_map, fixed_values, law_given, robust_loss, table
from jaxscale.cli.options import (
    RUNS_FILE,
    figure_option,
    fitting_options,
    out_option,
    quiet_option,
    seed_option,
    table_argument,
    table_options,
)
from jaxscale.cli.outputs import brief_data, check_figure, deliver, law_names, with_progress
from jaxscale.cli.values import integer
from jaxscale.comparison.candidates import Comparable
from jaxscale.comparison.compare import compare
from jaxscale.comparison.result import Comparison
from jaxscale.comparison.sensitivity import DELTAS
from jaxscale.data.cells import written
from jaxscale.data.columns import check_map
from jaxscale.data.runs import Runs
from jaxscale.laws import Law
from jaxscale.laws.grouped import Grouped
from jaxscale.objective.losses import Loss
from jaxscale.shown.blocks import full_text

EXAMPLES = (
    "jaxscale compare runs.csv --law Chinchilla,Kaplan,PowerLaw:C --figure rollout.png",
    "jaxscale compare runs.csv --leave-out family --fix E=1.7 --json",
)


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `compare`."""
    table_argument(sub)
    sub.add_argument(
        "--law",
        action="append",
        default=[],
        metavar="LAW[:COLUMN],...",
        help="e.g. Chinchilla,Kaplan,PowerLaw:C,FILE.py:CLASS; repeatable; default what the "
        f"columns allow; {RUNS_FILE}",
    )
    sub.add_argument(
        "--by", metavar="COLUMN", help="what makes a run large; default C where it is known"
    )
    sub.add_argument("--levels", type=integer, default=12, metavar="K", help="bins along it")
    sub.add_argument(
        "--folds", type=integer, default=10, metavar="K", help="of the cross-validation, 0 for none"
    )
    sub.add_argument(
        "--leave-out", metavar="COLUMN", help="leave out the runs of each of its values in turn"
    )
    sub.add_argument(
        "--families", metavar="COLUMN", help="what tells families of runs apart; with --own"
    )
    text = "every law once more, with these for each family; e.g. --own E --own E,A"
    sub.add_argument("--own", action="append", default=[], metavar="NAME,...", help=text)
    text = "widths of the Huber loss under which to fit again; default 1e-4,1e-3,1e-2"
    sub.add_argument("--deltas", metavar="X,...", help=text)
    text = "bootstrap tables that the laws of each nested test are fitted to, 0 for no tests"
    sub.add_argument("--draws", type=integer, default=199, metavar="B", help=text)
    fitting_options(sub)
    seed_option(sub, "starts, folds and draws")
    table_options(sub)
    out_option(sub)
    figure_option(sub, "how far off each law is against how far it extrapolates")
    quiet_option(sub)


def run(options: argparse.Namespace) -> int:
    """Compare laws on a table; print the result."""
    loss, mapping = robust_loss(options), _mapping(options)
    deltas = _deltas(options, loss)
    check_figure("--figure", options.figure)
    runs = table(options, mapping)
    laws, columns = _laws(options, runs)
    used = [name for law in laws.values() for name in law.inputs]
    asked = _with_families(options, laws)
    more = [options.by or "", options.leave_out or ""]
    check_map(mapping, [*used, *columns, *more], options.where)
    result = with_progress(
        options,
        lambda progress: compare(
            asked,
            runs,
            by=options.by,
            levels=options.levels,
            folds=options.folds,
            groups=True if options.leave_out else None,
            deltas=deltas,
            draws=options.draws,
            seed=options.seed,
            progress=progress,
            loss=loss,
            residual=options.residual,
            starts=options.starts,
            precision=options.precision,
        ),
        doing="comparing",
        of="step",
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


def _brief(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without every fold and every group, which may be one per run."""
    brief = brief_data(document)
    for kind in {"folds", "groups"} & set(brief):
        brief[kind] = {name: x for name, x in brief[kind].items() if name != "windows"}
    return brief


def _draw(result: Comparison, path: str) -> None:
    from jaxscale import plotting
    from jaxscale.plotting.rollout import plot_rollout

    try:
        drawn = plot_rollout(result)
    except ValueError as error:  # known only after the comparison, whose text says why
        raise UndeliveredError(f"--figure {path} was not drawn: {error}") from error
    plotting.save(drawn, path)


def _mapping(options: argparse.Namespace) -> dict[str, str]:
    if bool(options.families) != bool(options.own):
        raise ValueError("--families COLUMN goes with --own NAMES: what each has for itself")
    if options.families and options.leave_out:
        raise ValueError("--leave-out leaves a whole group out, and --families fits all of them")
    mapping = column_map(options)
    for option in ("leave_out", "families"):
        column = getattr(options, option)
        if column and mapping.setdefault("group", column) != column:
            said = f"--{option.replace('_', '-')} {column}"
            raise ValueError(f"{said} and --column group={mapping['group']} differ")
    return mapping


def _with_families(options: argparse.Namespace, laws: dict[str, Law]) -> dict[str, Comparable]:
    """Return the laws, each followed by itself with own parameters for every family."""
    asked: dict[str, Comparable] = {}
    own = [[name.strip() for name in text.split(",") if name.strip()] for text in options.own]
    if not all(own):
        raise ValueError("--own names no parameter; give e.g. --own E,A")
    known = {name for law in laws.values() for name in law.free}
    for name in (name for names in own for name in names if name not in known):
        raise ValueError(f"--own {name}: no law that is compared has such a free parameter")
    for label, law in laws.items():
        asked[label] = law
        for names in own:
            if any(name in law.free for name in names):
                grouped = Grouped(law, options.families, tuple(set(names) & set(law.free)))
                asked[f"{label}, own {' '.join(grouped.own)}"] = grouped
    return asked


def _deltas(options: argparse.Namespace, loss: Loss) -> list[float]:
    if options.deltas is None:
        return list(DELTAS) if loss.width is not None else []
    if loss.width is None and options.deltas:
        raise ValueError(f"--deltas goes with a loss that has a width, not with {loss.name}")
    found = []
    for text in filter(None, options.deltas.split(",")):
        try:
            found.append(written(text))
        except ValueError:
            raise ValueError(
                f"--deltas {options.deltas}: {text!r} is no number; give e.g. 1e-4,1e-3,1e-2"
            ) from None
    return found


def _laws(options: argparse.Namespace, runs: Runs) -> tuple[dict[str, Law], list[str]]:
    """Return the laws by label, and their columns: those of `--law`, else what the runs allow."""
    names, fixed = law_names(options.law), fixed_values(options)
    if options.law and not names:
        raise ValueError("--law names no law; give e.g. --law Chinchilla,Kaplan,PowerLaw:C")
    laws: dict[str, Law] = {}
    columns: list[str] = []
    idle = set(fixed)
    for name in names or default_laws(runs):
        label, law, column = law_given(name, {}, runs)
        own = {key: value for key, value in fixed.items() if key in law.parameters}
        if own:
            label += f"({', '.join(f'{key}={value:g}' for key, value in own.items())})"
        if label in laws:
            raise ValueError(f"--law: {label} is given twice")
        laws[label], idle = law.replace(**own), idle - set(own)
        columns.append(column)
    if idle:
        raise ValueError(f"--fix {min(idle)}: no law that is compared has such a parameter")
    return laws, columns


def default_laws(runs: Runs) -> list[str]:
    """Return the laws that are compared where none is named: those that the columns allow."""
    have = [name for name in "NDCS" if name in runs.columns]
    if len(set(have) & set("NDC")) >= 2:
        return ["Chinchilla", "Kaplan", "PowerLaw:C"]
    if not have:
        column = next(iter(runs.columns), "COLUMN")
        raise ValueError(
            f"{runs.source}: no column of sizes is recognized; say which with --column N=COLUMN, "
            f"or name laws of one column, e.g. --law PowerLaw:{column}"
        )
    return [f"{law}:{have[0]}" for law in ("PowerLaw", "PurePowerLaw", "LogLaw")]
