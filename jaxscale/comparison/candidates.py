"""The laws of a comparison: their labels and their fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.errors import DataError, FitError
from jaxscale.fitting.families import with_families
from jaxscale.fitting.fit import fit
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.laws.grouped import FamilyLaw, Grouped
from jaxscale.laws.names import Given, law_given, several
from jaxscale.objective.fractions import BetaBinomial
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import Residual, residual_named
from jaxscale.text import listing

Comparable = Given | Grouped
"""What a person gives for a law of a comparison."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A law in a comparison: its label, and its fit to all runs or the reason there is none."""

    label: str
    law: Law
    fit: FitResult | None
    reason: str = ""


def label_of(law: Law) -> str:
    """Return a law's own label, with the column and the fixed values that make it what it is."""
    usual = {field.name: field.default for field in dataclasses.fields(law)}  # type: ignore[arg-type]
    held = ", ".join(
        f"{name}={float(value):g}" for name, value in law.fixed.items() if value != usual[name]
    )
    called, own = type(law).__name__, ""
    if isinstance(law, FamilyLaw):
        called, own = law.base.__name__, f", own {' '.join(law.own)}"
    return called + (f":{law.of}" if law.of else "") + (f"({held})" if held else "") + own


def labelled(
    laws: Mapping[str, Comparable] | Iterable[Comparable] | Comparable, runs: Any
) -> tuple[dict[str, Law], Runs]:
    """Return laws by label: `Chinchilla`, `PowerLaw:C`, `Chinchilla(E=0)`, or as the user says.

    And the runs, which have the code of each one's family where a law is `Grouped`.

    Raises:
        ValueError: two laws have one label, or there is none; families by two columns, or pooled.
        TypeError: one is no law.
    """
    each = [laws] if isinstance(laws, Grouped) else laws
    if isinstance(each, Mapping):
        pairs = list(each.items())
    else:
        pairs = [("", law) for law in several(cast(Any, each))]
    families = [law for _, law in pairs if isinstance(law, Grouped)]
    labels: Sequence[str] = ()
    if families:
        _comparable(families)
        first, runs = with_families(families[0], runs)
        labels = first.labels
    found: dict[str, Law] = {}
    for given, asked in pairs:
        law = asked.over(labels) if isinstance(asked, Grouped) else law_given(asked)
        label = given or label_of(law)
        if label in found:
            raise ValueError(f"{label} is given twice: name the laws with laws={{NAME: LAW}}")
        found[label] = law
    if not found:
        raise ValueError("no law to compare: give at least one")
    return found, Runs.of(runs)


def _comparable(families: Sequence[Grouped]) -> None:
    by = list(dict.fromkeys(law.by for law in families))
    if len(by) > 1:
        raise ValueError(f"families by {listing(by)}: compare laws over one kind of families")
    if any(law.pool for law in families):
        raise ValueError("pooled families are not compared: leave pool= out")


def fit_all(
    laws: Mapping[str, Law],
    runs: Runs,
    *,
    loss: Loss | None = None,
    residual: str | Residual = "log",
    starts: int = 1024,
    seed: int = 0,
    precision: str = "float64",
    progress: Callable[[], None] | None = None,
) -> tuple[Candidate, ...]:
    """Fit every law to all runs; one that cannot be fitted stays, with the reason.

    Args:
        laws: by label.
        runs: the runs; losses must be positive.
        loss: see `fit`.
        residual: see `fit`.
        starts: random starts of each fit.
        seed: of the starts.
        precision: see `fit`.
        progress: called without arguments after each law.

    Raises:
        DataError: a loss is not positive, or no law can be fitted.
        ValueError: the residual is beta-binomial, which weighs the runs of each law otherwise.
    """
    if isinstance(residual_named(residual), BetaBinomial):
        raise ValueError(
            "beta-binomial residuals weigh runs by what a law leaves, so that every law would have "
            "other weights; compare them under residual='binomial' (--residual binomial)"
        )
    positive = runs.loss > 0
    if not positive.all():
        at = int(np.flatnonzero(~positive)[0])
        raise DataError(
            f"{runs.where(at)}, column 'loss': {runs.loss[at]:g}; laws are compared by the error "
            "of the log loss, so every loss must be positive. Select rows with where (--where)"
        )
    found = []
    for label, law in laws.items():
        try:
            fitted = fit(
                law,
                runs,
                loss=loss,
                residual=residual,
                starts=starts,
                seed=seed,
                precision=precision,
            )
            found.append(Candidate(label, law, fitted))
        except (DataError, FitError) as error:
            found.append(Candidate(label, law, None, str(error)))
        if progress is not None:
            progress()
    if all(candidate.fit is None for candidate in found):
        raise DataError(f"no law can be fitted. {found[0].label}: {found[0].reason}")
    return tuple(found)
