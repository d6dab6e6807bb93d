"""Many starts at once: the loop, its chunks over devices, and derivatives of its optimum."""

from jaxscale.engine.limits import Limits
from jaxscale.engine.loop import Solution, Status, classify, solve

__all__ = ["Limits", "Solution", "Status", "classify", "solve"]


def __dir__() -> list[str]:
    return sorted(__all__)
