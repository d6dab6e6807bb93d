"""Whether a forecast knows when not to be trusted.

    python -m benchmarks.forecast_trust [RUNS]  # prints tables, writes results/forecast_trust.md

1. Simulated runs that follow the law (four schedules, noise of .1 to 2 % of a loss, exponents and
   gains of all sizes): how many are doubted, which is a false alarm, and how many are covered.
2. Simulated runs that do not: how many are doubted at 10, 30 and 60 % of their steps, how many
   intervals leave out the present value on the side away from which it moves, without a word, and
   how many hold the end, of those doubted. A turn that is still to come cannot be seen.
3. Priors and widths from one table, judged on another: the prior is learned from every other run
   of a table, the width of its intervals scaled (split conformal) on the runs between, and both
   judged on the other table. The default prior is judged beside it.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.forecasts import DEFAULT, SHARES, Run, evidence, ladder, misfitting
from jaxscale.forecast.annealing import MultiPower, annealing_gain, summed_rate
from jaxscale.forecast.forecaster import Forecaster
from jaxscale.forecast.learning import learn_prior
from jaxscale.forecast.local_level import Prior

RESULT = Path(__file__).parent / "results" / "forecast_trust.md"
SCHEDULES = ("constant", "cosine", "linear", "WSD")
PEAK, POINTS = 3e-4, 200
WIDE = Prior(
    alpha=(0.5, 0.7), reducible=(0.3, 0.3), gain=(0.1, 0.15), walk=(0.01, 1.2), noise=(0.003, 1.3)
)
"""Where learning begins: nothing in it was chosen in view of a table."""


def rate(at: Any, steps: Any, kind: Any) -> Any:
    """Return the learning rate of a schedule by its index, after 2 % of warmup."""
    rise, share = 0.02 * steps, at / steps
    along = jnp.clip((at - rise) / (steps - rise), 0, 1)
    falls = [jnp.ones_like(share), 0.5 * (1 + jnp.cos(jnp.pi * along)), 1 - along]
    falls += [jnp.clip((1 - share) / 0.2, 0, 1)]
    return PEAK * jnp.minimum(at / rise, 1.0) * jnp.stack(falls)[kind]


@functools.cache
def _path(power: float) -> Callable[..., Any]:
    @jax.jit
    def path(step: Any, steps: Any, kind: Any) -> Any:
        rates = rate(step, steps, kind)
        gain = annealing_gain(MultiPower(power=power), step, rates, jnp.arange(len(step)))
        return summed_rate(step, rates), gain

    return path


def lawful(rng: np.random.Generator, step: np.ndarray, steps: float, kind: int) -> np.ndarray:
    """Return the losses of the law, without noise."""
    S, gain = (np.asarray(x, float) for x in _path(rng.choice([1.0, 0.6]))(step, steps, kind))
    alpha, part = np.exp(rng.normal(np.log(0.4), 0.4)), rng.uniform(0.1, 0.5)
    loss: np.ndarray = 1 - part + part * (S / S[len(S) // 2]) ** -alpha - rng.uniform(0, 0.2) * gain
    return loss


def _turning(name: str, rng: np.random.Generator, u: np.ndarray) -> np.ndarray:
    """Return values of a run that follows another law, over shares of its steps."""
    at, width = rng.uniform(0.1, 0.6), rng.uniform(0.02, 0.08)
    usual = 2 + 0.24 * (u / 0.5 + 1e-3) ** -0.3
    over = rng.uniform(0.5, 2) * np.maximum(u - rng.uniform(0.05, 0.3), 0)
    made: dict[str, np.ndarray] = {
        "plateau, then a drop": 0.8 + 2.2 / (1 + np.exp((u - at) / width)),
        "reward, taken for a loss": 0.05 + 0.6 / (1 + np.exp(-(u - at) / width)),
        "reward, as 1 - x": 0.95 - 0.6 / (1 + np.exp(-(u - at) / width)),
        "error rate that falls ever faster": 0.1 + 0.8 / (1 + (u / at) ** rng.uniform(2, 4)),
        "overfitting": usual + over,
        "divergence": usual + 3 / (1 + np.exp(-(u - at) / 0.01)),
        "other data from a step on": usual
        + np.where(u > at, rng.choice([-1, 1]) * rng.uniform(0.1, 0.4), 0),
    }
    return made[name]


FAMILIES = (
    "plateau, then a drop",
    "reward, taken for a loss",
    "reward, as 1 - x",
    "error rate that falls ever faster",
    "overfitting",
    "divergence",
    "other data from a step on",
)


def simulated(name: str, runs: int) -> list[dict[str, Any]]:
    """Return runs: steps, values with noise and without, and the schedule."""
    rng, made = np.random.default_rng(7), []
    for k in range(runs):
        steps, kind = 10 ** rng.uniform(3, 5), k % len(SCHEDULES)
        step = np.linspace(1, steps, POINTS)
        true = (
            lawful(rng, step, steps, kind) if name == "law" else _turning(name, rng, step / steps)
        )
        noise = np.exp(rng.uniform(np.log(1e-3), np.log(0.02))) * rng.normal(size=POINTS)
        made.append(dict(step=step, true=true, loss=true * (1 + noise), steps=steps, kind=kind))
    return made


@jax.jit
@jax.vmap
def _forecast(step: Any, loss: Any, steps: Any, kind: Any) -> Any:
    def schedule(at: Any) -> Any:
        return rate(at, steps, kind)

    forecaster = Forecaster(schedule=schedule)

    def take(state: Any, x: Any) -> Any:
        return forecaster.update(state, x[0], x[1], schedule(1.0 * x[0])), None

    state, _ = jax.lax.scan(take, forecaster.init(), (step, loss))
    return forecaster.predict(state, steps)


def told(runs: Sequence[dict[str, Any]], share: float) -> dict[str, float]:
    """Return shares of runs, in per cent: doubted, covered and silently beside the present."""
    step = np.array([run["step"] for run in runs])
    steps = np.array([run["steps"] for run in runs], np.float32)
    known = step < share * steps[:, None]
    loss = np.where(known, [run["loss"] for run in runs], np.nan).astype(np.float32)
    kind = np.array([run["kind"] for run in runs])
    end = _forecast(np.where(known, step, -1).astype(np.int32), loss, steps, kind)
    true = np.array([run["true"] for run in runs])
    now = np.array([row[k][-1] for row, k in zip(true, known, strict=True)])
    before = np.array([row[k][-12] for row, k in zip(true, known, strict=True)])
    doubted = np.asarray(end.doubts.any)
    held = (true[:, -1] >= end.lower) & (true[:, -1] <= end.upper)
    beside = np.where(now > before, end.upper < now, end.lower > now) & ~doubted
    rows = {"doubted": doubted, "held": held, "beside": beside}
    rows |= {"held, doubted": held[doubted], "held, not doubted": held[~doubted]}
    return {name: 100 * float(np.mean(x)) if len(x) else np.nan for name, x in rows.items()}


def tables(runs: int) -> list[str]:
    """Return the first two tables."""
    names = ("doubted", "beside", "held", "held, doubted", "held, not doubted")
    lines = ["## Simulated", "", f"| runs ({runs} each) | at | {' | '.join(names)} |"]
    lines += ["|---|---|" + "---|" * len(names)]
    for name in ("law", *FAMILIES):
        made = simulated(name, runs)
        for share in SHARES:
            row = told(made, share)
            cells = ("–" if np.isnan(row[x]) else f"{row[x]:.0f} %" for x in names)
            lines.append(f"| {name} | {100 * share:.0f} % | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    return [*lines, ""]


def _judged(end: Any, truth: np.ndarray, factor: tuple[float, float]) -> tuple[float, float]:
    """Return coverage and median relative width of intervals whose sides are scaled."""
    low = end.loss - factor[0] * (end.loss - end.lower)
    high = end.loss + factor[1] * (end.upper - end.loss)
    held = (truth >= low) & (truth <= high)
    return 100 * float(np.mean(held)), 100 * float(np.median((high - low) / truth))


def _factors(end: Any, truth: np.ndarray) -> tuple[float, float]:
    """Return by how much the lower and the upper side must grow to hold 95 % each."""
    below = np.asarray((end.loss - truth) / (end.loss - end.lower))
    above = np.asarray((truth - end.loss) / (end.upper - end.loss))
    level = min(1.0, 0.95 * (1 + 1 / len(truth)))
    return tuple(max(float(np.quantile(x, level)), 0.0) for x in (below, above))  # type: ignore[return-value]


def other_half() -> list[str]:
    """Return the third table; nothing where the public curves are not at hand."""
    whole = {"ladder": ladder(), "public": misfitting()}
    if not whole["public"]:
        return []
    lines = ["## Priors and widths of one table, judged on the other", ""]
    lines += ["| from | judged on | at | prior | covered | width | scaled: covered | width |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for one, other in (("ladder", "public"), ("public", "ladder")):
        for share in SHARES:
            sets: list[list[Run]] = [
                [run for run in runs if run.until(share).any()]
                for runs in (whole[one][::2], whole[one][1::2], whole[other])
            ]
            seen = [evidence(runs, share, DEFAULT) for runs in sets]
            truth = [np.array([run.loss[-1] for run in runs], np.float32) for runs in sets]
            each = [jax.tree.map(lambda x, k=k: x[k], seen[0]) for k in range(len(sets[0]))]
            learned = learn_prior(each, truth[0], WIDE)
            for name, prior in (("learned", learned), ("default", Prior())):
                forecast = jax.jit(jax.vmap(Forecaster(prior=prior).forecast))
                ends = [forecast(x) for x in seen[1:]]
                plain = _judged(ends[1], truth[2], (1.0, 1.0))
                scaled = _judged(ends[1], truth[2], _factors(ends[0], truth[1]))
                cells = " | ".join(f"{x:.0f} %" for x in (*plain, *scaled))
                lines.append(f"| {one} | {other} | {100 * share:.0f} % | {name} | {cells} |")
                print(lines[-1], flush=True)
    return [*lines, ""]


def main() -> None:
    began, runs = time.perf_counter(), int(sys.argv[1]) if len(sys.argv) > 1 else 200
    lines = ["# When a forecast is not to be trusted", ""]
    lines += [f"`python -m benchmarks.forecast_trust {runs}`; float32, jax {jax.__version__}."]
    lines += ["doubted: a sentence says so, the interval is wide. beside: not doubted, and the"]
    lines += ["90 % interval leaves out the present value on the side from which it moves.", ""]
    lines += tables(runs) + other_half()
    RESULT.write_text("\n".join(lines))
    print(f"wrote {RESULT} in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
