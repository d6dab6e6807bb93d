import atexit
import os
import shutil
import tempfile

os.environ.setdefault("MPLBACKEND", "Agg")
# Compiling is most of the suite. LLVM's optimizations are a quarter of that, and what parts of a
# program that are compiled on several threads cost more is a seventh. XLA_FLAGS= keeps both.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
)
if "PYTEST_XDIST_WORKER" not in os.environ and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    # Compiling is most of the suite: workers and child processes share their programs.
    shared = tempfile.mkdtemp(prefix="jaxscale-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = shared
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    atexit.register(shutil.rmtree, shared, ignore_errors=True)

import numpy as np
import pytest
from cases import TRUTH
from dear import FIRST, NIGHT, SLOW

import jaxscale
from jaxscale.datasets.synthetic import isoflop_design, simulate


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that are dear, and begin with their files."""
    items.sort(key=lambda item: item.location[0].removeprefix("tests/") not in FIRST)
    named = {
        (test, row, mark)
        for mark, table in (("slow", SLOW), ("nightly", NIGHT))
        for test, rows in table.items()
        for row in rows
    }
    met = set()
    for item in items:
        test, _, row = item.nodeid.removeprefix("tests/").partition("[")
        for mark in ("slow", "nightly"):
            if found := {(test, "*", mark), (test, row.removesuffix("]"), mark)} & named:
                item.add_marker(mark)
                met |= found
    everything = config.args == config.getini("testpaths")
    if everything and config.option.markexpr == "nightly" and met != named:
        raise pytest.UsageError(f"tests/dear.py names no row by {sorted(named - met)}")


@pytest.fixture(scope="session")
def noisy() -> jaxscale.Runs:
    """60 runs of an isoFLOP design: 1 % noise and four gross outliers."""
    N, D = isoflop_design(np.logspace(18, 21, 6), sizes=10)
    runs = simulate(TRUTH, N, D, noise=0.01, seed=3)
    loss = runs.loss.copy()
    loss[[3, 17, 30, 44]] *= [1.3, 1.1, 0.9, 1.2]
    return jaxscale.Runs(N=N, D=D, loss=loss)


@pytest.fixture(scope="session")
def fitted(noisy: jaxscale.Runs) -> jaxscale.FitResult:
    return jaxscale.fit(jaxscale.Chinchilla(), noisy)


@pytest.fixture(scope="module")
def optimized():
    """Programs as a person's process compiles them: without LLVM's optimizations (see above) the
    same lanes in slabs of another width differ in their last bits."""
    from collections import OrderedDict

    from jaxscale._numerics import programs

    plain = programs.compiler_options
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "_PROGRAMS", OrderedDict())
        patch.setattr(
            programs, "compiler_options", lambda jaxpr: {**plain(jaxpr), programs.LEVEL: 3}
        )
        yield
