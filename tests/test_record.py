"""The record: verdicts follow from the numbers, digits are those printed, the page says all."""

import json
import math

import numpy as np
import pytest

import jaxscale
from benchmarks.record import entry, page, refit
from benchmarks.record.entry import CONFIRMED, DIFFERS, FLAT, LOCAL, OTHER, STOPPED, WORSE
from jaxscale import Absolute, Huber, PurePowerLaw, Square

S = np.geomspace(1e6, 1e9, 12)
NOISE = np.exp(0.01 * np.sin(np.arange(12.0) ** 2))
RUNS = jaxscale.Runs(S=S, loss=20 * S**-0.1 * NOISE)
SLOPE, LEVEL = np.polyfit(np.log(S), np.log(RUNS.loss), 1)
GOAL = entry.Goal(Square(), "log", "sum of squares", 2.0)
BEST = PurePowerLaw(a=math.exp(LEVEL), b=SLOPE)


def published(a, b, **further):
    return entry.Published(
        "tiny", "A tiny fit", "nowhere", law=PurePowerLaw(), runs=RUNS, goal=GOAL,
        printed=dict(a=a, b=b), make=lambda v: PurePowerLaw(**v), read=lambda law: law.values,
        **further,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("printed", "ours", "down", "same", "other", "word"),
    [
        (1.0, 1.0, 1.0, True, "", CONFIRMED),
        (1.0 + 1e-12, 1.0, 1.0, True, "", CONFIRMED),
        (1.0 + 1e-12, 1.0, 1.0, False, "", FLAT),
        (1.1, 1.0, 1.0, False, "", STOPPED),
        (1.1, 1.0, 1.05, False, "", LOCAL),
        (1.1, 1.0, 1.05, False, OTHER, OTHER),
        (1.0, 1.0 + 1e-6, 1.0, True, "", WORSE),
        (1.0, math.nan, 1.0, False, "", WORSE),
        (-2.0, -2.1, -2.1, False, "", STOPPED),
        (-2.1, -2.0, -2.1, False, OTHER, WORSE),
    ],
)
def test_the_verdict_follows_from_the_objectives(printed, ours, down, same, other, word):
    assert entry.judged(printed, ours, down, same, other) == word
    assert word in entry.WORDS


@pytest.mark.parametrize(
    ("text", "value", "digits"),
    [
        ("482.00572", 482.005721, (8, 8)),
        ("482.00572", 482.00605, (5, 8)),
        ("0.34781", 0.347805, (5, 5)),
        ("0.34781", 0.3477, (3, 5)),
        ("2143", 2085.4, (1, 4)),
        ("1.2", 2.4, (0, 2)),
        ("1.2", -1.2, (0, 2)),
        ("1.20", 1.2004, (3, 3)),
        ("0", 0.0, (1, 1)),
        ("5.0", math.inf, (0, 2)),
    ],
)
def test_digits_agreed_are_those_printed_at_most(text, value, digits):
    assert entry.agreed(text, value) == digits
    assert entry.matches({"a": text}, {"a": value}) == (digits[0] == digits[1])


@pytest.mark.parametrize(
    "goal", [GOAL, entry.Goal(Huber(1e-3), "log", "Huber", 1 / 12),
             entry.Goal(Absolute(), "absolute", "absolute"),
             entry.Goal(Huber(1e-3), "log", "own", exact=lambda r: r**4)],
)  # fmt: skip
def test_an_objective_is_worked_out_by_its_definition(goal):
    law = PurePowerLaw(a=21.0, b=-0.1)
    p = 21.0 * S**-0.1
    r = p - RUNS.loss if goal.residual == "absolute" else np.log(p / RUNS.loss)
    size = np.abs(r)
    known = {
        "sum of squares": (r**2).sum(),
        "Huber": np.where(size < 1e-3, r**2 / 2, 1e-3 * (size - 5e-4)).mean(),
        "absolute": size.sum(),
        "own": (r**4).sum(),
    }
    assert goal.value(law, RUNS) == pytest.approx(known[goal.words], rel=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        (f"{math.exp(LEVEL):.5f}", f"{SLOPE:.5f}", CONFIRMED),
        (f"{math.exp(LEVEL):.15g}", f"{SLOPE:.15g}", CONFIRMED),
        (f"{1.02 * math.exp(LEVEL):.5f}", f"{SLOPE:.5f}", STOPPED),
    ],
)
def test_a_row_says_what_the_printed_values_are(a, b, word):
    one = published(a, b)
    down = GOAL.value(BEST, RUNS)
    row = refit.concluded(one, BEST, one.make(one.values), down=down, search="by hand")
    assert row.verdict == word and row.objective_ours == pytest.approx(down, rel=1e-12)
    assert (row.objective_printed > 1.1 * row.objective_ours) == (word == STOPPED)
    text = page.page([row])
    assert f"**A tiny fit: {word}.**" in text and a in text and "[A tiny fit](#tiny)" in text


def test_numbers_that_do_not_come_out_and_many_fits_have_rows(tmp_path):
    head = dict(key="k", title="T", source="here")
    assert refit.of_numbers(head, {"x": "1.25"}, {"x": 1.2549}).verdict == CONFIRMED
    assert refit.of_numbers(head, {"x": "1.25"}, {"x": 1.2551}).verdict == DIFFERS
    row = refit.summary(head, [STOPPED, CONFIRMED, STOPPED], reason="two of three")
    assert row.verdict == STOPPED and row.counts == {STOPPED: 2, CONFIRMED: 1}
    assert f"{STOPPED} 2, {CONFIRMED} 1" in page.page([row])
    (tmp_path / "record.json").write_text(json.dumps(page.document([row])))
    assert page.read(tmp_path / "record.json") == [row]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("a", "word"), [(math.exp(LEVEL), CONFIRMED), (1.03 * math.exp(LEVEL), STOPPED)]
)
def test_a_published_fit_is_refitted_and_judged(a, word):
    row = refit.row(published(f"{a:.6g}", f"{SLOPE:.6g}", ours=16))
    assert row.verdict == word and "certified" in row.search
    assert row.ours["a"] == pytest.approx(math.exp(LEVEL), rel=1e-7)
