"""What the answers after a fit cost: warm medians of the public calls, in one process.

    python -m benchmarks.answers

On the 240 digitized runs of Chinchilla where the table is there (`JAXSCALE_DATA`), else on
simulated runs of that number; log-Huber, delta 1e-3, float64. Calls as a user makes them, the
preparation in Python included; each was called once before, to compile. The standard errors of
4,000 case draws stand below the table: published are .0154 for alpha and .0206 for beta.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import jaxscale
from benchmarks.document import environment
from benchmarks.problems import default_problem
from jaxscale.comparison.candidates import fit_all, labelled
from jaxscale.comparison.held_out import held_out
from jaxscale.comparison.nested import nested
from jaxscale.comparison.splits import by_folds, by_size
from jaxscale.recipes.multiplier import compute_multiplier
from jaxscale.uncertainty.asymptote import asymptote_profile
from jaxscale.uncertainty.covariance import covariance
from jaxscale.uncertainty.jackknife import jackknife
from jaxscale.uncertainty.quantities import Best

ROUNDS = 5


def calls(runs: jaxscale.Runs, fit: jaxscale.FitResult) -> dict[str, Callable[[], Any]]:
    """Return what is timed, by name."""
    chinchilla = jaxscale.Chinchilla
    laws = [chinchilla(), jaxscale.Kaplan(), jaxscale.PowerLaw(of="C")]
    small = jaxscale.fit(chinchilla(E=0.0), runs, starts=256)
    splits = [by_size([chinchilla()], runs, "C"), by_folds(runs, 10, by="C")]
    own = fit_all(labelled([chinchilla()]), runs)
    others = fit_all(labelled(laws[1:]), runs)
    return {
        "bootstrap, 4,000 cases": lambda: jaxscale.bootstrap(fit, method="case"),
        "bootstrap, 4,000 residuals": lambda: jaxscale.bootstrap(fit, method="residual"),
        "jackknife": lambda: jackknife(fit),
        "covariance, sandwich": lambda: covariance(fit).intervals(),
        "profile of seven quantities": lambda: jaxscale.profile(fit),
        "influence on N* at 1e24": lambda: jaxscale.influence(fit, Best(1e24)),
        "asymptote_profile": lambda: asymptote_profile(fit, at=dict(N=7e10, D=1.4e12)),
        "compute_multiplier, 1,000 pairs": lambda: compute_multiplier(fit, fit, compute=[1e22]),
        f"held_out, {sum(map(len, splits))} windows, Chinchilla": lambda: held_out(own, splits),
        "the same, Kaplan and PowerLaw:C": lambda: held_out(others, splits),
        "nested, 199 draws": lambda: nested(small, fit, check=False),
        **decisions(fit),
        "compare, three laws": lambda: jaxscale.compare(laws, runs),
    }


def decisions(fit: jaxscale.FitResult) -> dict[str, Callable[[], Any]]:
    """Return what is timed of decisions, by name; the draws are there."""
    draws = jaxscale.bootstrap(fit, method="residual")
    asked = dict(draws=draws, compute=np.geomspace(1e21, 1e26, 50))
    losses = np.linspace(2.0, 2.4, 50)
    return {
        "allocate, 4,000 draws x 50 budgets": lambda: jaxscale.allocate(fit, **asked),
        "the same, 50 target losses": lambda: jaxscale.allocate(
            fit, draws=draws, target_loss=losses
        ),
        "the same, with serving of 1e13 tokens": lambda: jaxscale.allocate(
            fit, **asked, lifetime=1e13
        ),
        "outer exponent": lambda: (
            dataclasses.replace(fit).nesting
        ),  # of a fit that has not been asked
        "design, 12 runs of 438 candidates": lambda: jaxscale.design(
            fit, budget=1e22, what="N* at 1e25"
        ),
    }


def main() -> None:
    problem = default_problem()
    runs = jaxscale.Runs(N=problem.N, D=problem.D, loss=problem.loss)
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs)
    machine = environment()
    print(f"{problem.name}, {len(runs)} runs; cpu, float64, {machine['cores']} cores, "
          f"{machine['processor']}; jax {machine['versions']['jax']}")  # fmt: skip
    print(f"{'call':42}  {'ms':>7}  lowest to highest of {ROUNDS}")
    for name, call in calls(runs, fit).items():
        call()
        seconds = []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            call()
            seconds.append(1e3 * (time.perf_counter() - begin))
        low, middle, high = np.quantile(seconds, [0, 0.5, 1])
        print(f"{name:42}  {middle:7.3g}  {low:.3g} to {high:.3g}", flush=True)
    draws = jaxscale.bootstrap(fit, method="case")
    print(f"standard errors: alpha {draws.error('alpha'):.5f}, beta {draws.error('beta'):.5f}")


if __name__ == "__main__":
    main()
