import numpy as np
import pytest
from cases import TokensFirst

import jaxscale
from jaxscale.decisions.allocation import allocate
from jaxscale.decisions.near import near_optimal

LAW = jaxscale.Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)


@pytest.mark.parametrize("C", [1e18, 1e21, 1e24, 1e27])
def test_closed_form_is_the_numeric_minimum(C):
    closed = allocate(LAW, compute=C)
    numeric = allocate(LAW, compute=C, flops=lambda N, D: 6 * N * D)
    assert (closed.method, numeric.method) == ("closed form", "numeric")
    assert numeric.N == pytest.approx(closed.N, rel=1e-6)
    assert numeric.loss == pytest.approx(closed.loss, rel=1e-12)
    assert closed.N * closed.D * 6 == pytest.approx(C, rel=1e-12)
    assert closed.tokens_per_parameter == pytest.approx(closed.D / closed.N)
    for factor in (0.99, 1.01):
        assert jaxscale.predict(LAW, N=closed.N * factor, C=C) > closed.loss


@pytest.mark.parametrize("law", [LAW, jaxscale.Kaplan.preset("kaplan_2020")])
@pytest.mark.parametrize("target", [2.5, 2.2])
def test_a_target_loss_is_reached_at_the_least_budget(law, target):
    best = allocate(law, target_loss=target)
    assert best.loss == pytest.approx(target, rel=1e-9) and best.loss <= target * (1 + 1e-12)
    assert allocate(law, compute=best.compute * 0.999).loss > target


RISING = {
    "accuracy": jaxscale.DirectAccuracyND(E=0.12, A=480.0, B=2100.0, alpha=0.35, beta=0.36),
    "two steps": jaxscale.TwoStep(b=0.9, a=-0.6, c=-2.0, A=480.0, B=2100.0, alpha=0.35, beta=0.36),
}


@pytest.mark.parametrize("name", RISING)
def test_the_best_run_of_an_accuracy_is_the_one_that_has_most(name):
    law = RISING[name]
    best, same = allocate(law, compute=1e23), allocate(LAW, compute=1e23)
    assert best.N == pytest.approx(same.N, rel=1e-5) and not best.at_edge
    for factor in (0.9, 1.1):
        assert jaxscale.predict(law, N=best.N * factor, C=1e23) < best.loss
    again = allocate(law, target_loss=best.loss)
    assert again.compute == pytest.approx(1e23, rel=1e-4)
    held = allocate(law, target_loss=best.loss, ratio=best.tokens_per_parameter)
    assert held.compute == pytest.approx(1e23, rel=1e-4)
    near = near_optimal(law, best, 0.0025)
    assert 0 < near.N[0] < best.N < near.N[1] < np.inf


def test_kaplan_spends_on_size_as_its_paper_does():
    law = jaxscale.Kaplan.preset("kaplan_2020")
    low, high = allocate(law, compute=1e21), allocate(law, compute=1e24)
    assert not low.at_edge
    slope = np.log(high.N / low.N) / np.log(1e3)
    # On the line C = 6 N D the exponent is alpha_D / (alpha_N + alpha_D).
    assert slope == pytest.approx(0.103 / 0.179, rel=1e-3)


def test_a_users_flops_move_the_optimum():
    cheap = allocate(LAW, compute=1e22, flops=lambda N, D: 2 * N * D)
    assert cheap.compute == 1e22
    assert cheap.N * cheap.D * 2 == pytest.approx(1e22, rel=1e-9)
    assert cheap.loss < allocate(LAW, compute=1e22).loss


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(), "exactly one"),
        (dict(compute=1e20, target_loss=2.0), "exactly one"),
        (dict(compute=-1.0), "positive number of FLOPs"),
        (dict(compute=float("nan")), "positive number of FLOPs"),
        (dict(target_loss=1.5), "no loss below 1.8"),
        (dict(target_loss=1e9), "already has loss"),
        (dict(law=jaxscale.KaplanN.preset("kaplan_2020"), compute=1e20), "law of N and D"),
        (dict(law=jaxscale.Chinchilla(), compute=1e20), "is free"),
    ],
)
def test_bad_requests_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        allocate(options.pop("law", LAW), **options)


@pytest.mark.parametrize("flops", [None, lambda N, D: 6 * N * D, lambda N, D: (6 * N + 1e5) * D])
def test_third_of_n_d_c(flops):
    from jaxscale.flops import SixND, complete

    model = flops or SixND()
    N, D = np.array([1e7, 1e9]), np.array([1e9, 3e11])
    C = model(N, D)
    for given in (dict(N=N, D=D), dict(N=N, C=C), dict(D=D, C=C)):
        np.testing.assert_allclose(np.array(complete(**given, flops=flops)), [N, D, C], rtol=1e-12)
    with pytest.raises(ValueError, match="at least two"):
        complete(N=N)


RNG = np.random.default_rng(4)
DEGENERATE = dict(
    A=np.array([480.0, 0.0, 430.0, 480.0, 500.0]),
    alpha=np.array([0.35, 0.35, 0.33, 0.0, 0.36]),
    B=2100.0 * np.exp(0.1 * RNG.normal(size=5)),
)


def fields(best):
    return [best.compute, best.N, best.D, best.loss, best.tokens_per_parameter, best.at_edge]


@pytest.mark.parametrize("law", [LAW, TokensFirst(**LAW.values)], ids=["closed", "numeric"])
@pytest.mark.parametrize("goal", [dict(compute=1e22), dict(target_loss=2.29)])
def test_a_sample_of_laws_equals_a_loop_even_beside_degenerate_members(law, goal):
    sample = law.replace(**DEGENERATE)
    got = allocate(sample, **goal)
    assert got.method == ("closed form" if law is LAW else "numeric")
    assert np.shape(got.N) == (5,) and list(got.at_edge) == [False, True, False, True, False]
    slow = law is not LAW and "target_loss" in goal
    for b in (0, 1, 3) if slow else range(5):
        one = law.replace(**{name: float(v[b]) for name, v in DEGENERATE.items()})
        if "target_loss" in goal and DEGENERATE["alpha"][b] == 0:  # E + A is never undercut
            assert np.isinf([got.compute[b], got.N[b], got.loss[b]]).all()
            with pytest.raises(ValueError, match="reaches no loss below"):
                allocate(one, **goal)
            continue
        np.testing.assert_allclose(
            [x[b] for x in fields(got)], fields(allocate(one, **goal)), rtol=1e-9
        )


def test_closed_and_numeric_agree_where_one_resource_is_worth_nothing():
    for worthless in (dict(A=0.0), dict(alpha=0.0), dict(B=0.0), dict(beta=0.0)):
        closed = allocate(LAW.replace(**worthless), compute=1e22)
        numeric = allocate(TokensFirst(**LAW.values).replace(**worthless), compute=1e22)
        assert closed.at_edge and numeric.at_edge
        np.testing.assert_allclose(fields(closed), fields(numeric), rtol=1e-9)


def test_the_pure_functions_take_plain_floats():
    from jaxscale.decisions.allocation import cheapest, optimum

    best = optimum(LAW, 1e22)
    assert float(best.N) == pytest.approx(allocate(LAW, compute=1e22).N, rel=1e-5)
    assert not best.at_edge
    assert float(cheapest(LAW, float(best.loss))) == pytest.approx(1e22, rel=1e-3)  # in float32
