"""The pure door: solve for a law inside your own jitted, vmapped program.

Here 200 bootstrap replicates, each a row of weights, refit from the optimum in one compiled call;
and the derivative of an exponent in every loss. Nothing in it reads files, prints, or touches the
precision flag: it follows the dtype it is given.

    python examples/inside_jit.py
"""

import jax
import jax.numpy as jnp
import numpy as np

import jaxscale
from jaxscale.datasets import load


def main() -> None:
    runs = load("stdlib_ladder")
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs)
    n = len(runs)
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), 200)

    with jax.enable_x64(True):
        refit = jaxscale.solver(fit)  # (losses, weights) -> law, pure

        laws = jax.jit(jax.vmap(lambda w: refit(weights=w)))(jnp.asarray(weights, float))
        slope = jax.jit(jax.grad(lambda losses: refit(losses).alpha))(jnp.asarray(runs.loss))
        alpha, beta, slope = jax.device_get((laws.alpha, laws.beta, slope))
    print(f"alpha {fit.law.alpha:.3f}, bootstrap standard error {np.std(alpha):.3f}")
    print(f"beta  {fit.law.beta:.3f}, bootstrap standard error {np.std(beta):.3f}")
    most = int(np.argmax(np.abs(slope)))
    print(f"alpha moves most with row {runs.rows[most]}: {slope[most]:.2f} per unit of its loss")


if __name__ == "__main__":
    main()
