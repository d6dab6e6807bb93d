"""The doors of the Python side: what they say under a transformation, and what they hand out."""

import copy
import inspect
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale
from jaxscale import Chinchilla, PowerLaw, Runs
from jaxscale.datasets.synthetic import simulated_runs
from jaxscale.engine.meshes import mesh_of

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


def same(**values):
    return Chinchilla(**{**dict(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37), **values})


EQUAL = [
    (Chinchilla(E=1.0), Chinchilla(E=1), True),
    (Chinchilla(), Chinchilla(), True),
    (Chinchilla(E=1.0), Chinchilla(), False),
    (Chinchilla(E=1.0), Chinchilla(E=1.5), False),
    (Chinchilla(E=1.0), Chinchilla(E=np.float64(1.0)), True),
    (Chinchilla(E=1.0), Chinchilla(E=jnp.asarray(1.0)), True),
    (Chinchilla(E=0.0), Chinchilla(E=-0.0), True),
    (Chinchilla(E=np.nan), Chinchilla(E=float("nan")), True),
    (same(E=np.ones(3)), same(E=np.ones(3)), True),
    (same(E=np.ones(3)), same(E=jnp.ones(3)), True),
    (same(E=np.ones(3)), same(E=np.ones((3, 1))), False),
    (same(E=np.ones(3)), same(E=1.0), False),
    (PowerLaw(of="C"), PowerLaw(of="C"), True),
    (PowerLaw(of="C"), PowerLaw(of="N"), False),
    (PowerLaw(), jaxscale.PurePowerLaw(), False),
    (Chinchilla(), "Chinchilla", False),
    (same(), copy.copy(same()), True),
    (same(E=np.arange(3.0)), copy.deepcopy(same(E=np.arange(3.0))), True),
]


@pytest.mark.parametrize(("one", "other", "expected"), EQUAL)
def test_laws_are_equal_by_value(one, other, expected):
    assert (one == other) is expected and (one != other) is not expected
    if expected:
        assert hash(one) == hash(other) and len({one, other}) == 1


def test_laws_of_tracers_compare_and_hash():
    def inside(t):
        one = Chinchilla(E=t)
        assert one == one and one != Chinchilla(E=1.0) and one != Chinchilla(E=t + 1)
        assert len({one, Chinchilla(E=1.0)}) == 2
        return one.E

    assert jax.jit(inside)(2.0) == 2.0


def test_equality_compiles_nothing_anew():
    traced = []

    @jax.jit
    def dynamic(law):
        traced.append("dynamic")
        return law.E * 2

    def static(law):
        traced.append("static")
        return law.E * 2

    static = jax.jit(static, static_argnums=0)
    for E in (1.0, 2.0, 2.0):
        assert dynamic(same(E=E)) == static(same(E=E)) == 2 * E
    assert traced.count("dynamic") == 1  # values are leaves
    assert traced.count("static") == 2  # and hashed by value where a person makes them static
    leaves, structure = jax.tree.flatten(same())
    assert structure == jax.tree.structure(same(E=3.0)) and len(leaves) == 5


def test_runs_are_copied():
    for way in (copy.copy, copy.deepcopy):
        again = way(RUNS)
        assert again.digest() == RUNS.digest() and again is not RUNS


def test_dir_is_the_public_list():
    code = (
        "import jaxscale; jaxscale.fit; jaxscale.laws; import jaxscale.fitting.fit, jaxscale.text;"
        "names = [n for n in dir(jaxscale) if n[:2] != '__'];"
        "assert set(names) == {n for n in jaxscale.__all__ if n[:2] != '__'}, names;"
        "laws = dir(jaxscale.laws);"
        "assert 'Chinchilla' in laws and 'annotations' not in laws and 'plain' not in laws;"
        "[getattr(jaxscale.laws, n) for n in laws];"
        "rooms = 'engine', 'optimizers', 'datasets', 'implicit', 'quantities', 'forecast';"
        "rooms = [getattr(jaxscale, n) for n in rooms];"
        "assert all(sorted(r.__all__) == dir(r) for r in rooms), [r for r in rooms];"
        "[getattr(r, n) for r in rooms for n in dir(r)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


MESHES = [
    ("cpu", "devices such as"),
    (2.5, "devices such as"),
    (["cpu", "cpu"], "devices such as"),
    ([], "got none"),
    (True, "devices such as"),
    (0, "there is 1"),
    (3, "XLA_FLAGS"),
    ([jax.devices()[0]] * 2, "named twice"),
]


@pytest.mark.parametrize(("given", "said"), MESHES)
def test_what_is_no_mesh_is_refused_in_a_sentence(given, said):
    with pytest.raises((TypeError, ValueError), match=said) as error:
        mesh_of(given)
    assert "\n" not in str(error.value) and "mesh" in str(error.value)


def test_devices_are_a_mesh():
    there = jax.devices()
    meshes = [mesh_of(x) for x in (there, there[0], tuple(there), np.array(there), 1)]
    assert mesh_of(None) is None and mesh_of(meshes[0]) is meshes[0]
    assert all(mesh == meshes[0] and mesh.size == 1 for mesh in meshes)


ON_TWO = """
import jax, numpy as np, jaxscale
from jaxscale.datasets.synthetic import simulated_runs
runs = simulated_runs()
assert jax.device_count() == 2
one = jaxscale.fit("Chinchilla", runs, starts=64)
two = jaxscale.fit("Chinchilla", runs, starts=64, mesh=jax.devices())
close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6)
assert abs(two.value / one.value - 1) < 1e-12
for call in (
    lambda **mesh: jaxscale.bootstrap(one, draws=40, **mesh).law,
    lambda **mesh: jaxscale.jackknife(one, **mesh).law,
    lambda **mesh: jaxscale.fit_many("Chinchilla", [runs], starts=64, **mesh)["0"].law,
):
    plain, split = call(), call(mesh=2)
    for name in ("E", "A", "B", "alpha", "beta"):
        close(getattr(split, name), getattr(plain, name))
print("same")
"""


@pytest.mark.slow
def test_refits_over_two_devices_find_the_same():
    environment = dict(os.environ, XLA_FLAGS="--xla_force_host_platform_device_count=2")
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO],
        env=environment,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout == "same\n", done.stderr


TABLES = {
    "a dict": dict(N=N, D=D, loss=LOSS),
    "runs": RUNS,
    "a dataframe": pytest.importorskip("pandas").DataFrame(dict(N=N, D=D, loss=LOSS)),
}
LAWS = {
    "a class": Chinchilla,
    "a name": "chinchilla",
    "a law": Chinchilla(),
    "a function": lambda N, D, E, A, alpha: E + A * (N * D) ** -alpha,
}
DOORS = {
    "fit": lambda law, runs: jaxscale.fit(law, runs),
    "fit_many": lambda law, runs: jaxscale.fit_many(law, {"a": runs}),
    "compare": lambda law, runs: jaxscale.compare([law], runs),
    "compare one": lambda law, runs: jaxscale.compare(law, runs),
    "rollout": lambda law, runs: jaxscale.rollout({"mine": law}, runs),
    "cross_validate": lambda law, runs: jaxscale.cross_validate([law], runs),
    "exponent_grid": lambda law, runs: jaxscale.exponent_grid(law, runs),
    "isoflop": lambda law, runs: jaxscale.isoflop(runs, law=law),
}


class Reached(BaseException):
    """Everything was read, and the search would begin."""


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("law", "table"),
    [(law, "a dict") for law in LAWS] + [("a name", table) for table in TABLES],
)
def test_a_door_takes_a_law_and_runs_as_fit_does(monkeypatch, door, law, table):
    def reached(*args, **kwargs):
        raise Reached

    monkeypatch.setattr("jaxscale.engine.dispatch.Search.run", reached)
    monkeypatch.setattr("jaxscale._numerics.programs.run", reached)
    with pytest.raises(Reached):
        DOORS[door](LAWS[law], TABLES[table])


@pytest.mark.parametrize("door", DOORS)
def test_a_path_is_no_table_yet(door):
    with pytest.raises(TypeError, match="read it: jaxscale.read_runs"):
        DOORS[door](Chinchilla, "runs.csv")


def test_the_solver_takes_what_a_fit_takes():
    for law in LAWS.values():
        assert len(jaxscale.solver(law, TABLES["a dict"], starts=4).starts) == 4


@pytest.mark.parametrize("given", [Runs(N=[1.0, 2.0], loss=[2.0, 1.0]), 3, None])
@pytest.mark.parametrize("door", [jaxscale.compare, jaxscale.rollout, jaxscale.cross_validate])
def test_what_is_no_list_of_laws_is_told_what_comes_first(door, given):
    with pytest.raises(TypeError, match="laws must be a list .* before the runs"):
        door(given, ["Chinchilla"])
