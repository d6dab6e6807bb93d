"""How well a fit predicts its runs, in the units of the runs."""

from __future__ import annotations

import numpy as np

from jaxscale.data.runs import Runs


def statistics(runs: Runs, prediction: np.ndarray) -> dict[str, float]:
    """Return R² and RMSE of the loss and of its logarithm, weighted as the fit is.

    NaN where there is none: of logarithms where a loss or a prediction is not positive, and R² of
    losses that are all the same.
    """
    weight = runs.weights

    def judge(y: np.ndarray, p: np.ndarray) -> tuple[float, float]:
        unit = float(np.max(np.abs(y)))  # squares of tiny or huge losses leave float64's range
        y, p = y / unit, p / unit
        mean = np.average(y, weights=weight)
        error = np.average((y - p) ** 2, weights=weight)
        spread = np.average((y - mean) ** 2, weights=weight)
        r2 = float(1 - error / spread) if spread > 0 else float("nan")
        return r2, float(error**0.5) * unit

    r2, rmse = judge(runs.loss, prediction)
    r2_log = rmse_log = float("nan")
    if (runs.loss > 0).all() and (prediction > 0).all():
        r2_log, rmse_log = judge(np.log(runs.loss), np.log(prediction))
    return {"r2": r2, "rmse": rmse, "r2_log": r2_log, "rmse_log": rmse_log}
