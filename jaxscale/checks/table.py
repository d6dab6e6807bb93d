"""What the headers and the column of compute say of a fit, beside the numbers of the law's inputs.

Units in headers that nobody applied, FLOPs that are counted otherwise than 6 N D, and responses
that are no losses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxscale.data.expressions import as_name
from jaxscale.data.headers import COUNTED, power_of_ten, unit_for
from jaxscale.data.responses import EXPRESSION, FRACTIONS, ceiling
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.flops import SIX_ND, SixND, power_form
from jaxscale.laws import CATALOGUE, Law, PowerLaw
from jaxscale.laws.law import Origin
from jaxscale.laws.names import counts_cost
from jaxscale.text import listing, short

CONSTANT = 0.05
"""Relative distance from the median within which C / (N D) counts as one number."""
MOST = 0.9
"""Share of the runs for which it is to be so."""
SIX = 0.02
"""Relative distance within which that number counts as 6."""
SWAPPED = 0.1
"""Tokens per parameter, in the median, below which N and D may stand for each other."""
PERPLEXED = 12.0
"""A loss in nats per token that even a model of no training is below: log of the vocabulary."""
MOST_EVER = {"N": 3e13, "D": 3e16, "C": 1e30, "S": 1e12}
"""Beyond this no run is: a column `params_b` of such numbers is not in billions."""


def unread_units(law: Law, runs: Runs) -> list[str]:
    """Return notes on columns whose header has a unit that was not applied.

    Raises:
        DataError: the law reads several sizes, of which budgets follow: units must be in full.
    """
    units = {}
    for name in COUNTED:
        called = runs.names.get(name, name)
        factor = unit_for(name, called).factor
        if (
            name in runs.columns
            and factor != 1
            and runs.columns[name].max() * factor < MOST_EVER[name]
        ):
            units[name] = (called, power_of_ten(factor))
    said = ", ".join(f"{short(called)} counts in {unit}" for called, unit in units.values())
    cure = (
        "units='auto' (--units auto) reads it in full, as does "
        + " ".join(f"--scale {name}={unit}" for name, (_, unit) in units.items())
        + "; a factor of 1 takes it as it stands"
    )
    if len(law.inputs) > 1 and set(units) & set(law.inputs):
        raise DataError(
            f"{runs.source}: by the header, {said}, and a law of {', '.join(law.inputs)} "
            f"needs single parameters, tokens and FLOPs: {cure}"
        )
    return [f"by the header, {said}, and it was not rescaled: {cure}"] if units else []


def own_accounting(law: Law, runs: Runs) -> tuple[Law, list[str]]:
    """Return the law with the FLOPs model k N D that the runs state, and notes on it.

    A model that the user chose stays; so does 6 N D where the runs agree, or with no k.
    """
    if law.flops is not SIX_ND:
        if power_form(law.flops) is None and {"a", "b"} <= set(law.derived_docs):
            return law, ["a and b are those of C = k N D; with this cost no power of C is best"]
        return law, []
    if not (set("NDC") <= set(runs.columns) and {"N", "D"} <= set(law.inputs)):
        return law, []
    with np.errstate(all="ignore"):
        ratio = runs.columns["C"] / (runs.columns["N"] * runs.columns["D"])
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    if not len(ratio):
        return law, []
    k = float(f"{np.median(ratio):.4g}")
    steady = float(np.mean(np.abs(ratio / k - 1) <= CONSTANT)) >= MOST
    if abs(k / 6 - 1) <= SIX:
        return law, []
    counted = f"by column {runs.label('C')} a run costs {k:g} N D FLOPs"
    name = type(law).__name__
    if not 0.5 < k / 6 < 2:  # said elsewhere to contradict 6 N D
        own = f"{counted}; if that is so, --flops {k:g} ({name}(flops=SixND({k:g}))) counts so"
        return law, [own] if steady and 1e-2 < k < 1e3 else []
    if not steady:
        low, high = np.min(ratio), np.max(ratio)
        return law, [
            f"C / (N D) is {low:.3g} to {high:.3g} in these runs, median {k:.3g}: no one number, "
            "so allocations count 6 N D; --flops C (flops=fit_cost(runs).cost) fits a cost to them"
        ]
    if not counts_cost(law):
        return law, [
            f"{counted}, and {name} counts 6: allocate --flops {k:g} (allocate(fit, "
            f"flops=SixND({k:g}))) counts as the table does"
        ]
    return law.replace(flops=SixND(k)), [
        f"{counted}, not 6 N D, and allocations from this fit count so too; --flops 6 "
        f"({name}(flops=SixND())) counts 6"
    ]


def on_response(
    law: Law, runs: Runs, bounds: Sequence[tuple[str, tuple[float, float]]] = ()
) -> list[str]:
    """Return notes on what a law of the catalogue cannot know of a response that is no loss.

    Of a plain function, what cannot be known of it at all.

    Args:
        law: the law.
        runs: the runs.
        bounds: (name, range) of parameters that the fit is held to.
    """
    kind, column = runs.response
    origin = type(law).origin
    unused = [] if origin is None else [_unknown(law, origin, bounds)]
    if "trials" in runs.columns and kind in FRACTIONS:  # which residuals of fractions take out
        unused += [
            f"column {runs.label('trials')} is not used: residual='binomial' (--residual binomial) "
            "weighs each run by its trials, and takes 0 and 1"
        ]
    return unused + _on_kind(law, runs)


def _unknown(law: Law, origin: Origin, bounds: Sequence[tuple[str, tuple[float, float]]]) -> str:
    """Return what is not known of a plain function, beside what it is held to."""
    signs = {name for name, (low, high) in bounds if low >= 0 or high <= 0}
    return origin.unknown({*law.fixed, *dict(bounds)}, {*law.fixed, *signs})


def refuse_forgotten_inputs(law: Law, runs: Runs) -> None:
    """Refuse to fit parameters of a plain function that are called like columns: most are inputs.

    Raises:
        DataError: some are.
    """
    meant = [] if type(law).origin is None else [name for name in law.free if name in runs.columns]
    if meant:
        many, them, kind = (
            ("s", "them", "parameters") if len(meant) > 1 else ("", "it", "a parameter")
        )
        inputs = ", ".join(repr(name) for name in (*law.inputs, *meant))
        raise DataError(
            f"{type(law).__name__} would fit the column{many} {listing(meant)}: to read {them}, "
            f"law_of(f, inputs=({inputs})); for {kind} choose another name"
        )


def has_ceiling(law: Law) -> bool:
    """Whether the law says that it ends somewhere above, other than by the sign of its terms."""
    return "ceiling" in (type(law).__doc__ or "") and not isinstance(law, PowerLaw)


def _on_kind(law: Law, runs: Runs) -> list[str]:
    kind, column = runs.response
    name = as_name(column)
    if not CATALOGUE.has(type(law)) or EXPRESSION.search(column):
        return []
    if kind == "perplexity" and {"N", "D"} <= set(law.inputs):
        return [
            f"{type(law).__name__} is a law of losses, and a perplexity is the exponential of one: "
            f"map={{'loss': 'log({name})'}} (--column 'loss=log({name})') fits that"
        ]
    if type(law).formula().startswith("Q(") and np.median(runs.loss) > 1:  # Q is a quality, to 1
        how = f" ('loss={name}/100' of percent)" if kind == "accuracy" else ""
        return [
            f"{type(law).__name__} gives accuracies, 0 to 1, and column {runs.label('loss')} "
            f"reaches {runs.loss.max():.3g}; name that of accuracies, --column loss=COLUMN{how}"
        ]
    if kind == "accuracy" and not has_ceiling(law):
        most, cells = ceiling(column, runs.loss)
        held = f", with --bound c=0:{most}" if isinstance(law, PowerLaw) else ""
        return [
            f"an accuracy ends at {most}, and {type(law).__name__} does not: "
            f"--column 'loss={cells}-{name}'{held} fits the errors, which end at 0"
        ]
    return []


def swapped(runs: Runs, inputs: dict[str, np.ndarray]) -> list[str]:
    """Say what N, D and losses look like that are other columns than they are called.

    Args:
        runs: the table.
        inputs: [n] each, of the law; of a law of other inputs nothing is said.
    """
    if not {"N", "D"} <= set(inputs):
        return []
    found, ratio = [], float(np.median(inputs["D"] / inputs["N"]))
    N, D = (runs.names.get(name, name) for name in ("N", "D"))  # columns, or expressions
    if ratio < SWAPPED:
        found.append(
            f"the runs have {ratio:.2g} tokens per parameter in the median: are columns {N} and "
            f"{D} swapped, or is the unit of one wrong? If swapped: --column 'N={D}' "
            f"--column 'D={N}'"
        )
    kind, loss = runs.response.kind, as_name(runs.response.column)
    if kind != "loss" or not (runs.loss > 1).all() or not (runs.loss > PERPLEXED).any():
        return found
    high = float(np.quantile(runs.loss, 0.75))  # one run may have diverged
    if high > PERPLEXED:
        found.append(
            f"a quarter of column {loss} is {high:.3g} or more, which no loss in nats per token "
            f"is: is it perplexity? Then fit its logarithm, --column 'loss=log({loss})'"
        )
    return found
