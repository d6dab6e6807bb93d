"""The loop without a forecast: what the other scripts have beside it is what they cost."""

import equinox as eqx
import jax
import jax.numpy as jnp
from training import NOW, STEPS, Model, loss_and_grads, optimizer, sample


@eqx.filter_jit
def train_step(model, opt_state, step):
    loss, grads = loss_and_grads(model, *sample(jax.random.fold_in(jax.random.key(1), step)))
    updates, opt_state = optimizer.update(grads, opt_state, eqx.filter(model, eqx.is_array))
    model = eqx.apply_updates(model, updates)
    return model, opt_state, loss


model = Model(jax.random.key(2))
opt_state = optimizer.init(eqx.filter(model, eqx.is_array))
losses = []
for step in range(STEPS):
    model, opt_state, loss = train_step(model, opt_state, jnp.int32(step))
    losses.append(loss)
    if step == NOW:
        pass
print("came", jnp.mean(jnp.stack(losses[-50:])))
