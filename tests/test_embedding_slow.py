"""Forecasts of simulated runs: honest intervals, and what knowing the schedule is worth.

And the pure storey under `shard_map`, which takes a process with two devices.
"""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from jaxscale.forecast.annealing import annealing_gain, summed_rate
from jaxscale.forecast.forecaster import Forecaster

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
RUNS, TOTAL, NOW = 200, 1024, 512
PER_BIN = 8  # steps: 64 bins for 512 steps
schedule = optax.cosine_decay_schedule(1e-3, TOTAL, alpha=0.1)
aware = Forecaster(schedule=schedule)
blind = Forecaster(annealing=())


def simulate(prior, gain=None):
    """Draw runs [RUNS, NOW] and their ends [RUNS] from the model itself.

    Args:
        prior: of the parameters, whatever its numbers are.
        gain: that of every run; drawn if None.
    """
    rng = np.random.default_rng(8)

    def draw(known, positive):
        middle, spread = known
        z = rng.normal(size=(RUNS, 1))
        return middle * np.exp(spread * z) if positive else middle + spread * z

    alpha, walk, noise = (draw(x, True) for x in (prior.alpha, prior.walk, prior.noise))
    A, B = draw(prior.reducible, False), draw(prior.gain, False) if gain is None else gain
    steps = jnp.arange(TOTAL + 1.0)
    rate = jax.vmap(schedule)(steps)
    S = np.asarray(summed_rate(steps, rate), float)
    forms = [annealing_gain(form, steps, rate, jnp.arange(TOTAL + 1)) for form in aware.annealing]
    G = np.asarray(forms, float)[rng.integers(len(forms), size=RUNS)]
    apart = np.diff(np.log(S), prepend=np.log(S[0]))
    law = 1 + A * ((S / S[NOW]) ** -alpha - 1) - B * (G - G[:, NOW, None])
    law = law + np.cumsum(walk * np.sqrt(apart) * rng.normal(size=law.shape), axis=1)
    seen = law[:, :NOW] + noise * PER_BIN**0.5 * rng.normal(size=(RUNS, NOW))
    end = law[:, -1:] + noise * rng.normal(size=(RUNS, 1))  # of a bin, as the forecast is
    return jnp.asarray(3 * seen, jnp.float32), jnp.asarray(3 * end[:, 0], jnp.float32)


def forecasts(forecaster, losses, ends, start=64):
    """Return loss, interval and probability below what came [4, RUNS], of losses from `start`."""
    losses = losses.at[:, :start].set(jnp.nan)

    def one(losses, end):
        def step(state, x):
            return forecaster.update(state, x[0], x[1], schedule(x[0])), None

        state = lax.scan(step, forecaster.init(), (jnp.arange(NOW), losses))[0]
        said = forecaster.predict(state, TOTAL)
        return said.loss, said.lower, said.upper, said.probability_below(end)

    return np.stack(jax.jit(jax.vmap(one))(losses, ends))


@pytest.mark.parametrize("start", [0, 64])
def test_intervals_cover_and_probabilities_are_calibrated(start):
    losses, ends = simulate(aware.prior)
    _, lower, upper, below = forecasts(aware, losses, ends, start)
    covered = np.mean((lower <= ends) & (ends <= upper))
    assert 0.80 <= covered <= 0.98, covered
    assert 0.42 <= below.mean() <= 0.58, below.mean()  # four standard errors of a uniform one
    assert 0.23 <= below.std() <= 0.35, below.std()


def test_a_forecast_that_knows_the_schedule_is_nearer():
    losses, ends = simulate(aware.prior, gain=aware.prior.gain[0])
    knows, not_ = (forecasts(f, losses, ends)[0] for f in (aware, blind))
    error = np.abs(np.stack([knows, not_]) - np.asarray(ends)).mean(axis=1)
    assert error[0] < 0.9 * error[1], error


def test_an_eager_forecast_equals_a_compiled_one():
    losses, _ = simulate(aware.prior)
    state = aware.init()
    for step in range(20):
        state = jax.jit(aware.update)(state, step, losses[0, step], schedule(step))
    eager, compiled = aware.predict(state, TOTAL), jax.jit(aware.predict)(state, TOTAL)
    for name in ("loss", "lower", "upper"):
        np.testing.assert_allclose(getattr(eager, name), getattr(compiled, name), rtol=2e-5)


CHILD = """
import dataclasses, jax, jax.numpy as jnp, numpy as np, optax, jaxscale
from jax.sharding import PartitionSpec as P
from jaxscale import engine
from jaxscale.forecast import Forecaster
from jaxscale.fitting.preparation import prepare
from jaxscale.varpro.starts import random_starts
from jaxscale.datasets.synthetic import simulated_runs
assert jax.device_count() == 2
mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
schedule = optax.cosine_decay_schedule(3e-3, 400)
forecaster = Forecaster(schedule=schedule)
rng = np.random.default_rng(0)
losses = 2 + 3 * np.arange(1.0, 201.0)[:, None] ** -0.4 + 0.05 * rng.normal(size=(200, 8))

def sharded(f, in_specs, out_specs, **options):
    return jax.jit(jax.shard_map(f, mesh=mesh, in_specs=in_specs, out_specs=out_specs, **options))

def train(losses, mean=lambda y: y):
    def step(state, x):
        k, loss = x
        return forecaster.update(state, k, mean(jnp.mean(loss)), schedule(k)), None
    # The loop's first state must vary over the mesh where the losses do.
    start = jax.tree.map(lambda x: x + (0 * mean(losses[0].mean())).astype(x.dtype),
                         forecaster.init())
    state = jax.lax.scan(step, start, (jnp.arange(200), losses))[0]
    return state, ends(state)

def ends(state):
    end = forecaster.predict(state, 400)
    return jnp.stack([end.loss, end.lower, end.upper, end.probability_below(3.0)])

def attempt(name, f):
    try:
        f()
        print(name)
    except TypeError as error:
        print(name, "refused:", str(error).splitlines()[0])

with jax.enable_x64(True):
    one, rows = jax.jit(train)(losses), jax.jit(jax.vmap(lambda x: train(x)[1], 1))(losses[:, :2])
    average = lambda y: jax.lax.psum(y, "data") / 2
    two = sharded(lambda x: train(x, average), P(None, "data"), P())(losses)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-12), two, one)
    print("averaged")
    each = lambda x: train(x[:, 0])[1][None]
    specs = P(None, "data"), P("data")
    own = sharded(each, *specs, check_vma=False)(losses[:, :2])
    np.testing.assert_allclose(own, rows, rtol=1e-7, atol=1e-12)
    print("a run on each")
    attempt("a run on each, checked", lambda: sharded(each, *specs).lower(losses[:, :2]))

    one = prepare(jaxscale.Chinchilla(), simulated_runs(), jaxscale.Huber(1e-3), "log").objective
    z = jnp.asarray(random_starts(one, 8, seed=0))
    weights = one.weight * rng.uniform(0.5, 1.5, (4, len(one.weight)))
    def solve(weight):
        live = dataclasses.replace(one, weight=weight)
        return engine.solve(live, jaxscale.newton(), z).value
    together = jax.jit(jax.vmap(solve))(weights)
    specs = P("data"), P("data")
    apart = sharded(jax.vmap(solve), *specs, check_vma=False)(weights)
    np.testing.assert_allclose(apart, together, rtol=1e-10)
    print("solves")
"""


@pytest.fixture(scope="module")
def two_devices():
    flags = os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=2"
    environment = dict(os.environ, XLA_FLAGS=flags)
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("what", ["averaged", "a run on each", "solves"])
def test_two_devices_under_shard_map_equal_one(two_devices, what):
    assert what in two_devices


@pytest.mark.parametrize("what", ["a run on each, checked"])
def test_shard_map_with_its_default_check(two_devices, what):
    assert what in two_devices, "\n".join(two_devices)
