"""What a metric has to do with a loss: rates of success, error rates, perplexity.

The law is one of losses: positive, falling, towards a floor. A share that rises to 1 is one minus
an error rate, which does that; a perplexity is the exponential of a loss. Forecasts are made of
the loss, and told of the metric.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxscale.data.columns import canonical
from jaxscale.data.loss_curves import Curve
from jaxscale.errors import DataError
from jaxscale.forecast.forecaster import Forecast
from jaxscale.forecast.offline import probability_below
from jaxscale.shown.blocks import shown
from jaxscale.text import short

RISES = 3.0
"""A metric rises if its last third is above its first by so many times the noise between."""
RISING = (
    "acc accuracy reward rewards score success precision recall f1 auc auroc em exact bleu rouge "
    "iou miou ndcg mrr return returns pass win winrate passrate solved top"
).split()
PERCENT = (
    "acc accuracy precision recall f1 auc auroc em exact bleu rouge pass win passrate top".split()
)
"""Of those, what is also written in per cent; a reward of 40 need not be one of 100."""
FALLING = (
    "loss nll entropy crossentropy ce bpb bpc bits mse mae rmse perplexity ppl error errors err "
    "wer cer"
).split()
PERPLEXITY = ["perplexity", "ppl"]
ERROR = ["error", "errors", "err", "wer", "cer"]
"""Words of names; one of four letters or more also within another."""


@dataclasses.dataclass(frozen=True)
class Link:
    """A metric's loss.

    Attributes:
        name: of the metric, as `--metric` has it.
        formula: the loss, of the metric x.
        loss: the loss of metrics, elementwise.
        metric: back, elementwise, within the metric's bounds.
        rises: whether the metric rises where the loss falls.
    """

    name: str
    formula: str
    loss: Callable[[Any], Any]
    metric: Callable[[Any], Any]
    rises: bool = False

    def of(self, column: str) -> str:
        """Return what is forecast of a column, in words."""
        return re.sub(r"\bx\b", lambda _: short(column or "x"), self.formula)


LINKS = {
    link.name: link
    for link in (
        Link("loss", "x", lambda x: x, lambda x: x),
        Link("error", "x", lambda x: x, lambda x: np.clip(x, 0, 1)),
        Link("share", "1 - x", lambda x: 1 - x, lambda x: np.clip(1 - x, 0, 1), True),
        Link("percent", "100 - x", lambda x: 100 - x, lambda x: np.clip(100 - x, 0, 100), True),
        Link("perplexity", "log x", np.log, lambda x: np.exp(np.maximum(x, 0))),
    )
}


@shown
class Told(NamedTuple):
    """A forecast in the unit of its metric: median and ends of the interval."""

    median: Any
    lower: Any
    upper: Any


def find_link(column: str, curve: Curve) -> tuple[Link, str]:
    """Return what a metric has to do with a loss, by its name and its values, and why.

    Args:
        column: its name.
        curve: its values.

    Returns:
        The link, and a sentence for whoever has to know; empty for a loss.
    """
    values = curve.loss[np.isfinite(curve.loss)]
    known, best = short(column or "the metric"), "--metric says otherwise"
    inside = bool(len(values)) and float(values.min()) >= 0
    top = float(values.max()) if len(values) else 0.0
    if _named(column, PERPLEXITY) and inside and values.min() >= 1:
        return LINKS["perplexity"], f"{known} is a perplexity: its logarithm is forecast; {best}"
    if _named(column, ERROR) and inside and top <= 1:
        return LINKS["error"], ""
    rising = not _named(column, FALLING) and _named(column, RISING)
    if not (rising or not _named(column, FALLING) and _rises(values)):
        return LINKS["loss"], ""
    if inside and (top <= 1 or top <= 100 and _named(column, PERCENT)):
        link = LINKS["share" if top <= 1 else "percent"]
        how = "" if rising else ", as it rises"
        return link, f"{known} is a share{how}: {link.formula} is forecast; {best}"
    return LINKS["loss"], (
        f"{known} rises and has no ceiling that is known; the law wants what falls to a floor: "
        "--metric percent if 100 is the best, else forecast the distance to the best"
    )


def linked(curve: Curve, link: Link) -> Curve:
    """Return the curve of the losses of a metric.

    Raises:
        DataError: a value is outside the range of such a metric, or the last one is its best.
    """
    finite = np.isfinite(curve.loss)
    if link.name == "loss" or not finite.any():
        return curve
    values = np.where(finite, curve.loss, np.nan)
    low, high = {"perplexity": (1, np.inf), "percent": (0, 100)}.get(link.name, (0, 1))
    bad = finite & ((values < low) | (values > high))
    if bad.any():
        raise DataError(
            f"{curve.source}: run {curve.name!r} has {values[bad][0]:.6g} at step "
            f"{curve.step[bad][0]:,}, and a metric of --metric {link.name} lies between {low} and "
            f"{high:g}; choose another"
        )
    loss = np.where(finite, link.loss(values), curve.loss)
    if loss[finite][-1] == 0:
        raise DataError(
            f"{curve.source}: run {curve.name!r} stands at {values[finite][-1]:g}, the best that "
            f"--metric {link.name} can be; nothing is left to forecast"
        )
    return dataclasses.replace(curve, loss=loss)


def told(link: Link, forecast: Any) -> Told:
    """Return the median and the interval of a metric from those of its loss (also of a fan)."""
    ends = [np.asarray(link.metric(x)) for x in (forecast.lower, forecast.upper)]
    lower, upper = ends[::-1] if link.rises else ends
    return Told(np.asarray(link.metric(forecast.loss)), lower, upper)


def metric_below(link: Link, forecast: Forecast, values: list[float]) -> list[float]:
    """Return the probability that a metric ends below each of the values.

    Args:
        link: of the metric.
        forecast: of its loss.
        values: of the metric [k].
    """
    x = np.asarray(values, float)
    if link.name == "perplexity":
        x = np.maximum(x, 1e-300)
    p = probability_below(forecast, link.loss(x))
    p = 1 - p if link.rises else p
    bounds = {"loss": (-np.inf, np.inf), "perplexity": (1, np.inf), "percent": (0, 100)}
    low, high = bounds.get(link.name, (0, 1))
    return [float(y) for y in np.where(x <= low, 0.0, np.where(x > high, 1.0, p))]


def _named(column: str, words: list[str]) -> bool:
    """Return whether a column's name has one of the words."""
    parts = re.findall(r"[A-Z]?[a-z]+[0-9]?|[A-Z]+|[0-9]+", column)
    own = {part.lower() for part in parts} | {part.lower().rstrip("0123456789") for part in parts}
    whole = canonical(column)
    return any(word in own or (len(word) >= 4 and word in whole) for word in words)


def _rises(values: np.ndarray) -> bool:
    """Return whether the last third is clearly above the first."""
    third = len(values) // 3
    if third < 2:
        return False
    steps = np.diff(values)
    noise = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / np.sqrt(2)
    gain = float(np.median(values[-third:]) - np.median(values[:third]))
    return gain > RISES * noise * np.sqrt(2 * np.pi / 2 / third) and gain > 0.02 * float(
        np.max(np.abs(values))
    )
