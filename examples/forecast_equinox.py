"""Forecast the final loss from inside an Equinox loop.

The forecaster's state is one more value that the filtered, jitted step takes and returns. Copy
the four lines marked with an arrow.

    python examples/forecast_equinox.py
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from jaxscale.forecast.forecaster import Forecaster

STEPS, BATCH, VOCABULARY, WIDTH = 1000, 256, 256, 64
GOAL = 3.4

schedule = optax.warmup_cosine_decay_schedule(0.0, 3e-3, 50, STEPS)
optimizer = optax.adamw(schedule)
forecaster = Forecaster(schedule=schedule)  # <-


class Model(eqx.Module):
    """What comes after two tokens."""

    embed: eqx.nn.Embedding
    hidden: eqx.nn.Linear
    out: eqx.nn.Linear

    def __init__(self, key):
        embed, hidden, out = jax.random.split(key, 3)
        self.embed = eqx.nn.Embedding(VOCABULARY, WIDTH, key=embed)
        self.hidden = eqx.nn.Linear(2 * WIDTH, WIDTH, key=hidden)
        self.out = eqx.nn.Linear(WIDTH, VOCABULARY, key=out)

    def __call__(self, context):
        """Return logits [VOCABULARY] of one context [2]."""
        return self.out(jnp.tanh(self.hidden(jax.vmap(self.embed)(context).ravel())))


def sample(key):
    """Return a fresh batch: two tokens of a Zipf law, and what a random teacher says next."""
    before, after = jax.random.split(key)
    zipf = -jnp.log1p(jnp.arange(VOCABULARY))
    context = jax.random.categorical(before, zipf, shape=(BATCH, 2))
    embed, out = (jax.random.normal(jax.random.key(k), (VOCABULARY, 16)) for k in (0, 1))
    teacher = jnp.tanh(embed[context[:, 0]] - embed[context[:, 1]]) @ out.T
    return context, jax.random.categorical(after, teacher)


@eqx.filter_value_and_grad
def loss_and_grads(model, context, token):
    logits = jax.vmap(model)(context)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, token))


@eqx.filter_jit
def train_step(model, opt_state, forecast_state, step):
    batch = sample(jax.random.fold_in(jax.random.key(1), step))
    loss, grads = loss_and_grads(model, *batch)
    updates, opt_state = optimizer.update(grads, opt_state, eqx.filter(model, eqx.is_array))
    model = eqx.apply_updates(model, updates)
    forecast_state = forecaster.update(forecast_state, step, loss, schedule(step))  # <-
    return model, opt_state, forecast_state, loss


def main() -> None:
    predict = jax.jit(lambda state: forecaster.predict(state, STEPS))  # <-
    model = Model(jax.random.key(2))
    opt_state = optimizer.init(eqx.filter(model, eqx.is_array))
    forecast_state = forecaster.init()  # <-
    losses = []
    for step in range(STEPS):
        model, opt_state, forecast_state, loss = train_step(
            model, opt_state, forecast_state, jnp.int32(step)
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
