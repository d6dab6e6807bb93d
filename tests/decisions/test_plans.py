"""Questions beside the best run of a budget: published numbers, conditions of first order, and
closed forms against the searches."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import TokensFirst

import jaxscale
from jaxscale._numerics.precision import scope
from jaxscale.decisions.allocation import allocate
from jaxscale.decisions.near import near_optimal
from jaxscale.decisions.plans import PLANS, plan
from jaxscale.decisions.question import Lifetime, ask, price
from jaxscale.decisions.repetition import DATA_WORTH, effective, limited_loss
from jaxscale.flops import SixND
from jaxscale.laws import Chinchilla, Kaplan, PowerLaw

SARDANA = Chinchilla(E=1.69, A=406.4, B=410.7, alpha=0.336, beta=0.283)
HOFFMANN = Chinchilla.preset("hoffmann_2022")
EPOCH = Chinchilla.preset("besiroglu_2024")
PAPER = Chinchilla(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
C4 = Chinchilla.preset("muennighoff_2023")
LAWS = [SARDANA, EPOCH, Kaplan.preset("kaplan_2020")]
SERVED = Lifetime(3e11)


def searched(law: jaxscale.Law) -> jaxscale.Law:
    """The same law without its closed form."""
    cls = type("Searched", (type(law),), {"closed_form": lambda self: None, "__doc__": "Searched."})
    return cls(**law.values)


# --- published numbers ------------------------------------------


@pytest.mark.parametrize(
    ("law", "size", "served", "N", "D"),
    [
        (SARDANA, 7e9, 1e11, 5.99972e9, 3.25022e11),
        (HOFFMANN, 7e9, 1e11, 6.05471e9, 3.43973e11),
        (PAPER, 70e9, 1e13, 3.27651e10, 3.66797e12),
    ],
)
def test_serving_makes_the_model_smaller_by_the_published_numbers(law, size, served, N, D):
    own = allocate(law, N=size)
    best = allocate(law, target_loss=own.loss, lifetime=served)
    assert (best.N, best.D) == pytest.approx((N, D), rel=2e-6)
    assert best.cost == pytest.approx(6 * N * D + 2 * N * served, rel=1e-5)
    assert best.overhead > 0


def test_the_quality_of_seven_billion_parameters_is_that_of_its_paper():
    own = allocate(SARDANA, N=7e9)
    assert own.D == pytest.approx(2.764e11, rel=2e-4) and own.loss == pytest.approx(
        2.127426, rel=1e-6
    )
    assert allocate(SARDANA, D=own.D).N == pytest.approx(7e9, rel=1e-9)
    assert allocate(SARDANA, compute=own.compute).N == pytest.approx(7e9, rel=1e-9)


@pytest.mark.parametrize(
    ("times", "tokens", "percent"),
    [(0.3, 6.85216, 105.56), (0.5, 2.41565, 20.78), (0.75, 1.37127, 2.85),
     (1.5, 0.69763, 4.64), (2.0, 0.56562, 13.12)],
)  # fmt: skip
def test_another_size_costs_the_published_overhead(times, tokens, percent):
    best = allocate(SARDANA, compute=1e22)
    other = allocate(SARDANA, compute=1e22, times_N=times)
    assert other.D / best.D == pytest.approx(tokens, rel=1e-5)
    assert other.D / best.D == pytest.approx(tokens, abs=6e-6)
    assert 100 * other.overhead == pytest.approx(percent, abs=6e-3)
    assert other.loss == pytest.approx(best.loss, rel=1e-12)


def test_below_the_smallest_size_no_data_are_enough():
    least = (1 + 0.336 / 0.283) ** (-1 / 0.336)  # de Vries 2023, for any A, B and budget
    for factor, finite in ((0.999, False), (1.001, True)):
        got = allocate(SARDANA, compute=[1e22], times_N=least * factor)
        assert np.isfinite(got.D[0]) == np.isfinite(got.overhead[0]) == finite


def test_data_seen_again_are_worth_what_is_published():
    assert float(effective(10.0, 1.0, 15.387756)) == pytest.approx(7.814123, rel=1e-6)
    assert float(effective(0.7, 1.0, 15.387756)) == pytest.approx(0.7, rel=1e-6)
    best = allocate(C4, compute=1e22, unique_tokens=25e9)
    assert best.D == pytest.approx(237.3e9, rel=1e-3) and best.N == pytest.approx(7.02e9, rel=1e-3)
    assert best.epochs == pytest.approx(9.49, rel=1e-3)


@pytest.mark.parametrize("unique", [2e12, 1e15])
def test_where_data_are_enough_the_best_run_is_the_unlimited_one(unique):
    free, limited = allocate(C4, compute=1e22), allocate(C4, compute=1e22, unique_tokens=unique)
    assert (limited.N, limited.D, limited.loss) == pytest.approx(
        (free.N, free.D, free.loss), rel=1e-12
    )
    assert limited.epochs <= 1 and limited.overhead == pytest.approx(0, abs=1e-9)


def test_utilization_and_prices_move_the_best_size():
    own = allocate(SARDANA, N=7e9)

    def best(**how):
        return allocate(SARDANA, target_loss=own.loss, lifetime=Lifetime(1e11, 1e10, **how))

    plain, slow = best(), best(train=1 / 0.5, read=1 / 0.5, write=1 / 0.05)
    assert slow.N < plain.N
    dollars = best(**{name: price(2.0, 1e15, used) for name, used in
                      (("train", 0.5), ("read", 0.5), ("write", 0.05))})  # fmt: skip
    assert dollars.N == pytest.approx(slow.N, rel=1e-9)  # one price for all changes nothing
    per_flop = 2.0 / 3600 / 1e15
    assert dollars.cost == pytest.approx(
        per_flop * (6 * dollars.N * dollars.D / 0.5 + 2 * dollars.N * (1e11 / 0.5 + 1e10 / 0.05)),
        rel=1e-9,
    )


# --- conditions of first order, and closed = numeric ------------


def slopes(law, N, D):
    """d loss / d log N and d loss / d log D, by JAX, of the law itself."""
    with scope(np.float64):
        found = jax.grad(lambda x: law.loss(jnp.exp(x[0]), jnp.exp(x[1])))(
            jnp.log(jnp.array([N, D]))
        )
    return np.asarray(found)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@pytest.mark.parametrize("goal", [dict(compute=3e22), dict(target_loss=2.2)])
def test_best_runs_meet_their_conditions_of_first_order(law, goal):
    for which in (law, searched(law)) if "compute" in goal else (law,):
        best = allocate(which, **goal)
        of_N, of_D = slopes(law, best.N, best.D)
        assert of_N / of_D == pytest.approx(1, abs=1e-8)
    served = allocate(law, **goal, lifetime=SERVED)
    of_N, of_D = slopes(law, served.N, served.D)
    assert of_N / of_D == pytest.approx(1 + SERVED.tokens / (3 * served.D), rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("unique", [2e9, 25e9, 1e11])
def test_a_limited_run_meets_its_condition_of_first_order(unique):
    best = allocate(C4, compute=1e22, unique_tokens=unique)
    at = dict(unique_tokens=unique, data_worth=DATA_WORTH, size_worth=5.309743)

    def along(x):
        return limited_loss(C4, jnp.exp(x), 1e22 / (6 * jnp.exp(x)), at)

    with scope(np.float64):
        slope, bend = (
            float(f(math.log(best.N))) for f in (jax.grad(along), jax.grad(jax.grad(along)))
        )
    assert abs(slope / best.loss) < 1e-10 and abs(slope / bend) < 1e-8
    dearer = allocate(C4, target_loss=best.loss, unique_tokens=unique)
    assert dearer.compute == pytest.approx(1e22, rel=1e-8)


GOALS = [
    dict(compute=3e22),
    dict(compute=3e22, lifetime=SERVED),
    dict(target_loss=2.2, lifetime=SERVED),
    dict(compute=3e22, N=8e9),
    dict(target_loss=2.2, N=8e9),
    dict(target_loss=2.2, D=4e11),
    dict(compute=3e22, ratio=20.0),
    dict(target_loss=2.2, ratio=20.0),
    dict(compute=3e22, times_N=0.5),
    dict(N=8e9),
    dict(D=4e11),
]


@pytest.mark.slow
@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: "+".join(goal))
def test_a_closed_form_is_what_a_search_finds(goal):
    closed, numeric = allocate(EPOCH, **goal), allocate(searched(EPOCH), **goal)
    assert (closed.method, numeric.method) == ("closed form", "numeric")
    for name in ("N", "D", "compute"):  # a best size is known to the root of what a loss is
        assert getattr(numeric, name) == pytest.approx(getattr(closed, name), rel=1e-10)
    assert numeric.loss == pytest.approx(closed.loss, rel=1e-10)


@pytest.mark.slow
def test_plans_are_differentiable_in_the_law_and_in_what_is_asked():
    with scope(np.float64):
        numbers = dict(target_loss=2.2, train_cost=1.0, serving_cost=6e11)
        for law in (EPOCH, searched(EPOCH)):
            grad = jax.grad(lambda law: jnp.log(plan(law, numbers, SixND()).N))(law)
            for name in ("A", "beta"):
                step = 1e-6 * getattr(EPOCH, name)
                up, down = (
                    plan(EPOCH.replace(**{name: getattr(EPOCH, name) + s}), numbers, SixND()).N
                    for s in (step, -step)
                )
                slope = float(jnp.log(up) - jnp.log(down)) / (2 * step)
                assert float(getattr(grad, name)) == pytest.approx(slope, rel=1e-5)


# --- keeping to more --------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS[1:], ids=lambda law: type(law).__name__)
def test_a_run_keeps_to_what_it_has_to(law):
    best = allocate(law, compute=1e22)
    for name, value in (("N", 8e9), ("D", 1e12), ("ratio", 20.0)):
        run = allocate(law, compute=1e22, **{name: value})
        same = allocate(law, target_loss=run.loss, **{name: value})
        kept = run.D / run.N if name == "ratio" else getattr(run, name)
        assert kept == pytest.approx(value, rel=1e-12)
        assert 6 * run.N * run.D == pytest.approx(1e22, rel=1e-12)
        assert same.compute == pytest.approx(1e22, rel=1e-9) and run.loss > best.loss
        least = allocate(law, target_loss=run.loss).compute
        assert run.overhead == pytest.approx(1e22 / least - 1, rel=1e-8) and run.overhead > 0
        assert run.excess == pytest.approx(run.loss - best.loss, rel=1e-9)


def test_lists_of_questions_equal_one_after_the_other():
    for goal in (dict(compute=[1e20, 1e22, 1e25]), dict(target_loss=[2.5, 2.2], lifetime=1e12)):
        got = allocate(EPOCH, **goal)
        name, values = next(iter(goal.items()))
        for k, value in enumerate(values):
            one = allocate(EPOCH, **{**goal, name: value})
            for field in ("compute", "N", "D", "loss", "overhead"):
                want = getattr(one, field)
                assert getattr(got, field)[k] == pytest.approx(want, rel=1e-9, abs=1e-12)


def test_a_sample_of_laws_meets_every_question():
    sample = EPOCH.replace(A=np.array([400.0, 480.0, 500.0]))
    got = allocate(sample, compute=[1e20, 1e23], ratio=20.0)
    assert got.N.shape == got.overhead.shape == (3, 2)
    assert got.overhead[1, 0] == pytest.approx(
        allocate(EPOCH.replace(A=480.0), compute=1e20, ratio=20.0).overhead, rel=1e-9
    )


def test_a_loss_out_of_reach_loses_no_other():
    got = allocate(EPOCH, target_loss=[2.2, 1.5, 2.0])
    assert list(np.isfinite(got.compute)) == [True, False, True]
    law = PowerLaw(of="C", a=30.0, b=-0.1, c=1.7)
    values = allocate(law, target_loss=[2.5, 1.0])
    assert np.isinf(values.compute[1]) and values.loss[0] == pytest.approx(2.5, rel=1e-12)
    with pytest.raises(ValueError, match="at no C"):
        allocate(law, target_loss=1.0)


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (dict(compute=1e22, N=1e9, D=1e9), "D, N do not go together"),
        (dict(compute=1e22, ratio=20.0, lifetime=1e9), "ratio, lifetime do not go together"),
        (dict(N=1e9, lifetime=1e12), "exactly one of compute and target_loss"),
        (dict(compute=[1e22, 1e23], N=[1e9, 2e9, 3e9]), "equally many"),
        (dict(compute=[]), "positive number of FLOPs"),
        (dict(compute=1e22, N=-1.0), "positive number of parameters"),
        (dict(target_loss=2.0, N=1e6), "does not reach loss 2 at this N"),
        (dict(target_loss=1.9, D=1e6), "does not reach loss 1.9 at this D"),
        (dict(compute=1e22, lifetime=-1.0), "must be positive"),
    ],
)
def test_a_question_without_an_answer_gets_a_sentence(goal, message):
    with pytest.raises(ValueError, match=message):
        allocate(EPOCH, **goal)


def test_unique_tokens_want_a_term_of_each():
    with pytest.raises(ValueError, match="a term of N and a term of D"):
        allocate(TokensFirst(**EPOCH.values), compute=1e22, unique_tokens=1e10)


def test_every_plan_is_asked_by_some_question():
    asked = {ask(EPOCH, {k: v for k, v in goal.items() if k != "lifetime"},
                 lifetime=goal.get("lifetime")).names
             for goal in [*GOALS, dict(target_loss=2.2), dict(D=1e11, compute=1e22),
                          dict(times_N=0.5, target_loss=2.2),
                          dict(unique_tokens=1e10, compute=1e22),
                          dict(unique_tokens=1e10, target_loss=2.2)]}  # fmt: skip
    assert asked == set(PLANS)


# --- nearly as good ---------------------------------------------


@pytest.mark.parametrize("flops", [None, lambda N, D: (6 * N + 1e8) * D])
@pytest.mark.parametrize("within", [0.0025, 0.005, 0.05])
def test_the_edges_of_the_near_optimal_set_are_off_by_its_share(within, flops):
    best = allocate(EPOCH, compute=np.array([1e20, 1e24]), flops=flops)
    near = near_optimal(EPOCH, best, within, flops)
    model = flops or SixND()
    for N, D in zip(near.N, near.D, strict=True):
        assert np.asarray(model(N, D)) == pytest.approx(best.compute, rel=1e-9)
        assert EPOCH.loss(N, D) == pytest.approx(best.loss * (1 + within), rel=1e-9)
    assert (near.N[0] < best.N).all() and (best.N < near.N[1]).all()


@pytest.mark.parametrize("of", ["C", "N", "D", "S"])
def test_a_law_of_one_scale_answers_one_loss_as_it_answers_a_list(of):
    law = PowerLaw(of=of, a=30.0, b=-0.1, c=1.7)
    name = of if of in "ND" else "compute"
    one = getattr(allocate(law, target_loss=2.7), name)
    assert one == pytest.approx(30.0**10, rel=1e-6)
    assert one == getattr(allocate(law, target_loss=[2.7, 2.5]), name)[0]
    with pytest.raises(ValueError, match=f"has loss 1.6 at no {of}"):
        allocate(law, target_loss=1.6)


@pytest.mark.parametrize("compute", [1e3, 1e5, 1e21, 1e33])
def test_the_best_size_lies_among_those_that_are_nearly_as_good(compute):
    best = allocate(EPOCH, compute=compute)
    near = near_optimal(EPOCH, best, 0.0025)
    assert near.N[0] < best.N < near.N[1] and near.D[1] < best.D < near.D[0]
    for N in near.N:
        loss = float(EPOCH.loss(N, compute / 6 / N))
        assert loss == pytest.approx(best.loss * 1.0025, rel=1e-6)


def test_where_no_size_matters_the_nearly_best_have_no_end():
    flat = EPOCH.replace(E=1e9)
    near = near_optimal(flat, allocate(flat, compute=1e21), 0.005)
    assert near.N == (0.0, math.inf) and near.D == (math.inf, 0.0)
