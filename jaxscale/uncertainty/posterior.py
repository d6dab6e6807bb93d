"""Uncertainty by Markov chains: draws from the posterior of a fit, through NumPyro (an extra).

The likelihood is the density that the fit's loss is the negative logarithm of, with the scale of
the noise as one more unknown; the prior is flat in the coordinates within their bounds and in the
logarithm of that scale. Chains run in coordinates whitened at the optimum. What comes back is a
`Draws`, as from a bootstrap. A posterior takes the noise for exchangeable and of that density;
`benchmarks.coverage` does not count it.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._numerics.precision import host, scope
from jaxscale.fitting.linearized import linearize
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.sandwich import inverse_curvature, noise_ratio
from jaxscale.objective.objective import Objective
from jaxscale.uncertainty.draws import Draws

MIXED = 1.01
"""R-hat up to which chains count as mixed."""


@host()
def posterior(
    fit: FitResult, *, draws: int = 4000, chains: int = 4, warmup: int = 1000, seed: int = 0
) -> Draws:
    """Draw from the posterior of a fit with the No-U-Turn sampler.

    Args:
        fit: the fit; its law, loss and residual are kept.
        draws: in all, over the chains.
        chains: run side by side, vectorized.
        warmup: steps of each chain that adapt and are thrown away.
        seed: of the chains.

    Returns:
        The draws, with the method "posterior"; `notes` says where chains have not mixed.

    Raises:
        ImportError: NumPyro is not installed (`pip install 'jaxscale[mcmc]'`).
        FitError: the curvature at the optimum is singular.
        ValueError: an option is not one of those allowed.

    Cost: seconds, most of them compiling, anew in every call.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> draws = jaxscale.posterior(fit, draws=400, warmup=200)
        >>> draws.method, 0.3 < draws.interval("alpha").low < 0.5
        ('posterior', True)
    """
    for name, value in (("draws", draws), ("chains", chains), ("warmup", warmup)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    try:
        from numpyro.diagnostics import effective_sample_size, gelman_rubin
        from numpyro.infer import MCMC, NUTS
    except ImportError as error:
        raise ImportError("posterior() needs NumPyro: pip install 'jaxscale[mcmc]'") from error
    at = linearize(fit)
    covariance = inverse_curvature(at) * noise_ratio(at)
    moving = np.flatnonzero(at.moving)
    root = np.zeros((len(at.z), len(moving) + 1))
    root[np.ix_(moving, np.arange(len(moving)))] = np.linalg.cholesky(
        covariance[np.ix_(moving, moving)]
    )
    start = math.log(float(at.weight @ at.psi**2) / float(at.weight @ at.smoothed))
    with scope(np.float64):
        objective = jax.tree.map(jnp.asarray, at.objective)
        arguments = (objective, jnp.asarray(at.z), jnp.asarray(root), start)
        sampler = MCMC(
            NUTS(potential_fn=lambda u: _potential(u, *arguments)),
            num_warmup=warmup,
            num_samples=-(-draws // chains),
            num_chains=chains,
            chain_method="vectorized",
            progress_bar=False,
        )
        keys = jax.random.split(jax.random.PRNGKey(seed), 2)
        first = jax.random.normal(keys[0], (chains, len(moving) + 1))
        sampler.run(keys[1], init_params=first if chains > 1 else first[0],
                    extra_fields=("diverging",))  # fmt: skip
        u = np.asarray(sampler.get_samples(group_by_chain=True), float)
        lost = int(np.sum(np.asarray(sampler.get_extra_fields()["diverging"])))
        z = at.z + u.reshape(-1, u.shape[-1])[:draws] @ root.T
        law = jax.vmap(objective.law_at)(jnp.asarray(z))
        values = {name: np.asarray(x, float) for name, x in law.values.items()}
    said = _unmixed(gelman_rubin(u), effective_sample_size(u), lost) if chains > 1 else []
    return Draws(
        law=fit.law.replace(**{name: values[name] for name in fit.free}),
        fit=fit,
        method="posterior",
        seed=seed,
        noise=at.noise(),
        freedom=math.inf,
        widening=1.0,
        notes=tuple(said),
        seconds={},
    )


def _potential(u: Array, objective: Objective, z: Array, root: Array, start: float) -> Array:
    """Return minus the log posterior at whitened coordinates u [P + 1], the last for the noise."""
    z, log_s = z + root @ u, start + u[-1]
    lower, upper = objective.bounds()
    used = objective.weight > 0
    w = jnp.where(used, objective.weight, 1.0)
    r, loss = objective.residuals(z), objective.loss
    each = w * loss.rho(r) * jnp.exp(-log_s) + loss.log_normalizer(log_s - jnp.log(w))
    total = jnp.sum(jnp.where(used, each, 0.0))
    return jnp.where(jnp.all((z >= lower) & (z <= upper)), total, jnp.inf)


def _unmixed(rhat: Any, size: Any, lost: int) -> list[str]:
    said = []
    if float(np.max(rhat)) > MIXED:
        said.append(f"chains have not mixed: R-hat {np.max(rhat):.3f}; raise warmup and draws")
    if float(np.min(size)) < 400:
        said.append(f"as good as {np.min(size):.0f} independent draws only: raise draws")
    if lost:
        said.append(f"{lost} divergent steps: the posterior has corners the chains did not enter")
    return said
