"""What the file of a fit states, worked out again: digest, objective, R² and RMSE.

Each follows from the law and the runs in the same file. Where they do not agree, one of them is
not what was fitted, and nothing tells which.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.files.document import versions
from jaxscale.files.fields import Field
from jaxscale.fitting.result import FitResult, hashed_names
from jaxscale.fitting.statistics import statistics
from jaxscale.laws import predict
from jaxscale.laws.names import running

SAME = 1e-6
"""Relative distance within which what is stated and what is worked out again are one."""
ROUNDING = 1e-9
"""Relative rounding of a prediction that any law is granted: an exact fit leaves nothing else."""


def check_document(document: Field, result: FitResult, inputs: dict[str, np.ndarray]) -> None:
    """Check what a document states against what was read from it.

    Args:
        document: the file.
        result: the law, the runs and the rest of it.
        inputs: per input of the law, its values [n] at the runs.

    Raises:
        DataError: something does not follow from the law and the runs; names the field.
    """
    _same_digest(document["data"], result.runs)
    if not np.isfinite(result.prediction).all():
        raise DataError("params: the law is not finite on the runs of the file")
    rounding = _rounding(result, inputs)
    _same_objective(result, rounding)
    _same_statistics(document["statistics"], result, rounding)
    _same_verdict(document, result)


def _same_verdict(document: Field, result: FitResult) -> None:
    """Check that the certificate still says what it said; another version may judge otherwise."""
    made_by = document.value.get("versions")
    if not isinstance(made_by, dict) or made_by.get("jaxscale") != versions()["jaxscale"]:
        return
    stated, trusted = document["certificate"]["trusted"], result.certificate.trusted
    old = document["data"].get("hashed").value is None  # before there were versions to tell
    if not old and stated.flag() != trusted:
        raise stated.wrong(f"{trusted}, as the rest of the certificate has it".lower())


def _rounding(result: FitResult, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Return by how much rounding may move each prediction [n].

    Large terms that cancel are rounded more: their share is what each parameter moves. But a
    prediction that is not known to a thousandth is no prediction.
    """
    size = np.abs(result.prediction)
    total = size * ROUNDING
    with running(f"{type(result.law).__name__} near its parameters"), np.errstate(all="ignore"):
        for name, at in result.law.values.items():
            near = result.law.replace(**{name: at * (1 + SAME)})
            total += np.abs(predict(near, **inputs) - result.prediction) / SAME * 1e-14
    rounding: np.ndarray = np.fmin(total, 1e-3 * size)
    return rounding


def _same_digest(data: Field, runs: Runs) -> None:
    stated, hashed = data["sha256"].text(), data.get("hashed")
    if hashed.value is None:  # once a table was digested whole, of which only some is kept
        return
    if hashed.value != hashed_names(runs):
        raise hashed.wrong(", ".join(hashed_names(runs)))
    if runs.digest() != stated:
        raise data["sha256"].wrong(f"{runs.digest()}, the digest of data.values, loss and weight")


def _same_objective(result: FitResult, rounding: np.ndarray) -> None:
    """Check the stated objective."""
    value, slack = _value(result, rounding)
    if not abs(value - result.value) <= SAME * value + slack:
        raise DataError(
            f"objective.value: the file says {result.value:.9g}, and its law gives {value:.9g} on "
            "its runs, so law, params, data or objective are not those of the fit"
        )


def _value(result: FitResult, rounding: np.ndarray) -> tuple[float, float]:
    """Return sum w rho(r), and by how much predictions rounded by `rounding` [n] can move it."""
    y, p = result.runs.loss, result.prediction
    loss = (result.loss.refinements() or (result.loss,))[-1]
    with np.errstate(all="ignore"), scope(np.float64):
        r, moved = result.residual.between(p, y), result.residual.moved(p, y, rounding)
        both: Any = np.stack([r, np.abs(r) + moved])
        value, most = np.asarray(loss.rho(both)) @ result.runs.weights
    return float(value), float(most - value)


def _same_statistics(stated: Field, result: FitResult, rounding: np.ndarray) -> None:
    """Check R² and RMSE as stated; null stands for what could not be worked out."""
    with np.errstate(all="ignore"):
        again = statistics(result.runs, result.prediction)
        moved = {"": rounding.max(), "_log": np.max(rounding / np.abs(result.prediction))}
    stated.only(tuple(again))
    for log, most in moved.items():
        r2, rmse = again[f"r2{log}"], again[f"rmse{log}"]
        slack = SAME * rmse + most
        _near(stated.get(f"rmse{log}"), rmse, slack)
        # 1 - R² is rmse² over the variance of the runs.
        share = slack / rmse if rmse > 0 else 0.0
        _near(stated.get(f"r2{log}"), r2, SAME + (1 - r2) * share * (2 + share))


def _near(field: Field, value: float, slack: float) -> None:
    given = field.number(null=math.nan)
    if (math.isfinite(value) or math.isfinite(given)) and not abs(value - given) <= slack:
        raise field.wrong(f"{value:.9g}, which its law gives on its runs")
