"""What a command does not need is not imported: nobody waits for it."""

import ast
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale
from jaxscale._numerics import programs
from jaxscale.laws import listed

HEAVY = ("jax", "numpy", "optax", "matplotlib", "scipy", "pandas", "pyarrow", "polars", "tqdm")


def imported(code: str) -> set[str]:
    """Which of the heavy packages a new process has after running `code`."""
    code += f"\nimport sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code, most",
    [
        ("import jaxscale", set()),
        ("import jaxscale; jaxscale.DataError", set()),
        ("import jaxscale.cli", set()),
        ("from jaxscale.cli.parser import parser; parser('no such command')", set()),
        ("import jaxscale.cli.fit", {"jax", "numpy", "tqdm"}),
        ("from jaxscale import fit, read_runs, bootstrap, allocate", {"jax", "numpy"}),
        ("import jaxscale.cli.compare", {"jax", "numpy", "tqdm"}),
    ],
)
def test_a_door_imports_only_what_lies_behind_it(code, most):
    assert imported(code) <= most


def test_every_public_name_is_found_where_a_reader_sees_it_imported():
    tree = ast.parse(Path(jaxscale.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    froms = [
        (node, alias)
        for node in block.body
        for alias in node.names
        if alias.name not in ("*", "listed")  # the laws that the catalogue finds
    ]
    shown = {
        (f"{node.module}.{alias.name}" if node.module == "jaxscale" else node.module, alias.name)
        for node, alias in froms
    }
    rooms = {alias.name for _, alias in froms if alias.asname}
    names = {name for _, name in shown} | {"__version__"}
    assert names - rooms == set(jaxscale.__all__)
    for module, name in shown:
        value = getattr(jaxscale, name)
        own = sys.modules[module]
        assert value is own or value is getattr(own, name)
    assert set(jaxscale.__all__) <= set(dir(jaxscale))


def test_a_type_checker_is_shown_every_law_of_the_catalogue():
    tree = ast.parse(Path(listed.__file__).read_text())
    shown = {
        (node.module, alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    laws = {(f"jaxscale.laws.{file}", name) for name, file in jaxscale.CATALOGUE.files.items()}
    assert shown - {("__future__", "annotations")} == laws
    assert listed.__all__ == sorted(jaxscale.CATALOGUE)


@pytest.mark.parametrize("name", ["no_such_thing", "_no_such_thing", "__wrapped__"])
def test_an_unknown_name_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=name):
        getattr(jaxscale, name)


def test_rooms_are_attributes_as_before():
    assert jaxscale.laws.Chinchilla is jaxscale.Chinchilla
    assert jaxscale.errors.FitError is jaxscale.FitError


def test_an_option_that_xla_has_no_longer_is_left_out(monkeypatch):
    monkeypatch.setattr(programs, "PLAIN", "xla_cpu_no_such_option")
    monkeypatch.setattr(programs, "_unknown", set())
    traced = jax.jit(lambda x: jnp.exp(x) + 1).trace(np.ones(3))
    assert "xla_cpu_no_such_option" in programs.compiler_options(traced.jaxpr)
    np.testing.assert_allclose(programs._compiled(traced)(np.ones(3)), np.e + 1, rtol=1e-6)
    assert "xla_cpu_no_such_option" not in programs.compiler_options(traced.jaxpr)


@pytest.mark.parametrize(
    "function, quick",
    [
        (jnp.exp, True),
        (lambda x: jax.vmap(jnp.sum)(jnp.outer(x, x)), True),
        (lambda x: jnp.sort(jnp.repeat(x, 100_000)), False),
        (lambda x: jax.lax.scan(lambda c, _: (c + 1, None), x, length=3)[0], False),
        (lambda x: jax.lax.while_loop(lambda c: c.sum() < 1, lambda c: c + 1, x), False),
    ],
)
def test_only_what_runs_once_over_little_is_not_optimized(function, quick):
    options = programs.compiler_options(jax.make_jaxpr(function)(np.ones(16)))
    assert (options.get(programs.LEVEL) == 0) is quick
