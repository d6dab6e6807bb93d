"""Forecast the final loss from inside a plain optax loop.

The forecaster's state travels beside the optimizer's, through the same jitted step; nothing
leaves the device until a forecast is printed. Copy the four lines marked with an arrow.

    python examples/forecast_optax.py
"""

import jax
import jax.numpy as jnp
import optax

from jaxscale.forecast.forecaster import Forecaster

STEPS, BATCH, VOCABULARY, WIDTH = 1000, 256, 256, 64
GOAL = 3.4

schedule = optax.warmup_cosine_decay_schedule(0.0, 3e-3, 50, STEPS)
optimizer = optax.adamw(schedule)
forecaster = Forecaster(schedule=schedule)  # <-


def init(key):
    embed, hidden, out = jax.random.split(key, 3)
    return {
        "embed": 0.1 * jax.random.normal(embed, (VOCABULARY, WIDTH)),
        "hidden": jax.random.normal(hidden, (2 * WIDTH, WIDTH)) / (2 * WIDTH) ** 0.5,
        "out": 0.1 * jax.random.normal(out, (WIDTH, VOCABULARY)) / WIDTH**0.5,
    }


def logits(params, context):
    """Return what comes after two tokens, [batch, VOCABULARY]."""
    x = params["embed"][context].reshape(len(context), -1)
    return jnp.tanh(x @ params["hidden"]) @ params["out"]


def sample(key):
    """Return a fresh batch: two tokens of a Zipf law, and what a random teacher says next."""
    before, after = jax.random.split(key)
    zipf = -jnp.log1p(jnp.arange(VOCABULARY))
    context = jax.random.categorical(before, zipf, shape=(BATCH, 2))
    embed, out = (jax.random.normal(jax.random.key(k), (VOCABULARY, 16)) for k in (0, 1))
    teacher = jnp.tanh(embed[context[:, 0]] - embed[context[:, 1]]) @ out.T
    return context, jax.random.categorical(after, teacher)


@jax.jit
def train_step(params, opt_state, forecast_state, step):
    context, token = sample(jax.random.fold_in(jax.random.key(1), step))

    def mean_loss(params):
        loss = optax.softmax_cross_entropy_with_integer_labels(logits(params, context), token)
        return jnp.mean(loss)

    loss, grads = jax.value_and_grad(mean_loss)(params)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    params = optax.apply_updates(params, updates)
    forecast_state = forecaster.update(forecast_state, step, loss, schedule(step))  # <-
    return params, opt_state, forecast_state, loss


def main() -> None:
    predict = jax.jit(lambda state: forecaster.predict(state, STEPS))  # <-
    params = init(jax.random.key(2))
    opt_state, forecast_state = optimizer.init(params), forecaster.init()  # <-
    losses = []
    for step in range(STEPS):
        params, opt_state, forecast_state, loss = train_step(
            params, opt_state, forecast_state, step
        )
        losses.append(loss)
        if step % 100 == 99:
            end = predict(forecast_state)
            print(
                f"step {step + 1:4}: loss {loss:.3f}, forecast of step {STEPS} {end.loss:.3f} "
                f"[{end.lower:.3f}, {end.upper:.3f}], probability to end below {GOAL} "
                f"{end.probability_below(GOAL):.2f}"
            )
    print(f"what came: {jnp.mean(jnp.stack(losses[-50:])):.3f}, the mean of the last 50 steps")


if __name__ == "__main__":
    main()
