"""Forecast the final loss from inside a Flax NNX loop.

Model and optimizer change in place; the forecaster's state is a value that the jitted step
returns. Copy the four lines marked with an arrow.

    python examples/forecast_nnx.py
"""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from jaxscale.forecast.forecaster import Forecaster

STEPS, BATCH, VOCABULARY, WIDTH = 1000, 256, 256, 64
GOAL = 3.4

schedule = optax.warmup_cosine_decay_schedule(0.0, 3e-3, 50, STEPS)
forecaster = Forecaster(schedule=schedule)  # <-


class Model(nnx.Module):
    """What comes after two tokens."""

    def __init__(self, rngs: nnx.Rngs):
        self.embed = nnx.Embed(VOCABULARY, WIDTH, rngs=rngs)
        self.hidden = nnx.Linear(2 * WIDTH, WIDTH, rngs=rngs)
        self.out = nnx.Linear(WIDTH, VOCABULARY, rngs=rngs)

    def __call__(self, context):
        """Return logits [batch, VOCABULARY] of contexts [batch, 2]."""
        x = self.embed(context).reshape(len(context), -1)
        return self.out(jnp.tanh(self.hidden(x)))


def sample(key):
    """Return a fresh batch: two tokens of a Zipf law, and what a random teacher says next."""
    before, after = jax.random.split(key)
    zipf = -jnp.log1p(jnp.arange(VOCABULARY))
    context = jax.random.categorical(before, zipf, shape=(BATCH, 2))
    embed, out = (jax.random.normal(jax.random.key(k), (VOCABULARY, 16)) for k in (0, 1))
    teacher = jnp.tanh(embed[context[:, 0]] - embed[context[:, 1]]) @ out.T
    return context, jax.random.categorical(after, teacher)


@nnx.jit
def train_step(model, optimizer, forecast_state, step):
    context, token = sample(jax.random.fold_in(jax.random.key(1), step))

    def mean_loss(model):
        loss = optax.softmax_cross_entropy_with_integer_labels(model(context), token)
        return jnp.mean(loss)

    loss, grads = nnx.value_and_grad(mean_loss)(model)
    optimizer.update(model, grads)
    return forecaster.update(forecast_state, step, loss, schedule(step)), loss  # <-


def main() -> None:
    predict = jax.jit(lambda state: forecaster.predict(state, STEPS))  # <-
    model = Model(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adamw(schedule), wrt=nnx.Param)
    forecast_state = forecaster.init()  # <-
    losses = []
    for step in range(STEPS):
        forecast_state, loss = train_step(model, optimizer, forecast_state, jnp.int32(step))
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
