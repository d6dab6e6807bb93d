"""What a loss near |r| does to a small table: it passes through as many runs as it can."""

from __future__ import annotations

from jaxscale.objective.losses import Huber, Loss


def passed_through(loss: Loss, inside: int, used: int, free: int) -> list[str]:
    """Return a note where a fit hangs on a few of its runs, of three per parameter at most.

    Least absolute deviations, and a Huber loss narrower than the noise, pass through about as many
    runs as there are parameters, and take the side only of the others. With many runs that is what
    makes them robust; with few it decides the exponents.

    Args:
        loss: what was minimized.
        inside: runs within its width; those of a kinked loss it passes through.
        used: runs of positive weight.
        free: parameters that were fitted.
    """
    near = loss.kinked or isinstance(loss, Huber)
    if not near or used > 3 * free or inside >= used or 2 * inside > used + free:
        return []
    which = "the default loss" if str(loss) == str(Huber()) else f"the loss {loss}"
    return [
        f"{which} all but passes through {inside} of {used} runs and takes only the side of the "
        "others; Square() (--loss square) weighs every run by how far it is off"
    ]
