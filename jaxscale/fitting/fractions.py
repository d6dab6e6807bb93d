"""What to say of a predicted accuracy, error rate or score that is none."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from jaxscale.data.responses import BOUNDED, FRACTIONS, ceiling, written
from jaxscale.fitting.result import FitResult
from jaxscale.laws import PowerLaw
from jaxscale.text import quantity


def beyond_a_fraction(
    fit: FitResult | None, predicted: Iterable[float], what: str = ""
) -> list[str]:
    """Return a note on predictions of a fraction that are none; nothing for other responses.

    Args:
        fit: the fit that they are by.
        predicted: predictions, or the ends of intervals of some.
        what: how to say what they are of; default what was measured.
    """
    if fit is None or fit.runs.response.kind not in (*FRACTIONS, *BOUNDED):
        return []
    called, column = fit.runs.response
    loss = fit.runs.loss
    most, cells = ceiling(column, loss)
    wrong = [float(x) for x in predicted if np.isfinite(x) and not 0 <= x <= most]
    if not wrong or not ((loss >= 0) & (loss <= most)).all():
        return []
    worst = quantity(max(wrong, key=lambda x: max(x - most, -x)))
    article = "an" if called[0] in "aeiou" else "a"
    said = (
        f"{what}: {worst} is no {called}, which lies"
        if what
        else (f"{article} {called} of {worst} is none, it lies")
    )
    if called in BOUNDED:
        side = "above 100" if most == 100 else "outside 0 to 1"
        return [
            f"{article} {called} of {worst} is {side}, where no run is: if that is where this "
            f"{called} ends, the law does not know it"
        ]
    named = "ceiling" if "ceiling" in fit.law.parameters else "c"
    bounded = named == "ceiling" or isinstance(fit.law, PowerLaw)
    held = f" --bound {named}=0:{most}" if bounded else ""
    cure = f": hold the law there,{held}" if bounded else ""
    if called == "accuracy" and named != "ceiling":
        cure = (
            ": the law has no ceiling; fit the errors instead, "
            f"--column 'loss={cells}-{written(column)}'{held}"
        )
    return [f"{said} in 0 to {most}{cure}"]


def predictions_beyond(fit: FitResult) -> list[str]:
    """Return a note on what a fit predicts for its own runs."""
    return beyond_a_fraction(fit, np.asarray(fit.prediction).ravel())
