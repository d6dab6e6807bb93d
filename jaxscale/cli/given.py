"""What the options of a command stand for: the runs, the laws, the fit, the places."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale.cli.console import say
from jaxscale.cli.costs import cost_function, cost_given, fitted, is_number, said
from jaxscale.data.columns import ERRORS, canonical
from jaxscale.data.runs import Runs, read_runs
from jaxscale.errors import SeveralFitsError
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.saved import load
from jaxscale.flops import SIX_ND, Flops
from jaxscale.laws import CATALOGUE, Law
from jaxscale.laws.grouped import FamilyLaw
from jaxscale.laws.names import (
    check_arguments,
    class_in_file,
    counts_cost,
    find_law,
    law_file,
    one_scale,
    running,
    spelled_out,
    split_law,
    split_laws,
)
from jaxscale.objective.losses import NAMES, Loss, loss_named, usual_loss
from jaxscale.objective.residuals import RESIDUALS, residual_named
from jaxscale.text import count, listing

SCALES = ("S", "N", "D", "C")
"""Columns that a law of one scale takes where none is named, S before the others."""


def robust_loss(options: argparse.Namespace) -> Loss:
    """Return the loss that `--loss` and `--delta` name; "auto" is worked out by `fit`."""
    width = options.delta
    if options.loss is None:
        loss = usual_loss(residual_named(options.residual))
    elif options.loss.partition(":")[0] in NAMES:
        try:
            loss = loss_named(options.loss)
        except ValueError as error:
            raise ValueError(f"--loss {options.loss}: {error}") from error
    else:
        cls = loss_class(options.loss)
        with running(f"{cls.__name__}()"):
            loss = cls()
    if width is not None and loss.width is None:
        raise ValueError(
            f"--delta goes with a loss that has a width, not with {loss.name}"
            + ("" if options.loss else "; name one: --loss huber")
        )
    if width == "auto":
        if not options.two_fits:
            raise ValueError("--delta auto takes two fits: it goes with jaxscale fit; give a width")
        return loss
    if width is not None and not width > 0:
        raise ValueError(f"--delta must be positive, got {width:g}")
    return loss if width is None else loss.with_threshold(width)


def loss_class(text: str) -> type[Loss]:
    """Return the loss of a name, or of a user's FILE.py:CLASS.

    Raises:
        ValueError: there is no such loss.
    """
    path = law_file(text)
    if path is not None:
        return class_in_file(path, text.partition(".py:")[2], Loss)  # type: ignore[no-any-return]
    if text.partition(":")[0] not in NAMES:
        hint = f"; {text} is a residual: --residual {text}" if text in RESIDUALS else ""
        raise ValueError(f"--loss {text}: there are {', '.join(NAMES)}, or FILE.py:CLASS{hint}")
    return NAMES[text.partition(":")[0]]


def pairs(given: Sequence[tuple[str, Any]], flag: str) -> dict[str, Any]:
    """Return repeated NAME=VALUE options as a dict; raise for a name that is given twice."""
    names = [name for name, _ in given]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{flag} {twice[0]} is given twice")
    return dict(given)


def column_map(options: argparse.Namespace, known: tuple[str, ...] = ()) -> dict[str, str]:
    """Return what `--column` says of the columns.

    Args:
        options: the options.
        known: the only names that there are; empty where a law may take others.

    Raises:
        ValueError: a name is given twice, is none of those known, or stands alone.
    """
    mapping: dict[str, str] = {}
    for text in options.column:
        name, mark, column = text.partition("=")
        if not (name and mark and column):
            example = f"{known[0]}=val_loss" if known else "N=params"
            raise ValueError(f"--column {text}: expected NAME=COLUMN, e.g. {example}")
        if known and name not in known:
            raise ValueError(f"--column {text}: there are {', '.join(known)}")
        if name in mapping:
            raise ValueError(f"--column {name} is given twice, {mapping[name]} and {column}")
        mapping[name] = column
    return mapping


def table(options: argparse.Namespace, mapping: Mapping[str, str]) -> Runs:
    """Read the table of runs."""
    given = options.runs
    return read_runs(
        given[0] if len(given) == 1 else given,
        decimal=options.decimal,
        map=mapping,
        where=options.where,
        drop_highest=options.drop_highest,
        bad=options.bad,
        units=options.units,
        melt=options.melt,
        parse=options.parse,
        last_of=options.last_of,
        end=options.end,
        best_of=options.best_of,
        over=options.over,
        average_over=options.average_over,
        envelope=options.envelope,
        scale=pairs(options.scale, "--scale"),
    )


def error_column(options: argparse.Namespace, mapping: dict[str, str]) -> str | None:
    """Return the column of standard errors; `--column error=sem` says the same as `--error sem`.

    Args:
        options: the options.
        mapping: what `--column` says; a name of standard errors is taken out of it.

    Raises:
        ValueError: two columns are given.
    """
    found: str | None = options.error
    for name in [name for name in mapping if canonical(name) in ERRORS]:
        column = mapping.pop(name)
        if found not in (None, column):
            raise ValueError(f"--column {name}={column} and --error {found} differ")
        found = column
    return found


def flops_given(options: argparse.Namespace, runs: Runs | None = None) -> Flops | None:
    """Return the cost of `--flops`; None where it is not given.

    Args:
        options: the options.
        runs: whose column may be named.
    """
    return None if options.flops is None else cost_given(options.flops, runs)


def counted(law: Law, flops: Flops | None) -> Law:
    """Return the law with a cost, where one is given.

    Raises:
        ValueError: the law has none.
    """
    if flops is None:
        return law
    if not counts_cost(law):
        raise ValueError(f"--flops: {type(law).__name__} reads no N and D whose FLOPs it counts")
    return law.replace(flops=flops)


def costed(options: argparse.Namespace, law: Law, runs: Runs) -> tuple[Law, Runs]:
    """Return the law with the cost of `--flops`, and the runs with its column as their C.

    Raises:
        ValueError: see `cost_given`.
    """
    text = options.flops
    own = text is None or law_file(text) is not None or is_number(text)
    if own:
        return counted(law, None if text is None else cost_given(text, runs)), runs
    counted(law, SIX_ND)
    found, runs = fitted(text, runs)
    return counted(law, found.cost), runs.replace(warnings=(*runs.warnings, *said(found)))


def law_given(
    text: str, fixed: Mapping[str, float], runs: Runs | None = None
) -> tuple[str, Law, str]:
    """Return the label, the law and the column of `LAW[:COLUMN]`.

    Args:
        text: what the user wrote.
        fixed: parameters to hold.
        runs: for a law of one scale without a column, their only column of sizes is taken.

    Raises:
        ValueError: there is no such law or parameter, or the column is missing or out of place.
    """
    name, column = split_law(text)
    if len(split_laws(name)) > 1 and ".py:" not in name:
        raise ValueError(f"--law {text}: one law is taken here; jaxscale compare takes several")
    cls = find_law(name if runs is None else spelled_out(name, list(runs.columns)))
    check_arguments(cls)
    label, settings = cls.__name__, {}
    if one_scale(cls, column):
        column = column or _only_scale(name, runs)
        settings["of"] = column if runs is None else runs.column_called(column)
        label += f":{column}"
    return label, cls(**settings).replace(**fixed), column


def _only_scale(name: str, runs: Runs | None) -> str:
    """Return the column of sizes that is meant where none is named."""
    have = [] if runs is None else [scale for scale in SCALES if scale in runs.columns]
    if len(have) == 1 or "S" in have:
        return have[0]
    there = "" if runs is None else f" ({', '.join(have or runs.columns)})"
    example = f"{name}:{have[0] if have else 'C'}"
    raise ValueError(f"{name} is a law of one scale: say which column, e.g. {example}{there}")


def fixed_values(options: argparse.Namespace) -> dict[str, float]:
    """Return the parameters that `--fix` holds."""
    return pairs(options.fix, "--fix")


def source(options: argparse.Namespace, *, whole: bool = False) -> tuple[Law, FitResult | None]:
    """Return the law to use, and the fit it came from (None for a preset).

    Args:
        options: the options.
        whole: whether a fit over families will do, none of them named.

    Raises:
        SeveralFitsError: it is one, and will not.
    """
    spec, column = split_law(options.law or "")
    cls = find_law(spec) if spec else None
    name, mark, preset = options.fit.partition(":")
    known = {law.lower() for law in CATALOGUE}
    if not Path(options.fit).exists() and (mark or name.lower() in known):
        if cls is not None:
            raise ValueError(f"--law goes with a file; {options.fit} has its law already")
        return find_law(name).preset(preset), None
    result = getattr(options, "loaded", None)
    if result is None:
        own = loss_class(options.loss) if options.loss else None
        result = load(options.fit, cls, own_cost(options), loss=own, table=options.table)
    if isinstance(result.law, FamilyLaw) and not whole:
        raise SeveralFitsError(
            f"{options.fit}: the fit is over {len(result.law.labels)} tables "
            f"({listing(result.law.labels)}); say which: --table NAME"
        )
    of = result.law.of
    if column and column != of:
        said = f"reads {', '.join(result.law.inputs)}" if of is None else f"was fitted along {of}"
        raise ValueError(
            f"--law {options.law}: the law of {options.fit} {said}; leave out :{column}"
        )
    of_table = f"{options.table}: " if options.table else ""
    for sentence in doubt_sentences(result):
        say(f"note: {of_table}{sentence}")
    return result.law, result


def own_cost(options: argparse.Namespace) -> Flops | None:
    """Return the function that a fit was counted with, where `--flops` names it.

    Raises:
        ValueError: another cost is given to a command that takes that of the fit.
    """
    text = getattr(options, "flops", None)
    found = None if text is None else cost_function(text)
    if text is not None and found is None and not options.any_cost:
        raise ValueError(
            f"--flops {text}: here it names the function of the file, FILE.py:FUNCTION; other "
            "costs go to jaxscale fit or allocate"
        )
    return found


def doubt_sentences(result: FitResult | None) -> list[str]:
    """Return why not to trust a fit, as notes say it; nothing for a preset."""
    reasons = () if result is None else result.certificate.reasons
    return [f"this fit is not certified: {reason}" for reason in reasons]


def fit_given(options: argparse.Namespace, *, whole: bool = False) -> FitResult:
    """Return the fit that the options name; raise for a preset.

    Args:
        options: the options.
        whole: see `source`.
    """
    _, fit = source(options, whole=whole)
    if fit is None:
        raise ValueError(
            f"{options.fit} is a preset without runs; give a fit: jaxscale fit RUNS --out fit.json"
        )
    return fit


def code(fit: FitResult | None) -> int:
    """Return the exit code of an answer: 1 where it rests on a fit that is not certified."""
    return 0 if fit is None or fit.certificate.trusted else 1


def refusal(options: argparse.Namespace, fit: FitResult | None) -> list[str]:
    """Say why no compute may be spent by this fit, and return it as a note; empty if it may."""
    if fit is None or code(fit) == 0 or options.force:
        return []
    sentence = (
        "no allocation from a fit that is not certified: it may be wrong by any factor. Mend what "
        f"the notes say, or see what it would be with --force{still_known(fit)}"
    )
    say(f"error: {sentence}")
    return [sentence]


def still_known(fit: FitResult) -> str:
    """Return what runs of one D/N do determine, as the end of a sentence; empty for others."""
    if not {"N", "D"} <= set(fit.law.inputs):
        return ""
    N, D = (fit.runs.column(name, fit.law.flops) for name in "ND")
    low, high = float((D / N).min()), float((D / N).max())
    if high > 2 * low or np.ptp(np.log(N * D)) < 1:
        return ""
    return (
        f". What the runs do determine is the loss along D = {math.sqrt(low * high):.2g} N, from "
        f"N {count(float(N.min()))} to {count(float(N.max()))}: jaxscale predict, or fit --law "
        "PowerLaw:C"
    )


def given_inputs(options: argparse.Namespace, law: Law) -> dict[str, list[float]]:
    """Return the inputs that `--N`, `--at` and the like give, equally many of each."""
    inputs: dict[str, Any] = {
        name: getattr(options, name) for name in "NDCS" if getattr(options, name) is not None
    }
    for name, value in options.at:
        inputs.setdefault(name, []).append(value)
    for name, values in inputs.items():
        signed = law.kinds.get(name, "positive") != "positive"
        if not all(math.isfinite(value) and (signed or value > 0) for value in values):
            rule = "finite" if signed else f"positive and finite, got {min(values):g}"
            raise ValueError(f"{name} must be {rule}")
    lengths = {len(values) for values in inputs.values()} - {1}
    if len(lengths) > 1:
        raise unequal_inputs(law)
    many = max(lengths, default=1)
    return {name: values * (many // len(values)) for name, values in inputs.items()}


def unequal_inputs(law: Law) -> ValueError:
    """Return the error of inputs that are missing, or not equally many."""
    example = " ".join(f"--{name} 1e9" for name in law.inputs)
    return ValueError(f"give one value or equally many per input, e.g. {example}")


def places(options: argparse.Namespace, fit: FitResult) -> list[dict[str, float]]:
    """Return the inputs at which a prediction is asked for."""
    inputs = given_inputs(options, fit.law)
    many = len(next(iter(inputs.values()), []))
    return [{name: values[k] for name, values in inputs.items()} for k in range(many)]


def doubts(result: FitResult | None) -> dict[str, Any]:
    """Return what JSON says of the fit that an answer rests on; nothing for a preset."""
    if result is None:
        return {}
    return {"trusted": result.certificate.trusted, "reasons": list(result.certificate.reasons)}


def data_of(fit: FitResult) -> dict[str, Any]:
    """Return what JSON says of the runs."""
    return {"n": len(fit.runs), "source": fit.runs.source, "sha256": fit.runs.digest()}


def has_compute(result: FitResult) -> bool:
    """Return whether the compute of the runs is known."""
    return sum(name in result.runs.columns for name in "NDC") >= 2
