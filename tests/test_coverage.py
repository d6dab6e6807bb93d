"""The coverage benchmark counts what it says, and the default covers (a small count of our own)."""

import itertools
import json

import numpy as np
import pytest

import jaxscale
from benchmarks import coverage
from benchmarks.coverage import LEVELS, SIGMA, Cell, asked_of, cells, inputs, names_of, truth
from benchmarks.coverage_table import coverage as coverages
from benchmarks.coverage_table import report, shown
from jaxscale.flops import complete
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.quantities import Prediction, evaluate

SMALL = Cell("PowerLaw", 15, "clustered", "line")


def simulated(cell, seed, repeats=1):
    """Log (or relative) errors [repeats, n] that a cell adds, with their compute and clusters."""
    columns, member = inputs(cell)
    mean = np.asarray(jaxscale.predict(truth(cell), **columns))
    C = columns["C"] if "C" in columns else complete(**columns)[2]
    rng = np.random.default_rng(seed)
    losses = [coverage.noise(cell, mean, C, member, rng) for _ in range(repeats)]
    return np.log(np.array(losses) / mean), mean, C, member


def test_cells_are_named_once_and_have_as_many_runs_as_they_say():
    every = cells()
    assert len({cell.name for cell in every}) == len(every) > 60
    told = {(cell.law, cell.n, cell.noise) for cell in every if cell.noise in coverage.NOISES}
    assert told == set(
        itertools.product(("Chinchilla", "Kaplan", "PowerLaw"), coverage.SIZES, coverage.NOISES)
    )
    assert {cell.noise for cell in every} == {*coverage.NOISES, *coverage.UNTOLD}
    assert Cell("Chinchilla", 50, "outliers", "rectangle").name == (
        "Chinchilla/50/outliers/rectangle/huber"
    )
    for cell in every:
        columns, member = inputs(cell)
        law = truth(cell)
        assert set(columns) == set(law.inputs)
        assert all(len(x) == cell.n == len(member) for x in columns.values())
        assert len(names_of(cell, law)) == len(asked_of(cell, law)) + 1
        assert 5 <= member.max() + 1 <= 20
        assert np.isfinite(evaluate(asked_of(cell, law), law)).all()


@pytest.mark.parametrize("design", ["isoflop", "rectangle"])
def test_no_design_goes_beyond_the_largest_compute(design):
    for n in coverage.SIZES:
        columns, _ = inputs(Cell("Chinchilla", n, "lognormal", design))
        assert complete(**columns)[2].max() == pytest.approx(coverage.LARGEST, rel=1e-9)


@pytest.mark.parametrize("noise", coverage.UNTOLD)
def test_half_of_the_noise_is_shared_by_runs_of_equal_budget_n_or_d(noise):
    cell = Cell("Chinchilla", 50, noise, coverage.UNTOLD[noise])
    error, _, C, member = simulated(cell, 2, 4000)
    size = {"equal-N": inputs(cell)[0]["N"], "equal-D": inputs(cell)[0]["D"]}.get(noise, C)
    assert np.array_equal(member, np.unique(np.log(size).round(9), return_inverse=True)[1])
    deviation = error.std(axis=0) / SIGMA
    ends = [3.0, 0.5] if noise == "budget-uneven" else [1.0, 1.0]
    np.testing.assert_allclose(deviation[[C.argmin(), C.argmax()]], ends, rtol=0.05)
    related = np.corrcoef(error.T)
    same = member[:, None] == member
    assert np.abs(related[same & ~np.eye(50, dtype=bool)] - 0.5).max() < 0.06
    assert np.abs(related[~same]).max() < 0.08


def test_every_noise_is_the_one_that_its_name_says():
    found = {
        name: simulated(Cell("Chinchilla", 50, name, "isoflop"), 1, 4000)
        for name in coverage.NOISES
    }
    error = {name: r for name, (r, *_) in found.items()}
    near = dict(rtol=0.05)
    np.testing.assert_allclose(error["lognormal"].std(axis=0), SIGMA, **near)
    _, mean, C, member = found["additive"]
    np.testing.assert_allclose(error["additive"].std(axis=0) * mean, SIGMA * mean.mean(), **near)
    deviation = error["heteroscedastic"].std(axis=0)
    np.testing.assert_allclose(deviation[C <= 1.001 * C.min()], 3 * SIGMA, **near)
    np.testing.assert_allclose(deviation[C >= 0.999 * C.max()], 0.5 * SIGMA, **near)
    np.testing.assert_allclose(error["clustered"].std(axis=0), SIGMA, **near)
    related = np.corrcoef(error["clustered"].T)
    same = member[:, None] == member
    off = ~np.eye(50, dtype=bool)
    assert np.abs(related[same & off] - 0.5).max() < 0.06 and np.abs(related[~same]).max() < 0.08
    gross = np.mean(error["outliers"] > 5 * SIGMA)
    assert gross == pytest.approx(0.05 * 2 * 0.401, rel=0.05)  # of a half normal beyond a quarter
    assert np.mean(error["outliers"] < -5 * SIGMA) < 1e-4
    assert all(np.abs(r.mean(axis=0)).max() < 0.001 for n, r in error.items() if n != "outliers")


@pytest.fixture(scope="module")
def counted():
    patch = pytest.MonkeyPatch()
    patch.setattr(coverage, "DRAWS", 20)
    yield coverage.run_cell((SMALL, 1))
    patch.undo()


@pytest.mark.slow
def test_a_cell_counts_what_its_intervals_cover(counted):
    law, (columns, member) = truth(SMALL), inputs(SMALL)
    rng = np.random.default_rng([0, *SMALL.name.encode()])
    mean = np.asarray(jaxscale.predict(law, **columns))
    loss = coverage.noise(SMALL, mean, columns["C"], member, rng)
    free = law.replace(**dict.fromkeys(law.parameters))
    fit = jaxscale.fit(free, jaxscale.Runs(loss=loss, group=member, **columns), starts=0)
    draws = bootstrap(fit, method="case", draws=20, seed=0, guards=0)
    asked = asked_of(SMALL, law)
    real = evaluate(asked, law)[0]
    for kind in coverage.KINDS:
        for k, level in enumerate(LEVELS):
            some = draws.intervals(asked, level=level, kind=kind)
            inside = [i.low <= x <= i.high for i, x in zip(some, real, strict=True)]
            assert counted["hits"][f"case {kind}"][k][: len(real)] == inside
    widths = [i.high - i.low for i in draws.intervals(asked, level=0.9)]
    np.testing.assert_allclose(counted["width90"]["case percentile"][:-1], widths, rtol=1e-9)
    new = coverage.new_run(SMALL, float(real[4]), float(mean.mean()), rng)
    band = draws.predict(C=10 * coverage.LARGEST, new_run=True)
    assert counted["hits"]["case percentile"][1][-1] == (band.low <= new <= band.high)


@pytest.mark.slow
def test_every_method_states_or_refuses(counted):
    stated = {"default", "residual", "case", "bayesian"}
    assert {f"{name} percentile" for name in stated} <= set(counted["hits"])
    assert {"jackknife", "jackknife groups", "laplace", "sandwich", "profile sandwich"} <= set(
        counted["hits"]
    )
    # 15 runs in five clusters: enough for wild signs and a sandwich of three parameters.
    assert {"wild-cluster percentile", "sandwich groups"} <= set(counted["hits"])
    assert counted["refused"] == {"cluster percentile": 1}
    for method, hits in counted["hits"].items():
        rows = np.array(hits)
        assert rows.shape == (3, 7) and np.all(rows <= counted["stated"][method])
        assert np.all(rows[:-1, :6] <= rows[1:, :6])  # a higher level covers no less
        assert np.all(np.array(counted["width90"][method])[:6] > 0)


@pytest.mark.slow
def test_the_report_quotes_the_counts(counted):
    document = coverage._document([counted, dict(counted, refused={})])
    document = json.loads(json.dumps(document))
    assert document["draws"] == 20
    k = counted["names"].index("L 10x")
    hit = 100 * counted["hits"]["case bca"][1][k]
    assert coverages(counted, "case bca", "L 10x", 1) == [hit / 100]
    assert len(coverages(counted, "case bca", "params", 1)) == 3
    assert coverages(counted, "sandwich", "new run 10x", 1) == []
    text = report(document)
    assert "## PowerLaw, line, Huber 1e-3" in text and "1 simulated tables per cell" in text
    section = text.split("90 % for the prediction at 10 times the largest compute:")[1]
    row = next(line for line in section.splitlines() if "case bca" in line)
    assert row.split("|")[2].strip() == f"{hit:.0f}"
    assert "cluster percentile refused 1 of 1" in text


@pytest.mark.parametrize(
    "values, text", [([], ""), ([0.9], "90"), ([0.874, 0.931], "87–93"), ([0.901, 0.904], "90")]
)
def test_coverages_are_shown_in_per_cent(values, text):
    assert shown(values) == text


@pytest.mark.slow
def test_the_default_covers_on_simulated_tables():
    """150 tables of 15 runs under the default Huber width: nominal 90 % of a prediction and a rate.

    Plain percentiles of plain residuals cover about 75 % here.
    """
    cell = Cell("PowerLaw", 15, "lognormal", "line")
    law, (columns, _) = truth(cell), inputs(cell)
    free = law.replace(**dict.fromkeys(law.parameters))
    asked = [*law.parameters, Prediction({"C": 10 * coverage.LARGEST})]
    real = evaluate(asked_of(cell, law), law)[0][[0, 1, 2, 4]]
    errors, mean, *_ = simulated(cell, 2, 150)
    hits = np.zeros(4)
    for error in errors:
        runs = jaxscale.Runs(loss=mean * np.exp(error), **columns)
        fit = jaxscale.fit(free, runs, starts=0)
        draws = bootstrap(fit, method="residual", draws=59, guards=0)
        limits = np.array([(i.low, i.high) for i in draws.intervals(asked)])
        hits += (limits[:, 0] <= real) & (real <= limits[:, 1])
    share = hits / 150
    assert np.all((0.85 <= share) & (share <= 0.97)), share
