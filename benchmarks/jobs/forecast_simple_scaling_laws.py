"""A forecast of the final loss inside an Equinox loop, with simple-scaling-laws."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
from simple_scaling_laws import fit
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
        y = np.array(jnp.stack(losses[50:])).reshape(-1, 13).mean(1)
        x = np.arange(50, NOW + 1).reshape(-1, 13).mean(1)
        rows = {
            "training_run_id": [f"step {k}" for k in x],
            "dataset_size__steps": x,
            "test_loss__loss": y,
        }
        curve = fit(pl.DataFrame(rows))
        end = curve.predict({"dataset_size__steps": [float(STEPS)]}, quantiles=[0.05, 0.5, 0.95])
        print(end.to_dicts())
print("came", jnp.mean(jnp.stack(losses[-50:])))
