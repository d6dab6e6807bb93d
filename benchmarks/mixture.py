"""What 33 parameters cost: 1,000 starts of the joint mixture law against SciPy's L-BFGS-B.

    python -m benchmarks.mixture                    # 1,000 starts, 20 of SciPy's, two minutes
    python -m benchmarks.mixture --rival-starts 100 --target arxiv

The table is the SlimPajama sweep of Shukor et al. 2025 (1,534 runs after their filter); without it,
runs simulated from the law on the same sizes. Both solve the same objective, Huber(1e-3) of the
loss itself, in the same dimensionless coordinates, from starts out of the same box, within the same
bounds. SciPy gets value and gradient from one compiled program and its default tolerances, on the
sum over delta squared, which suits them. CPU seconds of the whole process; SciPy's slices lie
before and after jaxscale's call. Values are worked out by NumPy from the parameters that each
returns.
"""

from __future__ import annotations

import argparse
import csv
import resource
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy.optimize import minimize

import jaxscale
from jaxscale._numerics.precision import cast, scope
from jaxscale.fitting.fit import fit_problem
from jaxscale.fitting.preparation import Problem, prepare
from jaxscale.varpro.starts import random_starts

from .problems import find

TABLE = Path("slimpajama_mixture") / "slimpajama_mixture.csv"
DOMAINS = ("arxiv", "book", "c4", "github", "commoncrawl", "stackexchange", "wikipedia")
LEAST = {310e6: 4, 680e6: 7, 937e6: 7, 1.235e9: 13}
"""Per size of the filtered table, the least billions of tokens."""
SWEEP = "SlimPajama sweep"
DELTA = 1e-3
LAW = jaxscale.JointMixture[DOMAINS]


def runs_of(target: str) -> tuple[jaxscale.Runs, str]:
    """Return the runs of a target's loss, and where they come from."""
    path = find(TABLE)
    return (simulated(), "simulated") if path is None else (sweep(path, target, LEAST), SWEEP)


def sweep(path: Path, target: str, least: dict[float, int]) -> jaxscale.Runs:
    """Return the runs of a target's loss whose size is in `least`, with as many tokens."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row[f"{target}_loss"]]
    size = np.array([float(row["model_size"]) for row in rows])
    tokens = np.array([float(row["n_tokens"]) for row in rows])
    enough = np.array([least.get(N, np.inf) for N in size])
    kept = np.flatnonzero(np.round(tokens / 1e9) >= enough)
    shares = {h: np.array([float(rows[k][f"weight_{h}"]) for k in kept]) for h in DOMAINS}
    loss = np.array([float(rows[k][f"{target}_loss"]) for k in kept])
    return jaxscale.Runs(**shares, N=size[kept], D=tokens[kept], loss=loss)


def simulated(mixtures: int = 60, seed: int = 0) -> jaxscale.Runs:
    """Return runs of a law near the published ones, .3 % of noise."""
    rng = np.random.default_rng(seed)
    shares = np.repeat(0.02 + 0.86 * rng.dirichlet(np.ones(len(DOMAINS)), mixtures), 24, axis=0)
    N = np.tile(np.repeat(list(LEAST), 6), mixtures)
    D = np.tile(np.linspace(8e9, 28e9, 6), mixtures * len(LEAST))
    values = {name: 1.0 for name in LAW().free if name[:2] in ("C_", "a_", "b_")}
    values |= {f"gamma_{h}": 0.65 + 0.05 * k for k, h in enumerate(DOMAINS)}
    values |= dict(E=1.2, gamma_N=0.5, gamma_D=-0.3, alpha=0.15, beta=0.6)
    law = LAW(**values)
    loss = law.loss(*shares.T, N, D) * np.exp(0.003 * rng.standard_normal(len(N)))
    return jaxscale.Runs(**dict(zip(DOMAINS, shares.T, strict=True)), N=N, D=D, loss=loss)


def graded(problem: Problem, law: jaxscale.Law) -> float:
    """Return the sum of the Huber loss of a law's residuals."""
    size = np.abs(law.loss(*problem.inputs.values()) - problem.runs.loss)
    return float(np.where(size <= DELTA, size**2 / 2, DELTA * (size - DELTA / 2)).sum())


def cpu() -> float:
    """Return the CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def scipy_starts(problem: Problem, z: np.ndarray, tight: bool) -> list[tuple[float, float, int]]:
    """Return (value, CPU seconds, evaluations) of SciPy's L-BFGS-B from every start.

    Args:
        problem: the problem.
        z: [K, P] starts.
        tight: whether its tolerances are at rounding, not its default.
    """
    objective = cast(problem.objective, np.float64)
    bounds = list(zip(*objective.space.bounds(), strict=True))
    options: dict[str, Any] = {"maxiter": 10**6, "maxfun": 10**6}
    options |= {"ftol": 1e-15, "gtol": 1e-8, "maxcor": 20} if tight else {}
    found = []
    with scope(np.float64):
        compiled = jax.jit(jax.value_and_grad(objective.value))
        compiled(z[0])

        def function(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, grad = compiled(x)
            return float(value), np.asarray(grad)

        for start in z:
            begin = cpu()
            end = minimize(
                function, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
            )
            seconds = cpu() - begin
            values = objective.space.physical(tuple(np.asarray(end.x)))
            law = problem.law.replace(**{k: float(x) for k, x in values.items()})
            found.append((graded(problem, law), seconds, int(end.nfev)))
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixture", description=__doc__)
    parser.add_argument("--starts", type=int, default=1000)
    parser.add_argument("--rival-starts", type=int, default=20)
    parser.add_argument("--target", default="c4", choices=(*DOMAINS, "openhermes"))
    parser.add_argument("--tight", action="store_true", help="SciPy's tolerances at rounding")
    options = parser.parse_args()
    runs, source = runs_of(options.target)
    law = LAW()
    problem = prepare(law, runs, jaxscale.Huber(DELTA), "absolute")
    z = random_starts(problem.objective, options.starts, seed=0)
    print(f"{source}, {options.target}: {len(runs)} runs, {len(law.free)} parameters")
    some, half = z[: options.rival_starts], options.rival_starts // 2
    rival = scipy_starts(problem, some[:half], options.tight)
    times = []
    for _ in range(2):  # the first compiles
        begin = cpu()
        own = fit_problem(problem, starts=z)
        times.append(cpu() - begin)
    rival += scipy_starts(problem, some[half:], options.tight)
    value, seconds, evaluations = (np.array(column) for column in zip(*rival, strict=True))
    certificate = own.certificate
    print(
        f"jaxscale: {times[1]:.1f} CPU s for {len(z)} starts, {times[0]:.1f} with compiling; value "
        f"{graded(problem, own.law):.9g}, {certificate.status}, "
        f"{round(certificate.share_at_best * certificate.rivals)} starts at it"
    )
    print(
        f"SciPy L-BFGS-B{' (tight)' if options.tight else ''}: {seconds.mean():.2f} CPU s a start, "
        f"{evaluations.mean():.0f} evaluations, so {seconds.mean() * len(z):.0f} for {len(z)}; "
        f"best value {value.min():.9g}, median {np.median(value):.4g}, of {len(value)}"
    )
    print(f"ratio {seconds.mean() * len(z) / times[1]:.0f}, of CPU seconds")


if __name__ == "__main__":
    main()
