"""What is plainly settled in one pass is what `undetermined` has nothing to say of."""

import numpy as np
import pytest
from cases import TRUTH

from jaxscale import Chinchilla, Huber, Runs, predict
from jaxscale.checks.determined import undetermined
from jaxscale.checks.settled import settled
from jaxscale.fitting.informed import information
from jaxscale.fitting.preparation import prepare


def case(seed, n=40, noise=0.01, off=None, residual="log", weighted=False):
    """A law at its true values on runs of a rectangle, or near a line D = 20 N."""
    rng = np.random.default_rng(seed)
    N = 10 ** rng.uniform(7, 10, n)
    D = 10 ** rng.uniform(8.5, 11.5, n) if off is None else 20 * N * np.exp(rng.normal(0, off, n))
    loss = np.asarray(predict(TRUTH, N=N, D=D)) * np.exp(rng.normal(0, noise, n))
    weight = rng.uniform(0, 2, n) * (rng.random(n) > 0.2) if weighted else None
    runs = Runs(N=N, D=D, loss=loss, weight=weight)
    problem = prepare(Chinchilla(), runs, Huber(1e-3), residual)
    space = problem.objective.space
    z = np.array([float(x) for x in space.coordinates(TRUTH.values)])
    return information(problem, z)


ROWS = [
    dict(),
    dict(noise=0.001),
    dict(noise=0.1),
    dict(noise=0.5),
    dict(n=9, noise=0.02),
    dict(n=20, noise=0.05, weighted=True),
    dict(off=0.1, noise=0.003),
    dict(off=0.5),
    dict(off=0.5, noise=0.001, n=56),
    dict(residual="absolute", noise=0.03),
    dict(residual="relative", off=1.0),
]


@pytest.fixture(scope="module")
def cases():
    return [case(seed, **row) for row in ROWS for seed in range(6)]


def alike(cases):
    """The cases by residual: a batch has one."""
    kinds = {at.residual for at in cases}
    return [[at for at in cases if at.residual == kind] for kind in kinds]


def test_what_is_settled_is_what_nothing_is_said_of(cases):
    both = [(bool(a), undetermined(at)) for some in alike(cases) for a, at in zip(settled(some), some, strict=True)]  # fmt: skip  # noqa: E501
    assert all(nothing == (said == ()) for nothing, said in both)
    assert 20 < sum(nothing for nothing, _ in both) < len(both) - 10


def test_a_case_is_settled_alike_alone_and_among_others(cases):
    for some in alike(cases):
        assert settled(some).tolist() == [bool(settled([at])[0]) for at in some]


def test_a_law_of_another_kind_is_never_settled_here(cases):
    class Own(Chinchilla):
        """E + A N^-alpha + B D^-beta, of a person's own."""

    import dataclasses

    other = dataclasses.replace(cases[0], law=Own(**TRUTH.values))
    assert settled([other]).tolist() == [False]
