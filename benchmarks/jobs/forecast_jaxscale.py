"""A forecast of the final loss inside an Equinox loop, with jaxscale."""

import equinox as eqx
import jax
import jax.numpy as jnp
from training import NOW, STEPS, Model, loss_and_grads, optimizer, sample, schedule

import jaxscale

forecaster = jaxscale.Forecaster(schedule=schedule)


@eqx.filter_jit
def train_step(model, opt_state, forecast, step):
    loss, grads = loss_and_grads(model, *sample(jax.random.fold_in(jax.random.key(1), step)))
    updates, opt_state = optimizer.update(grads, opt_state, eqx.filter(model, eqx.is_array))
    model = eqx.apply_updates(model, updates)
    forecast = forecaster.update(forecast, step, loss, schedule(step))
    return model, opt_state, forecast, loss


model = Model(jax.random.key(2))
opt_state = optimizer.init(eqx.filter(model, eqx.is_array))
forecast = forecaster.init()
losses = []
for step in range(STEPS):
    model, opt_state, forecast, loss = train_step(model, opt_state, forecast, jnp.int32(step))
    losses.append(loss)
    if step == NOW:
        end = jax.jit(forecaster.predict)(forecast, STEPS)
        print(f"forecast {end.loss:.3f} [{end.lower:.3f} {end.upper:.3f}]")
print("came", jnp.mean(jnp.stack(losses[-50:])))
