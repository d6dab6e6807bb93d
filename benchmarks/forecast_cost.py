"""What a forecast costs inside a training loop.

    python -m benchmarks.forecast_cost

The loop is that of the ladder's largest model (1.0e6 parameters, 1,024 bytes a step) in one
`lax.scan`, without and with a forecaster: an update in every step, a forecast every 100 steps. The
parts are timed alone too, for the difference of two loops drowns in the noise of a shared machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from benchmarks.document import environment
from examples.ladder import model
from examples.ladder.train import optimizer
from jaxscale.forecast.forecaster import Forecaster

WIDTH, BATCH, CONTEXT = 128, 8, 128
EVERY, STEPS, ROUNDS = 100, 100, 5
SCHEDULE = optax.cosine_decay_schedule(5e-3, 10_000)


def loop(forecaster: Forecaster | None) -> Callable[[Any], Any]:
    """Return the compiled loop over `STEPS` steps."""
    size, adam = model.Size.of(WIDTH), optimizer()

    def step(carry: Any, k: Any) -> Any:
        params, opt_state, state, forecast = carry
        key = jax.random.fold_in(jax.random.key(0), k)
        windows = jax.random.randint(key, (BATCH, CONTEXT + 1), 0, 256)
        value = jax.value_and_grad(model.losses, has_aux=True)
        (loss, _), grad = value(params, windows, size.heads)
        updates, opt_state = adam.update(grad, opt_state, params)
        lr = SCHEDULE(k)
        params = jax.tree.map(lambda p, u: p - lr * u, params, updates)
        if forecaster is not None:
            state = forecaster.update(state, k, loss, lr)
            forecast = lax.cond(
                k % EVERY == EVERY - 1,
                lambda state: forecaster.predict(state, 10_000).loss,
                lambda state: forecast,
                state,
            )
        return (params, opt_state, state, forecast), loss

    def run(params: Any) -> Any:
        state = None if forecaster is None else forecaster.init()
        carry = params, adam.init(params), state, jnp.zeros(())
        return lax.scan(step, carry, jnp.arange(STEPS))

    return jax.jit(run)


def seconds(run: Callable[[], Any]) -> float:
    """Return the wall time of one warm call."""
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def main() -> None:
    forecaster = Forecaster(schedule=SCHEDULE)
    params = model.init(jax.random.key(1), model.Size.of(WIDTH))
    many = jnp.arange(10_000)

    @jax.jit
    def updates(state: Any) -> Any:
        def take(state: Any, k: Any) -> Any:
            return forecaster.update(state, k, 2.0 + 1.0 / (k + 1), SCHEDULE(k)), None

        return lax.scan(take, state, many)[0]

    state = updates(forecaster.init())
    predict = jax.jit(forecaster.predict)
    calls = {
        "loop without": lambda: bare(params),
        "loop with": lambda: full(params),
        "10,000 updates": lambda: updates(forecaster.init()),
        "one forecast": lambda: predict(state, 20_000),
    }
    bare, full = loop(None), loop(forecaster)
    for call in calls.values():
        jax.block_until_ready(call())
    times = np.array([[seconds(call) for call in calls.values()] for _ in range(ROUNDS)])
    without, _, update, forecast = np.median(times, axis=0)
    step, own = without / STEPS, update / len(many) + forecast / EVERY
    where = environment()
    print(f"{where['device']}, {where['processor']}, float32; medians of {ROUNDS}")
    print(f"train step {1e3 * step:.1f} ms, update {1e6 * update / len(many):.2f} us, ", end="")
    print(f"forecast {1e3 * forecast:.2f} ms")
    print(f"update + forecast / {EVERY}: {100 * own / step:.3f} % of a step")
    ratio = times[:, 1] / times[:, 0]
    print(f"the loop with it takes {np.median(ratio):.3f} times as long, ", end="")
    print(f"{ratio.min():.3f} to {ratio.max():.3f}")


if __name__ == "__main__":
    main()
