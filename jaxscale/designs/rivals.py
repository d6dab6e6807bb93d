"""Whether a batch would tell two laws apart: how far their predictions differ, over the noise.

A batch that is best under one law says nothing of whether that law is right. Two laws that were
fitted to the same runs agree there, and part where no run is; a run tells them apart by the
difference of their predictions over the standard deviation of its noise.

Source: Atkinson & Fedorov 1975, Biometrika 62(1) (T-optimality).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from jaxscale.designs.information import predicted
from jaxscale.designs.result import Design
from jaxscale.laws import Fitted, Law, its_law
from jaxscale.shown.blocks import Block, Shown
from jaxscale.text import count


@dataclasses.dataclass(frozen=True)
class Apart(Shown):
    """How far two laws are apart at candidates.

    Attributes:
        rival: name of the other law.
        each: [m] differences at all candidates, in standard deviations of a run's noise.
        batch: of all runs of the batch together.
        best: index of the candidate that tells most for its cost.
        said: in words.
    """

    rival: str
    each: np.ndarray
    batch: float
    best: int
    said: str

    def _blocks(self) -> list[Block]:
        return [self.said]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain Python values."""
        return {"rival": self.rival, "batch": self.batch, "candidate": self.best}


def apart(found: Design, law: Law | Fitted, rival: Law | Fitted) -> Apart:
    """Return how far a batch would tell two laws apart.

    Args:
        found: the design.
        law: that it was made by, or its fit.
        rival: another one of the same inputs, with values, or its fit.

    Raises:
        ValueError: the rival reads other inputs, or its losses are not positive.
    """
    one, other = its_law(law), its_law(rival)
    if set(one.inputs) != set(other.inputs):
        raise ValueError(
            f"the rival {type(other).__name__} takes {', '.join(other.inputs)}; the design is over "
            f"{', '.join(one.inputs)}"
        )
    inputs = found.candidates.inputs
    losses = [predicted(each, inputs) for each in (one, other)]
    if not all((x > 0).all() for x in losses):
        raise ValueError(f"the rival {type(other).__name__} is not positive at every candidate")
    each = np.log(losses[1] / losses[0]) / found.noise
    batch = float(np.sqrt(np.sum(each[found.batch] ** 2)))
    best = int(np.argmax(each**2 / found.candidates.cost))
    name = type(other).__name__
    place = ", ".join(f"{key} {count(x[best])}" for key, x in inputs.items())
    said = (
        f"the batch tells {name} from {type(one).__name__} by {batch:.2g} standard deviations in "
        f"all; most for its cost would {place} ({abs(each[best]):.2g})"
    )
    return Apart(name, each, batch, best, said)
