"""A forecast of the final loss inside an Equinox loop, with lmfit."""

import equinox as eqx
import jax
import jax.numpy as jnp
import lmfit
import numpy as np
from training import NOW, STEPS, Model, loss_and_grads, optimizer, sample


def law(step, c, a, b):
    return c + a * (step / 100) ** -b


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
        model_of_losses = lmfit.Model(law)
        parameters = model_of_losses.make_params(
            c=dict(value=2, min=0), a=2, b=dict(value=0.5, min=0, max=3)
        )
        fit = model_of_losses.fit(y, parameters, step=x)
        at, off = fit.eval(step=STEPS), fit.eval_uncertainty(sigma=0.9, step=np.array([STEPS]))[0]
        print(f"forecast {at:.3f} [{at - off:.3f} {at + off:.3f}]")
print("came", jnp.mean(jnp.stack(losses[-50:])))
