"""What forecasts say of small regressions, whose first steps follow no power law.

    python -m benchmarks.small_runs  # prints the table, writes results/small_runs.md, four minutes

A hundred runs are trained here on data drawn anew at every step, their losses logged at every
step: eleven targets, Adam and SGD, three schedules, 400 to 5,000 steps in batches of 16 to 256. A
batch that small makes losses noisy (a mean square over 16 rows by a third), and the loss falls by
ten to a thousand times, most of it early. Each is forecast at 20, 30, 50 and 70 % of its steps
with its schedule; the truth is the mean loss of its last fiftieth.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxscale.forecast.forecaster import Forecaster

RESULT = Path(__file__).parent / "results" / "small_runs.md"
SHARES = (0.2, 0.3, 0.5, 0.7)
LENGTHS = ((400, 16), (1500, 256), (5000, 32))
"""Steps, and rows of a batch."""
RATES = {"adam": 1e-2, "sgd": 2e-2}


class Task(NamedTuple):
    """A regression: inputs, target of rows x and weights w, noise of the target, hidden widths."""

    inputs: int
    target: Callable[[Any, Any], Any]
    noise: float
    hidden: tuple[int, ...] = ()


TASKS = {
    "linear": Task(20, lambda x, w: x @ w[:20], 0.1),
    "linear, noisy": Task(20, lambda x, w: x @ w[:20], 0.3),
    "scaled inputs": Task(30, lambda x, w: x * jnp.exp(-jnp.arange(30) / 6) @ w[:30] * 3, 0.1),
    "sine": Task(1, lambda x, w: jnp.sin(3 * x[:, 0]), 0.05, (64, 64)),
    "fast sine": Task(1, lambda x, w: jnp.sin(6 * x[:, 0]), 0.2, (64, 64)),
    "square": Task(5, lambda x, w: (x @ w[:5]) ** 2 / 3 + jnp.sin(2 * x[:, 1]), 0.1, (128,)),
    "product": Task(8, lambda x, w: x[:, 0] * x[:, 1] + jnp.abs(x[:, 2]), 0.2, (64, 64)),
    "teacher": Task(10, lambda x, w: jnp.tanh(x @ jnp.outer(w[:10], w)) @ w, 0.05, (96,)),
    "edge": Task(2, lambda x, w: jnp.sign(x[:, 0] + x[:, 1] ** 2 - 1), 0.0, (48, 48)),
    "waves": Task(3, lambda x, w: jnp.cos(4 * x[:, 0]) * x[:, 1] + x[:, 2], 0.3, (128, 128)),
    "heavy tails": Task(6, lambda x, w: jnp.exp(0.5 * x @ w[:6]), 0.1, (64,)),
}


def schedules(peak: float, steps: int) -> dict[str, Any]:
    """Return learning rates by the name of their schedule."""
    warm = optax.warmup_cosine_decay_schedule(0.0, peak, steps // 20, steps)
    flat = optax.constant_schedule(peak)
    return {"cosine": optax.cosine_decay_schedule(peak, steps), "warmup": warm, "constant": flat}


def losses(task: Task, optimizer: Any, steps: int, rows: int, seed: int) -> np.ndarray:
    """Return the training loss of every step [steps]."""
    keys = jax.random.split(jax.random.PRNGKey(seed), 4)
    w = jax.random.normal(keys[0], (64,)) * 2 / task.inputs**0.5
    sizes = (task.inputs, *task.hidden, 1)
    start = [
        (jax.random.normal(key, pair) * (2 / pair[0]) ** 0.5, jnp.zeros(pair[1]))
        for key, pair in zip(jax.random.split(keys[1], 8), itertools.pairwise(sizes), strict=False)
    ]

    def error(params: Any, x: Any, y: Any) -> Any:
        for weight, bias in params[:-1]:
            x = jax.nn.gelu(x @ weight + bias)
        weight, bias = params[-1]
        return jnp.mean(((x @ weight + bias)[:, 0] - y) ** 2)

    def step(carry: Any, key: Any) -> tuple[Any, Any]:
        params, state = carry
        one, two = jax.random.split(key)
        x = jax.random.normal(one, (rows, task.inputs))
        y = task.target(x, w) + task.noise * jax.random.normal(two, (rows,))
        loss, slope = jax.value_and_grad(error)(params, x, y)
        updates, state = optimizer.update(slope, state, params)
        return (optax.apply_updates(params, updates), state), loss

    begin = start, optimizer.init(start)
    return np.asarray(jax.lax.scan(step, begin, jax.random.split(keys[2], steps))[1])


@jax.jit
def _seen(loss: Any, rate: Any) -> Any:
    def take(state: Any, x: Any) -> Any:
        return Forecaster().update(state, *x), None

    rows = (jnp.arange(len(loss)), loss, rate)
    return jax.lax.scan(take, Forecaster().init(), rows)[0]


def forecasts() -> dict[float, list[tuple[Any, float]]]:
    """Return forecasts and what came, by the share of the steps that was seen."""
    found: dict[float, list[tuple[Any, float]]] = {share: [] for share in SHARES}
    wanted = itertools.product(TASKS, RATES, ("cosine", "warmup", "constant"), LENGTHS)
    for seed, (task, kind, name, (steps, rows)) in enumerate(wanted):
        if seed % 2:  # every other one is enough
            continue
        schedule = schedules(RATES[kind], steps)[name]
        optimizer = optax.adam(schedule) if kind == "adam" else optax.sgd(schedule, momentum=0.9)
        loss = losses(TASKS[task], optimizer, steps, rows, seed)
        if not np.isfinite(loss).all():
            continue
        rate, end = np.asarray(jax.vmap(schedule)(jnp.arange(steps))), loss[-(steps // 50) :].mean()
        forecaster = Forecaster(schedule=schedule)
        for share in SHARES:
            seen = int(share * steps)
            got = forecaster.predict(_seen(loss[:seen], rate[:seen]), steps - 1)
            found[share].append((jax.device_get(got), float(end)))
        jax.clear_caches()  # every run has programs of its own, and a process holds only so many
    return found


def table(found: dict[float, list[tuple[Any, float]]]) -> list[str]:
    """Return a row for every share."""
    lines = ["| at | runs | doubted | held (90 %) | held, not doubted | median error | width |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for share, rows in found.items():
        doubted = np.array([bool(end.doubts.any) for end, _ in rows])
        held = np.array([end.lower <= truth <= end.upper for end, truth in rows])
        error = np.median([abs(end.loss / truth - 1) for end, truth in rows])
        width = np.median([(end.upper - end.lower) / truth for end, truth in rows])
        sure = f"{100 * held[~doubted].mean():.0f} %" if (~doubted).any() else "–"
        lines.append(
            f"| {100 * share:.0f} % | {len(rows)} | {100 * doubted.mean():.0f} % | "
            f"{100 * held.mean():.0f} % | {sure} | {100 * error:.0f} % | {100 * width:.0f} % |"
        )
    return lines


def main() -> None:
    began = time.perf_counter()
    lines = ["# Forecasts of small regressions", ""]
    lines += [f"`python -m benchmarks.small_runs`; cpu, float32, jax {jax.__version__}.", ""]
    lines += table(forecasts())
    RESULT.write_text("\n".join([*lines, ""]))
    print("\n".join(lines))
    print(f"wrote {RESULT} in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
