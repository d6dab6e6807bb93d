"""Training, law and decision in one `lax.scan`: nothing leaves the device before the end.

Six regressions of different sizes learn side by side. Every 100 steps a law L(N, D) is fitted to
all test losses so far; a model to which more data promise little stops.

    python examples/law_in_scan.py
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jaxscale

STEPS, EVERY, BATCH, RATE = 3000, 100, 16, 0.1
LOOKS, FIRST = STEPS // EVERY, 5  # a law of five parameters waits for some losses
WORTH = 0.06  # a model goes on while twice the samples win a larger share of its loss
N = jnp.array([4, 8, 16, 32, 64, 128])
SAMPLES = BATCH * EVERY * jnp.arange(1, LOOKS + 1)

# Feature i has variance i^-1.6 and matters in that proportion; a model of size N sees N of them.
# In the limit alpha is 0.6; here the features learned so far, too, end at some i.
VARIANCE = jnp.arange(1.0, 1025.0) ** -1.6
NOISE = 0.3
SEEN = jnp.arange(len(VARIANCE)) < N[:, None]


def make_solver():
    """Return what solves for the law of all losses there will be; the losses are stand-ins."""
    size, samples = np.broadcast_arrays(np.asarray(N, float), np.asarray(SAMPLES, float)[:, None])
    loss = size**-0.5 + samples**-0.5
    runs = jaxscale.Runs(N=size.ravel(), D=samples.ravel(), loss=loss.ravel())
    return jaxscale.solver(jaxscale.Chinchilla(), runs, loss=jaxscale.Huber(1e-2), starts=16)


def train(models, going, step):
    """Take one step of every model [6, features] that is still going; the data are the same."""
    features, noise = jax.random.split(jax.random.fold_in(jax.random.key(0), step))
    x = jax.random.normal(features, (BATCH, len(VARIANCE))) * VARIANCE**0.5
    y = jnp.sum(x, axis=1) + NOISE * jax.random.normal(noise, (BATCH,))

    def sgd(model, seen):
        return model + RATE * seen * ((y - x @ model) @ x) / BATCH

    return jnp.where(going[:, None], jax.vmap(sgd)(models, SEEN), models)


def look(carry, step, solver):
    """Note the losses, fit the law to what is there, decide who goes on."""
    models, going, losses, weight, _, seen = carry
    k = step // EVERY
    losses = losses.at[k].set(NOISE**2 + jnp.sum(VARIANCE * (1 - models) ** 2, axis=1))
    weight = weight.at[k].set(going)
    # Fixed shapes: what has not happened has weight zero.
    law = solver(losses.ravel(), weight.ravel())
    won = 1 - law(N, 2 * SAMPLES[k]) / law(N, SAMPLES[k])
    going = going & ((k < FIRST) | (won > WORTH))
    end = law(N[-1], SAMPLES[-1])
    seen = seen.at[k].set(jnp.array([law.alpha, law.beta, law.E, end]))
    return models, going, losses, weight, law, seen


@jax.jit
def run(solver):
    """Train all models to the end."""

    def step_(carry, step):
        carry = (train(carry[0], carry[1], step), *carry[1:])
        due = step % EVERY == EVERY - 1
        carry = lax.cond(due, lambda c: look(c, step, solver), lambda c: c, carry)
        return carry, None

    models = jnp.zeros((len(N), len(VARIANCE)))
    losses = jnp.ones((LOOKS, len(N)))
    law = jax.tree.map(jnp.zeros_like, jax.eval_shape(solver, losses.ravel()))
    carry = models, N > 0, losses, 0 * losses, law, jnp.zeros((LOOKS, 4))
    return lax.scan(step_, carry, jnp.arange(STEPS))[0]


def main() -> None:
    _, _, losses, weight, law, seen = jax.device_get(run(make_solver()))
    for k in range(FIRST, LOOKS, 4):
        alpha, beta, E, end = seen[k]
        print(
            f"step {(k + 1) * EVERY:4}: alpha {alpha:.3f}, beta {beta:.3f}, E {E:.3f}, "
            f"loss of the largest at the end {end:.4f}"
        )
    print(f"it came to {losses[-1, -1]:.4f}")
    for size, steps, loss in zip(N, EVERY * weight.sum(axis=0), losses[-1], strict=True):
        print(f"N {size:3}: {steps:4.0f} steps, loss {loss:.3f}")


if __name__ == "__main__":
    main()
