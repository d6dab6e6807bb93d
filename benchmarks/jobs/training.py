"""The training that the jobs of forecasting share: a small model in Equinox, its data, its rate."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

STEPS, NOW, BATCH, VOCABULARY, WIDTH = 1000, 400, 256, 256, 64
schedule = optax.warmup_cosine_decay_schedule(0.0, 3e-3, 50, STEPS)
optimizer = optax.adamw(schedule)


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
    """Return the mean loss of a batch, and its gradients."""
    logits = jax.vmap(model)(context)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, token))
