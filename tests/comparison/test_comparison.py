"""Nested tests, weights, differences, and the whole comparison of laws."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from cases import TRUTH, hand_made

import jaxscale
from jaxscale.comparison.candidates import fit_all, labelled
from jaxscale.comparison.compare import compare
from jaxscale.comparison.held_out import HeldOut
from jaxscale.comparison.likelihood import information
from jaxscale.comparison.nested import NestedTest, nested, special_case
from jaxscale.comparison.sensitivity import sensitivity
from jaxscale.comparison.splits import by_folds, by_groups, by_size
from jaxscale.comparison.stacking import (
    Difference,
    difference,
    simplex_least_squares,
    stacking,
)
from jaxscale.objective.likelihood import profile_likelihood
from jaxscale.shown.blocks import full_text

C, K = jaxscale.Chinchilla, jaxscale.Kaplan


class Heavy(jaxscale.Loss):
    """log(1 + log(1 + r²)): no power of it is a density."""

    def rho(self, r):
        return jnp.log1p(jnp.log1p(r * r))


STARTS = 32

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def both(noisy):
    return compare([K(), C()], noisy, starts=STARTS, draws=0, folds=5, deltas=[1e-3, 1e-2])


# Nested laws.


def power_runs(seed, E=0.0, n=24):
    N = np.logspace(6, 10, n)
    noise = np.random.default_rng(seed).standard_t(4, n) * 0.01
    return jaxscale.Runs(N=N, loss=(E + 2000 * N**-0.4) * np.exp(noise))


def fits_of(runs, *laws, **options):
    return [jaxscale.fit(law, runs, starts=STARTS, **options) for law in laws]


PURE, BOUNDED = jaxscale.KaplanN(), jaxscale.Henighan(of="N")


def test_nested_test_keeps_its_level_and_sees_a_large_offset():
    """Heavy-tailed noise; the offset of the larger law lies at its bound 0 under the null."""
    p = [
        nested(*fits_of(power_runs(seed), PURE, BOUNDED), draws=39, check=False).p
        for seed in range(24)
    ]
    assert sum(x <= 0.05 for x in p) <= 4  # of 24, more than 4 would happen in .6 % of the cases
    assert min(p) < 0.5 < max(p)
    strong = nested(*fits_of(power_runs(0, E=1.5), PURE, BOUNDED), draws=39)
    assert strong.p == 1 / 40 and strong.ratio > 20 and strong.lost == 0
    assert (strong.small, strong.large) == ("KaplanN", "Henighan:N")


def test_a_fixed_value_is_nested_in_a_free_one(noisy, fitted):
    wrong = jaxscale.fit(C(E=0.0), noisy, starts=STARTS)
    test = nested(wrong, fitted, draws=19)
    assert test.small == "Chinchilla(E=0)" and test.p == 0.05 and test.stuck <= 2
    right = jaxscale.fit(C(E=TRUTH.E), noisy, starts=STARTS)
    assert nested(right, fitted, draws=19).p > 0.05


def test_special_cases_are_found_without_a_table_of_them(noisy, fitted):
    kaplan, pinned = fits_of(noisy, K(), C(E=1.0))
    assert special_case(pinned, fitted)
    assert not special_case(kaplan, fitted) and not special_case(fitted, pinned)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"draws": 5}, "draws must be at least 19"),
        ({"runs": True}, "fitted to different runs"),
        ({"loss": True}, "different losses or residuals"),
        ({"law": True}, "Kaplan is no special case of Chinchilla"),
    ],
)
def test_a_nested_test_refuses_what_is_not_nested(noisy, fitted, change, message):
    law = K() if "law" in change else C(E=1.0)
    runs = noisy.select(np.arange(60) != 3, "x") if "runs" in change else noisy
    loss = jaxscale.Huber(1e-2) if "loss" in change else None
    small = jaxscale.fit(law, runs, loss=loss, starts=STARTS)
    with pytest.raises(ValueError, match=message):
        nested(small, fitted, draws=change.get("draws", 19))


def test_criteria_prefer_a_law_with_the_offset_and_charge_for_it(noisy, fitted):
    without, given = fits_of(noisy, C(E=0.0), C(E=float(fitted.law.E)))
    assert information(fitted).aicc < information(without).aicc - 10
    free, held = information(fitted), information(given)
    assert free.log_likelihood == pytest.approx(held.log_likelihood, abs=1e-4)
    assert held.bic == pytest.approx(free.bic - np.log(60), abs=1e-3)


# Weights and differences.


@pytest.mark.parametrize("seed", range(6))
def test_stacking_weights_equal_brute_force(seed):
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(20, 3)) * rng.uniform(0.3, 2, 3) + rng.normal(size=3)
    got = simplex_least_squares(errors)
    assert got.min() >= 0 and got.sum() == pytest.approx(1)
    steps = np.arange(0, 1.0001, 0.01)
    grid = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1 + 1e-9])
    values = ((errors @ grid.T) ** 2).sum(axis=0)
    mine = np.sum((errors @ got) ** 2)
    assert mine <= values.min() * (1 + 1e-12)
    assert np.abs(grid[values.argmin()] - got).max() < 0.03


def test_stacking_of_equal_laws_and_of_a_perfect_one():
    errors = np.random.default_rng(0).normal(size=(10, 1))
    np.testing.assert_allclose(simplex_least_squares(np.hstack([errors, errors])), 0.5)
    np.testing.assert_allclose(simplex_least_squares(np.hstack([errors, 0 * errors])), [0, 1])
    np.testing.assert_allclose(simplex_least_squares(np.hstack([errors, -errors])), 0.5)
    np.testing.assert_allclose(simplex_least_squares(np.zeros((4, 2))), 0.5)


def test_a_law_without_windows_has_no_weight():
    held = hand_made([[[0.1, -0.1]], [[np.nan, np.nan]], [[0.3, 0.2]]])
    weights = stacking(held)
    assert weights["b"] == 0 and sum(weights.values()) == pytest.approx(1)
    # Opposite signs help: 0.1 w + 0.3 (1 - w), -0.1 w + 0.2 (1 - w) has its least square here.
    w = np.linspace(0, 1, 10001)
    best = w[np.argmin((0.1 * w + 0.3 * (1 - w)) ** 2 + (-0.1 * w + 0.2 * (1 - w)) ** 2)]
    assert weights["a"] == pytest.approx(best, abs=1e-3)


def test_difference_is_paired_and_clustered():
    rng = np.random.default_rng(0)
    common = rng.normal(size=40) * 0.1
    worse = np.sign(common) * (np.abs(common) + 0.01 + 0.001 * rng.normal(size=40))
    gap = difference(hand_made([[worse], [common]], level=np.zeros(40, int)), 0, 1)
    assert gap.separated and gap.unit == "run" and 0.009 < gap.low < gap.mean < gap.high < 0.011
    assert gap.error == pytest.approx(0.001 / np.sqrt(40), rel=0.3)
    same = difference(hand_made([[common], [-common]]), 0, 1)
    assert same.mean == same.error == 0 and not same.separated
    # Errors that a level shares say as much as one run of it.
    shift = np.repeat(rng.normal(size=8), 5) * 0.02
    level = np.repeat(np.arange(8), 5)
    clustered = difference(hand_made([[0.1 + shift], [np.full(40, 0.1)]], level=level), 0, 1)
    naive = difference(hand_made([[0.1 + shift], [np.full(40, 0.1)]], level=0 * level), 0, 1)
    assert clustered.unit == "level" and clustered.error > 1.8 * naive.error


# The whole comparison.


def test_the_truth_wins_with_outliers_in_the_table(both):
    best, second = both.entries
    assert best.label == "Chinchilla" and both.separated and both.trusted
    assert best.errors["rollout"] < second.errors["rollout"]
    assert best.errors["folds"] < second.errors["folds"]
    assert best.information.aicc < second.information.aicc and best.weight > 0.8
    assert second.behind.mean == pytest.approx(second.errors["rollout"] - best.errors["rollout"])
    assert best.behind is None and both.kind == "rollout"
    shown = f"{100 * best.errors['rollout']:.2f} % against {100 * second.errors['rollout']:.2f} %"
    assert both.sentence.startswith(f"Chinchilla predicts the larger runs best, {shown}")
    assert "is larger than its bootstrap error (95 % interval" in both.sentence
    assert "5 standard errors" in " ".join(both.notes)


@pytest.mark.parametrize(
    ("folds", "aicc", "said"),
    [
        (0.02, 30.0, "AICc 30 lower): they do not separate them"),
        (0.02, 4.0, ""),
        (0.001, 30.0, ""),
        (None, 30.0, "(AICc 30 lower): they do not separate them"),
    ],
)
def test_a_lead_that_all_runs_contradict_decides_nothing(both, folds, aicc, said):
    ahead, behind = both.entries
    information = dataclasses.replace(ahead.information, aicc=behind.information.aicc + aicc)
    errors = {"rollout": 0.01} | ({} if folds is None else {"folds": folds})
    first = dataclasses.replace(ahead, information=information, errors=errors)
    gap = Difference(0.005, 0.001, 0.003, 0.007, "run")
    errors = {"rollout": 0.015} | ({} if folds is None else {"folds": 0.008})
    second = dataclasses.replace(behind, behind=gap, errors=errors)
    held = {kind: both.held[kind] for kind in errors}
    got = dataclasses.replace(both, entries=(first, second), held=held)
    assert got.separated == (not said) and got.to_dict()["separated"] == got.separated
    assert said in got.sentence and ("larger than its bootstrap error" in got.sentence) == (
        not said
    )


@pytest.mark.parametrize(
    ("small", "large", "p", "said"),
    [
        ("Kaplan", "Chinchilla", 0.23, "Kaplan within Chinchilla is not rejected, p 0.23"),
        ("Kaplan", "Chinchilla", 0.05, "Kaplan within Chinchilla is not rejected, p 0.05"),
        ("Kaplan", "Chinchilla", 0.005, ""),
        ("Chinchilla", "Kaplan", 0.23, ""),  # the larger law is the one that loses
        ("PowerLaw:C", "Chinchilla", 0.23, ""),  # of no law that is second
    ],
)
def test_a_larger_law_that_the_runs_do_not_need_is_no_winner(both, small, large, p, said):
    test = NestedTest(small, large, 3.0, p, 199, 0, 0)
    got = dataclasses.replace(both, tests=(test,))
    assert both.entries[1].label == "Kaplan" and both.entries[1].behind.separated
    assert got.separated == (not said) and got.unneeded == said
    assert (f"but {said}: the runs do not separate them" in got.sentence) == bool(said)


def test_the_same_law_twice_is_not_separated(noisy):
    laws = {"first": C(), "second": C()}
    got = compare(laws, noisy, starts=STARTS, draws=0, folds=0, deltas=())
    assert got.separated is False and "do not separate them" in got.sentence
    assert [entry.weight for entry in got.entries] == pytest.approx([0.5, 0.5], abs=0.01)
    assert got.entries[0].sensitivity is None and "folds" not in got.held


def test_text_and_document_say_the_same(both):
    text, document = full_text(both), both.to_dict()
    assert text.splitlines()[0] == both.sentence == document["sentence"]
    for piece in ("larger runs", "fitted to", "Exponents over delta 0.001 to 0.01", "alpha"):
        assert piece in text
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert [law["label"] for law in document["laws"]] == ["Chinchilla", "Kaplan"]
    assert document["laws"][0]["params"]["alpha"] == both.best.fit.law.alpha
    windows = document["rollout"]["windows"]
    assert len(windows) == len(both.held["rollout"].split)
    assert windows[0]["trained"] + windows[0]["tested"] == 60 and not windows[0]["shared"]
    assert windows[-1]["best"] == "Chinchilla" and "In the last window" not in text
    assert {"n", "sha256"} <= set(document["data"]) and document["objective"]["delta"] == 1e-3
    rows = document["laws"][0]["sensitivity"]["fits"]
    assert [row["delta"] for row in rows] == [1e-3, 1e-2]


def test_a_change_of_order_in_the_last_window_is_told(both):
    held = both.held["rollout"]
    error = held.error.copy()
    error[held.laws.index("Kaplan"), -1] *= 1e-3
    turned = dataclasses.replace(held, error=error)
    text = str(dataclasses.replace(both, held={**both.held, "rollout": turned}))
    assert "In the last window Kaplan is best, 0.00 % against" in text


@pytest.mark.parametrize(
    ("place", "change", "trusted"),
    [
        (1, dict(weaknesses=("All runs have one D.",)), True),
        (1, dict(condition=np.inf), True),
        (1, dict(at_bound=("E",)), True),
        (1, dict(status="step_limit"), False),
        (1, dict(share_at_best=0.0), False),
        (0, dict(weaknesses=("All runs have one D.",)), False),
        (0, dict(condition=np.inf), False),
    ],
)
def test_a_law_that_loses_may_leave_its_parameters_open(both, place, change, trusted):
    entries = list(both.entries)
    fit = entries[place].fit
    certificate = dataclasses.replace(fit.certificate, **change)
    assert fit.certificate.trusted and not certificate.trusted
    hurt = dataclasses.replace(fit, certificate=certificate)
    entries[place] = dataclasses.replace(entries[place], fit=hurt)
    assert dataclasses.replace(both, entries=tuple(entries)).trusted == trusted


def test_a_law_that_cannot_be_fitted_stays_with_the_reason(noisy):
    got = compare([jaxscale.PowerLaw(of="S"), C()], noisy, starts=STARTS, draws=0, folds=0,
                  deltas=())  # fmt: skip
    best, failed = got.entries
    assert best.label == "Chinchilla" and failed.fit is None and "no column 'S'" in failed.reason
    assert not got.trusted and got.separated is None
    assert failed.weight == 0 and "failed" in str(got) and "PowerLaw:S: " in "\n".join(got.notes)
    assert got.to_dict()["laws"][1]["reasons"] == [failed.reason]
    assert got.sentence.startswith("Chinchilla predicts the larger runs with a mean error of ")


def test_nested_laws_are_found_and_tested(noisy):
    got = compare([C(E=0.0), C()], noisy, starts=STARTS, draws=19, folds=0, deltas=())
    assert [(t.small, t.large) for t in got.tests] == [("Chinchilla(E=0)", "Chinchilla")]
    assert got.tests[0].p == 0.05
    assert "Chinchilla(E=0) within Chinchilla: not rejected, p 0.05" in str(got)


def test_without_a_window_the_folds_decide(noisy):
    runs = noisy.replace(weight=np.repeat([1.0, 0.0], [20, 40]))  # two levels
    got = compare([C(), K()], runs, starts=STARTS, draws=0, folds=4, deltas=())
    assert got.kind == "folds" and "predicts held-out runs best" in got.sentence
    assert "leave no window" in got.notes[0]
    nothing = compare([C()], runs, starts=STARTS, draws=0, folds=0, deltas=())
    assert nothing.kind is None and "do not say which law predicts best" in nothing.sentence
    assert str(nothing) and nothing.to_dict()["ranked_by"] is None


def test_groups_are_left_out_one_at_a_time(noisy):
    runs = noisy.replace(group=np.repeat(["a", "b", "c"], 20))
    got = compare([C()], runs, starts=STARTS, draws=0, folds=0, deltas=())
    assert got.held["groups"].split.labels == ("a", "b", "c")
    assert np.isfinite(got.best.errors["groups"])
    off = compare([C()], runs, starts=STARTS, draws=0, folds=0, deltas=(), groups=False)
    assert "groups" not in off.held


def test_sensitivity_fits_every_combination(noisy, fitted):
    options = dict(deltas=[1e-3, 1e-2], losses=["huber", "square"], starts=STARTS)
    got = sensitivity(C(), noisy, known=fitted, **options)
    said = [(row["loss"], row["delta"], row["residual"]) for row in got.rows]
    assert said == [("huber", 1e-3, "log"), ("huber", 1e-2, "log"), ("square", None, "log")]
    assert got.rows[0]["params"]["alpha"] == fitted.law.alpha
    low, high = got.ranges["alpha"]
    assert low == min(row["exponents"]["alpha"] for row in got.rows) < high
    assert set(got.ranges) == {"alpha", "beta", "a", "b"}
    one = jaxscale.fit(C(), noisy, loss=jaxscale.Square(), starts=STARTS)
    assert got.rows[-1]["params"]["alpha"] == pytest.approx(one.law.alpha, rel=1e-6)
    failed = sensitivity(C(), noisy.select(np.arange(60) < 4, "x"), starts=STARTS)
    assert "4 runs for the 5 free" in failed.rows[0]["error"] and failed.ranges == {}


def test_labels(noisy):
    laws = [C(), C(E=1.5), jaxscale.PowerLaw(of="C"), jaxscale.PowerLaw(of="N", c=0.0)]
    want = ["Chinchilla", "Chinchilla(E=1.5)", "PowerLaw:C", "PowerLaw:N(c=0)"]
    assert list(labelled(laws, noisy)[0]) == want
    assert list(labelled({"mine": C()}, noisy)[0]) == ["mine"]


BAD = {
    "twice": (dict(laws=[C(), C()]), ValueError, "Chinchilla is given twice"),
    "none": (dict(laws=[]), ValueError, "no law to compare"),
    "no law": (dict(laws=[int]), TypeError, "law must be a law such as"),
    "by": (dict(by="width"), jaxscale.DataError, "no column 'width'"),
    "folds": (dict(folds=1), ValueError, "folds must be 0 for none, or at least 2"),
    "levels": (dict(levels=2), ValueError, "levels must be at least 3"),
    "share": (dict(share=1.0), ValueError, "share must be 0 or more and below 1"),
    "draws": (dict(draws=5), ValueError, "draws must be 0 for no tests, or at least 19"),
    "groups": (dict(groups="family"), jaxscale.DataError, "no column 'family' to group by"),
    "deltas": (dict(deltas=[-1.0]), ValueError, "deltas must be positive"),
    "option": (dict(optimizer=None), TypeError, "unexpected keyword argument 'optimizer'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_a_sentence(noisy, case):
    options, kind, message = BAD[case]
    options = {"laws": [C()], "starts": STARTS, "draws": 0, "folds": 0, **options}
    with pytest.raises(kind, match=message):
        compare(options.pop("laws"), noisy, **options)


@pytest.mark.parametrize(
    "call, kind, message",
    [
        (lambda r: by_size([C()], r, "C", horizon="far"), ValueError, "horizon must be one of"),
        (lambda r: by_folds(r, 61), ValueError, "folds must be 2 to 60, the number of runs, got"),
        (lambda r: by_groups(r, True), jaxscale.DataError, "no column 'group'"),
        (
            lambda r: by_groups(r.replace(group=["a"] * 60), True),
            jaxscale.DataError,
            "all runs are of one group, a",
        ),
        (
            lambda r: compare([C()], r.replace(loss=r.loss - r.loss.min())),
            jaxscale.DataError,
            "column 'loss': 0; laws are compared by the error",
        ),
        (
            lambda r: by_size([C()], r.replace(S=np.arange(60.0)), "S"),
            jaxscale.DataError,
            "row 1, column 'S': 0; runs are ordered by it",
        ),
        (
            lambda r: fit_all({"x": jaxscale.PowerLaw(of="S")}, r),
            jaxscale.DataError,
            "no law can be fitted. x: .*no column 'S'",
        ),
        (lambda r: sensitivity(C(), r, deltas=[]), ValueError, "nothing to vary"),
        (
            lambda r: profile_likelihood(1.0, np.ones(3), Heavy()),
            ValueError,
            "the loss heavy stands for no density",
        ),
        (
            lambda r: stacking(
                HeldOut(by_folds(r, 2), tuple("abcdefghijklm"), np.zeros((13, 2, 60)), (), ())
            ),
            ValueError,
            "weights of at most 12 laws, got 13",
        ),
    ],
)
def test_bad_parts_are_refused_with_a_sentence(noisy, call, kind, message):
    with pytest.raises(kind, match=message):
        call(noisy)
