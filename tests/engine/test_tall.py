"""Tall tables: the starts are searched on a sample, and its optima solved on on all runs."""

import dataclasses

import numpy as np
import pytest

import jaxscale
from jaxscale._numerics.positive import Positive
from jaxscale.datasets.synthetic import TRUTH, isoflop_design, simulate
from jaxscale.engine import tall
from jaxscale.engine.dispatch import Search
from jaxscale.engine.loop import Solution, Status
from jaxscale.fitting.preparation import prepare
from jaxscale.shown.blocks import full_text


def tiled(times, noise=0.01, seed=0):
    """60 runs of an isoFLOP design, each `times` times with other noise of N, D and loss."""
    N, D = (np.tile(x, times) for x in isoflop_design(np.logspace(18, 21, 6), sizes=10))
    rng = np.random.default_rng(seed)
    N, D = N * np.exp(rng.normal(0, 0.05, len(N))), D * np.exp(rng.normal(0, 0.05, len(D)))
    return simulate(TRUTH, N, D, noise=noise, seed=seed)


def objective_of(runs):
    return prepare(jaxscale.Chinchilla(), runs, jaxscale.Huber(1e-3), "log").objective


@pytest.fixture(scope="module")
def one():
    return objective_of(tiled(300))


@pytest.fixture
def low(monkeypatch):
    """Tables of 1,000 runs are tall, and searched on 256 of them."""
    monkeypatch.setattr(tall, "TALL", 1000)
    monkeypatch.setattr(tall, "ROWS", 256)


def test_a_sample_has_the_weight_of_the_table_and_looks_like_it(one):
    part = tall.sample(one)
    assert len(part.weight) == tall.ROWS and (part.weight > 0).all()
    assert part.weight.sum() == pytest.approx(one.weight.sum())
    for name in ("N", "D"):
        k = one.law.inputs.index(name)
        every, few = one.inputs[k].log, part.inputs[k].log
        spread = np.std(every[one.weight > 0])
        assert np.average(few, weights=part.weight) == pytest.approx(
            np.average(every, weights=one.weight), abs=0.1 * spread
        )
        assert few.max() > every[one.weight > 0].max() - 0.1 * spread


def test_a_table_of_fewer_runs_has_none(one, monkeypatch):
    monkeypatch.setattr(tall, "TALL", 18_000)
    assert tall.sample(one) is None
    few = dataclasses.replace(one, weight=np.where(np.arange(len(one.weight)) < 500, 1.0, 0.0))
    monkeypatch.setattr(tall, "TALL", 500)
    assert tall.sample(few) is None


def test_a_law_with_a_break_is_searched_on_all_runs(low):
    """Its breaks are the gaps of all runs: on a sample, one piece may have none."""
    runs = tiled(20)
    broken = jaxscale.Runs(S=runs.columns["N"], loss=runs.loss)
    one = prepare(jaxscale.Piecewise(of="S"), broken, jaxscale.Huber(1e-3), "log").objective
    assert len(one.weight) > tall.TALL and tall.sample(one) is None


def test_the_few_runs_at_the_end_of_a_range_are_drawn(one):
    """Of 18,000 runs 12 are large: by lot, a sample of 4,096 would hold three."""
    x = one.inputs[0].log.copy()
    far = np.arange(0, 18_000, 1500)
    x[far] += 20
    large = dataclasses.replace(one, inputs=(Positive(np.exp(x), x), *one.inputs[1:]))
    part = tall.sample(large)
    assert (part.inputs[0].log > 10).sum() == len(far)


def test_heavy_runs_are_drawn_and_runs_without_weight_are_not(one):
    weight = one.weight.copy()
    weight[:1000] = 0
    weight[1000:1010] = 1e5
    part = tall.sample(dataclasses.replace(one, weight=weight))
    heavy = part.weight > 100 * np.median(part.weight)
    assert heavy.sum() == 10 and (part.weight > 0).all()
    assert part.weight[heavy].sum() == pytest.approx(weight[1000:1010].sum(), rel=0.02)


def test_a_region_of_runs_without_weight_leaves_the_others_theirs(one):
    inputs = tuple(Positive(x.value.copy(), x.log.copy()) for x in one.inputs)
    weight = one.weight.copy()
    for x in inputs:
        x.log[:500] += 60.0  # far from all others
    weight[:500] = 0
    part = tall.sample(dataclasses.replace(one, inputs=inputs, weight=weight))
    assert np.isfinite(part.weight).all() and part.weight.sum() == pytest.approx(weight.sum())


def found(*lanes, P=2):
    """A solution of lanes (value, status, first coordinate)."""
    value, status, z = (np.array(x) for x in zip(*lanes, strict=True))
    return Solution(
        np.column_stack([z, np.zeros(len(z))]).astype(float), value.astype(float),
        status.astype(np.int32), np.full(len(z), 10, np.int32),
    )  # fmt: skip


ROUGH = found(
    (2.0, Status.CONVERGED, 0.0),
    (3.0, Status.CONVERGED, 5.0),  # too high to become the lowest
    (2.1, Status.CONVERGED, 1.0),
    (2.0 * (1 + 1e-9), Status.STEP_LIMIT, 7.0),  # as low as the lowest
    (2.2, Status.STEP_LIMIT, 2.0),  # has not arrived
    (2.1001, Status.CONVERGED, 1.00001),  # where another one ended
    (np.inf, Status.NONFINITE_START, 9.0),
)


@pytest.mark.parametrize("order", [range(7), [6, 5, 4, 3, 2, 1, 0], [3, 0, 5, 2, 6, 1, 4]])
def test_optima_that_could_be_the_lowest_are_solved_on_whatever_the_order(order):
    got = tall.distinct(Solution(*(leaf[list(order)] for leaf in ROUGH)))
    assert [order[k] for k in got.lanes] == [0, 2]
    whose = dict(zip(order, got.whose, strict=True))
    assert whose == {0: 0, 1: -1, 2: 1, 3: 0, 4: -1, 5: 1, 6: -1}


def test_starts_are_given_what_became_of_their_optimum():
    """On all runs the second optimum of the sample is the lowest, and values are 100 times."""
    got = tall.distinct(ROUGH)
    few = found((211.0, Status.CONVERGED, 0.5), (209.0, Status.STEP_LIMIT, 1.5))
    whole = tall.spread(ROUGH, got, np.array([0, 1]), few)
    assert whole.value[[0, 3]].tolist() == [211, 211] and whole.value[[2, 5]].tolist() == [209, 209]
    assert whole.status[[0, 2]].tolist() == [Status.CONVERGED, Status.STEP_LIMIT]
    assert whole.steps.tolist() == [20, 10, 20, 20, 10, 20, 10]
    # The others are estimated, and never below what was solved.
    assert whole.value[[1, 4]] == pytest.approx([3.0 * 104.5, 2.2 * 104.5])
    assert whole.value[6] == np.inf and whole.value.min() == 209


def test_where_the_sample_has_no_use_for_a_term_its_starts_begin_anew():
    dead = ROUGH._replace(status=np.where(ROUGH.value < 2.05, Status.DEGENERATE_TERM, ROUGH.status))
    starts = np.arange(14.0).reshape(7, 2)
    z, which = tall.departures(starts, dead, tall.distinct(dead))
    assert which[:1].tolist() == [0] and which[-2:].tolist() == [0, 0]
    assert z[-2:].tolist() == starts[[0, 3]].tolist()
    whole = tall.spread(
        dead, tall.distinct(dead), np.array([0, 1, 0, 0]),
        found((300.0, 7, 0.0), (250.0, 0, 1.0), (200.0, 0, 2.0), (np.inf, 5, 3.0)),
    )  # fmt: skip
    assert whole.value[0] == 200 and whole.status[0] == Status.CONVERGED


def test_an_optimum_of_zero_is_one():
    exact = found((0.0, 0, 0.0), (0.0, 0, 0.0), (1e-30, 0, 1e-9), (4.0, 0, 2.0))
    got = tall.distinct(exact)
    assert got.lanes.tolist() == [0] and got.whose.tolist() == [0, 0, 0, -1]
    whole = tall.spread(exact, got, np.array([0]), found((1e-28, 0, 0.0)))
    assert whole.value.tolist() == [1e-28, 1e-28, 1e-28, 4.0]


def test_a_law_that_is_finite_on_the_sample_only_is_solved_from_all_starts(one, low, monkeypatch):
    tried = []

    def run(self, job, z, progress, problems, size=None):
        tried.append((len(job.objective.weight), len(z)))
        value = 1.0 if len(job.objective.weight) == 256 or len(z) == 40 else np.inf
        status = Status.CONVERGED if np.isfinite(value) else Status.NONFINITE_START
        return found(*[(value, status, 0.0)] * len(z))

    monkeypatch.setattr(Search, "_run", run)
    got = Search(one, jaxscale.newton()).solve(np.zeros((40, 5)))
    assert tried == [(256, 40), (len(one.weight), 1), (len(one.weight), 40)]
    assert (got.value == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.01, 0.0])
def test_a_tall_fit_is_a_fit_of_all_runs(noise, monkeypatch, tmp_path):
    runs = tiled(300, noise)
    seen = []
    got = jaxscale.fit("Chinchilla", runs, starts=200, progress=lambda *a: seen.append(a))
    assert got.certificate.trusted and got.certificate.share_at_best == 1
    assert (got.certificate.sampled, got.certificate.solved_on) == (4096, 1)
    assert "4,096 of 18,000 runs; from its lowest optimum on all of them" in full_text(got)
    assert seen[-1][0] == seen[-1][1] and sorted(seen) == seen
    got.save(tmp_path / "fit.json")
    back = jaxscale.load(tmp_path / "fit.json").certificate
    assert (back.sampled, back.solved_on) == (4096, 1)
    monkeypatch.setattr(tall, "TALL", 1 << 60)
    whole = jaxscale.fit("Chinchilla", runs, starts=32)
    assert whole.certificate.sampled == 0 and "searched on" not in full_text(whole)
    if noise:
        assert got.value == pytest.approx(whole.value, rel=1e-9)
    for name, value in whole.law.values.items():
        assert getattr(got.law, name) == pytest.approx(value, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "options"),
    [
        (jaxscale.PowerLaw(of="N"), {}),  # of signed coefficients and exponents
        (jaxscale.Chinchilla(), {"precision": "mixed"}),
        (jaxscale.Chinchilla(), {"loss": jaxscale.Absolute()}),
        (jaxscale.Chinchilla(), {"residual": "absolute", "loss": jaxscale.Square()}),
    ],
)
def test_other_laws_losses_and_precisions_come_to_the_optimum_of_all_runs(
    law, options, monkeypatch
):
    runs = tiled(40)
    monkeypatch.setattr(tall, "TALL", 1 << 60)
    whole = jaxscale.fit(law, runs, starts=64, **options)
    monkeypatch.setattr(tall, "TALL", 2000)
    monkeypatch.setattr(tall, "ROWS", 512)
    got = jaxscale.fit(law, runs, starts=64, **options)
    assert got.certificate.sampled == 512
    assert got.value == pytest.approx(whole.value, rel=1e-9)
