"""The field's usual designs, scaled to what a batch costs, to hold the batch against."""

from __future__ import annotations

import numpy as np

from jaxscale.decisions.allocation import allocate
from jaxscale.flops import Flops, tokens_for
from jaxscale.laws import Law

HALVINGS = 60


def ladders(law: Law, cost: float) -> dict[str, dict[str, np.ndarray]]:
    """Return N and D of the usual designs that cost as much in all; none for other laws.

    Args:
        law: of N and D, with values; its best run says where an isoFLOP sweep is centered.
        cost: FLOPs of all the runs of a design.
    """
    if set(law.inputs) != {"N", "D"}:
        return {}
    budgets = 10 ** np.array([0.0, -0.5, -1.0])
    top = cost / (5 * budgets.sum())
    N, D = [], []
    for budget in top * budgets:
        center = allocate(law, compute=budget)
        if center.at_edge:
            return {}
        sizes = center.N * 4.0 ** np.linspace(-1, 1, 5)
        N.append(sizes)
        D.append(np.asarray(tokens_for(law.flops, sizes, np.full(5, budget)), float))
    best = allocate(law, compute=cost / 4)
    ratio, steps = best.D / best.N, 2.0 ** np.arange(4)
    grid = np.meshgrid(steps, steps)
    wide = 10 ** np.linspace(0, 1.5, 5)
    arms = np.concatenate([np.ones(5), wide[1:]]), np.concatenate([wide, np.ones(4)])
    shapes = {
        "a rectangle of 4 x 4": (grid[0].ravel(), grid[1].ravel()),
        "an L of 5 + 4": arms,
        "a ladder of 5 at the best D/N": (wide, wide),
    }
    found = {"isoFLOP, 3 budgets of 5": {"N": np.concatenate(N), "D": np.concatenate(D)}}
    for name, shape in shapes.items():
        found[name] = _scaled(shape, ratio, cost, law.flops)
    return found


def _scaled(
    shape: tuple[np.ndarray, np.ndarray], ratio: float, cost: float, flops: Flops
) -> dict[str, np.ndarray]:
    """Return a shape of N and D moved along D = ratio N until its runs cost so much."""
    low, high = 0.0, 60.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        N, D = np.exp(middle) * shape[0], np.exp(middle) * ratio * shape[1]
        below = float(np.sum(np.asarray(flops(N, D), float))) < cost
        low, high = (middle, high) if below else (low, middle)
    return {"N": N, "D": D}
