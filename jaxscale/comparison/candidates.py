"""The laws of a comparison: their labels and their fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.errors import DataError, FitError
from jaxscale.fitting.fit import fit
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law
from jaxscale.laws.names import Given, law_given, several
from jaxscale.objective.fractions import BetaBinomial
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import Residual, residual_named


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
    return type(law).__name__ + (f":{law.of}" if law.of else "") + (f"({held})" if held else "")


def labelled(laws: Mapping[str, Given] | Iterable[Given] | Given) -> dict[str, Law]:
    """Return laws by label: `Chinchilla`, `PowerLaw:C`, `Chinchilla(E=0)`, or as the user says.

    Raises:
        ValueError: two laws have one label, or there is none.
        TypeError: one is no law.
    """
    pairs = laws.items() if isinstance(laws, Mapping) else [("", law) for law in several(laws)]
    found: dict[str, Law] = {}
    for given, law in pairs:
        law = law_given(law)
        label = given or label_of(law)
        if label in found:
            raise ValueError(f"{label} is given twice: name the laws with laws={{NAME: LAW}}")
        found[label] = law
    if not found:
        raise ValueError("no law to compare: give at least one")
    return found


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
