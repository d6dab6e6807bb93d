"""The pure storey: solve for a law inside your own jitted, vmapped program.

Here 200 bootstrap replicates, each a row of weights, refit from the optimum in one compiled call.
Nothing in it reads files, prints, or touches the precision flag: it follows the dtype it is given.

    python examples/inside_jit.py
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

import jaxscale
from jaxscale import engine
from jaxscale.datasets import load
from jaxscale.fitting.preparation import prepare


def main() -> None:
    runs = load("stdlib_ladder")
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs)
    objective = prepare(jaxscale.Chinchilla(), runs, jaxscale.Huber(1e-3), "log").objective
    draws = np.random.default_rng(0).multinomial(len(runs), np.full(len(runs), 1 / len(runs)), 200)
    weights = np.zeros((200, len(objective.weight)))
    weights[:, : len(runs)] = draws

    with jax.enable_x64(True):
        start = jnp.stack([jnp.asarray(c) for c in objective.space.coordinates(fit.law.values)])

        @jax.jit
        def refit(weight):
            replicate = dataclasses.replace(objective, weight=weight)
            solution = engine.solve(replicate, jaxscale.newton(), start[None])
            return objective.law_at(solution.z[0])

        laws = jax.device_get(jax.vmap(refit)(jnp.asarray(weights)))
    print(f"alpha {fit.law.alpha:.3f}, bootstrap standard error {np.std(laws.alpha):.3f}")
    print(f"beta  {fit.law.beta:.3f}, bootstrap standard error {np.std(laws.beta):.3f}")


if __name__ == "__main__":
    main()
