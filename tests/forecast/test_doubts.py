"""A run that does not follow the law is doubted and gets a wide interval; one that does is not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxscale.forecast.doubts import GUESS, Doubts, reasons
from jaxscale.forecast.forecaster import Forecaster
from jaxscale.forecast.spikes import settled, spiked

STEPS, EVERY = 4000, 10
STEP = np.arange(1, STEPS, EVERY)
U = STEP / STEPS
POWER = 2 + 0.3 * U**-0.3


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# Values over the run, and where it is cut; each kind by three of it.
UNLAWFUL = {
    "plateau, drop 1": (0.8 + 2.2 * sigmoid((0.30 - U) / 0.03), 0.32),
    "plateau, drop 2": (0.1 + 0.9 * sigmoid((0.45 - U) / 0.05), 0.45),
    "plateau, drop 3": (5 + 4 * sigmoid((0.20 - U) / 0.04), 0.24),
    "reward rises 1": (0.05 + 0.6 * sigmoid((U - 0.4) / 0.08), 0.45),
    "reward rises 2": (0.7 - 0.2 * (U + 0.01) ** -0.2, 0.3),
    "reward rises 3": (10 * U**0.5 + 1, 0.6),
    "overfitting 1": (POWER + 1.0 * np.maximum(U - 0.2, 0), 0.45),
    "overfitting 2": (POWER + 0.5 * np.maximum(U - 0.3, 0), 0.6),
    "overfitting 3": (0.8 * POWER + 2.0 * np.maximum(U - 0.1, 0) ** 1.5, 0.5),
    "error falls faster 1": (0.1 + 0.8 / (1 + (U / 0.3) ** 3), 0.3),
    "error falls faster 2": (0.05 + 0.9 / (1 + (U / 0.2) ** 4), 0.25),
    "error falls faster 3": (0.2 + 0.5 / (1 + (U / 0.4) ** 3), 0.4),
    "diverged 1": (POWER + 3 * sigmoid((U - 0.3) / 0.005), 0.35),
    "diverged 2": (POWER * (1 + sigmoid((U - 0.4) / 0.01)), 0.5),
    "diverged 3": (POWER + 8 * np.maximum(U - 0.3, 0), 0.4),
}
LAWFUL = {
    f"alpha {alpha}, floor {floor}, seen {share}": (
        floor + 0.3 * ((STEP + 1) / STEPS) ** -alpha,
        share,
    )
    for alpha in (0.2, 0.4, 0.8)
    for floor in (0.5, 2.0)
    for share in (0.1, 0.3, 0.6)
}
FALLS = {
    f"{name}, noise {noise}": (values, 0.4, noise)
    for name, values in {
        "forgets in 1 %": 0.2 + 2.0 * np.exp(-U / 0.01) + 0.05 * U**-0.3,
        "forgets in .6 %": 0.02 + 5.0 * np.exp(-U / 0.006) + 0.01 * U**-0.4,
        "a hundredfold": 1.0 + 300 * np.exp(-U / 0.008) + U**-0.2,
    }.items()
    for noise in (0.03, 0.1)
}
"""Small regressions: what they fall by first is no power law, and their batches are noisy."""
QUIET = {
    f"alpha {alpha}, noise {noise}, seen {share}": (2.0 + 0.3 * U**-alpha, share, noise)
    for alpha in (0.1, 0.3, 0.45)
    for noise in (0.0, 1e-5, 1e-4)
    for share in (0.3, 0.6)
}
"""Runs of the law with hardly any noise, as the curves of a tutorial are."""
NOISE = 0.005
CASES = {name: (*row, NOISE) for name, row in (UNLAWFUL | LAWFUL).items()} | QUIET | FALLS


@pytest.fixture(scope="module")
def said():
    """Forecasts of all cases, by one program: loss, lower, upper, doubts."""
    forecaster = Forecaster()

    @jax.jit
    @jax.vmap
    def told(loss):
        def take(state, x):
            return forecaster.update(state, *x), None

        state, _ = lax.scan(take, forecaster.init(jnp.float32), (STEP, loss))
        return forecaster.predict(state, STEPS)

    rng, rows = np.random.default_rng(0), []
    for values, share, noise in CASES.values():
        noisy = values * (1 + noise * rng.normal(size=len(U)))
        rows.append(np.where(share > U, noisy, np.nan))
    made = jax.device_get(told(np.array(rows, np.float32)))
    return {name: jax.tree.map(lambda x, k=k: x[k], made) for k, name in enumerate(CASES)}


@pytest.mark.parametrize("name", UNLAWFUL)
def test_a_run_that_leaves_the_law_is_doubted_and_its_interval_holds_now_and_the_end(name, said):
    values, share, _ = CASES[name]
    end, now = said[name], values[share > U][-1]
    assert end.doubts.any
    assert end.lower < now < end.upper
    assert end.lower < values[-1] < end.upper
    assert np.isfinite(end.mixture.mean).all() and end.mixture.weight.sum() == pytest.approx(
        1, 1e-4
    )


def test_a_run_that_follows_the_law_is_not_doubted(said):
    doubted = [name for name in LAWFUL if said[name].doubts.any]
    assert len(doubted) <= 0.05 * len(LAWFUL), doubted
    held = [said[name].lower < CASES[name][0][-1] < said[name].upper for name in LAWFUL]
    assert np.mean(held) >= 0.85


def test_a_run_without_noise_is_not_doubted(said):
    assert [name for name in QUIET if said[name].doubts.any] == []


def test_a_first_fall_and_loud_batches_raise_no_doubt(said):
    doubted = [name for name in FALLS if said[name].doubts.any]
    assert len(doubted) <= 0.2 * len(FALLS), doubted
    held = [said[name].lower < FALLS[name][0][-1] < said[name].upper for name in FALLS]
    assert np.mean(held) >= 0.8
    for name in FALLS.keys() - {*doubted}:
        values, _, noise = FALLS[name]
        assert said[name].upper - said[name].lower < (0.4 + 6 * noise) * values[-1], name


def test_a_fall_of_late_is_no_beginning():
    step = jnp.arange(40.0)
    late = jnp.where(step < 25, 9.0, 1.0)
    used = jnp.ones(40, bool)
    assert settled(used, late, step).all()
    assert settled(used, jnp.where(step < 10, 9.0, 1.0), step).tolist() == [
        k > 9 for k in range(40)
    ]
    assert settled(used, jnp.where(step < 10, 2.9, 1.0), step).all()


def test_no_part_of_a_forecast_lies_below_zero_where_losses_are_positive():
    forecaster = Forecaster()
    state = forecaster.init()
    for step in range(0, 200, 5):
        state = forecaster.update(state, step, 2.0 * 0.98**step)
    end = forecaster.predict(state, 5000)
    assert end.doubts.any and end.lower == 0 <= end.loss < end.upper
    assert end.probability_below(0.0) == 0 < end.probability_below(1e-6)
    assert (end.quantile(jnp.asarray([0.01, 0.05])) == 0).all()
    signed = forecaster.init()
    for step in range(0, 200, 5):
        signed = forecaster.update(signed, step, 1.0 - 0.01 * step)
    assert forecaster.predict(signed, 1000).lower < -1


@pytest.mark.parametrize(
    "signs, sentence",
    [
        ({}, None),
        ({"flat"}, "loss has not come down so far"),
        ({"rough", "drifts"}, "loss jumps by more than the law and its noise allow (a plateau"),
        ({"rises", "flat", "drifts"}, "loss moves away from its best of late"),
    ],
)
def test_the_gravest_sign_is_said(signs, sentence):
    names = ("rough", "drifts", "rises", "flat", "contradicts")
    found = Doubts(*(np.bool_(name in signs) for name in names))
    got = reasons(found)
    assert bool(found.any) == bool(signs)
    assert got == [] if sentence is None else got[0].startswith(sentence) and GUESS in got[0]
    assert ("(also: drifts)" in "".join(got)) == (signs == {"rough", "drifts"})


FALL = 2 + 3 * np.arange(1, 41.0) ** -0.4


@pytest.mark.parametrize(
    "change, which",
    [
        ({}, []),
        ({20: 1e6}, [20]),
        ({5: 9.0, 30: 1e3}, [5, 30]),
        ({10: 30.0, 11: 30.0}, [10, 11]),
        ({25: 0.01}, [25]),
        ({39: 1e6}, [39]),
        ({38: 1.5, 39: 0.8}, []),  # a drop at the end is no spike
        (dict.fromkeys(range(20, 40), 6.0), []),  # nor is a step that stays
    ],
    ids=["none", "one", "two", "neighbours", "down", "last", "drop", "step"],
)
def test_what_stands_alone_is_a_spike(change, which):
    loss, used = FALL.copy(), np.arange(40) != 3
    loss[3] = np.nan  # what is not used may be anything
    for at, value in change.items():
        loss[at] = value
    assert np.flatnonzero(spiked(jnp.asarray(used), jnp.asarray(loss))).tolist() == which


def test_quiet_power_laws_logged_at_every_step_end_inside():
    forecaster, rng, steps = Forecaster(), np.random.default_rng(0), np.arange(2000)
    laws = [(2.0, 8.0, 0.4), (3.0, 5.0, 0.25), (0.1, 2.0, 0.7)]
    loss = np.stack([E + A * (steps + 1.0) ** -alpha for E, A, alpha in laws])[:, None]
    noisy = loss * (1 + 0.002 * rng.normal(size=(3, 8, 2000)))

    @jax.jit
    def told(loss):
        def take(state, x):
            return forecaster.update(state, *x), None

        start = forecaster.init(jnp.float32)
        return forecaster.predict(lax.scan(take, start, (jnp.arange(2000), loss))[0], 1999)

    for seen in (400, 800):
        known = np.where(steps < seen, noisy, np.nan).reshape(-1, 2000)
        end = jax.vmap(told)(jnp.asarray(known, jnp.float32))
        truth = np.repeat(loss[:, 0, -1], 8)
        held = ((end.lower < truth) & (truth < end.upper)).reshape(3, 8).mean(axis=1)
        assert (held >= 0.7).all() and not end.doubts.any.any()
        assert np.all(end.upper - end.lower < 0.12 * truth)
