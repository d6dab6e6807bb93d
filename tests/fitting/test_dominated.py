"""Differences between runs of which one dominates, of which the irreducible loss is no part."""

import numpy as np
import pytest

import jaxscale
from jaxscale import DataError, Runs
from jaxscale.datasets.synthetic import TRUTH
from jaxscale.fitting.dominated import differences, dominated_pairs, fit_pairs, law_of_pairs
from jaxscale.laws import CATALOGUE

N, D = (x.ravel() for x in np.meshgrid([1e8, 4e8, 1e9, 2e9], [2e9, 8e9, 2e10]))


def table(noise=0.0, **changes):
    rng = np.random.default_rng(0)
    loss = np.asarray(jaxscale.predict(TRUTH, N=N, D=D)) * np.exp(noise * rng.normal(size=len(N)))
    return Runs(**{"N": N, "D": D, "loss": loss, **changes})


def test_every_pair_of_a_run_and_a_larger_one_is_there_once():
    pairs = dominated_pairs(table())
    assert len(pairs) == sum(
        (n2 >= n) and (d2 >= d) and (n2, d2) != (n, d)
        for n, d in zip(N, D, strict=True)
        for n2, d2 in zip(N, D, strict=True)
    )
    assert (pairs.loss > 0).all()
    assert (pairs.columns["N_ratio"] >= 1).all() and (pairs.columns["D_ratio"] >= 1).all()
    made = np.asarray(jaxscale.predict(differences(TRUTH), **pairs.columns))
    np.testing.assert_allclose(made, pairs.loss, rtol=1e-9)


@pytest.mark.parametrize("E", [0.0, 1.0, 1.7])
def test_the_irreducible_loss_drops_out(E):
    pairs = dominated_pairs(table())
    shifted = table().replace(loss=table().loss - TRUTH.E + E)
    np.testing.assert_allclose(dominated_pairs(shifted).loss, pairs.loss, rtol=1e-9)


def test_runs_of_no_weight_and_differences_of_noise_are_in_no_pair():
    weight = np.ones(len(N))
    weight[5] = 0.0
    without = dominated_pairs(table(weight=weight))
    assert len(without) < len(dominated_pairs(table()))
    assert not np.isin(without.columns["N"] * without.columns["D"], [N[5] * D[5]]).all()
    few = dominated_pairs(table(), margin=0.05)
    assert 0 < len(few) < len(dominated_pairs(table()))


def test_what_has_no_pairs_is_refused():
    with pytest.raises(DataError, match="no run has both more N and more D than another"):
        dominated_pairs(Runs(N=[1e8, 2e8], D=[2e9, 1e9], loss=[3.0, 2.9]))
    added = "Kaplan", "Farseer", "BoundedRational", "DirectAccuracyND"  # E is no summand
    for law in (jaxscale.PowerLaw(of="C"), *(CATALOGUE[name]() for name in added)):
        with pytest.raises(ValueError, match="pairs are of laws of N and D with an irreducible"):
            differences(law)


@pytest.mark.slow
def test_the_law_of_the_pairs_is_the_law():
    law, runs = jaxscale.Chinchilla(), table()
    found = fit_pairs(law, runs, starts=32)
    again = law_of_pairs(found, law, runs)
    for name, value in TRUTH.values.items():
        assert getattr(again, name) == pytest.approx(value, rel=1e-5)
