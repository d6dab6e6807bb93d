"""A law says its own closed form: who inherits it, what it is held against, what it is for."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest
from cases import TRUTH

import jaxscale
from jaxscale import (
    CATALOGUE,
    Chinchilla,
    Huber,
    Kaplan,
    Law,
    LawError,
    PowerLaw,
    Runs,
    Scalar,
    SixND,
    Sum,
    Term,
    allocate,
    coefficient,
    effective_speedup,
    exponent,
    offset,
    predict,
)
from jaxscale._numerics.precision import scope
from jaxscale._numerics.pytree import static
from jaxscale.decisions.frontier import curve, log_scales, losses_at
from jaxscale.fitting.preparation import prepare

TRUTHS = {name: cls.example.values for name, cls in CATALOGUE.items()}
N, D = np.geomspace(1e7, 1e10, 30), np.geomspace(1e9, 1e12, 30)[::-1]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_law_of_the_catalogue_says_its_formula_or_nothing(name):
    law = CATALOGUE[name](**TRUTHS[name])
    if law.closed_form() is None:
        assert CATALOGUE[name].closed_form is Law.closed_form
        return
    inputs = {key: np.geomspace(1e7, 1e12, 20) * (1 + k) for k, key in enumerate(law.inputs)}
    with scope(np.float64):
        stated = np.asarray(law.closed_form()(**inputs))
    np.testing.assert_allclose(stated, predict(law, **inputs), rtol=1e-13)


class Mine(Chinchilla):
    """The same formula."""


class Bent(Chinchilla):
    """Another formula."""

    def __call__(self, N, D):
        return self.E + self.A * N**-self.alpha * (1 + self.B * D**-self.beta)


class BelowBent(Bent):
    """It inherits the other formula."""


class Again(Bent):
    """It goes back, and says so."""

    def __call__(self, N, D):
        return Chinchilla.__call__(self, N, D)

    def closed_form(self):
        return Chinchilla.closed_form(self)


class Doubled:
    """A formula from the side."""

    def __call__(self, N, D):
        return 2 * Chinchilla.__call__(self, N, D)


class FromTheSide(Doubled, Chinchilla):
    """It takes the formula of another base."""


class InLogarithm(PowerLaw):
    """The same formula, of log(loss)."""

    c: Scalar = offset("bound", positive=False)
    response: ClassVar = "log"


@pytest.mark.parametrize(
    "law, has",
    [
        (Mine, True),
        (Bent, False),
        (BelowBent, False),
        (Again, True),
        (FromTheSide, False),
        (InLogarithm, False),
    ],
)
def test_who_inherits_the_formula_inherits_its_closed_form(law, has):
    values = TRUTHS["PowerLaw" if issubclass(law, PowerLaw) else "Chinchilla"]
    assert (law(**values).closed_form() is not None) is has
    if "N" in law().inputs:
        method = "closed form" if has else "numeric"
        assert allocate(law(**values), compute=1e21).method == method
    assert (curve(law(**values)) is not None) is has


class Coupled(Law):
    """E + (A N^-alpha + B D^-beta)^k, with its closed form."""

    E: Scalar = offset("bound")
    A: Scalar = coefficient("of N", per=dict(N="alpha"), units="1/k", linear=False)
    B: Scalar = coefficient("of D", per=dict(D="beta"), units="1/k", linear=False)
    alpha: Scalar = exponent("of N")
    beta: Scalar = exponent("of D")
    k: Scalar = exponent("outer", bounds=(0.05, 5.0))

    def __call__(self, N, D):
        return self.E + (self.A * N**-self.alpha + self.B * D**-self.beta) ** self.k

    def closed_form(self):
        terms = Term("D", self.B, self.beta), Term("N", self.A, self.alpha)
        return Sum(self.E, terms, self.k)


class CoupledSearched(Coupled):
    """The same, and does not say it."""

    closed_form = Law.closed_form


class Tied(Law):
    """L(D, N) = E + A N^-alpha + B D^-alpha, its inputs in the other order."""

    E: Scalar = offset("bound")
    A: Scalar = coefficient("of N", per=dict(N="alpha"))
    B: Scalar = coefficient("of D", per=dict(D="alpha"))
    alpha: Scalar = exponent("of both")

    def __call__(self, D, N):
        return self.E + self.A * N**-self.alpha + self.B * D**-self.alpha

    def closed_form(self):
        return Sum(self.E, (Term("N", self.A, self.alpha), Term("D", self.B, self.alpha)))


class TiedSearched(Tied):
    """The same, and does not say it."""

    closed_form = Law.closed_form


class Curve(Law):
    """E + A C^-alpha."""

    E: Scalar = offset("bound")
    A: Scalar = coefficient("height", per=dict(C="alpha"))
    alpha: Scalar = exponent("rate")

    def __call__(self, C):
        return self.E + self.A * C**-self.alpha

    def closed_form(self):
        return Sum(self.E, (Term("C", self.A, self.alpha),))


class CurveSearched(Curve):
    """The same, and does not say it."""

    closed_form = Law.closed_form


COUPLED = dict(E=1.6, A=900.0, B=4000.0, alpha=0.5, beta=0.6, k=0.6)
TIED = dict(E=1.6, A=300.0, B=900.0, alpha=0.33)
CURVE = dict(E=1.6, A=40.0, alpha=0.1)
TWINS = pytest.mark.parametrize(
    "said, searched, values",
    [(Coupled, CoupledSearched, COUPLED), (Tied, TiedSearched, TIED)],
    ids=["power of a sum", "other order"],
)


@TWINS
@pytest.mark.parametrize("goal", [dict(compute=1e21), dict(target_loss=2.0)])
def test_a_users_law_of_two_scales_is_allocated_in_closed_form(said, searched, values, goal):
    fast, slow = allocate(said(**values), **goal), allocate(searched(**values), **goal)
    assert (fast.method, slow.method) == ("closed form", "numeric")
    assert not fast.at_edge and not slow.at_edge
    for field in ("compute", "N", "D", "loss", "tokens_per_parameter"):
        assert getattr(fast, field) == pytest.approx(getattr(slow, field), rel=1e-6), field


@pytest.mark.parametrize(
    "said, searched, values",
    [
        (Coupled, CoupledSearched, COUPLED),
        (Tied, TiedSearched, TIED),
        (Curve, CurveSearched, CURVE),
    ],
)
def test_a_users_law_has_its_frontier_in_closed_form(said, searched, values):
    fast, slow, losses = said(**values), searched(**values), [[2.5, 2.2, 1.9]]
    assert curve(fast) is not None and curve(slow) is None
    np.testing.assert_allclose(log_scales(fast, losses), log_scales(slow, losses), rtol=1e-9)
    S = np.log([[1e20, 1e22]])
    np.testing.assert_allclose(losses_at(fast, S), losses_at(slow, S), rtol=1e-9)
    up, down = (effective_speedup(law, 2.3, 2.2).factor for law in (fast, slow))
    assert up == pytest.approx(down, rel=1e-8) and up > 1


def test_a_sample_of_laws_has_its_closed_form_member_by_member():
    sample = Coupled(**COUPLED).replace(k=np.array([0.5, 0.6]), A=np.array([800.0, 900.0]))
    got = allocate(sample, compute=1e21)
    for b in range(2):
        one = Coupled(**COUPLED).replace(k=[0.5, 0.6][b], A=[800.0, 900.0][b])
        assert got.N[b] == pytest.approx(allocate(one, compute=1e21).N, rel=1e-12)
        assert got.loss[b] == pytest.approx(allocate(one, compute=1e21).loss, rel=1e-12)


@pytest.mark.parametrize("turned", [dict(k=-0.6), dict(alpha=-0.5), dict(A=0.0)])
def test_where_the_law_has_no_best_run_the_closed_form_says_so(turned):
    assert allocate(Coupled(**{**COUPLED, **turned}), compute=1e21).at_edge


def test_other_flops_are_searched():
    assert allocate(Tied(**TIED), compute=1e21, flops=lambda N, D: 6 * N * D).method == "numeric"
    assert curve(Tied(**TIED), lambda N, D: 6 * N * D) is None


# --- a closed form that is none ------------------------------------------------------------------


def misdeclared(form, formula=None):
    body = {"closed_form": form, "__call__": formula or Tied.__call__}
    return type("Misdeclared", (Tied,), body)


@pytest.mark.parametrize(
    "form, message",
    [
        (
            lambda self: Sum(0.0, (Term("N", self.A, self.alpha), Term("D", self.B, self.alpha))),
            "closed_form\\(\\) is not the formula: in row",
        ),
        (
            lambda self: Sum(self.E, (Term("N", self.A, -self.alpha),)),
            "is not the formula",
        ),
        (
            lambda self: Sum(
                self.E, (Term("N", self.B, self.alpha), Term("D", self.A, self.alpha))
            ),
            "is not the formula",
        ),
        (lambda self: Sum(self.E, (Term("C", self.A, self.alpha),)), "a term of 'C', which is no"),
        (lambda self: (self.E, self.A), "returns tuple; it is to return a Sum or None"),
    ],
)
def test_a_closed_form_that_is_not_the_formula_is_refused(form, message):
    loss = predict(TRUTH, N=N, D=D) * np.exp(0.002 * np.random.default_rng(0).normal(size=30))
    with pytest.raises(LawError, match=message):
        prepare(misdeclared(form)(), Runs(N=N, D=D, loss=loss), Huber(1e-3), "log")


@pytest.mark.parametrize("law", [Coupled, Tied, CoupledSearched, Again])
def test_one_that_is_the_formula_is_taken(law):
    loss = predict(TRUTH, N=N, D=D) * np.exp(0.002 * np.random.default_rng(0).normal(size=30))
    prepare(law(), Runs(N=N, D=D, loss=loss), Huber(1e-3), "log")


class Renamed(Law):
    """a S^b + c of the column `of`."""

    a: Scalar = coefficient("height", per=dict(S="-b"), positive=False)
    b: Scalar = exponent("rate", start=(-1.5, 1.5), bounds=(-5.0, 5.0))
    c: Scalar = offset("bound", positive=False)
    of: str = static(default="S")

    def __call__(self, S):
        return self.a * S**self.b + self.c

    def closed_form(self):
        return Sum(self.c, (Term("S", self.a, -self.b),))


def test_s_stands_for_the_column_of_a_law_of_one_scale():
    loss = 1.7 + 40 * N**-0.2 * np.exp(0.002 * np.random.default_rng(0).normal(size=30))
    prepare(Renamed(of="N"), Runs(N=N, loss=loss), Huber(1e-3), "log")
    assert curve(Renamed(of="N", **TRUTHS["PowerLaw"])) == (1.7, 40.0, 0.2)


# --- the FLOPs of a law --------------------------------------------------------------------------


class Cheap(Tied):
    """Three FLOPs per parameter and token."""

    flops = SixND(k=3.0)


def test_every_law_has_flops_and_may_have_its_own():
    assert Tied().flops == SixND() == Kaplan().flops and Tied().of is None
    best = allocate(Cheap(**TIED), compute=1e21)
    assert 3 * best.N * best.D == pytest.approx(1e21, rel=1e-9)
    loss = predict(Cheap(**TIED), N=best.N, C=1e21)
    assert loss == pytest.approx(best.loss, rel=1e-9)
    given = allocate(Tied(**TIED), compute=1e21, flops=SixND(k=3.0))
    assert given.N == pytest.approx(best.N, rel=1e-12)


@pytest.mark.parametrize(
    "law, settings",
    [
        (Chinchilla(), {"of": None}),
        (jaxscale.ChinchillaNDC(), {"of": None, "flops": 6.0}),
        (PowerLaw(of="N"), {"of": "N"}),
        (Cheap(), {"of": None, "flops": 3.0}),
    ],
)
def test_a_file_states_what_a_law_holds_and_no_more(law, settings, noisy):
    found = jaxscale.fit(law, noisy, starts=1).to_dict()["settings"]
    assert {key: found[key] for key in ("of", "flops") if key in found} == settings


def test_a_term_of_a_jax_array_stays_one():
    assert isinstance(Sum(0.0, (Term("N", jnp.ones(2), 0.3),))(N=2.0), jnp.ndarray)
