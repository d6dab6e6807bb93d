"""What the script fits: many tables as one objective, long and wide ones, and Gpufit's spots.

Everything is general law code: a law, runs, `prepare`; then arrays with a leading axis.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

import jaxscale
from jaxscale import Law, Scalar, coefficient, exponent, offset, power, scale
from jaxscale.fitting.preparation import prepare
from jaxscale.objective.objective import Objective
from jaxscale.varpro.starts import random_starts

from ..designs import TRUTHS
from ..problems import Problem, default_problem, synthetic

FIELDS = ("inputs", "target", "weight", "space", "loss")
"""What differs from table to table."""
SIDE, HEIGHT, WIDTH, GROUND, NOISE = 5, 500.0, 1.0, 10.0, 10.0
"""Gpufit's problem: pixels of a side, height, width and background of a spot, noise."""
MIDDLE = 2.0
"""Of both axes."""
OFF = 0.1
"""Relative error of its starting values; of the place, in pixels, twice as much."""


class Spot(Law):
    """b + A exp(-((x - x0)^2 + (y - y0)^2) / (2 s^2)): a spot on an image.

    Source: Przybylski et al. 2017, doi:10.1038/s41598-017-15313-9 (Gpufit).
    """

    input_kinds: ClassVar = dict(x="raw", y="raw")

    A: Scalar = coefficient("height", positive=False)
    x0: Scalar = scale("middle, along x", positive=False, start=(1.0, 3.0))
    y0: Scalar = scale("middle, along y", positive=False, start=(1.0, 3.0))
    s: Scalar = scale("width", start=(-0.5, 0.5))
    b: Scalar = offset("background", positive=False)

    def __call__(self, x: Any, y: Any) -> Any:
        """Return the intensity of a pixel."""
        far = (x - self.x0) ** 2 + (y - self.y0) ** 2
        return self.b + self.A * jnp.exp(-far / (2 * self.s**2))


def wide_law(terms: int) -> Law:
    """Return E plus a power of each of `terms` inputs: 2 terms + 1 parameters."""
    names = [f"x{k}" for k in range(terms)]
    body: dict[str, Any] = {"__doc__": "E + sum of a_k x_k^-b_k.", "E": offset("irreducible loss")}
    notes: dict[str, Any] = {"E": Scalar}
    for k, name in enumerate(names):
        body[f"a{k}"] = coefficient(f"of {name}", per={name: f"b{k}"})
        body[f"b{k}"] = exponent(f"of {name}")
        notes |= {f"a{k}": Scalar, f"b{k}": Scalar}

    def formula(self: Any, *x: Any) -> Any:
        total = self.E
        for k, each in enumerate(x):
            total = total + getattr(self, f"a{k}") * power(each, -getattr(self, f"b{k}"))
        return total

    asked = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
             for name in ("self", *names)]  # fmt: skip
    setattr(formula, "__signature__", inspect.Signature(asked))  # noqa: B010 - no such attribute yet
    body["__call__"] = formula
    body["__annotations__"] = notes
    body["__module__"] = __name__
    made: Law = type(f"Powers{terms}", (Law,), body)()
    return made


def objective_of(law: Law, columns: dict[str, Any], loss: Any, residual: str = "log") -> Objective:
    """Return the objective of a law on columns, `loss` among them, in float64."""
    runs = jaxscale.Runs(**columns)
    objective = prepare(law, runs, loss, residual).objective
    made: Objective = jax.tree.map(lambda leaf: np.asarray(leaf, float), objective)
    return made


def chinchilla(problem: Problem) -> Objective:
    """Return the objective of Chinchilla on the runs of a problem."""
    columns = {"N": problem.N, "D": problem.D, "loss": problem.loss}
    return objective_of(jaxscale.Chinchilla(), columns, jaxscale.Huber(problem.delta))


def main_problem(small: bool) -> Problem:
    """Return the published 240 runs, or simulated ones; few of them where it is to be small."""
    return synthetic(48) if small else default_problem()


def simulated_tables(count: int, largest: int) -> list[Problem]:
    """Return tables of 16 to `largest` runs from several known laws."""
    rng, found = np.random.default_rng(0), []
    truths = list(TRUTHS.values())
    for k, n in enumerate(np.geomspace(16, largest, count).astype(int)):
        E, A, B, alpha, beta = truths[k % len(truths)]
        base = synthetic(int(n), seed=k)
        clean = E + A * base.N**-alpha + B * base.D**-beta
        loss = clean * np.exp(rng.normal(0.0, (0.003, 0.01, 0.03)[k % 3], n))
        found.append(dataclasses.replace(base, name=f"simulated {k}", loss=loss))
    return found


def gold_tables(path: Path) -> list[Problem]:
    """Return the tables of a file of best-known optima, which lie beside it."""
    found = []
    for key, entry in json.loads(path.read_text())["huber_log_chinchilla"].items():
        file = path.parent / entry["file"]
        runs = jaxscale.read_runs(file, map=entry.get("columns"), where=entry["filter"])
        found.append(Problem(key, runs.columns["N"], runs.columns["D"], runs.loss, np.zeros((0, 5)),
                             entry["objective"], entry["file"], entry["delta"]))  # fmt: skip
    return found


def stacked(tables: list[Problem], each: int) -> tuple[Objective, np.ndarray, np.ndarray]:
    """Return one objective with a leading axis [B], starts [B each, P], and whose they are.

    Rows are padded to the longest table by repeating the last one with weight zero.
    """
    objectives = [chinchilla(table) for table in tables]
    rows = max(len(one.weight) for one in objectives)

    def long(leaf: Any) -> Any:
        leaf = np.asarray(leaf, float)
        return leaf if leaf.ndim == 0 else np.pad(leaf, (0, rows - len(leaf)), mode="edge")

    padded = []
    for one in objectives:
        weight = np.pad(one.weight, (0, rows - len(one.weight)))
        padded.append(dataclasses.replace(jax.tree.map(long, one), weight=weight))
    starts = [random_starts(one, each, k) for k, one in enumerate(objectives)]
    fields = [{name: getattr(one, name) for name in FIELDS} for one in padded]
    joined = jax.tree.map(lambda *leaves: np.stack(leaves), *fields)
    which = np.repeat(np.arange(len(tables), dtype=np.int32), each)
    return dataclasses.replace(padded[0], **joined), np.concatenate(starts), which


def tiled(objective: Objective, times: int) -> Objective:
    """Return the objective of a table repeated `times` times; pure."""
    inputs, target = jax.tree.map(
        lambda leaf: jnp.tile(leaf, times), (objective.inputs, objective.target)
    )
    weight = jnp.tile(objective.weight, times)
    return dataclasses.replace(objective, inputs=inputs, target=target, weight=weight)


def wide_problem(terms: int, n: int) -> Objective:
    """Return the objective of a law of many powers on n simulated runs."""
    rng, law = np.random.default_rng(0), wide_law(terms)
    columns = {f"x{k}": 10 ** rng.uniform(0, 4, n) for k in range(terms)}
    true = {"E": 1.5} | {f"a{k}": 2.0 for k in range(terms)} | {f"b{k}": 0.3 for k in range(terms)}
    clean = np.asarray(jaxscale.predict(law.replace(**true), **columns))
    loss = clean * np.exp(rng.normal(0, 0.005, n))
    return objective_of(law, {**columns, "loss": loss}, jaxscale.Huber(1e-3))


def spot() -> Objective:
    """Return the objective of one spot on 25 pixels by least squares, not padded."""
    x, y = (each.ravel().astype(float) for each in np.meshgrid(np.arange(SIDE), np.arange(SIDE)))
    far = (x - MIDDLE) ** 2 + (y - MIDDLE) ** 2
    loss = GROUND + HEIGHT * np.exp(-far / (2 * WIDTH**2))
    one = objective_of(Spot(), {"x": x, "y": y, "loss": loss}, jaxscale.Square(), "absolute")
    bare: Objective = jax.tree.map(lambda leaf: leaf[: len(x)] if np.ndim(leaf) else leaf, one)
    return bare


def spots(one: Objective, count: int) -> tuple[Objective, Any]:
    """Return `count` spots with data and starting values of their own; pure, in the dtype given.

    Args:
        one: of `spot`.
        count: static.
    """
    key, dtype = jax.random.key(0), one.weight.dtype
    noise = NOISE / one.space.loss_scale * jax.random.normal(key, (count, SIDE**2), dtype)
    value = one.target.value + noise
    target = dataclasses.replace(one.target, value=value, log=jnp.zeros_like(value))
    off = jax.random.uniform(jax.random.key(1), (5, count), dtype, -OFF, OFF)
    values = {"A": HEIGHT * (1 + off[0]), "x0": MIDDLE + 2 * off[1],
              "y0": MIDDLE + 2 * off[2],
              "s": WIDTH * (1 + off[3]), "b": GROUND * (1 + off[4])}  # fmt: skip
    z = jnp.stack([c.astype(dtype) for c in one.space.coordinates(values)], axis=-1)
    return dataclasses.replace(one, target=target), z


def best_known(tables: list[Problem]) -> np.ndarray:
    """Return the best-known values [B]."""
    return np.array([table.best_known for table in tables], float)
