"""What each choice in `newton()` is worth: share of starts at the optimum, and their steps.

    python -m benchmarks.ablation

Deterministic counts, no times: the same on a quiet and on a busy machine. The starts are the
4,500 of the published grid and 1,024 of the default box; the problem is that of the benchmarks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import jaxscale
from benchmarks.methods import law_of, runs_of
from benchmarks.problems import TOLERANCE, default_problem
from jaxscale import engine
from jaxscale._numerics import programs
from jaxscale._numerics.precision import cast, scope
from jaxscale.fitting.preparation import prepare
from jaxscale.varpro.starts import given_starts, random_starts

VARIANTS: dict[str, dict[str, float]] = {
    "newton() as it is": {},
    "Gauss-Newton alone": {"switch": 0.0},
    "exact Hessian wherever it is definite": {"switch": 1e30, "plateau": 0.0},
    "exact near, plateaus not told apart": {"plateau": 0.0},
    "exact from a gain below 30 %": {"switch": 0.3},
    "damping lowered by 3 at most": {"lower_by": 3.0},
    "damping lowered by 30 at most": {"lower_by": 30.0},
    "damping raised by 2": {"raise_by": 2.0},
    "damping raised by 10": {"raise_by": 10.0},
    "first damping 1": {"damping": 1.0},
    "first damping 1e-6": {"damping": 1e-6},
}


def _solve(objective: Any, starts: Any, *, optimizer: Any) -> engine.Solution:
    return engine.solve(objective, optimizer, starts, width=128)


def main() -> None:
    """Print one line per variant."""
    problem = default_problem()
    loss = jaxscale.Huber(problem.delta)
    prepared = prepare(jaxscale.Chinchilla(), runs_of(problem), loss, "log")
    objective = cast(prepared.objective, np.float64)
    with scope(np.float64):
        classic = given_starts(objective, law_of(problem.starts))
    starts = {"grid": classic, "box": random_starts(objective, 1024, seed=0)}
    print(f"{problem.name}, float64, cpu{'':24}grid: share  mean steps    box: share  mean steps")
    best = problem.best_known
    for name, options in VARIANTS.items():
        cells = []
        for z in starts.values():
            optimizer = jaxscale.newton(**options)
            found, _ = programs.run(_solve, objective, z, dtype=np.float64, optimizer=optimizer)
            value = found.value * problem.delta**2
            best = float(value.min()) if best is None else best
            share = np.mean(value <= best * (1 + TOLERANCE))
            cells.append(f"{100 * share:15.1f} %{found.steps.mean():12.1f}")
        print(f"{name:44}{'   '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
