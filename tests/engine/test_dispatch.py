"""Massive searches: chunks, threads, devices, processes, problems and memory change no result."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxscale
from jaxscale._numerics import programs
from jaxscale._numerics.precision import cast
from jaxscale.datasets.synthetic import TRUTH, isoflop_design, simulate
from jaxscale.engine import dispatch, planning
from jaxscale.engine.dispatch import Search
from jaxscale.engine.loop import Status, solve
from jaxscale.engine.problems import Problems
from jaxscale.engine.thinning import thinned, worth_thinning
from jaxscale.fitting.preparation import prepare
from jaxscale.varpro.starts import random_starts

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("optimized")


@pytest.fixture(scope="module")
def objective(noisy):
    return cast(
        prepare(jaxscale.Chinchilla(), noisy, jaxscale.Huber(1e-3), "log").objective, np.float64
    )


@pytest.fixture(scope="module")
def starts(objective):
    return random_starts(objective, 150, seed=3)


def alone(objective, z):
    return solve(objective, jaxscale.newton(), z, width=32)


@pytest.fixture(scope="module")
def reference(objective, starts):
    """All starts in one call of the engine: no chunks, threads, padding, or problems."""
    return programs.run(alone, objective, starts, dtype=np.float64)[0]


def found(objective, z, problems=None, **options):
    return Search(objective, jaxscale.newton(), **options).solve(z, problems=problems)


def same(got, reference, objective):
    np.testing.assert_array_equal(got.z, reference.z)
    np.testing.assert_array_equal(got.value, reference.value * float(objective.loss.scale))
    np.testing.assert_array_equal(got.steps, reference.steps)


@pytest.mark.parametrize(
    ("platform", "kind", "limit", "memory", "chunk", "width"),
    [
        ("cpu", "cpu", None, 1 << 29, 528, 64),
        ("gpu", "NVIDIA A10G", None, 1 << 29, 1040, 4096),
        ("gpu", "NVIDIA A10G", 20 << 30, 5 << 30, 1040, 4096),
        ("gpu", "NVIDIA Z9 80GB", 80 << 30, 20 << 30, 600, 512),
    ],
)
def test_a_plan_goes_by_the_device_and_the_memory_it_has(
    platform, kind, limit, memory, chunk, width, monkeypatch
):
    known = planning.Plan(chunks=(600, 2000), widths=((100, 64), (256, 512)), wide=32, memory=1)
    monkeypatch.setattr(planning, "MEASURED", {"Z9": known})
    plan = planning.plan_for(platform, kind, limit)
    assert (plan.memory, plan.chunk(529), plan.width(256)) == (memory, chunk, width)
    assert plan.chunk(10**7) == plan.chunks[-1] and plan.width(10**7) == plan.wide


@pytest.mark.parametrize("threads", [1, 3])
def test_chunks_and_threads_change_no_bit(objective, starts, reference, threads, monkeypatch):
    monkeypatch.setattr(planning, "CPU", planning.CPU._replace(chunks=(64,)))
    monkeypatch.setattr(dispatch, "_threads", lambda: threads)
    seen = []
    got = Search(objective, jaxscale.newton()).solve(starts, lambda *a: seen.append(a))
    same(got, reference, objective)
    assert sorted(seen) == seen and seen[-1] == (150, 150) and len(seen) == 3


def test_the_lead_goes_on_in_the_program_of_the_search(objective, starts, reference):
    """Where the best lane has met the limit, 16 may take ten times as many steps more."""
    search = Search(objective, jaxscale.newton(), steps=5)
    cut = search.solve(starts[:40])
    assert cut.status[np.argmin(cut.value)] == Status.STEP_LIMIT
    before = programs.compiled
    got = search.solve(starts[:40], patient=True)
    assert programs.compiled == before
    moved = got.steps > cut.steps
    assert moved.sum() == 16 and got.steps.max() <= 5 + 50
    assert cut.value[moved].max() <= cut.value[~moved & (cut.status == Status.STEP_LIMIT)].min()
    np.testing.assert_array_equal(got.value[~moved], cut.value[~moved])
    best = reference.value.min() * float(objective.loss.scale)
    assert got.value.min() == pytest.approx(best, rel=1e-9)


def test_where_the_best_lane_has_arrived_none_goes_on(objective, starts):
    search = Search(objective, jaxscale.newton(), steps=25)
    cut = search.solve(starts)
    assert (cut.status == Status.STEP_LIMIT).any() and cut.status[np.argmin(cut.value)] <= 2
    np.testing.assert_array_equal(search.solve(starts, patient=True).steps, cut.steps)


@pytest.fixture
def widths(monkeypatch):
    """Every slab width that a program was asked for, with its memory."""
    asked = {}
    plain = programs.program

    def noted(*args, **static):
        made, seconds = plain(*args, **static)
        asked[static["width"]] = made.memory
        return made, seconds

    monkeypatch.setattr(programs, "program", noted)
    return asked


def test_memory_narrows_the_slab_and_changes_no_bit(
    objective, starts, reference, widths, monkeypatch
):
    found(objective, starts)
    ((width, taken),) = widths.items()
    assert width == 64 and taken > 0
    monkeypatch.setattr(planning, "CPU", planning.CPU._replace(memory=int(0.9 * taken)))
    same(found(objective, starts), reference, objective)
    assert list(widths)[:2] == [64, 48]  # whole vectors of lanes


def test_exhausted_memory_halves_the_slab(objective, starts, reference, widths, monkeypatch):
    plain, calls = programs.call, []

    def scarce(*args):
        calls.append(args)
        if len(calls) == 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return plain(*args)

    monkeypatch.setattr(programs, "call", scarce)
    same(found(objective, starts), reference, objective)
    assert list(widths) == [64, 32] and len(calls) == 2


def test_another_runtime_error_is_not_swallowed(objective, starts, monkeypatch):
    def broken(*args):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    monkeypatch.setattr(programs, "call", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        found(objective, starts[:4])


def weights(objective, count):
    rng = np.random.default_rng(0)
    return np.asarray(objective.weight) * rng.integers(0, 3, (count, len(objective.weight)))


def batched(objective, name, count=3):
    """Return (fields with axis [B], the B objectives one by one)."""
    rng = np.random.default_rng(1)
    if name == "weight":
        fields = {"weight": weights(objective, count)}
    elif name == "target":
        log = objective.target.log + 0.01 * rng.normal(size=(count, len(objective.weight)))
        fields = {"target": dataclasses.replace(objective.target, value=np.exp(log), log=log)}
    elif name == "loss":
        fields = {"loss": jaxscale.Huber(np.array([1e-3, 1e-2, 0.1])[:count])}
    elif name == "space":
        space = objective.space
        one = {"E": np.array([1.5, 1.6, 1.7])[:count] * float(space.fixed["E"])}
        fields = {
            "space": dataclasses.replace(
                jax.tree.map(lambda x: np.full(count, float(x)), space), fixed=one
            )
        }
    else:  # data sets of different length, padded to one
        tables = []
        for k in range(count):
            runs = simulate(
                TRUTH,
                *isoflop_design(np.array([1e18, 1e19, 1e20]), 8 + k),
                noise=0.01,
                seed=k,
            )
            law = jaxscale.Chinchilla()
            tables.append(prepare(law, runs, jaxscale.Huber(1e-3), "log").objective)
        assert len({t.weight.shape for t in tables}) == 1
        fields = {
            f: jax.tree.map(lambda *x: np.stack(x), *(getattr(t, f) for t in tables))
            for f in ("inputs", "target", "weight", "space")
        }
    each = [
        dataclasses.replace(objective, **jax.tree.map(lambda x, b=b: x[b], fields))
        for b in range(count)
    ]
    return fields, each


@pytest.mark.parametrize("name", ["weight", "target", "loss", "space", "data sets"])
def test_problems_on_an_axis_equal_one_solve_each(objective, noisy, name):
    if name == "space":
        law = jaxscale.Chinchilla(E=1.0)
        objective = prepare(law, noisy, jaxscale.Huber(1e-3), "log").objective
    fields, each = batched(objective, name)
    z = random_starts(objective, 12, seed=0)
    which = np.tile(np.arange(3), 4)
    got = found(objective, z, Problems(fields, which))
    assert np.all(got.status <= Status.CONVERGED_STEP)
    for b, one in enumerate(each):
        own = found(one, z[which == b])
        np.testing.assert_allclose(got.value[which == b], own.value, rtol=1e-10)
        np.testing.assert_allclose(got.z[which == b], own.z, atol=2e-5)


def test_thin_table_keeps_the_weight(objective):
    rich = jax.tree.map(
        lambda x: np.tile(x, 20) if np.ndim(x) == 1 and len(x) == len(objective.weight) else x,
        objective,
    )
    thin = thinned(rich)
    assert thin.weight.shape == (80,) and np.all(thin.weight > 0)
    assert thin.weight.sum() == pytest.approx(rich.weight.sum())
    assert thin.inputs[0].log.shape == thin.target.value.shape == (80,)
    assert worth_thinning(rich, 5000) and not worth_thinning(rich, 100)
    assert not worth_thinning(objective, 5000)  # too few runs


def test_a_massive_search_goes_over_the_thin_table_to_the_same_optimum():
    design = isoflop_design(np.geomspace(1e18, 1e21, 12), 20)
    runs = simulate(TRUTH, *design, noise=0.01, seed=0)
    one = prepare(jaxscale.Chinchilla(), runs, jaxscale.Huber(1e-3), "log").objective
    z = random_starts(one, 2048, seed=0)
    assert worth_thinning(one, len(z))
    seen = []
    got = Search(one, jaxscale.newton()).solve(z, lambda *a: seen.append(a))
    few = found(one, z[:64])
    assert np.mean(got.value <= few.value.min() * (1 + 1e-6)) >= 0.99
    assert got.value.min() == pytest.approx(few.value.min(), rel=1e-12)
    assert seen[-1] == (2048, 2048) and sorted(seen) == seen


CHILD = """
import jax, numpy as np, jaxscale, sys
from jaxscale.fitting.preparation import prepare
from jaxscale.engine.dispatch import Search
from jaxscale.varpro.starts import random_starts
from jaxscale.datasets.synthetic import simulated_runs
one = prepare(jaxscale.Chinchilla(), simulated_runs(), jaxscale.Huber(1e-3), "log").objective
z = random_starts(one, 150, seed=0)
assert jax.device_count() == 2
mesh = jax.sharding.Mesh(np.array(jax.devices()), ("lanes",))
a = Search(one, jaxscale.newton()).solve(z)
b = Search(one, jaxscale.newton(), mesh=mesh).solve(z)
np.testing.assert_allclose(b.value, a.value, rtol=1e-12)
np.testing.assert_allclose(b.z, a.z, atol=1e-6)
np.testing.assert_array_equal(b.status <= 2, a.status <= 2)
print("same")
"""


@pytest.mark.slow
def test_two_host_devices_find_the_same_to_1e_12():
    """To the last bit on jax 0.8 to 0.11; jax 0.12 compiles the sharded loop a little otherwise."""
    environment = dict(os.environ, XLA_FLAGS="--xla_force_host_platform_device_count=2")
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "same\n", done.stderr


@pytest.mark.slow
def test_two_processes_change_no_bit():
    """The launcher of the examples, under jax.distributed, against one process."""
    script = [sys.executable, str(ROOT / "examples" / "many_processes.py"), "--starts", "100"]
    texts = []
    for extra in ([], ["--processes", "2"]):
        done = subprocess.run([*script, *extra], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        # Before the script's own text XLA may write notes of the connection.
        said = re.fullmatch(r"(?:.*\n)*?(\d+) processes, .*\n((?:.*\n)+)", done.stdout)
        assert said, done.stdout
        texts.append(said.groups())
    (one, told), (two, told_together) = texts
    assert (one, two) == ("1", "2")
    assert len(told.splitlines()) >= 3 and told_together == told


@pytest.mark.parametrize(
    ("which", "some", "size"),
    [(range(6), (0, 4), 4), (range(6), (3, 6), 3), (range(6), (4, 6), 4), ([2, 2, 5], (0, 3), 3),
     ([3, 2, 1], (0, 3), 3), ([4], (0, 1), 1)],
)  # fmt: skip
def test_the_fields_of_some_starts_are_those_of_their_problems(which, some, size):
    table = np.arange(12.0).reshape(6, 2)
    found = Problems({"weight": table}, np.array(which)).part(slice(*some), size)["weight"]
    rows = [*which][slice(*some)]
    np.testing.assert_array_equal(found, table[rows + [rows[0]] * (size - len(rows))])
