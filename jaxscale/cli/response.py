"""What a command says of a response that is no loss."""

from __future__ import annotations

from collections.abc import Sequence

from jaxscale.data.expressions import as_name
from jaxscale.data.responses import FRACTIONS, ceiling
from jaxscale.fitting.result import FitResult
from jaxscale.laws import PowerLaw
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
    column = fit.runs.response.column
    most, cells = ceiling(column, fit.runs.loss)
    wrong = [x for x in predicted if not 0 <= x <= most]
    if not wrong:
        return []
    held = f" --bound c=0:{most}" if isinstance(fit.law, PowerLaw) else ""
    cure = f": the law has no such bound; hold it,{held}" if held else ""
    if called == "accuracy":
        cure = (
            ": the law has no ceiling; fit the errors instead, "
            f"--column 'loss={cells}-{as_name(column)}'{held}"
        )
    article = "an" if called[0] in "aeiou" else "a"
    return [f"{article} {called} of {quantity(wrong[0])} is none, it lies in 0 to {most}{cure}"]
