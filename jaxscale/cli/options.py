"""What each command does, once its options are parsed.

Results go to stdout, notes to stderr, by the door that is `console`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from jaxscale._numerics.precision import PRECISIONS
from jaxscale.cli.console import say
from jaxscale.data.runs import Runs, read_runs
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.saved import load
from jaxscale.laws import CATALOGUE, Law
from jaxscale.laws.names import find_law
from jaxscale.objective.losses import NAMES, Loss, loss_named
from jaxscale.objective.residuals import RESIDUALS


def robust_loss(options: argparse.Namespace) -> Loss:
    """Return the loss that `--loss` and `--delta` name."""
    if options.delta is not None and options.loss != "huber":
        raise ValueError(f"--delta goes with --loss huber, not with {options.loss}")
    if options.delta is not None and not options.delta > 0:
        raise ValueError(f"--delta must be positive, got {options.delta:g}")
    return loss_named(options.loss, options.delta)


def column_map(options: argparse.Namespace) -> dict[str, str]:
    """Return what `--map` says of the columns."""
    mapping: dict[str, str] = {}
    for text in options.map:
        letter, mark, name = text.partition("=")
        if not (letter and mark and name):
            raise ValueError(f"--map {text}: expected LETTER=COLUMN, e.g. N=params")
        if letter in mapping:
            raise ValueError(f"--map {letter} is given twice, {mapping[letter]} and {name}")
        mapping[letter] = name
    return mapping


def table(options: argparse.Namespace, mapping: dict[str, str]) -> Runs:
    """Read the table of runs."""
    return read_runs(
        options.runs,
        decimal=options.decimal,
        map=mapping,
        where=options.where,
        drop_highest=options.drop_highest,
        bad=options.bad,
        units=options.units,
    )


def source(options: argparse.Namespace) -> tuple[Law, FitResult | None]:
    """Return the law to use, and the fit it came from (None for a preset)."""
    cls = find_law(options.law) if options.law else None
    name, mark, preset = options.fit.partition(":")
    known = {law.lower() for law in CATALOGUE}
    if not Path(options.fit).exists() and (mark or name.lower() in known):
        return find_law(name).preset(preset), None
    result = load(options.fit, cls)
    for reason in result.certificate.reasons:
        say(f"note: this fit is not certified: {reason}")
    return result.law, result


def code(fit: FitResult | None) -> int:
    """Return the exit code of an answer: 1 where it rests on a fit that is not certified."""
    return 0 if fit is None or fit.certificate.trusted else 1


def allocates(options: argparse.Namespace, fit: FitResult | None) -> bool:
    """Return whether compute may be spent by this fit; say so where it may not."""
    if code(fit) == 0 or options.force:
        return True
    say(
        "error: no allocation from a fit that is not certified: it may be wrong by any factor. "
        "Mend what the notes say, or see what it would be with --force"
    )
    return False


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
            if signed:
                raise ValueError(f"{name} must be finite")
            raise ValueError(f"{name} must be positive and finite, got {min(values):g}")
    lengths = {len(values) for values in inputs.values()} - {1}
    if len(lengths) > 1:
        raise unequal_inputs(law)
    many = max(lengths, default=1)
    return {name: values * (many // len(values)) for name, values in inputs.items()}


def unequal_inputs(law: Law) -> ValueError:
    """Return the error of inputs that are missing, or not equally many."""
    example = " ".join(f"--{name} 1e9" for name in law.inputs)
    return ValueError(f"give one value or equally many per input, e.g. {example}")


def doubts(result: FitResult | None) -> dict[str, Any]:
    """Return what JSON says of the fit that an answer rests on; nothing for a preset."""
    if result is None:
        return {}
    return {"trusted": result.certificate.trusted, "reasons": list(result.certificate.reasons)}


def has_compute(result: FitResult) -> bool:
    """Return whether the compute of the runs is known."""
    return sum(name in result.runs.columns for name in "NDC") >= 2


RUNS_FILE = "naming a FILE.py runs it, with all that it does"


def table_options(sub: argparse.ArgumentParser) -> None:
    """Add how a table is read."""
    sub.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="N=COLUMN",
        help="say which column is N, D, C, S, loss, weight or group; repeatable",
    )
    sub.add_argument("--where", metavar="EXPR", help='keep rows, e.g. "loss < 4 and lr == 3e-4"')
    sub.add_argument(
        "--drop-highest", type=int, default=0, metavar="K", help="leave out the K highest losses"
    )
    sub.add_argument(
        "--bad",
        choices=("raise", "drop"),
        default="raise",
        help="what to do with missing or non-finite cells",
    )
    sub.add_argument(
        "--units",
        choices=("plain", "auto"),
        default="plain",
        help="auto reads 300M, 1.2B, 32.0K, 11%%",
    )
    sub.add_argument("--decimal", default=".", help="decimal mark of CSV numbers")


def problem_options(sub: argparse.ArgumentParser) -> None:
    """Add what decides the programs of a fit."""
    text = f"a law's name, or FILE.py:CLASS; {RUNS_FILE}"
    sub.add_argument("--law", default="Chinchilla", help=text)
    sub.add_argument("--of", metavar="COLUMN", help="the scale of a one-scale law, e.g. C")
    sub.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=X",
        type=_pair,
        help="hold a parameter at a value; repeatable",
    )
    loss_options(sub)
    sub.add_argument("--precision", choices=PRECISIONS, default="float64")


def loss_options(sub: argparse.ArgumentParser) -> None:
    """Add what is minimized, and from how many starts."""
    sub.add_argument("--loss", choices=NAMES, default="huber")
    sub.add_argument("--residual", choices=RESIDUALS, default="log")
    sub.add_argument("--starts", type=int, default=1024, help="random starts")


def source_options(sub: argparse.ArgumentParser) -> None:
    """Add the fit, or the preset, that an answer rests on."""
    sub.add_argument("fit", help="a result of `jaxscale fit --out`, or LAW:PRESET")
    sub.add_argument("--law", help=f"FILE.py:CLASS of a user's own law; {RUNS_FILE}")


def force_option(sub: argparse.ArgumentParser) -> None:
    """Add `--force`."""
    sub.add_argument(
        "--force", action="store_true", help="allocate by a fit that is not certified all the same"
    )


def input_options(sub: argparse.ArgumentParser) -> None:
    """Add the inputs of predictions."""
    for name in ("N", "D", "C", "S"):
        sub.add_argument(f"--{name}", type=float, nargs="+", metavar="X", help=f"values of {name}")
    sub.add_argument(
        "--at",
        action="append",
        default=[],
        metavar="NAME=X",
        type=_pair,
        help="value of an input of another name",
    )


def _pair(text: str) -> tuple[str, float]:
    name, mark, value = text.partition("=")
    try:
        return name, float(value) if mark else float("nan") / 0
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"expected NAME=NUMBER, got {text!r}") from None


def step_count(text: str) -> int:
    """Return a number of steps, also where it is written as 1e5."""
    try:
        steps = float(text)
        if 0 < steps < 2**31 and steps == int(steps):
            return int(steps)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected a whole number of steps, got {text!r}")


def fit_given(options: argparse.Namespace) -> FitResult:
    """Return the fit that the options name; raise for a preset."""
    _, fit = source(options)
    if fit is None:
        raise ValueError(
            f"{options.fit} is a preset without runs; give a fit: jaxscale fit RUNS --out fit.json"
        )
    return fit


def places(options: argparse.Namespace, fit: FitResult) -> list[dict[str, float]]:
    """Return the inputs at which a prediction is asked for."""
    table = given_inputs(options, fit.law)
    many = len(next(iter(table.values()), []))
    return [{name: values[k] for name, values in table.items()} for k in range(many)]


def data_of(fit: FitResult) -> dict[str, Any]:
    """Return what JSON says of the runs."""
    return {"n": len(fit.runs), "source": fit.runs.source, "sha256": fit.runs.digest()}
