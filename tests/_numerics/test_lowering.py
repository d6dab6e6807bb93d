"""Every public kernel lowers for cuda, rocm and tpu: plain operations, no custom calls.

That is what can be checked without such a device. A TPU has no float64; there mixed precision
polishes on the host.
"""

import dataclasses

import jax
import numpy as np
import pytest
from jax import export

import jaxscale
from jaxscale import engine
from jaxscale._numerics.precision import cast, scope
from jaxscale.fitting.certify import local
from jaxscale.fitting.preparation import prepare
from jaxscale.varpro.grid import surface
from jaxscale.varpro.starts import best_cells, completed, grid_axes, random_starts

DTYPES = {np.float32: ["cpu", "cuda", "rocm", "tpu"], np.float64: ["cpu", "cuda", "rocm"]}
LAWS = {
    "Chinchilla": jaxscale.Chinchilla(),
    "PowerLaw": jaxscale.PowerLaw(of="N"),
    "Kaplan": jaxscale.Kaplan(),
}


def objective_of(law, runs, loss=None):
    return prepare(law, runs, loss or jaxscale.Huber(1e-3), "log").objective


def modules(function, *args, dtype):
    with scope(dtype):
        exported = export.export(jax.jit(function), platforms=DTYPES[dtype])(*cast(args, dtype))
    return exported.mlir_module()


def solved(o, z):
    return engine.classify(o, engine.solve(o, jaxscale.newton(), z, width=32))


def replicates(o, z):
    weight = jax.numpy.tile(o.weight, (len(z), 1))
    o = dataclasses.replace(o, weight=weight)
    which = jax.numpy.arange(len(z))
    axes = ("weight",)
    found = engine.solve(o, jaxscale.newton(), z, problem=which, axes=axes, width=32)
    return engine.classify(o, found, axes=axes)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAWS)
def test_the_solve_lowers(noisy, name, dtype):
    one = objective_of(LAWS[name], noisy)
    z = random_starts(one, 40, seed=0)
    assert "stablehlo.custom_call" not in modules(solved, one, z, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", ["replicates", "completed", "local", "value", "reduced"])
def test_kernels_of_starts_lower(noisy, kernel, dtype):
    law = LAWS["PowerLaw" if kernel == "completed" else "Chinchilla"]
    one = objective_of(law, noisy)
    z = random_starts(one, 40, seed=0)
    calls = {
        "replicates": (replicates, one, z),
        "completed": (completed, one, z),
        "local": (local, one, z[0]),
        "value": (jax.value_and_grad(lambda z, o: o.value(z)), z[0], one),
        "reduced": (lambda o, q: jaxscale.Reduced(o).solve(q), one, z[0, 3:]),
    }
    assert "stablehlo.custom_call" not in modules(*calls[kernel], dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", [jaxscale.Square(), jaxscale.Huber(1e-3)], ids=["square", "huber"])
@pytest.mark.parametrize("name", ["Chinchilla", "PowerLaw"])
def test_exponent_grids_lower(noisy, name, loss, dtype):
    one = objective_of(LAWS[name], noisy, loss)
    axes = tuple(axis[:8] for axis in grid_axes(one))
    assert "stablehlo.custom_call" not in modules(surface, one, axes, dtype=dtype)
    text = modules(best_cells, one, axes, dtype=dtype)
    assert "stablehlo.custom_call" not in text
