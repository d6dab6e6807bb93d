"""Fits of families: labels of runs as codes that a law reads, and what a fit says of one family."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NoReturn, final

import jax.numpy as jnp
import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.fitting.preparation import Problem
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.statistics import statistics
from jaxscale.laws import Law, derived
from jaxscale.laws.grouped import FAMILY, FamilyLaw, Grouped
from jaxscale.text import listing, short


def with_families(asked: Grouped, given: Any) -> tuple[FamilyLaw, Runs]:
    """Return the law over the families of runs, and the runs with the code of each one's family.

    Args:
        asked: what a person asked for.
        given: the runs; or a dataframe, or a dict of arrays, with the column of labels.

    Raises:
        DataError: no such column, an empty label, or one family only.
    """
    runs, labels = _labels(given, asked.by)
    found, first = np.unique(labels, return_index=True)
    if len(found) < 2:
        raise DataError(
            f"{runs.source}, {runs.span()}: column {asked.by!r} has one value, "
            f"{listing([str(x) for x in found])}: there are no families to tell apart; fit "
            f"{type(asked.law).__name__} by itself (leave --own out)"
        )
    law = asked.over([str(found[k]) for k in np.argsort(first)])  # in the order of their first rows
    return law, _coded(law, runs, labels)


def with_codes(law: FamilyLaw, given: Any) -> Runs:
    """Return runs with the code of each one's family, as a law over families reads it.

    Args:
        law: over families.
        given: the runs, with the column of labels.

    Raises:
        DataError: no such column, an empty label, or a family that the law does not have.
    """
    runs, labels = _labels(given, law.by)
    for k in np.flatnonzero(~np.isin(labels, law.labels))[:1]:
        raise DataError(
            f"{runs.where(int(k))}, column {law.by!r}: {short(str(labels[k]))} is no family of "
            f"the law; there are {listing(law.labels)}"
        )
    return _coded(law, runs, labels)


def _coded(law: FamilyLaw, runs: Runs, labels: np.ndarray) -> Runs:
    place = {label: float(k) for k, label in enumerate(law.labels)}
    codes = np.array([place[str(label)] for label in labels])
    names, group = {**runs.names, FAMILY: law.by}, runs.group
    if law.by in ("group", names.get("group")):
        # What a family shares is in its own parameters; other groups are kept.
        names.pop("group", None)
        group = None
    return runs.replace(**{FAMILY: codes}, group=group, names=names)


def _labels(given: Any, by: str) -> tuple[Runs, np.ndarray]:
    """Return runs and the label [n] of each, as text."""
    runs, labels = _labelled(given, by)
    texts = np.array([_text(label) for label in labels])
    for k in np.flatnonzero(np.isin(np.char.strip(texts), ("", "nan", "None")))[:1]:
        raise DataError(
            f"{runs.where(int(k))}, column {by!r}: an empty cell, so it is not known which "
            "family the run belongs to; fill it in, or select rows with where (--where)"
        )
    return runs, texts


def _text(label: Any) -> str:
    number = isinstance(label, float | np.floating) and label == label and label == int(label)
    return str(int(label)) if number else str(label)


def _labelled(given: Any, by: str) -> tuple[Runs, np.ndarray]:
    """Return runs and the label [n] of each."""
    if isinstance(given, Mapping) and by in given:
        rest = {name: column for name, column in given.items() if name != by}
        runs = Runs.of(rest)
        labels = np.array(given[by])
        if labels.shape != (len(runs),):
            raise DataError(f"column {by!r} has {labels.size} rows, the loss has {len(runs)}")
        return runs, labels
    if not isinstance(given, Runs | Mapping) and by != "group":
        runs = Runs.from_dataframe(given, map={"group": by})
    else:
        runs = Runs.of(given)
    if runs.group is not None and by in ("group", runs.names.get("group")):
        return runs, runs.group
    name = runs.column_called(by)
    if name in runs.columns:
        return runs, runs.columns[name]
    raise DataError(
        f"{runs.source}: no column {short(by)} says which family a run belongs to; read the runs "
        f"with map={{'group': {by if by != 'group' else 'COLUMN'!r}}} (--by COLUMN --own NAMES)"
    )


@final
@dataclasses.dataclass(frozen=True)
class FamilyFit(FitResult):
    """What a fit over families says of one of them: its law, on its runs.

    Its parameters rest on the runs of all families, so it is no optimum of its own runs, and what
    refits it is asked of the whole: `bootstrap` does so by itself.

    Attributes:
        whole: the fit over all families.
        label: of the family.
    """

    whole: FitResult = dataclasses.field(kw_only=True, repr=False)
    label: str = dataclasses.field(kw_only=True)

    @property
    def code(self) -> int:
        """Of the family, as the law over families reads it."""
        law: Any = self.whole.law
        return int(law.code(self.label))

    @property
    def problem(self) -> Problem:
        """None: the family was not fitted by itself.

        Raises:
            ValueError: always.
        """
        self._refuse()

    @property
    def unfitted(self) -> Law:
        """None, likewise."""
        self._refuse()

    @property
    def nesting(self) -> None:
        """Not asked of one family."""
        return

    def to_dict(self, nested: bool = True) -> dict[str, Any]:
        """Refused: read back, it would pass for a fit of these runs alone.

        Raises:
            ValueError: always.
        """
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError(
            f"{self.label!r} is one family of a fit that shares parameters between families, and "
            "was not fitted by itself: this needs the whole fit, or a fit of its runs alone "
            f"(--where, or --by without --own)"
        )


@final
@dataclasses.dataclass(frozen=True)
class FamiliesFit(FitResult):
    """A fit over families: `fit.family("c4")` is what it says of one, `fit.law["c4"]` its law."""

    def family(self, label: str) -> FamilyFit:
        """Return what the fit says of one family.

        Raises:
            ValueError: there is no such family.
        """
        return family_of(self, label)


def result_class(law: Law) -> type[FitResult]:
    """Return the class of the fits of a law."""
    return FamiliesFit if isinstance(law, FamilyLaw) else FitResult


def family_of(fit: FitResult, label: str) -> FamilyFit:
    """Return what a fit over families says of one of them; see `FamilyFit`.

    Args:
        fit: of a `Grouped` law.
        label: of the family.

    Raises:
        ValueError: it is no such fit, or has no such family.
    """
    whole = fit.law
    if not isinstance(whole, FamilyLaw):
        raise ValueError(
            f"the fit is of {type(whole).__name__} on all runs alike, and has no family "
            f"{short(label)}"
        )
    here = fit.runs.column(FAMILY) == whole.code(label)
    law, prediction = whole[label], fit.prediction[here]
    runs = fit.runs.select(here, f"another {whole.by}")
    columns = {name: x for name, x in runs.columns.items() if name != FAMILY}
    kept: dict[str, Any] = {f.name: getattr(runs, f.name) for f in dataclasses.fields(runs)}
    del kept["columns"]
    runs = Runs(**{**kept, **columns, "dropped": fit.runs.dropped})
    names = {name: whole.field(name, label) for name in law.parameters}
    slug = len(whole.own[0]) + 1, whole.field(whole.own[0], label)
    names |= {name: f"{name}_{slug[1][slug[0] :]}" for name in derived(law)}
    fields = {f.name: getattr(fit, f.name) for f in dataclasses.fields(FitResult)}
    with scope(np.float64), np.errstate(all="ignore"):
        r = fit.residual.between(prediction, runs.loss)
        rho = np.asarray(fit.loss.rho(jnp.asarray(r)))
    inside = 0 if fit.loss.threshold is None else int(np.sum(np.abs(r) <= fit.loss.threshold))
    return FamilyFit(**{
        **fields,
        "law": law,
        "value": float(runs.weights @ rho),
        "fixed": tuple(name for name in law.parameters if names[name] in fit.fixed),
        "errors": {
            name: fit.errors.get(field, fit.errors.get(name, np.nan))
            for name, field in names.items()
        },
        "certificate": dataclasses.replace(fit.certificate, inside_delta=inside),
        "statistics": statistics(runs, prediction),
        "runs": runs,
        "prediction": prediction,
        "intervals": {n: fit.intervals[f] for n, f in names.items() if f in fit.intervals},
        "suspects": np.searchsorted(np.flatnonzero(here), fit.suspects[here[fit.suspects]]),
        "prepared": None,
        "whole": fit,
        "label": label,
    })  # fmt: skip


def families_of(fit: FitResult) -> dict[str, FamilyFit]:
    """Return the fit of every family by its label; empty for a fit without families."""
    law = fit.law
    labels = law.labels if isinstance(law, FamilyLaw) else ()
    return {label: family_of(fit, label) for label in labels}
