"""A forecast of the final loss inside an Equinox loop, with SciPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import curve_fit
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
        p, covariance = curve_fit(law, x, y, [2.0, 2.0, 0.5], bounds=(0, [10, 100, 3]))
        drawn = np.random.default_rng(0).multivariate_normal(p, covariance, 1000)
        low, high = np.quantile([law(STEPS, *each) for each in drawn], [0.05, 0.95])
        print(f"forecast {law(STEPS, *p):.3f} [{low:.3f} {high:.3f}]")
print("came", jnp.mean(jnp.stack(losses[-50:])))
