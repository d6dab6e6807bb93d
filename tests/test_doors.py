"""The doors of the Python side: what they say under a transformation, and what they hand out."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale
from jaxscale import Chinchilla, Runs
from jaxscale.datasets.synthetic import simulated_runs

RUNS = simulated_runs()
N, D, LOSS = RUNS.columns["N"], RUNS.columns["D"], RUNS.loss
FREE = ("E", "A", "B", "alpha", "beta")
LAW = Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)

UNDER = {
    "Runs": lambda t: Runs(N=N, D=D, loss=t * LOSS),
    "Runs of a column": lambda t: Runs(N=t * N, D=D, loss=LOSS),
    "Runs.replace": lambda t: RUNS.replace(loss=t * LOSS),
    "fit of a dict": lambda t: jaxscale.fit("Chinchilla", dict(N=N, D=D, loss=t * LOSS)),
    "fit of a law": lambda t: jaxscale.fit(Chinchilla(E=t), RUNS),
    "fit to errors": lambda t: jaxscale.fit(Chinchilla(), RUNS, error=t * LOSS),
    "fit within bounds": lambda t: jaxscale.fit(Chinchilla(), RUNS, bounds={"E": (t, 2.0)}),
    "fit of a width": lambda t: jaxscale.fit(Chinchilla(), RUNS, delta=t),
    "fit of a loss": lambda t: jaxscale.fit(Chinchilla(), RUNS, loss=jaxscale.Huber(t)),
    "fit_many": lambda t: jaxscale.fit_many("Chinchilla", [dict(N=N, D=D, loss=t * LOSS)]),
    "refit": lambda t: jaxscale.refit(None, losses=t * LOSS[None]),
    "refit of fixed values": lambda t: jaxscale.refit(None, fixed={"E": t * np.ones(2)}),
    "bootstrap": lambda t: jaxscale.bootstrap(None, group=t * LOSS),
    "jackknife": lambda t: jaxscale.jackknife(None, group=t * LOSS, leave_groups=True),
    "influence": lambda t: jaxscale.influence(None, "alpha", rounds=t),
    "posterior": lambda t: jaxscale.posterior(None, draws=t),
    "allocate": lambda t: jaxscale.allocate(LAW, compute=1e22 * t),
    "allocate of a law": lambda t: jaxscale.allocate(LAW.replace(E=t), compute=1e22),
    "near_optimal": lambda t: jaxscale.near_optimal(LAW, 1e22 * t),
    "compare": lambda t: jaxscale.compare([Chinchilla(E=t), "Chinchilla"], RUNS),
    "rollout": lambda t: jaxscale.rollout([Chinchilla(E=t)], RUNS),
    "cross_validate": lambda t: jaxscale.cross_validate([Chinchilla(E=t)], RUNS),
    "exponent_grid": lambda t: jaxscale.exponent_grid(Chinchilla(E=t), RUNS),
    "solver": lambda t: jaxscale.solver(Chinchilla(E=t), RUNS),
    "isoflop": lambda t: jaxscale.isoflop(Runs(N=N, D=D, loss=t * LOSS)),
    "effective_speedup": lambda t: jaxscale.effective_speedup(LAW, 2.5 * t, 2.4),
    "design": lambda t: jaxscale.design(None, budget=1e21 * t),
    "specify": lambda t: jaxscale.specify(RUNS, laws=[Chinchilla(E=t)], compute=1e22),
}


@pytest.mark.parametrize("called", UNDER)
@pytest.mark.parametrize("transform", [jax.jit, jax.grad, lambda f: lambda t: jax.vmap(f)(t[None])])
def test_a_host_door_under_a_transformation_points_to_the_pure_one(called, transform):
    with pytest.raises(TypeError) as error:
        transform(UNDER[called])(jnp.asarray(1.0))
    said = str(error.value)
    assert "cannot run inside jit, vmap or grad" in said and said.count("\n") == 0
    assert "jaxscale.implicit" in said
    assert "jaxscale.solver" in said or "jaxscale.quantities" in said


def test_a_pure_door_runs_under_a_transformation():
    assert jax.grad(lambda t: jaxscale.predict(LAW.replace(E=t), N=1e9, D=1e10))(1.8) == 1
    best = jaxscale.quantities.Best(compute=1e22)
    slope = jax.grad(lambda t: best(LAW.replace(alpha=t)))(0.35)
    assert np.isfinite(slope)


def test_a_door_reads_in_help_as_it_was_written():
    for name in ("fit", "refit", "bootstrap", "allocate", "compare"):
        door = getattr(jaxscale, name)
        assert door.__name__ == name and "Args:" in inspect.getdoc(door)
        assert all(k != "kwargs" for k in inspect.signature(door).parameters)
