"""Where a run that is still training will end."""

from jaxscale.forecast.forecaster import Forecast, Forecaster, State
from jaxscale.forecast.learning import learn_prior

__all__ = ["Forecast", "Forecaster", "State", "learn_prior"]


def __dir__() -> list[str]:
    return sorted(__all__)
