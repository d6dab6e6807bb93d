"""What a table says beside the inputs: its own FLOPs, and a response that is no loss."""

import dataclasses

import numpy as np
import pytest

import jaxscale
from jaxscale import Runs, SixND, allocate
from jaxscale.checks.table import on_response, own_accounting
from jaxscale.fitting.preparation import prepare
from jaxscale.laws.parameters import coefficient, exponent, offset

N, D = (x.ravel() for x in np.meshgrid([2e7, 8e7, 3e8, 1e9], [1e9, 5e9, 2e10, 8e10]))
LOSS = 1.8 + 480 * N**-0.35 + 2100 * D**-0.37
RNG = np.random.default_rng(0)
TRUE = dict(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)


class OfTwo(jaxscale.Law):
    """L(N, D) = E + A (N D)^-alpha."""

    E: jaxscale.Scalar = offset("bound")
    A: jaxscale.Scalar = coefficient("height", per=dict(N="alpha", D="alpha"))
    alpha: jaxscale.Scalar = exponent("rate")

    def __call__(self, N, D):
        return self.E + self.A * jaxscale.power(N * D, -self.alpha)


class Seven(jaxscale.Chinchilla):
    """L(N, D) = E + A N^-alpha + B D^-beta, C = 7 N D."""

    flops = SixND(7.0)


def runs(C):
    return Runs(N=N, D=D, C=C, loss=LOSS)


COSTS = {  # C / (N D) of the table -> k of the law, what is said
    "7.2": (7.2, 7.2, "a run costs 7.2 N D FLOPs, not 6 N D"),
    "7 with a scatter of 2 %": (7 * RNG.uniform(0.98, 1.02, 16), None, "FLOPs, not 6 N D"),
    "5, without attention": (5.0, 5.0, "costs 5 N D"),
    "8, with recomputing": (8.0, 8.0, "costs 8 N D"),
    "6": (6.0, 6.0, ""),
    "6.05, rounded": (6.05, 6.0, ""),
    "6 with a scatter of 30 %": (6 * RNG.uniform(0.7, 1.3, 16), 6.0, None),
    "6 to 9": (np.linspace(6, 9, 16), 6.0, "no one number, so allocations count 6 N D; --flops C"),
    "2, experts": (2.0, 6.0, "costs 2 N D FLOPs; if that is so, --flops 2"),
    "PF-days": (6 / 8.64e19, 6.0, ""),
}


@pytest.mark.parametrize("name", COSTS)
def test_the_flops_of_a_table_go_with_the_law(name):
    factor, k, said = COSTS[name]
    law, notes = own_accounting(jaxscale.Chinchilla(), runs(factor * N * D))
    if k is None:
        k = law.flops.k
        assert k == pytest.approx(7, rel=0.02)
    assert law.flops.k == k and len(notes) <= 1
    if said is not None:
        assert bool(notes) == bool(said) and (not notes or said in notes[0])
    again, more = own_accounting(law, runs(factor * N * D))
    assert again.flops == law.flops and (k == 6 or more == [])  # a law that has it asks no more


@pytest.mark.parametrize("law", [jaxscale.Chinchilla, jaxscale.ChinchillaNDC, jaxscale.Kaplan])
def test_a_model_that_was_chosen_stays(law):
    table = runs(7.2 * N * D)
    assert own_accounting(law(), table)[0].flops == SixND(7.2)
    for chosen in (SixND(), SixND(6.5)):
        kept, notes = own_accounting(law(flops=chosen), table)
        assert kept.flops is chosen and notes == []
    other = law().replace(flops=SixND(6.5))
    assert other.replace(**dict.fromkeys(other.parameters, 1.0)).flops.k == 6.5
    assert "flops" not in repr(law()) or law is jaxscale.ChinchillaNDC


def test_a_law_without_a_model_is_told_of_one():
    law, (said,) = own_accounting(OfTwo(), runs(7.2 * N * D))
    assert law.flops == SixND() and "allocate --flops 7.2 " in said
    assert own_accounting(jaxscale.PowerLaw(of="C"), runs(7.2 * N * D))[1] == []
    assert own_accounting(OfTwo(), Runs(N=N, D=D, loss=LOSS))[1] == []
    assert Seven().flops == SixND(7.0) == Seven().replace(E=1.0).flops
    assert {f.name for f in dataclasses.fields(Seven)} == {
        f.name for f in dataclasses.fields(jaxscale.Chinchilla)
    }


def test_an_allocation_counts_as_the_table_does():
    law = prepare(jaxscale.Chinchilla(), runs(7.2 * N * D), jaxscale.Huber(1e-3), "log").law
    best = allocate(law.replace(**TRUE), compute=1e21)
    assert best.N * best.D * 7.2 == pytest.approx(1e21, rel=1e-12)
    direct = allocate(jaxscale.Chinchilla(**TRUE), compute=1e21, flops=SixND(7.2))
    assert (best.N, best.D) == (direct.N, direct.D)


RESPONSES = {  # name of the column, law -> what is said
    ("loss", "Chinchilla"): "",
    ("val_bpb", "Chinchilla"): "",
    ("error rate", "PowerLaw"): "",
    ("ppl", "PowerLaw"): "",
    ("ppl", "Chinchilla"): "--column 'loss=log(ppl)'",
    ("val ppl", "Kaplan"): "--column 'loss=log(`val ppl`)'",
    ("acc", "PowerLaw"): "--column 'loss=1-acc'",
    ("val acc", "Chinchilla"): "--column 'loss=1-`val acc`'",
    ("log(ppl)", "Chinchilla"): "",
    ("1-acc", "PowerLaw"): "",
}


@pytest.mark.parametrize(("column", "name"), RESPONSES)
def test_a_response_that_a_law_is_not_of_is_said(column, name):
    law = jaxscale.CATALOGUE[name](**(dict(of="N") if name == "PowerLaw" else {}))
    found = on_response(law, Runs(N=N, D=D, loss=LOSS / 5, names={"loss": column}))
    said = RESPONSES[column, name]
    assert bool(found) == bool(said) and (not found or said in found[0])


@pytest.mark.parametrize(
    ("name", "called", "factor", "said"),
    [
        ("DirectAccuracy", "loss", 1, "accuracies, 0 to 1, and column 'loss' reaches"),
        ("DirectAccuracyND", "bpb", 1, "--column loss=COLUMN"),
        ("TwoStep", "acc", 20, "loss=COLUMN ('loss=acc/100' of percent)"),
        ("DirectAccuracy", "acc", 0.2, ""),
        ("Chinchilla", "loss", 1, ""),
    ],
)
def test_a_law_of_accuracies_says_that_losses_are_none(name, called, factor, said):
    table = Runs(N=N, D=D, loss=factor * LOSS, names={"loss": called})
    found = on_response(jaxscale.CATALOGUE[name](), table)
    assert bool(found) == bool(said) and (not found or said in found[0])


@pytest.mark.parametrize(
    ("called", "factor", "most", "cure"),
    [
        ("acc (%)", 20, 100, "'loss=100-`acc (%)`'"),
        ("acc", 20, 100, "'loss=100-acc'"),
        ("0.01*`acc (%)`", 0.2, 1, "'loss=100-`acc (%)`'"),
        ("acc", 0.2, 1, "'loss=1-acc'"),
    ],
)
def test_an_accuracy_ends_where_its_cells_do(called, factor, most, cure):
    table = Runs(N=N, loss=factor * LOSS, names={"loss": called})
    (said,) = on_response(jaxscale.PowerLaw(of="N"), table)
    assert f"ends at {most}," in said and cure in said
