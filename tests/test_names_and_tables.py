"""Doors that take a law and runs take its name or class and any table, as `fit` does."""

import numpy as np
import pytest

import jaxscale

TABLE = {"N": [1e6, 1e7, 1e8], "D": [1e9, 1e9, 1e9], "loss": [3.2, "diverged", 2.7]}
"""A table that can be read but for a cell."""


@pytest.mark.parametrize("door", ["asymptote_profile", "exponent_grid"])
@pytest.mark.parametrize("law", ["Chinchilla", jaxscale.Chinchilla, jaxscale.Chinchilla()])
def test_a_law_and_a_table_are_read_at_the_door(door, law):
    with pytest.raises(jaxscale.DataError, match="row 2, column 'loss'"):
        getattr(jaxscale, door)(law, TABLE)


@pytest.mark.parametrize("door", ["compare", "cross_validate", "rollout"])
@pytest.mark.parametrize("laws", ["Chinchilla", ["PowerLaw:C", jaxscale.Chinchilla]])
def test_laws_and_a_table_are_read_at_the_door(door, laws):
    with pytest.raises(jaxscale.DataError, match="row 2, column 'loss'"):
        getattr(jaxscale, door)(laws, TABLE)


@pytest.mark.parametrize(
    "call",
    [
        lambda law, runs: jaxscale.asymptote_profile(law, runs),
        lambda law, runs: jaxscale.exponent_grid(law, runs),
        lambda law, runs: jaxscale.warmup(law, len(runs)),
    ],
)
@pytest.mark.parametrize("law, error", [("Chinchila", ValueError), (3.0, TypeError)])
def test_a_law_that_is_none_is_refused_with_a_sentence(call, law, error, noisy):
    with pytest.raises(error, match="Chinchilla"):
        call(law, noisy)


def test_a_grid_is_the_same_by_name_and_from_a_table(noisy):
    table = {name: noisy.column(name) for name in "ND"} | {"loss": noisy.loss}
    options = dict(loss=jaxscale.Square(), resolution=0.1)
    by_name = jaxscale.exponent_grid("Chinchilla", table, **options)
    np.testing.assert_array_equal(
        by_name.value, jaxscale.exponent_grid(jaxscale.Chinchilla(), noisy, **options).value
    )


@pytest.mark.parametrize("compute", [1e20, [1e20, 1e22]])
def test_a_fit_has_the_near_optimal_sizes_of_its_law(fitted, compute):
    best = jaxscale.allocate(fitted.law, compute=compute)
    of_fit, of_law = (jaxscale.near_optimal(x, best, 0.01) for x in (fitted, fitted.law))
    np.testing.assert_array_equal(of_fit.N, of_law.N)
