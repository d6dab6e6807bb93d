"""What a command says of a response that is no loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxscale.data.expressions import as_name
from jaxscale.data.responses import FRACTIONS
from jaxscale.fitting.result import FitResult
from jaxscale.text import quantity


def beyond_a_fraction(called: str, predicted: Sequence[float], fit: FitResult | None) -> list[str]:
    """Return a note on predictions of a fraction that are none.

    Args:
        called: what is predicted.
        predicted: predictions.
        fit: the fit that they are by.
    """
    if fit is None or called not in FRACTIONS:
        return []
    most = 1 if np.max(np.abs(fit.runs.loss)) <= 1.5 else 100
    wrong = [x for x in predicted if not 0 <= x <= most]
    if not wrong:
        return []
    column = as_name(fit.runs.response.column)
    cure = (
        f": the law has no ceiling; fit the errors instead, --column 'loss={most}-{column}'"
        if called == "accuracy"
        else ""
    )
    article = "an" if called[0] in "aeiou" else "a"
    return [f"{article} {called} of {quantity(wrong[0])} is none, it lies in 0 to {most}{cure}"]
