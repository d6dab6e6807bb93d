"""Fractions of counted trials: how much a run counts whose accuracy is that of so many questions.

Under binomial residuals the weight of a run is its number of trials: half the weighted square of
its residual is then its log-likelihood. Under logit residuals it is the inverse variance of the
log odds, n y (1 - y), and y is held as (k + 1/2) / (n + 1), so that 0 and 1 have log odds as well.

Source: empirical logits, Haldane 1956, Annals of Human Genetics 20(4); Anscombe 1956, Biometrika
43(3/4).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from jaxscale._numerics.digits import decimal_unit
from jaxscale.data.expressions import as_name
from jaxscale.data.responses import ceiling
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.objective.residual import Residual

TRIALS = "trials"
"""The column of numbers of trials."""


def counted(runs: Runs, residual: Residual) -> Runs:
    """Return runs weighted by their trials, where the residual is of fractions and they have any.

    The column is gone from the runs returned: it counts once.

    Args:
        runs: the runs, n of them.
        residual: the kind of residual.

    Raises:
        DataError: a number of trials is no whole number above zero, or a loss is no fraction.
    """
    if not residual.fraction or TRIALS not in runs.columns:
        return runs
    n, y = runs.columns[TRIALS], runs.loss
    bad = np.flatnonzero(~((n >= 1) & np.isfinite(n) & (n == np.round(n))))
    if len(bad):
        raise DataError(
            f"{runs.where(int(bad[0]))}, column {runs.label(TRIALS)}: expected a whole number of "
            f"trials, 1 or more, got {n[bad[0]]:g}; correct the table, or select rows with where "
            "(--where)"
        )
    require_fractions(runs, residual, np.isfinite(y) & (y >= 0) & (y <= 1))
    weight, notes = n, []
    k = y * n
    off = np.abs(k - np.round(k)) > n * 0.51 * decimal_unit(y) + 1e-6 * n
    if off.any():
        first = int(np.flatnonzero(off)[0])
        notes.append(
            f"{int(off.sum())} of {len(y)} fractions are no whole count of their trials (row "
            f"{runs.row(first)}: {k[first]:.5g} of {n[first]:g}): are they means over several "
            "tasks, or is the column another one?"
        )
    if residual.name == "logit":
        y = (k + 0.5) / (n + 1)
        weight = (n + 1) * y * (1 - y)
        notes.append(
            "under logit residuals k of n is held as (k + 1/2) / (n + 1), so that 0 and 1 have "
            "log odds; residual='binomial' (--residual binomial) takes them as they are"
        )
    return weighed(
        runs,
        runs.weights * weight,
        loss=y,
        warnings=(*runs.warnings, *notes),
        by=runs.names.get(TRIALS, TRIALS),
    )


def weighed(runs: Runs, weight: np.ndarray, *, by: str, **changes: Any) -> Runs:
    """Return runs whose weights are trials, without the column of those.

    Args:
        runs: the runs, n of them.
        weight: [n].
        by: what the weights come from.
        **changes: further ones, as of `Runs.replace`.
    """
    columns = {name: x for name, x in runs.columns.items() if name != TRIALS}
    kept = {f.name: getattr(runs, f.name) for f in dataclasses.fields(runs)}
    kept |= {"weight": weight, "names": {**runs.names, TRIALS: by}, **changes}
    del kept["columns"]
    return Runs(**{**kept, **columns})


def weighs_trials(runs: Runs) -> bool:
    """Whether the weights of the runs of a fit are numbers of trials."""
    return TRIALS in runs.names and TRIALS not in runs.columns


def require_fractions(runs: Runs, residual: Residual, good: np.ndarray) -> None:
    """Raise for a loss that the residual cannot be of.

    Args:
        runs: the runs, n of them.
        residual: the kind of residual.
        good: [n] which losses it can be of.

    Raises:
        DataError: one is not.
    """
    bad = np.flatnonzero(~good)
    if not len(bad):
        return
    y, column = runs.loss, runs.names.get("loss", "loss")
    given = f"{y[bad[0]]:g}" if np.isfinite(y[bad[0]]) else "an empty or NaN cell"
    cure = "correct the table, or select rows with where (--where)"
    if y[bad[0]] > 1 and 1.5 < np.max(y) <= 100 and ceiling(column, y)[0] == 100:
        cure = f"of percent, --column 'loss={as_name(column)}/100' makes fractions"
    elif y[bad[0]] > 1 and TRIALS in runs.columns:
        cure = "are there more right answers than trials?"
    elif y[bad[0]] in (0, 1):
        cure = (
            "use residual='binomial' (--residual binomial), or say of how many trials it is: "
            "--column trials=COLUMN"
        )
    raise DataError(
        f"{runs.where(int(bad[0]))}, column {runs.label('loss')}: expected {residual.rule} under "
        f"{residual} residuals, got {given}"
        + (f" ({len(bad)} rows)" if len(bad) > 1 else "")
        + f"; {cure}"
    )
