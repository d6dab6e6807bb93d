"""A profile of the asymptote takes a law by name and any table; near-optimal sizes take a fit."""

import numpy as np
import pytest

import jaxscale

TABLE = {"N": [1e6, 1e7, 1e8], "D": [1e9, 1e9, 1e9], "loss": [3.2, "diverged", 2.7]}
"""A table that can be read but for a cell."""


@pytest.mark.parametrize("law", ["Chinchilla", jaxscale.Chinchilla, jaxscale.Chinchilla()])
def test_a_law_and_a_table_are_read_at_the_door(law):
    with pytest.raises(jaxscale.DataError, match="row 2, column 'loss'"):
        jaxscale.asymptote_profile(law, TABLE)


@pytest.mark.parametrize("law, error", [("Chinchila", ValueError), (3.0, TypeError)])
def test_a_law_that_is_none_is_refused_with_a_sentence(law, error, noisy):
    with pytest.raises(error, match="Chinchilla"):
        jaxscale.asymptote_profile(law, noisy)


@pytest.mark.parametrize("compute", [1e20, [1e20, 1e22]])
def test_a_fit_has_the_near_optimal_sizes_of_its_law(fitted, compute):
    best = jaxscale.allocate(fitted.law, compute=compute)
    of_fit, of_law = (jaxscale.near_optimal(x, best, 0.01) for x in (fitted, fitted.law))
    np.testing.assert_array_equal(of_fit.N, of_law.N)
