"""Batches against all batches of few candidates, and against a peer's: for `benchmarks.design`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import jaxscale
from jaxscale.datasets.synthetic import isoflop_design, simulate
from jaxscale.designs.selection import choose, exhaustive

TRUTH = jaxscale.Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)


def against_all(cases: int) -> Iterator[str]:
    """Yield the table of greedy batches against all batches of few candidates."""
    from jaxscale.designs.design import posed

    yield "| candidates | batches of up to | budget | widths over the best | seconds of all |"
    yield "|---|---|---|---|---|"
    N, D = isoflop_design(np.logspace(18, 20, 4), 6)
    fit = jaxscale.fit(jaxscale.Chinchilla(), simulate(TRUTH, N, D, noise=0.005, seed=1), starts=64)
    for m, most in ((14, 4), (18, 5), (24, 4)):
        ratios, seconds = [], 0.0
        for seed in range(cases):
            rng = np.random.default_rng([m, seed])
            table = {"N": 10 ** rng.uniform(7, 9.7, m), "D": 10 ** rng.uniform(9, 11.3, m)}
            flops = 6 * table["N"] * table["D"]
            budget = float(np.quantile(flops, rng.uniform(0.3, 0.9))) * rng.uniform(1, 4)
            question, limits = posed(
                fit, budget=budget, what="N* at 1e24", candidates=table, batch=most
            )
            begin = time.perf_counter()
            best = exhaustive(question.search, limits)
            seconds += time.perf_counter() - begin
            mine = choose(question.search, limits)
            levels = [question.search.after(batch).level for batch in (mine, best)]
            ratios.append(float(np.exp(0.5 * (levels[0] - levels[1]))))
        worst, same = max(ratios), np.mean(np.array(ratios) < 1 + 1e-9)
        yield (
            f"| {m} | {most} | of {cases} drawn | at most {worst:.4f}, the best in "
            f"{100 * same:.0f} % | {seconds:.1f} |"
        )


def against_peer(python: str, tables: int) -> Iterator[str]:
    """Yield the table of batches of equal cost and number from the peer's own candidates.

    Pilot runs at two cheap budgets; six more at dearer ones. What is compared is how far log N*
    spreads over refits of simulated losses, with the truth known.

    Args:
        python: of the environment that has simple-scaling-laws.
        tables: pilots.
    """
    import json
    import subprocess

    from jaxscale.designs.simulation import simulate as simulated_spread

    heads = ("pilots, noise", "left by theirs", "by ours of their candidates: over theirs")
    yield f"| {' | '.join(heads)} | by ours of a grid: over theirs | they, s | we, s |"
    yield "|---|---|---|---|---|---|"
    N, D = isoflop_design(np.array([1e18, 1e19]), 7, spread=2.4)
    for noise in (0.004, 0.015):
        theirs, ours, seconds = [], [], []
        for seed in range(tables):
            runs = simulate(TRUTH, N, D, noise=noise, seed=seed)
            budgets = [1e19, 1e20, 1e21]
            asked = {"N": N.tolist(), "D": D.tolist(), "loss": runs.loss.tolist(), "target": 1e23,
                     "budgets": budgets, "runs": 6, "draws": 400}  # fmt: skip
            done = subprocess.run(
                [python, Path(__file__).with_name("design_peer.py")],
                input=json.dumps(asked), capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                print(done.stderr.strip().splitlines()[-1], file=sys.stderr)
                continue
            peer = json.loads(done.stdout)
            fit = jaxscale.fit(jaxscale.Chinchilla(), runs, loss=jaxscale.Square(), starts=64)
            spent = float(np.sum(6 * np.array(peer["N"]) * np.array(peer["D"])))
            options: dict[str, Any] = dict(what="N* at 1e23", noise=noise, force=True)
            begin = time.perf_counter()
            mine = jaxscale.design(
                fit, budget=spent, candidates=peer["candidates"], batch=6, repeats=6, **options
            )
            took = time.perf_counter() - begin
            wider = jaxscale.design(fit, budget=spent, batch=6, **options)
            plan = {"N": peer["N"], "D": peer["D"]}
            judged = jaxscale.design(fit, plan=plan, **options)
            truth = _as_fitted(fit, noise)
            spreads = [
                simulated_spread(
                    truth, batch, "N* at 1e23", tables=400, stages=[0, len(batch)]
                ).ratio[-1]
                for batch in (judged, mine, wider)
            ]
            theirs.append(spreads[0])
            ours.append(spreads[1:])
            seconds.append((*peer["seconds"].values(), took))
            print(noise, seed, spreads, seconds[-1], file=sys.stderr, flush=True)
        if not theirs:
            continue
        fitted, suggested, scored, took = np.median(np.array(seconds), axis=0)
        ratio = np.array(ours) / np.array(theirs)[:, None]
        left = np.median(np.array(ours), axis=0)
        said = [f"{np.median(x):.3g} ({x.min():.2g} to {x.max():.2g})" for x in ratio.T]
        yield (
            f"| 2 budgets of 7, {100 * noise:g} %; {len(theirs)} | {100 * np.median(theirs):.3g} % "
            f"| {100 * left[0]:.3g} %: {said[0]} | {100 * left[1]:.3g} %: {said[1]} | "
            f"{suggested:.2f} + {fitted:.1f} of draws; a design scored {scored:.0f} | {took:.2f} |"
        )


def _as_fitted(fit: jaxscale.FitResult, noise: float) -> jaxscale.FitResult:
    """Return the same law fitted to its own predictions with noise of the size that is known."""
    law = fit.law
    N, D = fit.runs.column("N"), fit.runs.column("D")
    again = simulate(law, N, D, noise=noise, seed=99)
    return jaxscale.fit(jaxscale.Chinchilla(), again, loss=jaxscale.Square(), starts=64)
