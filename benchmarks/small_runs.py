"""What forecasts say of small regressions and language models.

    python -m benchmarks.small_runs  # prints the tables, writes results/small_runs.md, ten minutes

A hundred regressions, whose first steps follow no power law, are trained here on data drawn anew at
every step, their losses logged at every step: eleven targets, Adam and SGD, three schedules, 400 to
5,000 steps in batches of 16 to 256. A batch that small makes losses noisy (a mean square over 16
rows by a third), and the loss falls by ten to a thousand times, most of it early. Half as many
language models of a few thousand parameters learn from a random teacher. Each run is forecast at
20, 30, 50 and 70 % of its steps with its schedule; the truth is the mean loss of its last fiftieth.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
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
STEPS = (400, 1000, 2000)
"""Steps of a language model."""
LEGEND = (
    "At a share of its steps each run is asked for its end, the mean loss of its last fiftieth. "
    "Doubted: the forecast said itself that it is a guess. Held: what came lay in the 90 % "
    "interval. Median error and median width of the interval are in per cent of what came. Losses "
    "of the regressions fall by ten to a thousand times; most of a language model's is entropy."
)
RATES = {"adam": 1e-2, "sgd": 2e-2}


class Task(NamedTuple):
    """A regression: inputs, target of rows x and weights w, noise of the target, hidden widths."""

    inputs: int
    target: Callable[[Any, Any], Any]
    noise: float
    hidden: tuple[int, ...] = ()


class Shape(NamedTuple):
    """A language model: tokens it knows, and sees, its width, and rows of a batch."""

    vocabulary: int
    context: int
    width: int
    rows: int


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


_forecast = jax.jit(Forecaster().forecast)  # one program for all, whatever the schedule is


def seen_until(step: int, loss: np.ndarray, rate: np.ndarray) -> Any:
    """Return the state after so many steps; later ones are left out, as not finite."""
    size = 1 << (len(loss) - 1).bit_length()
    left = [np.pad(x[:step], (0, size - step), constant_values=np.nan) for x in (loss, rate)]
    return _seen(*left)


@jax.jit
def _seen(loss: Any, rate: Any) -> Any:
    def take(state: Any, x: Any) -> Any:
        return Forecaster().update(state, *x), None

    rows = (jnp.arange(len(loss)), loss, rate)
    return jax.lax.scan(take, Forecaster().init(), rows)[0]


def language(number: int = 48, seed: int = 3) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield losses [steps] and schedules of tiny language models on tokens drawn anew.

    A token of a Zipf law follows one to three others as a random teacher says. Most of such a loss
    is the teacher's entropy, as most of a large model's is.
    """
    rng = np.random.default_rng(seed)
    for run in range(number):
        vocabulary, context, width, rows, steps = (
            int(rng.choice(sizes))
            for sizes in ((64, 128, 256, 512), (1, 2, 3), (16, 32, 64), (32, 128, 256), STEPS)
        )
        kind, peak = str(rng.choice(("adam", "adam", "sgd"))), float(np.exp(rng.uniform(-7, -4.6)))
        peak *= 50 if kind == "sgd" else 1
        schedule = schedules(peak, steps)[str(rng.choice(("cosine", "warmup", "constant")))]
        shape = Shape(vocabulary, context, width, rows)
        yield next_token(shape, optimizer_of(kind, schedule), steps, run), schedule


def optimizer_of(kind: str, schedule: Any) -> Any:
    """Return Adam, or SGD with momentum."""
    return optax.adam(schedule) if kind == "adam" else optax.sgd(schedule, momentum=0.9)


def next_token(shape: Shape, optimizer: Any, steps: int, seed: int) -> np.ndarray:
    """Return the training loss of every step [steps] of a model of the next token."""
    V, T, width, rows = shape
    keys = jax.random.split(jax.random.PRNGKey(seed), 6)
    teacher = jax.random.normal(keys[0], (T, V, 16)) / T**0.5, jax.random.normal(keys[1], (16, V))
    zipf = -jnp.log1p(jnp.arange(V))
    start = (
        0.1 * jax.random.normal(keys[2], (V, width)),
        jax.random.normal(keys[3], (T * width, 2 * width)) / (T * width) ** 0.5,
        0.1 * jax.random.normal(keys[4], (2 * width, V)) / width**0.5,
    )

    def error(params: Any, context: Any, token: Any) -> Any:
        embed, hidden, out = params
        logits = jnp.tanh(embed[context].reshape(rows, -1) @ hidden) @ out
        return optax.softmax_cross_entropy_with_integer_labels(logits, token).mean()

    def step(carry: Any, key: Any) -> tuple[Any, Any]:
        params, state = carry
        one, two = jax.random.split(key)
        context = jax.random.categorical(one, zipf, shape=(rows, T))
        told = jnp.tanh(sum(teacher[0][t, context[:, t]] for t in range(T))) @ teacher[1]
        loss, slope = jax.value_and_grad(error)(params, context, jax.random.categorical(two, told))
        updates, state = optimizer.update(slope, state, params)
        return (optax.apply_updates(params, updates), state), loss

    begin = start, optimizer.init(start)
    return np.asarray(jax.lax.scan(step, begin, jax.random.split(keys[5], steps))[1])


def regressions() -> Iterator[tuple[np.ndarray, Any]]:
    """Yield losses [steps] and schedules of the regressions."""
    wanted = itertools.product(TASKS, RATES, ("cosine", "warmup", "constant"), LENGTHS)
    for seed, (task, kind, name, (steps, rows)) in enumerate(wanted):
        if seed % 2:  # every other one is enough
            continue
        schedule = schedules(RATES[kind], steps)[name]
        yield losses(TASKS[task], optimizer_of(kind, schedule), steps, rows, seed), schedule


def forecasts(runs: Iterator[tuple[np.ndarray, Any]]) -> dict[float, list[tuple[Any, float]]]:
    """Return forecasts and what came, by the share of the steps that was seen."""
    found: dict[float, list[tuple[Any, float]]] = {share: [] for share in SHARES}
    for count, (loss, schedule) in enumerate(runs):
        if not np.isfinite(loss).all():
            continue
        steps = len(loss)
        rate, end = np.asarray(jax.vmap(schedule)(jnp.arange(steps))), loss[-(steps // 50) :].mean()
        forecaster = Forecaster(schedule=schedule)
        for share in SHARES:
            state = seen_until(int(share * steps), loss, rate)
            got = _forecast(forecaster.evidence(state, steps - 1))
            found[share].append((jax.device_get(got), float(end)))
        if count % 8 == 7:
            jax.clear_caches()  # a run has programs of its own, and a process holds only so many
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
    lines = ["# Forecasts of small runs", ""]
    lines += [f"`python -m benchmarks.small_runs`; cpu, float32, jax {jax.__version__}.", ""]
    lines += [LEGEND]
    for title, runs in (("Regressions", regressions()), ("Language models", language())):
        lines += ["", f"## {title}", "", *table(forecasts(runs))]
    RESULT.write_text("\n".join([*lines, ""]))
    print("\n".join(lines))
    print(f"wrote {RESULT} in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
