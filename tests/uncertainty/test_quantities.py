"""Quantities: names, values, derivatives, and what a law cannot answer."""

import dataclasses

import jax
import numpy as np
import pytest
from cases import TokensFirst
from scipy import optimize

import jaxscale
from jaxscale._numerics import programs
from jaxscale._numerics.precision import scope
from jaxscale.decisions.allocation import allocate
from jaxscale.laws import derived
from jaxscale.uncertainty.quantities import (
    Best,
    ComputeFor,
    FunctionOf,
    Prediction,
    _number,
    asked_of,
    evaluate,
    quantity,
)

CHINCHILLA = jaxscale.Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)
KAPLAN = jaxscale.Kaplan.preset("kaplan_2020")
RNG = np.random.default_rng(5)
FIFTY = jaxscale.Chinchilla(
    E=1.8 + 0.05 * RNG.normal(size=50),
    A=480 * np.exp(0.2 * RNG.normal(size=50)),
    B=2100 * np.exp(0.2 * RNG.normal(size=50)),
    alpha=0.35 + 0.02 * RNG.normal(size=50),
    beta=0.36,
)


def own_flops(N, D):
    """Bent in N and in D, so that the inverse has second derivatives of its own."""
    return 6 * N * D * (1 + (D / 1e10) ** 0.3) + 1e5 * D


class Doubled(jaxscale.Chinchilla):
    """A subclass with another formula: the data term squared."""

    def __call__(self, N, D):
        return self.E + self.A * N**-self.alpha + self.B * D ** (-2 * self.beta)


class Repeated(jaxscale.Law):
    """L(N, D, U): a law with a third input."""

    A: jaxscale.Scalar = jaxscale.coefficient("a")

    def __call__(self, N, D, U):
        return self.A / N + 1 / D + 1 / U


class Saturating(jaxscale.Law):
    """L(N) = 1 / (1 + N / N0): a scale of its own."""

    N0: jaxscale.Scalar = jaxscale.scale("where it bends", per=dict(N=1))

    def __call__(self, N):
        return 1 / (1 + N / self.N0)


def of(law, *asked):
    return evaluate([quantity(q, law) for q in asked], law)[0]


@pytest.mark.parametrize(
    "x, text",
    [
        (1e24, "1e24"),
        (1.5e9, "1.5e9"),
        (1e10, "1e10"),
        (1e100, "1e100"),
        (2.2, "2.2"),
        (1e-3, "0.001"),
        (1.5e-10, "1.5e-10"),
        (1e-5, "1e-5"),
        (-1e20, "-1e20"),
        (100.0, "100"),
        (0, "0"),
    ],
)
def test_numbers_are_short_and_read_back(x, text):
    assert _number(x) == text and float(text) == x


def steepness(law):
    return law.alpha / law.beta


@pytest.mark.parametrize(
    "asked, name, logarithmic",
    [
        ("alpha", "alpha", False),
        ("E", "E", False),
        ("A", "A", True),
        ("a", "a", False),
        (Prediction({"N": 7e10, "D": 1.4e12}), "L(N=7e10, D=1.4e12)", False),
        (Best(1e24), "N*(C=1e24)", True),
        (Best(1e24, "D"), "D*(C=1e24)", True),
        (Best(1e24, "loss"), "L*(C=1e24)", False),
        (Best(1e24, "tokens_per_parameter"), "D*/N*(C=1e24)", True),
        (ComputeFor(2.2), "C(L=2.2)", True),
        (steepness, "steepness", False),
        (FunctionOf(steepness, log=True), "steepness", True),
    ],
)
def test_names_and_scales(asked, name, logarithmic):
    found = quantity(asked, CHINCHILLA)
    assert (found.name, found.logarithmic) == (name, logarithmic)


@pytest.mark.parametrize(
    "law, name, logarithmic",
    [
        (jaxscale.PowerLaw(of="N", a=1.0, b=-0.1, c=1.0), "a", False),  # of either sign
        (jaxscale.PurePowerLaw(of="N", a=1.0, b=-0.1), "a", True),
        (jaxscale.Piecewise(of="N", a1=1.0, b1=1.0, a2=1.0, b2=-0.1, c2=1.0, S0=1e8), "S0", True),
        (Saturating(N0=1e9), "N0", True),
    ],
)
def test_only_what_is_positive_by_its_nature_lives_on_the_logarithmic_scale(law, name, logarithmic):
    assert quantity(name, law).logarithmic is logarithmic


@pytest.mark.parametrize("law", [CHINCHILLA, KAPLAN], ids=["chinchilla", "kaplan"])
def test_values_are_those_of_predict_and_allocate(law):
    best = allocate(law, compute=3e23)
    whats = ("N", "D", "loss", "tokens_per_parameter")
    found = of(law, *(Best(3e23, what) for what in whats))
    np.testing.assert_allclose(found, [getattr(best, what) for what in whats], rtol=1e-9)
    at = {"N": 3e9, "D": 8e10}
    assert of(law, Prediction(at))[0] == pytest.approx(jaxscale.predict(law, **at), rel=1e-14)


def test_the_best_run_under_a_users_flops_is_the_one_that_scipy_finds():
    def tokens(N):
        def gap(log_D):
            return np.log(own_flops(N, np.exp(log_D)) / 3e23)

        return np.exp(optimize.brentq(gap, 0, 60, xtol=1e-13))

    def loss(log_N):
        return jaxscale.predict(CHINCHILLA, N=np.exp(log_N), D=tokens(np.exp(log_N)))

    peer = optimize.minimize_scalar(loss, (20, 24), tol=1e-9)
    found = of(CHINCHILLA, Best(3e23, "N", own_flops), Best(3e23, "loss", own_flops))
    assert found[0] == pytest.approx(np.exp(peer.x), rel=1e-6)
    assert found[1] == pytest.approx(peer.fun, rel=1e-12)
    assert found[0] != pytest.approx(of(CHINCHILLA, Best(3e23))[0], rel=0.01)


@pytest.mark.parametrize("law", [CHINCHILLA, KAPLAN], ids=["chinchilla", "kaplan"])
def test_the_best_run_of_the_budget_for_a_loss_has_that_loss(law):
    C = of(law, ComputeFor(2.3))[0]
    assert of(law, Best(C, "loss"))[0] == pytest.approx(2.3, rel=1e-12)
    assert C == pytest.approx(allocate(law, target_loss=2.3).compute, rel=1e-9)


@pytest.mark.parametrize("given", [dict(N=3e9, C=1e22), dict(D=1e11, C=1e22), dict(D=1e11, N=1e9)])
def test_a_prediction_takes_any_two_of_n_d_c(given):
    expected = jaxscale.predict(CHINCHILLA, **given)
    assert of(CHINCHILLA, Prediction(given))[0] == pytest.approx(expected, rel=1e-14)
    law = jaxscale.ChinchillaNDC(**CHINCHILLA.values, flops=own_flops)
    expected = jaxscale.predict(law, **given)
    assert of(law, Prediction(given))[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("law", [CHINCHILLA, KAPLAN, jaxscale.KaplanN.preset("kaplan_2020")])
def test_parameters_and_derived_quantities_by_name(law):
    names = [*law.parameters, *type(law).derived_docs]
    expected = [*law.values.values(), *derived(law).values()]
    np.testing.assert_allclose(of(law, *names), expected, rtol=1e-12)


def test_the_order_of_a_laws_inputs_does_not_matter():
    law = TokensFirst(**CHINCHILLA.values)
    asked = (Best(1e22), Best(1e22, "loss"), Prediction({"N": 1e9, "D": 3e10}))
    np.testing.assert_allclose(of(law, *asked), of(CHINCHILLA, *asked), rtol=1e-6)


def test_a_subclass_with_another_formula_has_another_optimum():
    law = Doubled(**CHINCHILLA.values)
    same = CHINCHILLA.replace(beta=2 * CHINCHILLA.beta)
    np.testing.assert_allclose(of(law, Best(1e20)), of(same, Best(1e20)), rtol=1e-6)
    assert allocate(law, compute=1e20).method == "numeric"


QUESTIONS = [
    (CHINCHILLA, None, ("N", "D", "loss", "tokens_per_parameter")),
    (CHINCHILLA, own_flops, ("N",)),
    (KAPLAN, None, ("N", "loss")),
    (TokensFirst(**CHINCHILLA.values), None, ("N",)),
]


@pytest.mark.parametrize("law, flops, whats", QUESTIONS, ids=["closed", "own", "kaplan", "numeric"])
def test_derivatives_are_those_of_central_differences(law, flops, whats):
    asked = [Best(1e23, what, flops) for what in whats]
    if flops is None and law is not QUESTIONS[-1][0]:  # a search within a search takes long
        asked += [ComputeFor(2.3), Prediction({"N": 1e9, "C": 1e21})]

    def values(x):
        law_ = law.replace(**dict(zip(law.values, x, strict=True)))
        return jax.numpy.stack([q(law_) for q in asked])

    at = np.array(list(law.values.values()))
    with scope(np.float64):
        value = jax.jit(values)
        slope = np.asarray(jax.jit(jax.jacfwd(values))(at)) * at
        steps = np.diag(1e-5 * at)
        differences = [(value(at + h) - value(at - h)) / 2e-5 for h in steps]
        # In units of each quantity's largest, so that a zero may be a zero to rounding.
        scale = np.max(np.abs(slope), axis=1, keepdims=True)
        np.testing.assert_allclose(slope / scale, np.array(differences).T / scale, atol=1e-5)
        if law is CHINCHILLA and flops is None:
            reverse = np.asarray(jax.jit(jax.jacrev(values))(at)) * at
            np.testing.assert_allclose(slope / scale, reverse / scale, atol=1e-9)


def test_the_derivative_in_the_budget_is_the_exponent_of_the_law():
    def log_best(log_C):
        return jax.numpy.log(Best(jax.numpy.exp(log_C))(CHINCHILLA))

    with scope(np.float64):
        slope = float(jax.grad(log_best)(np.float64(50.0)))
    assert slope == pytest.approx(0.36 / 0.71, rel=1e-9)


@pytest.mark.parametrize("law", [FIFTY, KAPLAN.replace(A=KAPLAN.A * np.linspace(0.9, 1.1, 7))])
def test_a_sample_equals_a_loop(law):
    asked = [Best(1e22), ComputeFor(2.3), quantity("A", law), Prediction({"N": 1e9, "D": 1e10})]
    found = evaluate(asked, law)
    size = max(np.size(v) for v in law.values.values())
    assert found.shape == (size, 4)
    for b in (0, size // 2, size - 1):
        one = law.replace(**{k: float(v[b]) for k, v in law.values.items() if np.ndim(v)})
        np.testing.assert_allclose(found[b], evaluate(asked, one)[0], rtol=1e-9)


def test_one_member_without_an_answer_does_not_poison_the_others():
    E = np.where(np.arange(50) == 3, 2.5, FIFTY.E)  # never comes below 2.5
    found = evaluate([ComputeFor(2.3), Best(1e22)], FIFTY.replace(E=E))
    assert np.isinf(found[3, 0]) and np.isfinite(np.delete(found[:, 0], 3)).all()
    whole = evaluate([ComputeFor(2.3), Best(1e22)], FIFTY)
    np.testing.assert_array_equal(np.delete(found, 3, axis=0), np.delete(whole, 3, axis=0))


def test_a_budget_that_is_too_large_is_infinite_and_one_too_small_undefined():
    assert of(CHINCHILLA, ComputeFor(1.7))[0] == np.inf
    assert np.isnan(of(CHINCHILLA, ComputeFor(1e6))[0])


def test_another_budget_or_another_sample_does_not_compile_anew():
    def ask(C, law):
        return evaluate([Best(C), ComputeFor(C / 1e22 + 1.2), Prediction({"N": C, "D": C})], law)

    first = ask(1e22, FIFTY)
    before = programs.compiled
    second = ask(
        2e22, FIFTY.replace(E=FIFTY.E[:40], A=FIFTY.A[:40], B=500.0, alpha=FIFTY.alpha[:40])
    )
    assert programs.compiled == before
    assert len(second) == 40 and not np.isclose(first[:40, :2], second[:, :2]).any()


@pytest.mark.parametrize(
    "asked, law, error, message",
    [
        ("gamma", CHINCHILLA, ValueError, "no quantity 'gamma'; it has E, A, B, alpha, beta, a, b"),
        (Best(1e20), jaxscale.KaplanN.preset("kaplan_2020"), ValueError, "needs a law of N and D"),
        (ComputeFor(2.0), jaxscale.PowerLaw(of="C"), ValueError, "PowerLaw takes C"),
        (Best(1e20), Repeated(A=1.0), ValueError, "Repeated takes N, D, U"),
        (Best(1e20, "speed"), CHINCHILLA, ValueError, "one of N, D, loss, tokens_per_parameter"),
        (Prediction({"N": 1e9}), CHINCHILLA, ValueError, "asked at N"),
        (Prediction({}), CHINCHILLA, ValueError, "asked at nothing"),
        (Prediction({"N": 1e9, "S": 1e3}), CHINCHILLA, ValueError, "asked at N, S"),
        (Prediction({"N": 1e9, "D": 1.0, "C": 1.0}), CHINCHILLA, ValueError, "asked at N, D, C"),
        (Prediction({"N": 1e9, "C": 1e20}), Repeated(A=1.0), ValueError, "takes N, D, U"),
        (Prediction({"N": 1e9, "D": 1e10}), jaxscale.PowerLaw(of="C"), ValueError, "takes C"),
        (3.0, CHINCHILLA, TypeError, "a name, a Quantity or a function of a law"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_sentence(asked, law, error, message):
    with pytest.raises(error, match=message):
        quantity(asked, law)


def test_tables_list_the_free_parameters_and_what_follows(fitted):
    assert [q.name for q in asked_of(fitted)] == ["E", "A", "B", "alpha", "beta", "a", "b"]
    pinned = dataclasses.replace(fitted, fixed=("E", "A"))
    assert [q.name for q in asked_of(pinned)] == ["B", "alpha", "beta", "a", "b"]
