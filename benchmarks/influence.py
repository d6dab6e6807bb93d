"""Leave-one-out changes in one pass, against a refit without each run.

    python -m benchmarks.influence

On the 240 digitized runs of Chinchilla where the table is there (`JAXSCALE_DATA`), else on
simulated runs of that number, and on fewer simulated runs: rank correlation of the change of
log N* at 1e24 FLOPs, and warm medians. The baseline is `jaxscale.refit` with one weight zeroed,
all runs in one batched call. Like is compared with like: the compiled program of `influence`
(derivatives and changes, time to `block_until_ready`) with the compiled work of `refit` (its
`seconds["solve"]`), and public call with public call. `guards=0` is the refit without its scan
for other basins. Refits by SciPy's BFGS from the optimum, one at a time, are the field's usual
way; a few are timed and multiplied by n.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jaxscale
from benchmarks.problems import default_problem
from jaxscale._numerics import programs
from jaxscale._numerics.precision import cast, scope
from jaxscale.datasets.synthetic import TRUTH, isoflop_design, simulate
from jaxscale.uncertainty.influence import effects, influence
from jaxscale.uncertainty.quantities import Best, evaluate

LOSSES = (jaxscale.Huber(1e-3), jaxscale.Huber(1e-2), jaxscale.Square())
REFITS, CALLS, BY_SCIPY = 15, 200, 12


def simulated(n: int) -> jaxscale.Runs:
    """Return n runs (a multiple of 6) with 1 % noise, three of them far off."""
    N, D = isoflop_design(np.logspace(18, 21, 6), sizes=n // 6)
    runs = simulate(TRUTH, N, D, noise=0.01, seed=4)
    factor = np.ones(n)
    factor[[3, 17, 30]] = [1.3, 1.1, 0.9]
    return runs.replace(loss=runs.loss * factor)


def median(function: Callable[[], Any], times: int) -> float:
    """Return the median seconds of a warm call."""
    function()
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds))


def kernel(fit: jaxscale.FitResult, what: Best, rounds: int) -> float:
    """Return the median seconds of the compiled program behind `influence`."""
    objective, z = fit.problem.objective, fit.optimum
    args = (cast(objective, np.float64), z, cast(what, np.float64))
    made, _ = programs.program(effects, *args, dtype=np.float64, rounds=rounds, log=True)
    with scope(np.float64):
        placed = jax.device_put(args)
        return median(lambda: jax.block_until_ready(made.executable(*placed)), CALLS)


def by_scipy(fit: jaxscale.FitResult) -> float:
    """Return the median seconds of one BFGS refit without a run, from the optimum."""
    from scipy.optimize import minimize

    objective, z = fit.problem.objective, fit.optimum
    r0 = {name: x.value[: len(fit.runs)] for name, x in zip("ND", objective.inputs, strict=True)}
    log_y = objective.target.log[: len(fit.runs)]
    delta = fit.loss.threshold

    def value(z: np.ndarray, w: np.ndarray) -> tuple[float, np.ndarray]:
        E, A, B = np.exp(z[:3])
        terms = [E + 0 * log_y, A * r0["N"] ** -z[3], B * r0["D"] ** -z[4]]
        p = sum(terms)
        r = np.log(p) - log_y
        psi = r if delta is None else np.clip(r, -delta, delta)
        scale = 1.0 if delta is None else delta**2
        rho = psi * (r - 0.5 * psi)
        slopes = [*terms, -np.log(r0["N"]) * terms[1], -np.log(r0["D"]) * terms[2]]
        pull = w * psi / p / scale
        return float(w @ rho) / scale, np.array([pull @ s for s in slopes])

    weights = iter(1 - np.eye(len(fit.runs)))
    return median(
        lambda: minimize(value, z, args=(next(weights),), jac=True, method="BFGS"), BY_SCIPY
    )


def compare(runs: jaxscale.Runs, loss: Any) -> None:
    """Print a block for one table and loss."""
    from scipy.stats import spearmanr

    n, what = len(runs), Best(compute=np.asarray(1e24))
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs, loss=loss, starts=128)
    left = 1 - np.eye(n)
    found = jaxscale.refit(fit, weights=left)
    exact = np.log(evaluate([what], found.law)[:, 0] / evaluate([what], fit.law)[0, 0])
    public, work = {}, {}
    for guards in (1, 0):
        public[guards] = median(
            lambda g=guards: jaxscale.refit(fit, weights=left, guards=g), REFITS
        )
        again = [jaxscale.refit(fit, weights=left, guards=guards) for _ in range(REFITS)]
        work[guards] = float(np.median([one.seconds["solve"] for one in again]))
    inside = fit.certificate.inside_delta
    print(f"\n{n} runs ({runs.source}), {fit.loss}, {inside} within delta; milliseconds")
    print(f"  {'refits':26}{1e3 * work[1]:10.2f}{1e3 * public[1]:10.2f}")
    print(f"  {'refits, guards=0':26}{1e3 * work[0]:10.2f}{1e3 * public[0]:10.2f}")
    print(f"  {'refits by SciPy, estimated':26}{'':10}{1e3 * n * by_scipy(fit):10.0f}")
    for rounds in (1, 2, 3):
        seconds = kernel(fit, what, rounds)
        call = median(lambda k=rounds: influence(fit, what, rounds=k), CALLS)
        change = influence(fit, what, rounds=rounds).without
        print(
            f"  influence, {rounds} round{'s' if rounds > 1 else ' '}       "
            f"{1e3 * seconds:10.3f}{1e3 * call:10.2f}"
            f"   1/{work[1] / seconds:.0f} and 1/{work[0] / seconds:.0f} in compiled code,"
            f" 1/{public[1] / call:.0f} and 1/{public[0] / call:.0f} in public calls;"
            f" Spearman {spearmanr(change, exact)[0]:.4f},"
            f" Pearson {np.corrcoef(change, exact)[0, 1]:.4f}",
            flush=True,
        )


def main() -> None:
    """Print accuracy and cost for every loss, and for tables of fewer runs."""
    problem = default_problem()
    runs = jaxscale.Runs(N=problem.N, D=problem.D, loss=problem.loss, source=problem.source)
    print(f"{'':28}{'compiled':>10}{'public':>10}   ratios: to refits, to refits with guards=0")
    for loss in LOSSES:
        compare(runs, loss)
    for n in (60, 120, 240):
        compare(simulated(n), LOSSES[0])


if __name__ == "__main__":
    main()
