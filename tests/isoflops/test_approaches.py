"""Three approaches side by side: intervals, bias, envelope, which to trust, hostile tables."""

import dataclasses
import json
import math

import numpy as np
import pytest

from jaxscale import Chinchilla, DataError, Runs, allocate, isoflop, read_runs
from jaxscale.cli import parser
from jaxscale.flops import SixND
from jaxscale.isoflops.answers import Places, of_envelope
from jaxscale.isoflops.bias import biases
from jaxscale.isoflops.curves import training_curves
from jaxscale.isoflops.envelope import envelopes
from jaxscale.isoflops.lines import Line, lines, reach
from jaxscale.isoflops.minima import by_budget
from jaxscale.isoflops.result import budget_grid
from jaxscale.isoflops.verdict import missed_shape
from jaxscale.plotting import plot_isoflop
from jaxscale.shown.blocks import text_of
from tests.isoflops.tables import isoflop_table

LAW = Chinchilla.preset("hoffmann_2022")
BUDGETS = (1e18, 3e18, 1e19, 3e19, 1e20)


def best(C):
    return float(allocate(LAW, compute=C).N)


def clean(**options):
    return isoflop_table(LAW, BUDGETS, **{"width": 1.2, "sizes": 7, "noise": 0.002, **options})


def test_intervals_of_a_parabola_cover_as_often_as_they_say():
    hits = np.zeros(2)
    for seed in range(60):
        line = lines(by_budget(clean(seed=seed)))[0]["N"]
        for k, C in enumerate((1e20, 1e22)):
            _, low, high = line.interval(math.log(C), 0.9)
            hits[k] += low <= math.log(best(C)) <= high
    assert ((hits > 0.78 * 60) & (hits < 60)).all(), hits


def test_what_a_budget_shares_moves_no_minimum():
    runs = clean()
    lifted = runs.replace(loss=runs.loss + np.repeat([0.3, -0.2, 0.1, 0.0, 0.2], 7))
    for a, b in zip(by_budget(runs).used, by_budget(lifted).used, strict=True):
        assert a.N == pytest.approx(b.N, rel=1e-9)


@pytest.mark.parametrize("scatter", [0.0, 0.3])
def test_minima_that_scatter_more_than_their_noise_widen_the_interval(scatter):
    x = np.log(np.array(BUDGETS))
    off = scatter * np.array([1.0, -1.0, 0.5, -1.0, 1.0])
    line = Line(x, 0.5 * x + off, np.full(5, 0.01), 20.0)
    error, freedom = line.spread(x[-1])
    assert (line.excess < 0.05) == (scatter > 0)
    assert freedom == (3.0 if scatter else 23.0)
    assert error > 0.1 if scatter else error < 0.02


@pytest.mark.parametrize(
    ("bias", "half"), [(0.0, 1.6449), (1.0, 2.2845), (5.0, 6.2816), (-5.0, 6.2816)]
)
def test_an_interval_with_a_bias_covers_the_shifted_normal(bias, half):
    assert reach(1.0, math.inf, 0.9, bias) == pytest.approx(half, abs=2e-4)


def test_two_budgets_make_a_line_whose_interval_is_that_of_the_noise():
    runs = isoflop_table(LAW, (1e18, 1e20), width=1.0, sizes=8, noise=0.002)
    line = lines(by_budget(runs))[0]["N"]
    assert line.excess == 1.0
    assert 0 < line.spread(math.log(1e21))[0] < 1


@pytest.mark.parametrize(
    ("width", "off", "low", "high"),
    [(math.log(2), 0.0, 0.0, 0.01), (math.log(16), 0.0, 0.03, 0.1), (1.4, 1.2, 0.01, 0.1)],
)
def test_the_bias_of_a_parabola_is_that_of_noise_free_losses(width, off, low, high):
    runs = isoflop_table(LAW, BUDGETS, width=width, sizes=9, off=off, noise=0.0005)
    exact = isoflop_table(LAW, BUDGETS, width=width, sizes=9, off=off)
    C = np.log([1e20, 1e21])
    truth = np.log([best(1e20), best(1e21)])
    found = biases(by_budget(runs), exact.loss, C, truth, tables=50)
    minima = []
    for k in range(5):
        x, y = np.log(exact.columns["N"][9 * k : 9 * k + 9]), exact.loss[9 * k : 9 * k + 9]
        a, b, _ = np.polyfit(x - x.mean(), y, 2)
        minima.append(x.mean() - b / 2 / a)
    line = np.polyval(np.polyfit(np.log(BUDGETS), minima, 1), C)
    np.testing.assert_allclose([each.exact for each in found], line - truth, atol=1e-8)
    assert low <= found[0].exact <= high
    assert found[0].median == pytest.approx(found[0].exact, abs=3 * found[0].spread / 7)
    assert found[0].covered(10.0) == 1.0


def curves_table(sizes=8, points=40, seed=0):
    """Training curves of a law that runs under way follow too."""
    rng = np.random.default_rng(seed)
    N, D = (
        np.repeat(np.geomspace(2e7, 2e9, sizes), points),
        np.tile(np.geomspace(1e8, 3e11, points), sizes),
    )
    loss = np.asarray(LAW.loss(N, D)) * np.exp(0.001 * rng.standard_normal(len(N)))
    return Runs(N=N, D=D, loss=loss)


@pytest.mark.parametrize("how", [0, 1])
def test_an_envelope_finds_how_the_best_size_grows(how):
    found = envelopes(training_curves(curves_table(sizes=16)))[how]
    assert found.line[1] == pytest.approx(0.456, abs=0.05)
    log_N, draws = found.log_at(math.log(1e20))
    assert log_N == pytest.approx(math.log(best(1e20)), abs=0.25)
    assert np.isfinite(draws).mean() > 0.9
    ends = np.log(np.geomspace(2e7, 2e9, 16)[[0, -1]])
    assert found.left_out > 0
    assert not np.isclose(found.log_N[:, None], ends).any()


@pytest.mark.parametrize("case", ["end points", "two sizes", "unordered"])
def test_a_table_without_curves_has_no_envelope_and_says_why(case):
    runs = curves_table()
    if case == "end points":
        runs = clean()
    elif case == "two sizes":
        runs = curves_table(sizes=2)
    else:
        runs = curves_table().select(np.tile([True, False], 160)[np.argsort(runs.loss)], "half")
        order = np.argsort(-runs.columns["D"], kind="stable")
        columns = {name: column[order] for name, column in runs.columns.items()}
        runs = Runs(loss=runs.loss[order], **columns)
    with pytest.raises(DataError, match="approach 1 needs 8 or more losses along the tokens"):
        training_curves(runs)


def test_curves_are_cut_at_budgets_for_the_other_approaches():
    found = isoflop(curves_table(), compute=1e20, law=None)
    assert {a.name for a in found.approaches if a.best} >= {"bins", "hull", "parabola"}
    N = [found.at(1e20, name).N for name in ("bins", "hull", "local")]
    for i in N:
        assert i.low < i.estimate < i.high
        assert i.estimate == pytest.approx(best(1e20), rel=0.3)
    assert any("where budgets cut the curves" in note for note in found.notes)


def test_without_a_law_the_bias_is_said_to_be_unknown():
    found = isoflop(clean(), compute=1e20, law=None)
    assert math.isnan(found.at(1e20).bias)
    assert any("not known without a law" in note for note in found.notes)
    assert "trust approach 2, within the budgets" in found.verdict


def _joined(*tables):
    columns = {k: np.concatenate([t.columns[k] for t in tables]) for k in "ND"}
    return Runs(loss=np.concatenate([t.loss for t in tables]), **columns)


def _side(off):
    return isoflop_table(LAW, BUDGETS, width=0.6, sizes=6, off=off, noise=0.001)


def _twice(runs):
    return _joined(runs, runs.replace(loss=runs.loss * 1.001))


DOUBTED = {
    "all too large": (_side(2.0), "0 budgets of 5"),
    "all too small": (_side(-2.0), "0 budgets of 5"),
    "noise only": (
        clean().replace(loss=3 + 0.01 * np.random.default_rng(1).standard_normal(35)),
        "stands out",
    ),
    "swapped": (
        Runs(N=clean().columns["D"], D=clean().columns["N"], loss=clean().loss),
        "swapped",
    ),
    "two budgets, no point to spare": (
        isoflop_table(LAW, (1e19, 1e20), sizes=3, noise=0.001),
        "has no end",
    ),
    "C in other units": (
        clean().replace(C=6e3 * clean().columns["N"] * clean().columns["D"]),
        "C of the runs is 6000 N D",
    ),
    "N in millions, C in FLOPs": (
        clean().replace(
            C=6 * clean().columns["N"] * clean().columns["D"], N=clean().columns["N"] / 1e6
        ),
        "is one of N, D, C in other units",
    ),
    "one good budget": (
        _joined(isoflop_table(LAW, (1e18,), noise=0.001), _side(2.0)),
        "1 budget of 5",
    ),
}


@pytest.mark.parametrize("case", DOUBTED)
def test_a_table_whose_minima_tell_nothing_is_not_trusted(case):
    runs, said = DOUBTED[case]
    found = isoflop(runs, compute=1e21, law=None)
    assert not found.trusted
    assert said in " ".join(found.doubts), found.doubts


@pytest.mark.parametrize("case", ["clean", "twice", "two budgets", "shuffled", "jitter"])
def test_a_clean_table_is_trusted_whatever_its_shape(case):
    runs, rng = clean(), np.random.default_rng(0)
    if case == "twice":
        runs = _twice(runs)
    elif case == "two budgets":
        runs = isoflop_table(LAW, (1e19, 1e20), noise=0.001)
    elif case == "shuffled":
        runs = runs.select(np.ones(35, bool), "")
        order = rng.permutation(35)
        columns = {k: column[order] for k, column in runs.columns.items()}
        runs = Runs(loss=runs.loss[order], **columns)
    elif case == "jitter":
        D = runs.columns["D"] * np.exp(rng.uniform(-0.01, 0.01, 35))
        runs = Runs(N=runs.columns["N"], D=D, loss=np.asarray(LAW.loss(runs.columns["N"], D)))
    found = isoflop(runs, compute=1e20, law=None)
    assert found.trusted, found.doubts
    assert found.at(1e20).N.estimate == pytest.approx(best(1e20), rel=0.1)


@pytest.mark.parametrize("options", [{"polynomial": "spline"}, {"level": 1.5}, {"compute": -1.0}])
def test_options_that_are_not_allowed_are_refused_by_name(options):
    with pytest.raises(ValueError, match="polynomial|level|compute"):
        isoflop(clean(), law=None, **options)


def test_an_accuracy_has_no_valleys():
    runs = clean().replace(loss=1 / clean().loss, names={"loss": "accuracy"})
    with pytest.raises(DataError, match="is an accuracy"):
        isoflop(runs, law=None)


@pytest.mark.parametrize("sizes", [3, 4])
def test_with_no_point_to_spare_an_interval_goes_by_the_scatter(sizes):
    runs = isoflop_table(LAW, BUDGETS[:3], sizes=sizes, noise=0.001)
    found = isoflop(runs, compute=1e20, law=None, polynomial="parabola" if sizes == 3 else "cubic")
    i = found.at(1e20).N
    assert 0 <= i.low < i.estimate < i.high
    assert "too few points" in str(found)
    assert any("noise by scatter" in note for note in found.notes)


@pytest.mark.parametrize("k", [6.0, 7.2, 5.0])
def test_an_envelope_counts_compute_as_its_table_does(k):
    runs = curves_table()
    runs = runs.replace(C=k * runs.columns["N"] * runs.columns["D"])
    found = envelopes(training_curves(runs))[0]
    at = of_envelope(found, Places(np.array([1e20]), 1, 0.9)).best[0]
    assert k * at.N.estimate * at.D.estimate == pytest.approx(1e20)
    assert at.D.low < at.D.estimate < at.D.high


@pytest.fixture(scope="module")
def whole():
    """The result of all three approaches on a clean table: the only one that compiles."""
    return isoflop(clean(), compute=(1e20, 1e21), starts=32, draws=100)


def test_approaches_agree_on_a_clean_table(whole):
    assert whole.trusted
    assert "agree" in whole.verdict or "trust approach 3" in whole.verdict
    for C in (1e20, 1e21):
        for name in ("parabola", "cubic", "local", "Chinchilla"):
            i = whole.at(C, name).N
            assert i.low < best(C) < i.high
    assert whole["Chinchilla"].exponent.estimate == pytest.approx(0.456, abs=0.03)
    assert abs(whole.at(1e20).bias - 1) < 0.03
    assert 0.7 < whole.at(1e20).covered <= 1


@pytest.mark.parametrize("k, unit", [(2e-18, "hours"), (9e-19, "dollars"), (6.0, "FLOPs")])
def test_a_budget_in_the_unit_of_a_cost_is_no_doubt(k, unit):
    runs = clean()
    runs = runs.replace(C=k * runs.columns["N"] * runs.columns["D"])
    found = isoflop(runs, law=None, flops=SixND(k, unit=unit))
    assert found.trusted and found.unit == unit
    assert isoflop(runs, law=None).trusted == (unit == "FLOPs")
    assert plot_isoflop(found).axes[1].get_xlabel() == f"training compute C ({unit})"
    with pytest.raises(ValueError, match=f"positive number of {unit}"):
        isoflop(runs, law=None, flops=SixND(k, unit=unit), compute=-1)


def test_text_and_document_have_the_same_numbers(whole):
    text, document = str(whole), whole.document()
    json.dumps(document)
    assert "2 parabola" in text and "3 Chinchilla" in text
    assert "C = 1e+20" in text and "C = 1e+21" in text
    found = next(a for a in document["approaches"] if a["name"] == "parabola")
    assert found["best"][0]["N"]["estimate"] == whole.at(1e20).N.estimate
    assert len(document["minima"]["parabola"]) == 5


@pytest.mark.parametrize(("bent", "rejected"), [(0.0, False), (0.02, True)])
def test_a_law_that_misses_the_shape_of_the_valleys_is_rejected(whole, bent, rejected):
    steep = bent * np.tile(np.linspace(-1, 1, 7) ** 2, 5)
    runs = whole.fit.runs.replace(loss=whole.fit.runs.loss + steep)
    p = missed_shape(dataclasses.replace(whole.fit, runs=runs), by_budget(runs, degree="cubic"))
    assert (p < 0.01) == rejected


def _written(runs, path):
    rows = ["params,tokens,loss"]
    pairs = zip(runs.columns["N"], runs.columns["D"], runs.loss, strict=True)
    rows += [f"{n:.0f},{d:.0f},{y:.6f}" for n, d, y in pairs]
    path.write_text("\n".join(rows) + "\n")
    return str(path)


COMMANDS = {
    "a clean table": (clean(), 0),
    "one side": (_side(2.0), 1),
    "one budget": (isoflop_table(LAW, (1e19,)), 2),
    "a ray": (Runs(N=np.geomspace(1e7, 1e9, 9), D=np.geomspace(2e8, 2e10, 9), loss=[3] * 9), 2),
}


@pytest.mark.parametrize(
    "case", [pytest.param(k, marks=[pytest.mark.slow] * (k == "one side")) for k in COMMANDS]
)
def test_exit_codes_of_the_command(case, tmp_path, capsys, whole):
    runs, code = COMMANDS[case]
    figure = tmp_path / "valleys.png"
    path = _written(runs, tmp_path / "runs.csv")
    options = ["--compute", "1e20", "1e21", "--starts", "32", "--draws", "100", "--quiet"]
    if code != 1:
        options += ["--figure", str(figure)]
    assert parser.main(["isoflop", path, *options]) == code
    out, err = capsys.readouterr()
    assert figure.exists() == (code == 0)
    if code == 0:
        assert "2 parabola" in out and "D*/N*" in out
    if code == 2:
        assert "no isoFLOP budgets" in err


BESIDE = {
    "a ray": (np.geomspace(1.06e8, 2e9, 14), 20.0),
    "a ladder of two ratios": (
        np.repeat(np.geomspace(1.03e8, 2e9, 12), 2),
        np.tile([10.0, 40.0], 12),
    ),
    "seeds of one run": (np.full(9, 3e7), 300.0),
}


@pytest.mark.parametrize("ray", BESIDE.values(), ids=BESIDE)
def test_runs_beside_the_valleys_are_counted_once_and_are_no_doubt(ray):
    N, ratio = ray
    iso = clean(noise=0.0005)
    D, more = N * ratio, np.asarray(LAW.loss(N, N * ratio), float)
    runs = Runs(
        N=np.append(iso.columns["N"], N),
        D=np.append(iso.columns["D"], D),
        loss=np.append(iso.loss, more),
    )
    found = isoflop(runs, law=None)
    assert not found.doubts
    assert len(found.minima["parabola"].valleys) == len(BUDGETS)
    table = text_of([budget_grid(found.minima["parabola"])]).splitlines()
    assert len(table) == 1 + len(BUDGETS) + 1
    assert table[-1].split()[:2] == ["others", str(len(N))]
    assert sum("beside the valleys" in note for note in found.notes) == 1
    assert not any("not in the line" in note for note in found.notes)


@pytest.mark.parametrize("unit", ["params_M", "model size (millions)", "params (B)"])
def test_sizes_in_the_unit_of_a_header_are_refused_as_by_fit(unit, tmp_path):
    runs = clean()
    rows = zip(runs.columns["N"] / 1e6, runs.columns["D"], runs.loss, strict=True)
    text = "\n".join([f"{unit},tokens,loss", *(",".join(map(str, row)) for row in rows)])
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(DataError, match="--units auto"):
        isoflop(read_runs(tmp_path / "runs.csv"), law=None)


def test_copies_of_rows_are_named_and_reject_no_law():
    runs = clean()
    twice = [np.append(x, x[:10]) for x in (runs.columns["N"], runs.columns["D"], runs.loss)]
    found = isoflop(Runs(N=twice[0], D=twice[1], loss=twice[2]), draws=40)
    assert any("rows repeat another" in note for note in found.notes)
    assert "misses the shape" not in found.verdict and found.trusted


@pytest.mark.parametrize(
    ("compute", "said"),
    [(1e5, "below the smallest"), (1e40, "beyond the largest"), (5e17, ""), (5e20, "")],
)
def test_a_budget_far_from_the_valleys_is_named_on_either_side(compute, said):
    notes = [n for n in isoflop(clean(), compute=compute, law=None).notes if " budget: " in n]
    assert (said in notes[0]) if said else not notes


def _weightless(runs, wrong, every=7):
    """The table with losses off by a factor at some runs, and those runs given no weight."""
    off = np.arange(len(runs)) % every == 5
    return runs.replace(loss=np.where(off, wrong * runs.loss, runs.loss), weight=1.0 - off), off


@pytest.mark.parametrize("wrong", [0.95, 1.2, 1e-3])
@pytest.mark.parametrize("polynomial", ["parabola", "cubic", "local"])
def test_runs_of_no_weight_bend_no_valley(wrong, polynomial):
    table, off = _weightless(clean(noise=0.003), wrong)
    whole = by_budget(table, degree=polynomial)
    without = by_budget(clean(noise=0.003).select(~off, "none"), degree=polynomial)
    assert [row.N for row in whole.rows] == [row.N for row in without.rows]
    found = isoflop(table, compute=1e21, law=None, polynomial=polynomial)
    assert found.minima[polynomial].at(1e21) == without.at(1e21)


def test_points_of_a_curve_of_no_weight_lie_on_no_envelope():
    table, off = _weightless(curves_table(points=60), 0.5, every=11)
    kept = isoflop(curves_table(points=60).select(~off, "none"), compute=1e20, law=None)
    found = isoflop(table, compute=1e20, law=None)
    assert [a.exponent for a in found.approaches] == [a.exponent for a in kept.approaches]


def test_weights_that_approach_2_does_not_take_are_named():
    runs = clean(noise=0.003)
    half = runs.replace(weight=np.where(np.arange(len(runs)) % 2, 1.0, 0.5))
    said = isoflop(half, compute=1e21, law=None).notes
    assert any("weights from 0.5 to 1" in note for note in said)
    assert not any("weight" in note for note in isoflop(runs, compute=1e21, law=None).notes)
