"""Allocations of a fit: intervals by the draws, and what speaks against an answer."""

import math

import numpy as np
import pytest

import jaxscale
from jaxscale.decisions.allocation import Allocation
from jaxscale.uncertainty.allocations import moves, without_edges
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.quantities import Best, ComputeFor


@pytest.fixture(scope="module")
def draws(fitted):
    return bootstrap(fitted, draws=200)


def test_intervals_are_those_of_the_bootstrap(fitted, draws):
    budgets = [1e20, 1e23]
    got = jaxscale.allocate(fitted, compute=budgets, draws=draws, level=0.8)
    for what in ("N", "D", "loss", "tokens_per_parameter"):
        for k, C in enumerate(budgets):
            want = draws.interval(Best(C, what), level=0.8)
            limits = got.intervals[what]
            assert (limits.low[k], limits.high[k]) == pytest.approx((want.low, want.high), rel=1e-9)
            assert getattr(got, what)[k] == pytest.approx(want.estimate, rel=1e-9)
    assert got.draws == 200 and got.level == 0.8 and "compute" not in got.intervals
    target = jaxscale.allocate(fitted, target_loss=2.3, draws=draws)
    want = draws.interval(ComputeFor(2.3))
    limits = target.intervals["compute"]
    assert (limits.low, limits.high) == pytest.approx((want.low, want.high), rel=1e-6)
    assert "loss" not in target.intervals


def test_a_scalar_question_has_floats_and_intervals_without_being_asked(fitted):
    got = jaxscale.allocate(fitted, compute=1e21)
    plain = jaxscale.allocate(fitted.law, compute=1e21)
    assert got.N == plain.N and type(got.N) is float and got.draws == 1000
    assert got.intervals["N"].low < got.N < got.intervals["N"].high
    assert type(got.intervals["N"].low) is float
    assert not plain.intervals and plain.draws == 0
    assert jaxscale.allocate(fitted, compute=1e21, draws=0).intervals == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "goal",
    [dict(lifetime=1e12), dict(ratio=20.0), dict(times_N=0.5), dict(unique_tokens=1e10)],
    ids=lambda goal: next(iter(goal)),
)
def test_every_question_has_intervals(fitted, draws, goal):
    got = jaxscale.allocate(fitted, compute=[1e22], draws=draws, **goal)
    for name in ("N", "D", "loss", "overhead"):
        if name in got.intervals:
            low, high = got.intervals[name].low[0], got.intervals[name].high[0]
            assert low <= getattr(got, name)[0] <= high
    assert {"loss", "overhead"} <= set(got.intervals)


def test_a_loss_out_of_reach_is_said_and_loses_no_other(fitted, draws):
    got = jaxscale.allocate(fitted, target_loss=[2.3, 0.5, 2.2], draws=draws)
    assert list(np.isfinite(got.compute)) == [True, False, True] and not got.trusted
    assert [note for note in got.notes if "reaches no loss below" in note]
    assert list(np.isfinite(got.intervals["compute"].low)) == [True, False, True]


def test_python_knows_what_the_command_line_knows(fitted, monkeypatch):
    far = jaxscale.allocate(fitted, compute=[1e20, 1e26], draws=0)
    assert far.extrapolation[0]["C"] == 1 and far.extrapolation[1]["C"] > 1e3
    (note,) = [note for note in far.notes if "outside the range" in note]
    assert "1e+26" in note and "from the nearest that the runs span" in note
    assert far.trusted and (far.within_factor > 1).all()
    monkeypatch.setattr("jaxscale.uncertainty.allocations.best_size_within", lambda fit, C: 5.0)
    open_ = jaxscale.allocate(fitted, compute=1e20, draws=0)
    assert not open_.trusted and "may be off by a factor 5" in open_.notes[-1]
    assert jaxscale.allocate(fitted, compute=1e20, N=1e9, draws=0).trusted  # N is not asked


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(draws=-1), "draws must be 0 or more"),
        (dict(level=1.5), "level"),
    ],
)
def test_bad_options_get_a_sentence(fitted, options, message):
    with pytest.raises(ValueError, match=message):
        jaxscale.allocate(fitted, compute=1e21, **options)
    with pytest.raises(ValueError, match="a law has none"):
        jaxscale.allocate(fitted.law, compute=1e21, draws=10)


def test_draws_without_a_best_run_leave_an_interval_without_that_end():
    N = np.array([1e9, 2e9, 1e18, 1e3])
    sample = Allocation(
        np.full(4, 1e20), N, 1e20 / 6 / N, np.ones(4), 1e20 / 6 / N**2, "closed form",
        at_edge=np.array([False, False, True, True]),
    )  # fmt: skip
    got = without_edges(sample)
    assert got.N.tolist() == [1e9, 2e9, math.inf, 0.0]
    assert got.D[2:].tolist() == [0.0, math.inf]
    assert got.tokens_per_parameter[2:].tolist() == [0.0, math.inf]
    assert without_edges(got) is not None and moves(got.N) and moves(np.array([1.0, math.inf]))
    assert not moves(np.full(3, math.inf)) and not moves(np.full(3, 2.0))


@pytest.mark.parametrize(("of_N", "of_D"), [(1, 1), (3, 1 / 3), (10, 1)])
def test_a_best_run_of_next_to_no_tokens_is_not_trusted(fitted, of_N, of_D):
    N, D = (fitted.runs.columns[name] for name in "ND")
    swapped = jaxscale.fit(
        jaxscale.Chinchilla(),
        jaxscale.Runs(N=of_N * D, D=of_D * N, loss=fitted.runs.loss),
        starts=64,
    )
    got = jaxscale.allocate(swapped, compute=1e21, draws=0)
    assert got.tokens_per_parameter < 0.1 and not got.trusted
    assert any("swapped" in note for note in got.notes)
    assert jaxscale.allocate(fitted, compute=1e21, draws=0).trusted


def test_draws_do_not_stand_for_their_fit(draws):
    with pytest.raises(TypeError, match=r"allocate\(fit, draws=draws"):
        jaxscale.allocate(draws, compute=1e21)


@pytest.mark.slow
@pytest.mark.parametrize("other", ["fewer runs", "another law", "another loss"])
def test_draws_of_another_fit_are_refused(fitted, other):
    runs = fitted.runs
    if other == "fewer runs":
        fit = jaxscale.fit("Chinchilla", runs.select(np.arange(len(runs)) % 3 > 0, "third"))
    else:
        law = "Kaplan" if other == "another law" else "Chinchilla"
        fit = jaxscale.fit(law, runs, loss=jaxscale.Square() if other == "another loss" else None)
    draws = jaxscale.bootstrap(fit, draws=20)
    with pytest.raises(ValueError, match="of another fit .* leave draws out"):
        jaxscale.allocate(fitted, compute=1e21, draws=draws)
