"""Where a run that is still training will end."""

from jaxscale.data.loss_curves import Curve, read_metrics
from jaxscale.forecast.forecaster import Forecast, Forecaster, State
from jaxscale.forecast.learning import learn_prior
from jaxscale.forecast.offline import forecast_curve, forecast_fan, probability_below

__all__ = [
    "Curve",
    "Forecast",
    "Forecaster",
    "State",
    "forecast_curve",
    "forecast_fan",
    "learn_prior",
    "probability_below",
    "read_metrics",
]


def __dir__() -> list[str]:
    return sorted(__all__)
